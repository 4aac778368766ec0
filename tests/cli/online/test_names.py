"""What a certificate names beside what clients type, as Go's clients compare them."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from l7gw.cli.kubeconfig.trust import covers
from l7gw.cli.online.names import of_names
from l7gw.demo.pki import Authority, server_context
from tests.support.written_configuration import Written


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (("gw.example.com",), "gw.example.com", True),
        (("gw.example.com",), "GW.example.com", True),
        (("gw.example.com",), "gw.example.com.", True),
        (("gw.example.com",), "example.com", False),
        (("*.example.com",), "gw.example.com", True),
        (("*.example.com",), "a.gw.example.com", False),
        (("*.example.com",), "example.com", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("::1",), "0:0:0:0:0:0:0:1", True),
        (("gw.example.com",), "10.0.0.1", False),
        (("localhost", "127.0.0.1"), "127.0.0.1", True),
    ],
)
def test_a_host_is_covered_as_go_reads_certificates(tmp_path: Path, names: tuple[str, ...], host: str, fits: bool) -> None:
    path, _ = Authority(tmp_path).server("s", *names)
    assert covers(x509.load_pem_x509_certificate(path.read_bytes()), host) is fits


def openssl_takes(pair: tuple[Path, Path], authority: Path, host: str) -> bool:
    """Whether OpenSSL takes the certificate for the host: another implementation, over a handshake in memory."""
    client = ssl.create_default_context(cafile=str(authority))
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(ours, theirs, server_hostname=host),
        server_context(pair).wrap_bio(theirs, ours, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                assert error.verify_code in (62, 64), error  # of the name, and of nothing else
                return False
    return True


@pytest.mark.parametrize(
    "host", ["a.example.com", "A.example.com", "b.a.example.com", "example.com", "10.0.0.1", "::1", "x--a.example.com"]
)
@pytest.mark.parametrize(
    "names",
    [
        ("a.example.com",),
        ("*.example.com",),
        ("*.a.example.com", "10.0.0.1"),
        ("::1", "example.com"),
        ("10.0.0.2", "b.example.com"),
    ],
)
def test_names_are_compared_as_openssl_compares_them(tmp_path: Path, names: tuple[str, ...], host: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.server("s", *names)
    assert covers(x509.load_pem_x509_certificate(pair[0].read_bytes()), host) is openssl_takes(pair, authority.certificate, host)


def test_a_common_name_covers_nothing(tmp_path: Path) -> None:
    path, _ = Authority(tmp_path).client("c", "gw.example.com")
    assert not covers(x509.load_pem_x509_certificate(path.read_bytes()), "gw.example.com")


def states(written: Written, *addresses: str) -> dict[str, str]:
    return {finding.check: finding.state for finding in of_names(written.load(), addresses)}


def test_what_clients_are_said_to_type_must_be_named(tmp_path: Path) -> None:
    written = Written(tmp_path)
    assert states(written, "localhost", "gw.example.com") == {"name localhost": "green", "name gw.example.com": "red"}
    (found,) = of_names(written.load(), ("gw.example.com",))
    assert "does not name it, but localhost" in found.text and "a certificate that names gw.example.com" in found.hint


def test_the_hosts_of_a_cluster_must_be_in_the_certificate_that_they_are_shown(tmp_path: Path) -> None:
    written = Written(tmp_path)
    pair = Authority(tmp_path / "own").server("own", "prod.example.com")
    written.prod["hosts"] = ["prod.example.com", "prod.example.org"]
    assert states(written) == {"name prod.example.com": "red", "name prod.example.org": "red"}
    written.prod["tls"] = {"certificate": str(pair[0]), "key": str(pair[1])}
    assert states(written) == {"name prod.example.com": "green", "name prod.example.org": "red"}
    assert states(written, "prod.example.com") == {"name prod.example.com": "green"}


def test_without_a_word_the_names_of_this_machine_are_guessed_and_never_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "getfqdn", lambda: "box.example.com")
    written = Written(tmp_path)
    assert states(written) == {"name box.example.com": "yellow", "name box": "yellow"}
    written.top["listen"] = "127.0.0.1:8443"
    assert states(written) == {"name 127.0.0.1": "yellow"}
    (found,) = of_names(written.load(), ())
    assert "--address" in found.hint
