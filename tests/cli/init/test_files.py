"""Whatever is asked for, what `l7gw init` writes is a configuration without a doubt; and it writes all of it or nothing."""

from __future__ import annotations

import base64
import itertools
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from l7gw.cli.init import files as init_files
from l7gw.cli.init.files import AUTHORITY_DAYS, ISSUED_DAYS, Occupied, names, write
from l7gw.config.certificates import all_ending
from l7gw.config.load import load
from l7gw.demo.pki import Authority
from l7gw.gateway.doubts import warnings_of
from l7gw.policy.judge import Policy
from tests.support.init_wanted import issuer, settled, wanted

ISSUERS = (
    None,
    issuer(),
    issuer(login="kubectl", audience="kubectl"),
    issuer(url='https://idp.example.com/a",b}', groups="realm.roles", username="sub"),
)
GIVEN = ((None, None, "dev"), ("pair", None, "kube-system"), (None, "pair", "yes"), ("pair", "pair", "1e3"))
ASKED = [
    {"issuer": of, "agents": agents, "pair": pair, "credential": credential, "namespace": space}
    for of, agents, (pair, credential, space) in itertools.product(ISSUERS, (True, False), GIVEN)
][::3]  # thinned: each answer stands beside most others


def made(folder: Path, asked: dict[str, Any]) -> Any:
    """What is wanted, with a certificate in the place of each `pair`."""
    pair = Authority(folder / "given").server("given", "gw.example.com")
    return wanted(folder, **{key: pair if value == "pair" else value for key, value in asked.items()})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("asked", ASKED, ids=[str(number) for number in range(len(ASKED))])
def test_whatever_is_asked_for_passes_check_with_no_doubt_and_its_policy_passes_its_tests(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    made_of = made(tmp_path, asked)
    write(made_of)
    assert set(contents(made_of.folder)) == set(names(made_of))
    if made_of.credential is None:
        settled(made_of.folder)
    settings = load(made_of.folder / "l7gw.yaml")
    policy = Policy.load(settings.policy)
    assert policy.tests and [*warnings_of(settings, policy), *all_ending(settings)] == []
    assert settings.clusters["prod"].server_host == "10.0.0.1" and len(settings.identity) == 1 + made_of.agents
    assert list(yaml.safe_load_all((made_of.folder / "rbac.yaml").read_text()))


@pytest.mark.parametrize("asked", ASKED[::4], ids=[str(number) for number in range(len(ASKED[::4]))])
def test_whoever_is_not_its_owner_reads_no_key_and_no_credential(tmp_path: Path, asked: dict[str, Any]) -> None:
    made_of = made(tmp_path, asked)
    before = os.umask(0)
    try:
        write(made_of)
    finally:
        os.umask(before)
    for path in (made_of.folder, *made_of.folder.rglob("*")):
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o077
        if path.is_dir() or path.suffix in (".key", ".kubeconfig"):
            assert not open_to_others, path
        else:
            assert open_to_others in (0, 0o044) and b"PRIVATE KEY" not in path.read_bytes(), path


def test_kubeconfigs_hold_the_authority_and_not_the_gateways_own_certificate(tmp_path: Path) -> None:
    """So that a renewed certificate of the gateway changes no client."""
    asked = wanted(tmp_path)
    write(asked)
    authority = (asked.folder / "certs" / "ca.crt").read_bytes()
    for name in ("prod", "prod-agent"):
        [cluster] = yaml.safe_load((asked.folder / f"{name}.kubeconfig").read_text())["clusters"]
        assert cluster["cluster"]["server"] == "https://gw.example.com:8443/prod"
        assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == authority


@pytest.mark.parametrize(("name", "subject"), [("prod", "O=engineers,CN=ann"), ("prod-agent", "O=agents,CN=first")])
def test_a_first_person_and_a_first_agent_have_a_certificate_each(tmp_path: Path, name: str, subject: str) -> None:
    asked = wanted(tmp_path)
    write(asked)
    [user] = yaml.safe_load((asked.folder / f"{name}.kubeconfig").read_text())["users"]
    found = x509.load_pem_x509_certificate(base64.b64decode(user["user"]["client-certificate-data"]))
    assert set(found.subject.rfc4514_string().split(",")) == set(subject.split(","))
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == ISSUED_DAYS
    authority = asked.folder / "certs" / ("ca.crt" if name == "prod" else "agents-ca.crt")
    signer = x509.load_pem_x509_certificate(authority.read_bytes())
    found.verify_directly_issued_by(signer)
    assert (signer.not_valid_after_utc - signer.not_valid_before_utc).days == AUTHORITY_DAYS


def test_people_of_an_issuer_with_a_login_client_get_a_kubeconfig_that_logs_in(tmp_path: Path) -> None:
    asked = wanted(tmp_path, issuer=issuer(login="kubectl", audience="kubectl"), command="/opt/l7gw/bin/l7gw")
    write(asked)
    [user] = yaml.safe_load((asked.folder / "prod.kubeconfig").read_text())["users"]
    called = user["user"]["exec"]
    assert called["command"] == "/opt/l7gw/bin/l7gw" and "kubectl" in called["args"] and "https://idp.example.com" in called["args"]


@pytest.mark.parametrize("name", ["l7gw.yaml", "certs/ca.key", "prod-agent.kubeconfig"])
def test_a_file_that_is_there_stays_and_nothing_else_is_written(tmp_path: Path, name: str) -> None:
    asked = wanted(tmp_path)
    place = asked.folder / name
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    assert init_files.occupied(asked) == [name]
    with pytest.raises(Occupied) as told:
        write(asked)
    assert told.value.args == (name,) and contents(asked.folder) == {name: b"mine"}


def test_a_link_that_leads_nowhere_is_a_file_that_is_there(tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    asked.folder.mkdir()
    (asked.folder / "gateway.token").symlink_to("nowhere")
    assert init_files.occupied(asked) == ["gateway.token"]


def test_wherever_writing_fails_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full at the first file, at one between, and at the last."""
    real, left = os.fsync, [0]

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(init_files.os, "fsync", full)
    asked = replace(wanted(tmp_path), folder=tmp_path / "new" / "gateway")
    for at in (0, 4, len(names(asked)) - 1):
        left[0] = at
        with pytest.raises(OSError, match="No space left"):
            write(asked)
        assert not (tmp_path / "new").exists()
    left[0] = len(names(asked))
    write(asked)
    assert set(contents(asked.folder)) == set(names(asked))
