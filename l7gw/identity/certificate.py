"""A client certificate whose chain TLS has verified: CN is the user, the O values are the groups, as in the API server.

Sources: RFC 5280 section 4.1.2, AS pkg/authentication/request/x509/x509.go (CommonNameUserConversion).
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from l7gw.config.settings import ClientCertificate
from l7gw.identity.claims import groups_of, name, refused
from l7gw.identity.oidc import Proven

ISSUER = "client-certificate"
LARGEST_CERTIFICATE = 64 * 1024  # bytes of DER; OpenSSL bounds a whole chain at 100 KiB


def read(der: bytes) -> x509.Certificate:
    """Raises Refusal 401 for what is no certificate."""
    if len(der) > LARGEST_CERTIFICATE:
        raise refused(f"the client certificate is too large: more than {LARGEST_CERTIFICATE} bytes")
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        raise refused("the client certificate is malformed") from None


def authorities(file: Path) -> list[x509.Certificate]:
    """The certificates of an authority file. Raises OSError or ValueError."""
    return x509.load_pem_x509_certificates(file.read_bytes())


def is_issued_by(certificate: x509.Certificate, issuers: list[x509.Certificate]) -> bool:
    """Whether one of these signed it. TLS has verified the chain against all entries' authorities; this says which it was."""
    for issuer in issuers:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False


def check(certificate: x509.Certificate, now: float) -> float:
    """When it ends, in seconds since 1970. TLS looked once, at the handshake; connections live longer than that.

    Raises Refusal 401: expired, not yet valid.
    """
    try:
        begins, expires = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    except ValueError:
        raise refused("the client certificate is malformed") from None
    if now > expires:  # RFC 5280 section 4.1.2.5: inclusive
        raise refused("the client certificate is expired")
    if now < begins:
        raise refused("the client certificate is not yet valid")
    return expires


def prove(certificate: x509.Certificate, entry: ClientCertificate, expires: float) -> Proven:
    """Who it names. Raises Refusal 401 where the subject names nobody, two users, or something that is no name."""
    try:
        users = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        groups: list[object] = [attribute.value for attribute in organizations]
    except ValueError:
        raise refused("the client certificate's subject is malformed") from None
    if len(users) != 1:  # Go takes the last of several, others the first
        raise refused("the client certificate's subject must have one CN, which names the user")
    user = name(entry.prefix + name(users[0], "the client certificate's CN"), "the user with its prefix")
    named = groups_of(groups, entry.prefix, "the client certificate's subject (O)")
    kind = entry.kind.fixed or "agent"  # a rule on a claim, which no certificate has: a missing claim is an agent
    return Proven(user, named.fit, kind, ISSUER, "", expires, named.unfit)
