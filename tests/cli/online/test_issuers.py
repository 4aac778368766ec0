"""An issuer that is asked for its keys: each way in which it fails is red, with what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from l7gw.cli.online.findings import Finding
from l7gw.cli.online.issuers import jobs_of
from l7gw.cli.online.jobs import Report, run
from l7gw.demo.pki import Authority
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.served_issuer import ServedIssuer
from tests.support.written_configuration import Written

TIMEOUTS = replace(USUAL_TIMEOUTS, dial=5.0, keys_fetch=5.0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedIssuer]:
    with ServedIssuer(tmp_path_factory.mktemp("idp")) as it:
        yield it


@pytest.fixture
def issuer(served: ServedIssuer, monkeypatch: pytest.MonkeyPatch) -> ServedIssuer:
    """The issuer, whose changes end with the test."""
    monkeypatch.setattr(served, "moved", "")
    monkeypatch.setattr(served, "keys", served.keys)
    return served


def asked(folder: Path, there: ServedIssuer, /, **changes: Any) -> Report:
    written = Written(folder)
    oidc = {"issuer": there.url, "audience": "l7gw", "certificate-authority": str(there.certificate_authority)}
    written.entry["oidc"] = {key: value for key, value in {**oidc, **changes}.items() if value is not None}
    (report,) = run([*jobs_of(written.load(), datetime.now(UTC), TIMEOUTS)])
    return report


def red(report: Report) -> Finding:
    (found,) = [finding for finding in report.found if finding.state == "red"]
    assert found.hint
    return found


def test_an_issuer_is_told_with_its_way_its_certificate_its_keys_and_its_clock(tmp_path: Path, issuer: ServedIssuer) -> None:
    report = asked(tmp_path, issuer)
    name = f"issuer {issuer.url}"
    assert [(finding.check, finding.state) for finding in report.found] == [
        (f"{name}: {part}", "green") for part in ("DNS", "TCP", "TLS", "certificate", "keys")
    ]
    assert report.found[-1].text == "1 for RS256, 1 for ES256, 1 for EdDSA" and "in 6 days" in report.found[3].text
    ((clock, ahead),) = report.skews
    assert clock == name and abs(ahead) < 3


def test_an_issuer_of_another_name_is_red(tmp_path: Path, issuer: ServedIssuer) -> None:
    found = red(asked(tmp_path, issuer, issuer=f"{issuer.url}/"))
    assert "speaks for another issuer" in found.text and "exactly the `iss`" in found.hint


def test_a_dead_port_a_wrong_ca_and_a_name_that_is_not_in_the_certificate_are_red(tmp_path: Path, issuer: ServedIssuer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = red(asked(tmp_path, issuer, issuer=f"https://127.0.0.1:{closed.getsockname()[1]}"))
    assert "refuses connections" in found.text and "does the issuer run" in found.hint
    found = red(asked(tmp_path, issuer, **{"certificate-authority": str(Authority(tmp_path / "other").certificate)}))
    assert "is not trusted" in found.text and "is it the issuer that is meant" in found.hint and "private" not in found.hint
    found = red(asked(tmp_path, issuer, **{"certificate-authority": None}))
    assert "One that is private is named beside `issuer`, as certificate-authority: FILE" in found.hint
    found = red(asked(tmp_path, issuer, issuer=issuer.url.replace("127.0.0.1", "localhost")))
    assert "does not name localhost" in found.text and "`issuer` must be one of 127.0.0.1" in found.hint


def test_a_redirect_is_red_and_says_where_it_leads(tmp_path: Path, issuer: ServedIssuer) -> None:
    issuer.moved = "https://elsewhere.example.com/x"
    found = red(asked(tmp_path, issuer))
    assert "redirects to 'https://elsewhere.example.com/x'" in found.text and "the issuer's own URL" in found.hint


def test_an_issuer_without_a_usable_key_is_red(tmp_path: Path, issuer: ServedIssuer) -> None:
    issuer.keys = [{"kty": "oct", "k": "x"}]
    found = red(asked(tmp_path, issuer))
    assert "publishes no key for RS256, ES256, EdDSA" in found.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {}), "answered 404"),
        ((200, {"issuer": "SELF", "jwks_uri": "http://127.0.0.1/keys"}), "the URL is not https"),
        ((200, {"issuer": "SELF", "jwks_uri": "https://127.0.0.1:1/keys"}), "https://127.0.0.1:1/keys cannot be asked"),
        ((200, "<html>"), "the discovery document cannot be read"),
    ],
)
def test_an_answer_that_is_no_discovery_is_red(
    tmp_path: Path, issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, Any], words: str
) -> None:
    status, document = answer
    text = document if isinstance(document, str) else json.dumps(document).replace("SELF", issuer.url)

    def serve(request: Any) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    monkeypatch.setattr(issuer, "_serve", serve)
    found = red(asked(tmp_path, issuer))
    assert words in found.text and "curl -sS https://127.0.0.1" in found.hint


def test_where_aws_proves_callers_sts_of_each_region_is_reached(tmp_path: Path, issuer: ServedIssuer) -> None:
    written = Written(tmp_path)
    written.prod["aws-cluster-id"] = "prod"
    aws: dict[str, Any] = {"accounts": ["111122223333"], "regions": ["eu-west-1", "cn-north-1"]}
    written.top["identity"] = [{"aws": aws}]
    now = datetime.now(UTC)
    assert [job.name for job in jobs_of(written.load(), now, TIMEOUTS)] == [
        "STS https://sts.eu-west-1.amazonaws.com",
        "STS https://sts.cn-north-1.amazonaws.com.cn",
    ]
    aws |= {"endpoint-url": issuer.url, "certificate-authority": str(issuer.certificate_authority)}
    (report,) = run([*jobs_of(written.load(), now, TIMEOUTS)])
    assert [finding.state for finding in report.found] == ["green"] * 3
