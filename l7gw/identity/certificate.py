"""A client certificate whose chain TLS has verified: CN is the user, the O values are the groups, as in the API server.

Sources: RFC 5280 section 4.1.2, AS pkg/authentication/request/x509/x509.go (CommonNameUserConversion).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from l7gw.config.document import shown
from l7gw.config.settings import ClientCertificate
from l7gw.identity.claims import groups_of, name, refused
from l7gw.identity.principal import Principal

ISSUER = "client-certificate"
LARGEST_CERTIFICATE = 64 * 1024  # bytes of DER; OpenSSL bounds a whole chain at 100 KiB


def read(der: bytes) -> x509.Certificate:
    """The certificate in `der`. Raises Refusal 401 where it is none, or larger than LARGEST_CERTIFICATE."""
    if len(der) > LARGEST_CERTIFICATE:
        raise refused(f"the client certificate is too large: more than {LARGEST_CERTIFICATE} bytes")
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        raise refused("the client certificate is malformed") from None


class Authorities:
    """The certificates of one authority file. Raises OSError or ValueError where it cannot be read."""

    def __init__(self, file: Path) -> None:
        self._held = x509.load_pem_x509_certificates(file.read_bytes())

    def anchors(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """The certificates of the file that are this one, or a renewal of it. Each vouches for what their key signed."""
        return [held for held in self._held if held == certificate or _is_renewal(held, certificate)]


LEAF, AUTHORITY = "the client certificate", "an authority of the client certificate"
# What `cryptography` raises for a certificate, or a part of one, that it cannot read.
UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
# The extensions that restrict the chains in which a certificate may stand (RFC 5280 section 6.1).
BINDING = (
    ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.NAME_CONSTRAINTS
)  # fmt: skip


def _is_renewal(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Whether both have the same name, key and constraints: what OpenSSL verified with one holds with the other, except times."""
    try:
        return one.subject == other.subject and _key(one) == _key(other) and _binding(one) == _binding(other)
    except UNREADABLE:
        return False


def _key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _binding(certificate: x509.Certificate) -> list[tuple[x509.ObjectIdentifier, bool, x509.ExtensionType]]:
    return [(one.oid, one.critical, one.value) for one in certificate.extensions if one.oid in BINDING]


def check(path: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: float) -> float:
    """When a chain ends, in seconds since 1970. TLS has verified everything about the chain but the times, which are checked here.

    `path` is the client's certificate and the intermediate ones, without the authority. `anchors` are the authority's certificate
    and its renewals, of which one must be valid. `now` is in seconds since 1970. Raises Refusal 401: expired, not yet valid.
    """
    ends = [_until([one], AUTHORITY if place else LEAF, now) for place, one in enumerate(path)]
    ends.append(_until(anchors, AUTHORITY if path else LEAF, now))
    return min(ends)


def _until(certificates: Sequence[x509.Certificate], what: str, now: float) -> float:
    """When the last valid one of `certificates` ends, in seconds since 1970. They are one certificate and its renewals."""
    try:
        times = [(one.not_valid_before_utc.timestamp(), one.not_valid_after_utc.timestamp()) for one in certificates]
    except ValueError:
        raise refused(f"{what} is malformed") from None
    holding = [expires for begins, expires in times if begins <= now <= expires]  # RFC 5280 section 4.1.2.5: inclusive
    if holding:
        return max(holding)
    named = what if what == LEAF else f"{what}, {_subject(certificates[0])},"
    raise refused(f"{named} is not yet valid" if any(now <= expires for _, expires in times) else f"{named} is expired")


def _subject(certificate: x509.Certificate) -> str:
    """An authority's name for a message: bounded, without anything that a terminal would obey."""
    try:
        return shown(certificate.subject.rfc4514_string())
    except UNREADABLE:
        return "whose name is malformed"


def prove(certificate: x509.Certificate, entry: ClientCertificate, expires: float) -> Principal:
    """Who the certificate names. Raises Refusal 401 where its subject names nobody, two users, or something that is no name."""
    try:
        users = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        groups: list[object] = [attribute.value for attribute in organizations]
    except ValueError:
        raise refused("the client certificate's subject is malformed") from None
    if len(users) != 1:  # of several CNs Go reads the last, others the first
        raise refused("the client certificate's subject must have one CN, which names the user")
    user = name(entry.prefix + name(users[0], "the client certificate's CN"), "the user with its prefix")
    named = groups_of(groups, entry.prefix, "the client certificate's subject (O)")
    kind = entry.kind.fixed or "agent"  # a rule about a claim: no certificate has claims, and a missing claim makes an agent
    return Principal(user, groups=named.fit, kind=kind, issuer=ISSUER, expires=expires, unfit=named.unfit)
