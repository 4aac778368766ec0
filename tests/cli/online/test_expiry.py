"""When each thing ends: every file of the configuration is looked at, with the days that are left, before and after its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from l7gw.cli.online.expiry import files_of, of_files
from l7gw.cli.online.findings import Finding
from l7gw.demo.pki import Authority, write_private
from tests.support.token_issuer import sign
from tests.support.written_configuration import Written

NOW = datetime.now(UTC).replace(
    microsecond=0
)  # the certificates of `Authority` begin now: a server's lasts 7 days, an authority's 30


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    bots = Authority(tmp_path / "bots", "bots CA").certificate
    it.top["identity"].append({"client-certificate": {"certificate-authority": str(bots)}, "kind": "agent", "prefix": "bot:"})
    return it


def found(written: Written, now: datetime) -> dict[str, Finding]:
    return {finding.check: finding for finding in of_files(written.load(), now)}


EVERY = {"certificate of the gateway", "cluster prod: client certificate", "cluster prod: CA", "CA of agent certificates"}


@pytest.mark.parametrize(
    ("later", "states"),
    [
        (timedelta(0), ("green", "green")),
        (timedelta(days=5), ("yellow", "green")),
        (timedelta(days=8), ("red", "green")),
        (timedelta(days=25), ("red", "yellow")),
        (timedelta(days=31), ("red", "red")),
        (timedelta(days=-1), ("red", "red")),
    ],
)
def test_each_file_is_green_yellow_or_red_as_it_nears_its_end(written: Written, later: timedelta, states: tuple[str, str]) -> None:
    it = found(written, NOW + later)
    assert it.keys() == EVERY
    assert {it[check].state for check in ("certificate of the gateway", "cluster prod: client certificate")} == {states[0]}
    assert {it[check].state for check in ("cluster prod: CA", "CA of agent certificates")} == {states[1]}
    assert all(bool(finding.hint) == (finding.state != "green") for finding in it.values())


def test_the_days_that_are_left_or_over_are_said(written: Written) -> None:
    assert "in 7 days" in found(written, NOW)["certificate of the gateway"].text
    assert ", in 2" in found(written, NOW + timedelta(days=6))["certificate of the gateway"].text  # hours
    assert "days ago" in found(written, NOW + timedelta(days=12))["certificate of the gateway"].text
    early = found(written, NOW - timedelta(days=1))["certificate of the gateway"]
    assert "holds from" in early.text and "clock" in early.hint


def test_of_a_bundle_one_authority_has_to_hold_and_of_a_chain_each(written: Written) -> None:
    ca, server = written.folder / "ca.crt", written.folder / "server.crt"
    short = server.read_bytes()
    ca.write_bytes(ca.read_bytes() + short)  # a second "authority", which ends after 7 days
    server.write_bytes(short + (written.folder / "ca.crt").read_bytes())
    later = found(written, NOW + timedelta(days=10))
    assert later["cluster prod: CA"].state == "yellow" and "2 certificates: 1 do not hold now" in later["cluster prod: CA"].text
    assert later["certificate of the gateway"].state == "red"


def test_a_file_that_is_gone_is_red(written: Written) -> None:
    settings = written.load()
    (written.folder / "ca.crt").unlink()
    gone = {finding.check: finding for finding in of_files(settings, NOW)}["cluster prod: CA"]
    assert gone.state == "red" and "No such file" in gone.text and gone.hint


@pytest.mark.parametrize(
    ("claims", "state", "words"),
    [
        ({"exp": NOW.timestamp() + 3000, "iat": NOW.timestamp() - 600}, "green", "in 0 hours"),
        ({"exp": NOW.timestamp() + 60, "iat": NOW.timestamp() - 3540}, "yellow", "in 0 hours"),
        ({"exp": NOW.timestamp() - 3 * 86400}, "red", "3 days ago"),
        ({"sub": "x"}, "green", "no end"),
        ({"exp": "soon"}, "green", "no end"),
        ({"exp": 1e300}, "green", "no end"),
    ],
)
def test_a_token_in_a_file_says_when_it_ends(written: Written, claims: dict[str, object], state: str, words: str) -> None:
    write_private(written.folder / "token", sign({"alg": "RS256"}, claims).encode())
    written.prod["credential"] = {"token-file": "token"}
    it = found(written, NOW)["cluster prod: token"]
    assert it.state == state and words in it.text and bool(it.hint) == (state != "green")


def test_a_file_without_a_token_is_red_and_an_opaque_token_has_no_end(written: Written) -> None:
    written.prod["credential"] = {"token-file": "token"}
    settings = written.load()
    assert {one.check: one for one in of_files(settings, NOW)}["cluster prod: token"].text.endswith("says no end")
    (written.folder / "token").write_bytes(b"")
    assert {one.check: one for one in of_files(settings, NOW)}["cluster prod: token"].state == "red"


def test_every_certificate_that_a_configuration_can_name_is_looked_at(written: Written) -> None:
    """By the settings themselves: each path that they hold in a PEM file."""
    other = Authority(written.folder / "other")
    pair = other.server("shown", "prod.example.com")
    written.prod |= {"hosts": ["prod.example.com"], "tls": {"certificate": str(pair[0]), "key": str(pair[1])}}
    written.entry["oidc"]["certificate-authority"] = str(other.certificate)
    root = written.folder / "root.crt"
    root.write_bytes(other.certificate.read_bytes())
    written.top["store"] = f"postgresql://db.example.com/l7gw?sslmode=verify-full&sslrootcert={root}"
    paths = {kept.path.name for kept in files_of(written.load())}
    assert paths == {"server.crt", "shown.crt", "gw.crt", "ca.crt", "root.crt"}
    assert len({kept.check for kept in files_of(written.load())}) == 7
