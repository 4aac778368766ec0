"""What `l7gw kubeconfig` gives clients to trust: the authority of the gateway's chain, and a warning where there is none."""

from __future__ import annotations

import datetime
from pathlib import Path

import click
import pytest

from l7gw.cli.kubeconfig.trust import as_pem, certificates_in, covers, is_authority, of_pem, why_not_trusted
from l7gw.config.settings import Certificate
from l7gw.demo.pki import Authority


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Authority(tmp_path).server("server", "localhost", "*.gw.example.com", "127.0.0.1")
    return tmp_path


def test_the_authority_of_a_chain_is_trusted_and_another_is_not(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tls = Certificate(folder / "server.crt", folder / "server.key")
    (own, *_), (authority, *_) = certificates_in(folder / "server.crt"), certificates_in(folder / "ca.crt")
    assert is_authority(authority) and not is_authority(own)
    assert why_not_trusted(tls, as_pem([authority])) == ""
    other = tmp_path_factory.mktemp("other")
    Authority(other)
    assert why_not_trusted(tls, (other / "ca.crt").read_bytes()) == "certificate signature failure"  # it has the same name
    assert why_not_trusted(tls, b"no PEM") == "no certificate in PEM"
    assert of_pem(as_pem([authority, own])) == [authority, own] and of_pem(b"") == []
    assert own.not_valid_after_utc > datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("a.gw.example.com", True),
        ("gw.example.com", False),
        ("127.0.0.1", True),
        ("::1", False),
    ],
)
def test_a_certificate_is_for_the_hosts_that_it_names(folder: Path, host: str, named: bool) -> None:
    assert covers(certificates_in(folder / "server.crt")[0], host) is named


def test_a_file_without_a_certificate_is_wrong_usage_with_a_hint(folder: Path) -> None:
    for path in (folder / "none", folder, folder / "server.key"):
        with pytest.raises(click.UsageError, match="hint: "):
            certificates_in(path)
