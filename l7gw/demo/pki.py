"""A certificate authority for a first try, one run of the demo, or a test: certificates for servers and clients, keys 0600."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from l7gw.config.private import load_pair


def write_private(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


class Authority:
    """An authority whose key is made for this run. `certificate` is the path of its own certificate, which holds for `days`; those
    that it signs hold for `issued_days`."""

    def __init__(self, folder: Path, name: str = "l7gw demo CA", *, stem: str = "ca", days: int = 30, issued_days: int = 7) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stem, self._issued_days = folder, stem, issued_days
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key.public_key(), days=days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{stem}.crt"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def keep_key(self) -> Path:
        """Write the authority's own key beside its certificate, so that more can be signed later. The path of it."""
        return write_private(self._folder / f"{self._stem}.key", _as_pem(self._key))

    def server(self, stem: str, *names: str) -> tuple[Path, Path]:
        """The paths of a server's certificate and key, made for these host names and addresses."""
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        return self._issue(stem, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), alternatives)

    def client(self, stem: str, user: str, groups: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """The paths of a client's certificate and key. The certificate has the user as CN and the groups as O."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        return self._issue(stem, x509.Name(attributes), [])

    def _issue(self, stem: str, subject: x509.Name, alternatives: list[x509.GeneralName]) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if alternatives else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(subject, key.public_key(), days=self._issued_days).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        place = self._folder / f"{stem}.crt"
        place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return place, write_private(self._folder / f"{stem}.key", _as_pem(key))


def _as_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def server_context(pair: tuple[Path, Path], clients: Path | None = None) -> ssl.SSLContext:
    """TLS for a server of the demo, from a certificate and its key. With `clients` (an authority's certificate) only clients with
    certificates of that authority may connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, *pair)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
