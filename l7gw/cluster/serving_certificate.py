"""A serving certificate that the cluster's own CA signs: its key, the request for it, and what an answer must be.

EKS signs for any name whoever an administrator approves, by the signer `beta.eks.amazonaws.com/app-serving`: any subject; of the
extensions names and usages; for digital signature, key encipherment and server authentication alone; for a year (EKS User Guide,
"Secure workloads with Kubernetes certificates").
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

SIGNER = "beta.eks.amazonaws.com/app-serving"
USAGES = ("digital signature", "key encipherment", "server auth")
BITS = 2048  # of an RSA key: key encipherment, which the signer is asked for, is RSA's, and EKS's own example has such a key
LONGEST_COMMON_NAME = 64  # characters (RFC 5280 appendix A); a longer host stands among the alternative names alone
LARGEST_CERTIFICATE = 64 * 1024  # bytes of an answer; a chain of three has 6 KiB


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_of(pem: bytes) -> rsa.RSAPrivateKey:
    """The key in PEM. Raises ValueError for anything else."""
    try:
        found = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("it is encrypted") from None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ValueError("it is no RSA key")
    return found


def object_name(cluster: str, key: rsa.RSAPrivateKey, hosts: tuple[str, ...]) -> str:
    """The name of the request in the cluster. It follows from key and hosts, so that a command that was cut off finds its request
    again."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"l7gw-{cluster}-{hashlib.sha256(public + ' '.join(hosts).encode()).hexdigest()[:10]}"


def manifest(cluster: str, key: rsa.RSAPrivateKey, hosts: tuple[str, ...]) -> dict[str, Any]:
    """The CertificateSigningRequest (certificates.k8s.io/v1) for these host names."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])] if len(hosts[0]) <= LONGEST_COMMON_NAME else []
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(names))
        .add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, hosts))), critical=not names)
        .sign(key, hashes.SHA256())
    )
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": object_name(cluster, key, hosts), "labels": {"app.kubernetes.io/managed-by": "l7gw"}},
        "spec": {
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
            "signerName": SIGNER,
            "usages": list(USAGES),
        },
    }


def checked(pem: bytes, key: rsa.RSAPrivateKey, hosts: tuple[str, ...], authority: bytes) -> tuple[bytes, datetime]:
    """The chain to be shown to clients in PEM, with the authority at its end, and when its certificate ends. Raises ValueError with
    what is wrong with an answer: it must be for this key and these hosts, be valid now, and be signed by the cluster's CA."""
    if len(pem) > LARGEST_CERTIFICATE:
        raise ValueError("it is larger than a certificate")
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError("it is no certificate in PEM") from None
    leaf, now = chain[0], datetime.now(UTC)
    if leaf.public_key() != key.public_key():
        raise ValueError("it is for another key")
    missing = sorted(set(hosts) - named_hosts(leaf))
    if missing:
        raise ValueError(f"it does not name {', '.join(missing)}")
    if leaf.not_valid_before_utc > now:
        raise ValueError(f"it begins on {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: one of both clocks is wrong")
    if leaf.not_valid_after_utc <= now:
        raise ValueError(f"it ended on {leaf.not_valid_after_utc.date()}")
    for anchor in x509.load_pem_x509_certificates(authority):
        if _leads(chain, anchor):
            whole = [*chain, *([] if anchor in chain else [anchor])]
            return b"".join(one.public_bytes(Encoding.PEM) for one in whole), leaf.not_valid_after_utc
    raise ValueError("it is not signed by the cluster's CA: clients whose kubeconfig is unchanged would refuse it")


def named_hosts(certificate: x509.Certificate) -> set[str]:
    """The host names that a certificate is for, in lower case."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    return {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _leads(chain: list[x509.Certificate], anchor: x509.Certificate) -> bool:
    """Whether the first one is signed by this authority, or by the next one, and so on to one that is. What else stands in the
    chain proves nothing."""
    for one, following in zip(chain, [*chain[1:], None], strict=True):
        if _signed(one, anchor):
            return True
        if following is None or not _signed(one, following):
            return False
    return False


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
