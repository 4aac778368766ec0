"""certs/development-ca.sh makes an authority and a pair of a gateway, and `l7gw kubeconfig` gives clients the authority."""

from __future__ import annotations

import base64
import shutil
import ssl
import stat
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509

from l7gw.cli.main import cli
from tests.support.cited_sources import ROOT
from tests.support.written_configuration import Written

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
SCRIPT = ROOT / "certs" / "development-ca.sh"


def made(folder: Path, *names: str) -> str:
    return subprocess.run([SCRIPT, folder, *names], capture_output=True, text=True, timeout=60, check=True).stdout


def test_it_makes_an_authority_and_a_pair_that_it_signed_for_names_and_addresses(tmp_path: Path) -> None:
    folder = tmp_path / "certs.d"
    assert "ca.crt for kubeconfigs" in made(folder, "gw.example.com", "127.0.0.1", "::1")
    own, authority = x509.load_pem_x509_certificates((folder / "server.crt").read_bytes())
    assert [authority] == x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
    own.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gw.example.com"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / "server.crt", folder / "server.key")
    for key in ("ca.key", "server.key"):
        assert stat.S_IMODE((folder / key).stat().st_mode) == 0o600
    assert {path.name for path in folder.iterdir()} == {"ca.crt", "ca.key", "server.crt", "server.key"}


def test_typed_again_it_keeps_the_authority_that_clients_trust(tmp_path: Path) -> None:
    made(tmp_path)
    before = (tmp_path / "ca.crt").read_bytes(), (tmp_path / "server.crt").read_bytes()
    made(tmp_path)
    assert (tmp_path / "ca.crt").read_bytes() == before[0] and (tmp_path / "server.crt").read_bytes() != before[1]


def test_a_key_without_its_certificate_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "ca.key").touch()
    done = subprocess.run([SCRIPT, tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "its ca.crt is not" in done.stderr and len([*tmp_path.iterdir()]) == 1


def test_a_kubeconfig_for_its_pair_holds_the_authority_and_not_the_leaf(tmp_path: Path) -> None:
    written = Written(tmp_path)
    made(tmp_path / "certs.d", "localhost", "127.0.0.1")
    written.top["tls"] = {"certificate": "certs.d/server.crt", "key": "certs.d/server.key"}
    written.load()
    command = ["kubeconfig", "prod", "--address", "localhost:8443", "--config", str(written.path)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0 and done.stderr == ""
    [cluster] = yaml.safe_load(done.stdout)["clusters"]
    given = base64.b64decode(cluster["cluster"]["certificate-authority-data"])
    [given_to_clients], [authority] = (
        x509.load_pem_x509_certificates(pem) for pem in (given, (tmp_path / "certs.d" / "ca.crt").read_bytes())
    )
    assert given_to_clients == authority
