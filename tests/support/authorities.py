"""Chains of authorities, expired certificates, and Go's verdict on them."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from l7gw.demo.pki import write_private
from tests.support.go_programs import built_once

BEGAN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
WITHIN_ALL = datetime.datetime(2020, 7, 1, tzinfo=datetime.UTC)  # a moment at which every certificate here was valid
OVER = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def authority(
        self,
        name: str,
        *,
        over: bool = False,
        key: Key | None = None,
        length: int | None = None,
        usage: x509.ObjectIdentifier | None = None,
    ) -> Issued:
        """An intermediate authority below this one. `length` limits how many may stand below it (the path length). `usage` limits
        what their certificates may be for."""
        usages: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([usage]), False)] if usage else []
        return _issue(name, self, over, _authority(length) + usages, key)

    def client(self, user: str, *, over: bool = False, key: Key | None = None) -> Issued:
        return _issue(user, self, over, [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)], key)

    def server(self, address: str, *, over: bool = False, key: Key | None = None) -> Issued:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return _issue(address, self, over, [(names, False), (usage, False)], key)

    def write(self, folder: Path, *above: Issued) -> tuple[Path, Path]:
        """Write the files of certificate and key. The certificates `above`, which are sent with it, follow it in its file."""
        folder.mkdir(parents=True, exist_ok=True)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return bundle(folder / "one.crt", self, *above), write_private(folder / "one.key", key)


def root(name: str, *, over: bool = False, key: Key | None = None) -> Issued:
    return _issue(name, None, over, _authority(None), key)


def bundle(path: Path, *issued: Issued) -> Path:
    path.write_text("".join(one.pem for one in issued))
    return path


def _authority(length: int | None) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=length), True)]


def _issue(
    name: str, issuer: Issued | None, over: bool, extensions: list[tuple[x509.ExtensionType, bool]], key: Key | None = None
) -> Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGAN)
        .not_valid_after(OVER if over else ENDS)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Question:
    """A question to a verifier: whether a leaf is good, given the trusted certificates, those sent with it, the usage and the
    time."""

    roots: tuple[Issued, ...]
    leaf: Issued
    sent: tuple[Issued, ...]
    usage: str  # client | server
    at: datetime.datetime


def go_says(questions: list[Question]) -> list[str]:
    """What Go's crypto/x509 answers to each question: "" for yes, else its error. Raises MissingGo, BuildFailed."""
    program = go_program()
    lines = "".join(
        json.dumps(
            {
                "roots": "".join(one.pem for one in question.roots),
                "leaf": question.leaf.pem,
                "sent": "".join(one.pem for one in question.sent),
                "usage": question.usage,
                "at": int(question.at.timestamp()),
            }
        )
        + "\n"
        for question in questions
    )
    done = subprocess.run([program, "verify"], input=lines, capture_output=True, text=True, check=True)
    answers: list[str] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def go_program() -> Path:
    """The path of the program built from `tests/tls/main.go`. Raises MissingGo, BuildFailed."""
    return built_once(Path(__file__).parent.parent / "tls", "tls")
