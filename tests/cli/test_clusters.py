"""`l7gw clusters list` says what the configuration has, and asks nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from l7gw.config.certificates import life
from tests.cli.test_check import run
from tests.cli.test_completing import completed
from tests.support.ending import certificate
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    certificate(tmp_path, 365, left=12)
    it.prod |= {"hosts": ["prod.example.com"], "tls": {"certificate": "short.crt", "key": "short.key"}}
    it.top["clusters"]["stage"] = {
        "server": "https://stage.example.com",
        "certificate-authority": "ca.crt",
        "credential": {"token-file": "token"},
        "impersonate": "none",
    }
    it.load()
    return it


def test_the_clusters_are_listed_with_the_ends_of_their_certificates(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clusters", "list", "--config", written.path) == 0
    out, err = capsys.readouterr()
    prod, stage = (line.split() for line in out.splitlines()[-3:-1])
    ends = life(written.folder / "short.crt")[1].date()
    assert prod == ["prod", "prod.example.com", "https://10.0.0.1:6443", "certificate", "groups", str(ends)]
    assert stage[:6] == ["stage", "/stage", "https://stage.example.com", "token", "file", "none"]
    assert f"l7gw: cluster prod: the certificate {written.folder / 'short.crt'} ends on {ends}, in 11 days; renew it" in err
    assert run(monkeypatch, "clusters", "list", "--config", written.path, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found[1] == {
        "name": "stage", "hosts": [], "server": "https://stage.example.com", "eks": None, "credential": "token-file", "role": None, "break_glass": [], "impersonate": "none",
        "prefix": "l7gw:", "groups": [], "record": "all", "tls": {"certificate": str(written.folder / "server.crt"), "ends": found[1]["tls"]["ends"]},
    }  # fmt: skip
    assert datetime.fromisoformat(found[0]["tls"]["ends"]) > datetime.now(UTC)


def test_a_cluster_of_eks_is_listed_by_its_name_there_and_the_role(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    role = "arn:aws:iam::111122223333:role/l7gw"
    eks = {"name": "shop", "region": "eu-west-1"}
    written.top["clusters"]["stage"] = {"eks": eks, "credential": {"aws": {"role": role}}, "break-glass": ["public-endpoint"]}
    written.load()
    assert run(monkeypatch, "clusters", "list", "--config", written.path) == 0
    assert f"EKS shop, eu-west-1 {role}, for each person" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "clusters", "list", "--config", written.path, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)[1]
    assert (found["eks"], found["server"], found["credential"], found["role"]) == (eks, None, "aws", role)
    assert found["break_glass"] == ["public-endpoint"]
    assert run(monkeypatch, "check", "--config", written.path) == 0
    assert "may be gone round by public-endpoint\n" in capsys.readouterr().out


def test_check_tells_of_a_certificate_that_ends_soon(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--config", written.path) == 0
    assert "short.crt ends on" in capsys.readouterr().err


def test_a_cluster_that_is_none_is_wrong_usage_with_the_nearest_name(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "clusters", "test", "prdo", "--config", written.path) == 2
    assert "did you mean prod?" in capsys.readouterr().err
    assert completed("clusters", "test", "--config", str(written.path), "st") == [("stage", None)]
