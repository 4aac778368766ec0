"""A place that is only reached: nothing is sent there, and a proxy of the environment is named without its password."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.cli.online.jobs import Report
from l7gw.cli.online.places import Https, proxy_for, reach
from l7gw.demo.pki import Authority
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.served_issuer import ServedIssuer

TIMEOUTS = replace(USUAL_TIMEOUTS, dial=5.0)


def told(url: str, authority: Path | None) -> dict[str, str]:
    report = Report("webhook")
    reach(report, Https(url, "url", "the webhook", authority), TIMEOUTS)
    return {finding.check: f"{finding.state}: {finding.text} -> {finding.hint}" for finding in report.found}


def test_a_place_is_reached_step_by_step(tmp_path: Path) -> None:
    with ServedIssuer(tmp_path) as there:
        found = told(f"{there.url}/hook?secret=tres", there.certificate_authority)
        assert [text.partition(":")[0] for text in found.values()] == ["green"] * 3 and "tres" not in str(found)
        wrong = told(there.url, Authority(tmp_path / "other").certificate)
        assert wrong["webhook: TLS"].startswith("red") and "is it the webhook that is meant" in wrong["webhook: TLS"]
        named = told(there.url.replace("127.0.0.1", "localhost"), there.certificate_authority)
        assert "does not name localhost" in named["webhook: TLS"] and "`url` must be one of 127.0.0.1" in named["webhook: TLS"]


def test_a_dead_port_and_an_unusable_ca_are_red(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = told(f"https://127.0.0.1:{closed.getsockname()[1]}", None)
    assert "refuses connections -> does the webhook run" in found["webhook: TCP"]
    (tmp_path / "ca").write_text("nothing")
    assert told("https://127.0.0.1:1", tmp_path / "ca")["webhook: CA"].startswith("red")


def test_a_proxy_of_the_environment_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:tres@proxy.example.com:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "intern.example.com")
    assert proxy_for("https://hooks.example.com/x") == "proxy.example.com:3128"
    assert proxy_for("https://intern.example.com") == proxy_for("https://127.0.0.1:1") == ""
    assert "by the proxy proxy.example.com:3128" in told("https://hooks.example.com", None)["webhook: way"]
