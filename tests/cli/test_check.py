"""`l7gw check` says what a configuration means, or everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l7gw.cli.check import laid_out
from l7gw.cli.main import main
from l7gw.demo.pki import write_private
from l7gw.recording.masking_key import fingerprint, masking_key, path_of
from tests.support.posted import SECRET, Side
from tests.support.slack_stand_in import TOKEN, Slack
from tests.support.written_configuration import Written


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The exit status of `l7gw ARGUMENTS`."""
    monkeypatch.setattr("sys.argv", ["l7gw", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.prod["hosts"] = ["prod.example.com"]
    it.load()
    return it


def test_a_good_configuration_is_told_in_plain_words(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--config", written.path) == 0
    folder = str(written.folder)
    assert capsys.readouterr().out.replace(folder, "F") == (
        "Configuration  F/l7gw.yaml can be used\n"
        "Listens on     0.0.0.0:8443, as F/server.crt\n"
        "Lets in        tokens of https://idp.example.com for l7gw; user: claim sub, no groups; as human\n"
        "Cluster prod   by https://GATEWAY/prod or the server name prod.example.com\n"
        "               to 10.0.0.1:6443, trusting F/ca.crt, with certificate F/gw.crt\n"
        "               callers are user l7gw there, with 'l7gw:' before their groups\n"
        "               no groups go up, as no rule names any\n"
        "               everything is recorded\n"
        "Policy         F/policy.yaml: no guardrails, no rules; what no rule allows is denied\n"
        "Recording      in F/state; what changes something is on the disk before it is forwarded; calls stop below 2GiB free\n"
        "Approvals      20 calls of one principal may wait for one; root on this machine approves nothing without a credential\n"
        "               they are answered at F/state/l7gw.sock, by root and the gateway's user; or with --server and a token or certificate\n"
        "Masking        the key keys/masking in the state is made at the first start\n"
        "               27 detectors are on; off: card-number, email; values of Secrets are recognised elsewhere\n"
        "Log            on stderr, text on a terminal, else JSON: each call has a line; of the gateway itself what is info or worse\n"
        "Mind           recordings are masked, but not encrypted in this version: what masking does not find is readable in F/state\n"
    )


def test_on_a_terminal_no_line_is_wider_than_it_and_what_goes_on_stands_below_what_it_is_about() -> None:
    sections = [
        ("Lets in", ["tokens of https://idp.example.com for l7gw; user: claim sub", "client certificates of /etc/l7gw/ca.crt"])
    ]
    assert list(laid_out(sections, 50)) == [
        "Lets in        tokens of https://idp.example.com",
        "               for l7gw; user: claim sub",
        "               client certificates of",
        "               /etc/l7gw/ca.crt",
    ]
    assert list(laid_out(sections, None)) == [f"{'Lets in':<15}{sections[0][1][0]}", f"{'':<15}{sections[0][1][1]}"]


def test_what_is_logged_is_told(written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written.top["log"] = {"access": "errors", "format": "text", "level": "warning"}
    written.load()
    assert run(monkeypatch, "check", "--config", written.path) == 0
    assert "Log            on stderr, text: calls that were refused or failed have a line; of" in capsys.readouterr().out
    run(monkeypatch, "check", "--config", written.path, "-o", "json")
    assert json.loads(capsys.readouterr().out)["log"] == {"access": "errors", "format": "text", "level": "warning"}


def test_who_may_approve_and_who_has_several_names_is_told(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written.top |= {"people": [{"user": "ann", "also": ["cert:ann"]}], "reviews": {"local": True}, "limits": {"holds": 3}}
    written.load()
    assert run(monkeypatch, "check", "--config", written.path) == 0
    out = capsys.readouterr().out
    assert "3 calls of one principal may wait for one; root on this machine is an approval without a credential\n" in out
    assert "1 person has several names, and none approves an own call\n" in out
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["approvals"] == {
        "holds": 3, "local": True, "people": [{"user": "ann", "also": ["cert:ann"]}], "store": "sqlite",
    }  # fmt: skip


def test_by_whose_tokens_an_owner_of_agents_may_approve_is_told(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = "{name: r, kinds: [agent], effects: [write], verdict: hold, reviewers: {owner: true}}"
    (written.folder / "policy.yaml").write_text(f"rules:\n- {held}\n")
    assert run(monkeypatch, "check", "--config", written.path) == 0
    issuer = written.entry["oidc"]["issuer"]
    out, err = capsys.readouterr()
    assert f"owners of agents approve within ten minutes of their login, by tokens of {issuer}: of an issuer whose tokens" in out
    assert "owner" not in err
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["approvals"]["owners"] == [issuer]
    written.entry["kind"] = "agent"
    written.load()
    assert run(monkeypatch, "check", "--config", written.path) == 0
    out, err = capsys.readouterr()
    assert "by tokens of no issuer" in out and "rule 'r' has `owner: true`, and no token says when its owner logged in" in err


def test_who_is_told_in_slack_and_by_the_webhook_is_said_and_no_secret(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = {"url": "https://hooks.example.com/tres-path", "secret-file": "hook.secret", "users": {"lea": {"user": "lea"}}}
    write_private(written.folder / "hook.secret", SECRET.encode())
    it = Slack(Side(80))
    written.top["reviews"] = it.reviews(written.folder, webhook=hook)
    written.load()
    assert run(monkeypatch, "check", "--config", written.path) == 0
    out = capsys.readouterr().out
    assert "is told in #approvals (summary), and answers at http://127.0.0.1:0/slack/interactions; 2 people may answer\n" in out
    assert "the webhook at hooks.example.com is told, and 1 person may answer by it\n" in out
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    told = capsys.readouterr().out
    assert {"slack", "webhook"} <= json.loads(told)["approvals"].keys()
    assert not any(secret in out + told for secret in (SECRET, TOKEN, "tres-path"))


def test_the_mistakes_of_both_files_are_told_at_once(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written.path.write_text(written.path.read_text() + "listne: 1\n")
    (written.folder / "policy.yaml").write_text("rules:\n- {name: r, verdict: alow}\n")
    assert run(monkeypatch, "check", "--config", written.path) == 2
    out, err = capsys.readouterr()
    assert out == "" and "l7gw.yaml:" in err and "unknown key `listne`" in err and "policy.yaml:2: `verdict`" in err
    assert "  hint: did you mean `listen`?" in err
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and [p["line"] for p in found["problems"]][-1] == 2 and len(found["problems"]) == 2


def test_mistakes_stand_in_the_order_of_the_lines_whoever_found_them(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of detectors are looked up after the file was read for keys that nobody knows."""
    written.path.write_text(written.path.read_text() + "masking: {detectors: {emial: on}}\nlistne: 1\n")
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 2
    found = json.loads(capsys.readouterr().out)["problems"]
    assert ["emial" in problem["what"] for problem in found] == [True, False]
    assert found[0]["line"] + 1 == found[1]["line"] and found[0]["hint"] == "did you mean `email`?"


def test_json_is_one_document_that_names_no_secret(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert found["ok"] is True and found["problems"] == [] and found["clusters"][0]["server"] == "https://10.0.0.1:6443"
    assert "PRIVATE KEY" not in out


def test_the_masking_key_is_told_by_its_fingerprint(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gateways of one deployment have one key: their placeholders must be equal."""
    state = written.folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    key = masking_key(state)
    assert run(monkeypatch, "check", "--config", written.path) == 0
    told = f"Masking        the key keys/masking in the state has the fingerprint {fingerprint(key)}\n"
    assert told in capsys.readouterr().out
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    out = capsys.readouterr().out
    assert json.loads(out)["masking"]["key"] == fingerprint(key) and key.hex() not in out
    path_of(state).write_bytes(b"short")
    assert run(monkeypatch, "check", "--config", written.path) == 2
    assert "is no masking key" in capsys.readouterr().err


def test_what_an_entry_takes_is_told_and_a_long_life_is_a_warning(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written.entry["oidc"] |= {"username": "email", "audience": ["l7gw", "console"], "audiences": "any-of"}
    for lifetime, warned in (("24h", False), ("25h", True), ("400d", True)):
        written.entry |= {"email-verified": "if-present", "longest-lifetime": lifetime}
        written.load()
        assert run(monkeypatch, "check", "--config", written.path) == 0
        out, err = capsys.readouterr()
        assert "for l7gw or console among others; user: claim email, unless email_verified is false" in out
        assert (f"may live {lifetime}: a stolen one is good until it ends" in err) is warned
        assert (f"for at most {lifetime}" in out) is warned
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["identity"]
    assert (entry["audience"], entry["audiences"]) == (["l7gw", "console"], "any-of")
    assert (entry["email-verified"], entry["longest-lifetime"]) == ("if-present", 400 * 86400)


def test_a_rule_about_a_cluster_that_is_not_configured_is_a_warning(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (written.folder / "policy.yaml").write_text("rules:\n- {name: r, verdict: allow, clusters: [prdo]}\n")
    assert run(monkeypatch, "check", "--config", written.path) == 0
    assert "rule 'r' is about clusters that are not configured: prdo; did you mean prod?" in capsys.readouterr().err
    assert run(monkeypatch, "policy", "check", "--config", written.path) == 0
    assert "rule 'r' is about clusters that are not configured: prdo; did you mean prod?" in capsys.readouterr().err
    assert run(monkeypatch, "policy", "check", "--config", written.path, "-o", "json") == 0
    assert len(json.loads(capsys.readouterr().out)["warnings"]) == 1


RULES = """
guardrails: [{name: g, groups: [guarded], verdict: deny}]
rules:
- {name: a, groups: [engineers, "sre-*"], effects: [read], verdict: allow}
- {name: b, kinds: [agent], effects: [read], verdict: allow}
- {name: c, groups: ["*"], effects: [read], verdict: allow}
- {name: d, verdict: deny}
"""


@pytest.mark.parametrize(
    ("more", "line", "listed", "is_warned"),
    [
        (
            {},
            "groups that go up, and that RBAC must let the gateway impersonate: l7gw:engineers, l7gw:sre-*",
            ["engineers", "sre-*"],
            True,
        ),
        (
            {"groups": ["on-call"], "prefix": ""},
            "groups that go up, and that RBAC must let the gateway impersonate: engineers, on-call, sre-*",
            ["engineers", "on-call", "sre-*"],
            True,
        ),
        (
            {"groups": "*"},
            "all groups of a caller go up: RBAC must let the gateway impersonate every one",
            ["*", "engineers", "sre-*"],
            False,
        ),
        ({"impersonate": "none"}, "callers are the gateway's own credential there", [], False),
    ],
)
def test_the_groups_that_go_up_are_listed_and_rules_without_groups_warned_of(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: dict[str, Any], line: str,
    listed: list[str], is_warned: bool,
) -> None:  # fmt: skip
    written.prod |= more
    written.entry["oidc"]["groups"] = "groups"
    written.entry["kind"] = {"claim": "client_kind", "agent": ["bot"]}
    written.load()
    (written.folder / "policy.yaml").write_text(RULES)
    assert run(monkeypatch, "check", "--config", written.path) == 0
    out, err = capsys.readouterr()
    assert f" {line}\n" in out
    assert ("cluster prod: rules without `groups:` ('b', 'c') let callers through" in err) is is_warned
    assert run(monkeypatch, "check", "--config", written.path, "-o", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["clusters"][0]["groups"] == listed and len(document["warnings"]) == is_warned


def test_a_missing_configuration_says_where_it_could_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--config", tmp_path / "none.yaml") == 2
    assert "--config FILE or $L7GW_CONFIG" in capsys.readouterr().err
