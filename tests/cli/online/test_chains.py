"""A certificate without its chain is told of where it costs each handshake a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cli.online.chains import of_chains
from l7gw.demo.pki import Authority
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A configuration that takes client certificates, and shows a certificate alone."""
    it = Written(tmp_path)
    it.top["identity"] = [{"client-certificate": {"certificate-authority": "ca.crt"}}]
    return it


def test_a_certificate_without_a_chain_is_yellow_with_what_to_type(written: Written) -> None:
    settings = written.load()
    path = settings.tls.certificate
    (found,) = of_chains(settings)
    assert (found.check, found.state) == ("chain of the gateway's certificate", "yellow")
    assert f"{path} holds none" in found.text and f"cat ISSUER >> {path}" in found.hint and "CN=l7gw demo CA" in found.hint
    path.write_bytes(path.read_bytes() + (path.parent / "ca.crt").read_bytes())
    assert not [*of_chains(settings)]


def test_a_certificate_of_a_cluster_is_told_of_beside_that_of_the_gateway(written: Written) -> None:
    Authority(written.folder, "other", stem="other").server("own", "prod.example.com")
    written.prod |= {"hosts": ["prod.example.com"], "tls": {"certificate": "own.crt", "key": "own.key"}}
    assert [found.check for found in of_chains(written.load())] == [
        "chain of the gateway's certificate",
        "cluster prod: chain of the certificate shown",
    ]


def test_nothing_is_said_where_no_client_certificate_is_taken_or_a_certificate_signed_itself(written: Written) -> None:
    settings = written.load()
    settings.tls.certificate.write_bytes((written.folder / "ca.crt").read_bytes())
    assert not [*of_chains(settings)]
    settings.tls.certificate.write_bytes(b"nothing in PEM")
    assert not [*of_chains(settings)]
    assert not [*of_chains(Written(written.folder / "other").load())]
