"""Certificates with a life of so many days."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from l7gw.demo.pki import write_private


def certificate(folder: Path, days: float, left: float | None = None, host: str = "localhost") -> Path:
    """`short.crt` and `short.key`: a certificate of its own signature for a host, of which so many days are left (all)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days if left is None else left)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=days))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(folder / "short.key", text)
    path = folder / "short.crt"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path
