"""What a client trusts when it meets the gateway: the certificates of its chain, and what would make it refuse them."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from l7gw.config.private import load_pair
from l7gw.config.settings import Certificate, ClientCertificate, IdentityEntry
from l7gw.name_rules import visible
from l7gw.os_faults import told

HTTPS = 443  # the port of an https address that names none


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, the first one's own first. Raises UsageError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {told(error)}") from None
    except ValueError:
        raise click.UsageError(f"{path} holds no certificate in PEM\n  hint: it has a line -----BEGIN CERTIFICATE-----") from None


def as_pem(certificates: list[x509.Certificate]) -> bytes:
    """Certificates as PEM, one behind the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def of_pem(octets: bytes) -> list[x509.Certificate]:
    """The certificates in PEM; none where there is anything else."""
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        return []


def why_not_trusted(tls: Certificate, authority: bytes | None) -> str:
    """Why a client that trusts these certificates in PEM (None: those of this machine) refuses the gateway's; "" where it trusts
    it. It is asked by a handshake in memory. Names are not looked at."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        if authority is None:
            theirs.load_default_certs()
        else:
            theirs.load_verify_locations(cadata=authority.decode("ascii"))
        load_pair(ours, tls.certificate, tls.key)
    except (ValueError, OSError):  # ssl.SSLError is an OSError
        return "no certificate in PEM"
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = ours.wrap_bio(up, down, server_side=True), theirs.wrap_bio(down, up)
    for side in (client, server) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except ssl.SSLError as error:
            return error.reason or "no TLS"
    return ""


def warn_of_name(own: x509.Certificate, host: str) -> None:
    """Say on stderr where a certificate is not for this host."""
    if not covers(own, host):
        click.echo(f"l7gw: the gateway's certificate does not name {host}: clients will refuse it", err=True)


def warn_of_authority(trusted: x509.Certificate) -> None:
    """Say on stderr where what clients will trust is no authority."""
    if not is_authority(trusted):
        what = "the certificate that clients will trust is the gateway's own, no authority's: it must be replaced with it"
        click.echo(
            f"l7gw: {what}\n  hint: --certificate-authority FILE, or the authority at the end of `tls: certificate:`", err=True
        )


def warn_of_port(address: str, listened: Sequence[tuple[str, int]]) -> None:
    """Say on stderr where an address without a port means another than those that the gateway listens on."""
    ports = sorted({port for _, port in listened})
    if HTTPS not in ports and not re.search(r":[0-9]+$", address.rpartition("]")[2] if "]" in address else address):
        others = " and ".join(map(str, ports))
        what = f"{address} has no port, so that clients will come to {HTTPS}, and the gateway listens on {others}"
        click.echo(f"l7gw: {what}\n  hint: --address {address}:{ports[0]}, unless a balancer maps it", err=True)


def warn_of_client_certificates(shown: Iterable[x509.Certificate], identity: Iterable[IdentityEntry]) -> None:
    """Say on stderr which client certificates of a kubeconfig the gateway will refuse: those of no authority in `identity`."""
    entries = [entry for entry in identity if isinstance(entry, ClientCertificate)]
    known = {authority.subject for entry in entries for authority in certificates_in(entry.certificate_authority)}
    for one in shown:
        if one.issuer not in known:
            what = f"its user shows a client certificate of {visible(one.issuer.rfc4514_string())}, which the gateway does not know"
            hint = "--merge FILE --login adds an entry that logs in; or give its user a token in place of the certificate"
            click.echo(f"l7gw: {what}: it will be refused\n  hint: {hint}", err=True)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether a client that types the host takes the certificate, as Go reads its names (crypto/x509, VerifyHostname):
    subjectAltName alone, and one star for one label. Addresses have no brackets."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return any(_fits(name.lower().rstrip("."), host.lower().rstrip(".")) for name in names.get_values_for_type(x509.DNSName))


def _fits(name: str, host: str) -> bool:
    if not name.startswith("*."):
        return name == host
    first, dot, rest = host.partition(".")
    return bool(first and dot) and rest == name[2:]
