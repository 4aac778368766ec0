"""`l7gw check --online` as a command: its document, its lines, its exit status. `tests/real/test_check_online.py` has a real cluster."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.cli.check_online import MOST_ALIKE, status_of, tell
from l7gw.cli.online.findings import Finding
from l7gw.demo.pki import write_private
from tests.cli.test_check import run
from tests.support.posted import SECRET, Side
from tests.support.served_issuer import ServedIssuer
from tests.support.slack_stand_in import TOKEN, Slack
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """A configuration whose issuer and cluster are ports where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        it = Written(tmp_path)
        it.prod |= {"server": f"https://127.0.0.1:{closed.getsockname()[1]}", "hosts": ["localhost"]}
        it.entry["oidc"] = {"issuer": f"https://127.0.0.1:{closed.getsockname()[1]}/idp", "audience": "l7gw", "groups": "groups"}
        (tmp_path / "policy.yaml").write_text("rules: [{name: r, groups: [sre], effects: [read], verdict: allow}]\n")
        it.load()
        yield it


def test_the_document_has_exactly_four_keys_a_line_and_red_is_status_1(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--online", "--config", written.path, "-o", "json") == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == "" and all(list(line) == ["check", "state", "text", "hint"] for line in found)
    assert {line["state"] for line in found} == {"green", "yellow", "red"}
    assert all(bool(line["hint"]) == (line["state"] != "green") and line["text"] for line in found)
    issuer = written.entry["oidc"]["issuer"]
    assert [line["check"] for line in found if line["state"] == "red"] == [f"issuer {issuer}: TCP", "cluster prod: TCP"]
    assert [line["check"] for line in found if line["state"] == "yellow"] == ["clock"]
    assert {line["check"] for line in found} >= {
        "configuration",
        "name localhost",
        "certificate of the gateway",
        "disk",
        "store",
        "policy",
    }


def test_slack_and_the_webhook_are_reached_and_told_nothing(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who stands there sees a TLS handshake that no request follows."""
    with ServedIssuer(written.folder / "there") as there:
        asked: list[object] = []
        monkeypatch.setattr(there, "_serve", asked.append)
        write_private(written.folder / "hook.secret", SECRET.encode())
        ca = str(there.certificate_authority)
        hook = {"url": f"{there.url}/tres-path", "secret-file": "hook.secret", "certificate-authority": ca, "users": {}}
        slack = Slack(Side(80)).reviews(written.folder, webhook=hook)
        slack["slack"] |= {"endpoint-url": f"{there.url}/api", "certificate-authority": ca}
        written.top["reviews"] = slack
        written.load()
        assert run(monkeypatch, "check", "--online", "--config", written.path, "-o", "json") == 1  # by the issuer and the cluster
        out = capsys.readouterr().out
    found = {line["check"]: line["state"] for line in json.loads(out)}
    assert {found[f"{name}: {step}"] for name in ("Slack", "webhook") for step in ("DNS", "TCP", "TLS")} == {"green"}
    assert asked == [] and not any(secret in out for secret in (SECRET, TOKEN, "tres-path"))


def test_without_a_terminal_states_are_words_and_there_is_no_colour(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--online", "--config", written.path, "--address", "https://gw.example.com:8443/prod") == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "\x1b" not in out and err == ""
    assert any(line.startswith("red     cluster prod: TCP ") for line in lines)
    assert any(line.startswith("red     name gw.example.com ") for line in lines)
    assert "        -> does the API server run, and is it this port?" in lines and lines[-1].endswith(" 3 red")


@pytest.mark.parametrize("rules", ["rules: [{name: r, verdict: alow}]\n", "rules: [{name: r, verdict: allow, verbs: [gte]}]\n"])
def test_a_configuration_that_cannot_be_read_is_status_2_in_the_same_form(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rules: str
) -> None:
    (written.folder / "policy.yaml").write_text(rules)
    assert run(monkeypatch, "check", "--online", "--config", written.path) == 2
    assert "policy.yaml:1: " in capsys.readouterr().err
    assert run(monkeypatch, "check", "--online", "--config", written.path, "-o", "json") == 2
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["check"], line["state"]) == ("configuration", "red") and "policy.yaml:1: " in line["text"] and line["hint"]


def test_what_is_yellow_alone_is_status_0() -> None:
    yellow = [Finding("a", "green", "b"), Finding("c", "yellow", "d", "e")]
    assert status_of(yellow) == 0 and status_of([*yellow, Finding("f", "red", "g", "h")]) == 1


def test_doubts_of_the_policy_are_yellow_with_what_to_do(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (written.folder / "policy.yaml").write_text("rules: [{name: r, groups: [sre], namespaces: ['web-.*'], verdict: allow}]\n")
    run(monkeypatch, "check", "--online", "--config", written.path, "-o", "json")
    (line,) = [line for line in json.loads(capsys.readouterr().out) if line["check"] == "policy"]
    assert line["state"] == "yellow" and "regular expression" in line["text"] and line["hint"] == "did you mean 'web-*'?"


@pytest.mark.parametrize(
    ("words", "said"), [(["--address", "a:1"], "l7gw check --online"), (["--online", "--address", "a@b"], "is no HOST")]
)
def test_wrong_uses_say_what_to_type(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(monkeypatch, "check", "--config", written.path, *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("gw.example.com", "gw.example.com"), ("gw.example.com:8443", "gw.example.com"), ("[::1]:8443", "::1"), ("fd00::1", "fd00::1"),
        ("https://gw.example.com:8443/prod", "gw.example.com"), ("10.0.0.1:8443", "10.0.0.1"),
    ],
)  # fmt: skip
def test_an_address_is_taken_as_people_type_it(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, host: str
) -> None:
    run(monkeypatch, "check", "--online", "--config", written.path, "--address", address, "-o", "json")
    assert f"name {host}" in {line["check"] for line in json.loads(capsys.readouterr().out)}


def test_of_many_green_lines_about_one_thing_the_first_are_shown_and_none_that_is_not_green_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    many = [Finding(f"cluster c: impersonate groups g{number}", "green", "yes") for number in range(300)]
    bad = Finding("cluster c: impersonate groups bad", "red", "RBAC does not let the gateway", "do")
    tell([*many[:200], bad, *many[200:], Finding("cluster d: DNS", "green", "yes"), *many[:2]], "text")
    out = capsys.readouterr().out
    assert (
        "188 more of its checks are green, which -o json lists" in out
        and f"{100 - MOST_ALIKE} more of its checks" in out
        and "impersonate groups bad" in out
    )
    assert out.splitlines()[-1] == "303 green, 0 yellow, 1 red" and "g1 " in out.splitlines()[-2]
    tell(many, "json")
    assert len(json.loads(capsys.readouterr().out)) == 300


def test_on_a_narrow_terminal_a_finding_is_a_sentence_and_no_line_is_wider(capsys: pytest.CaptureFixture[str]) -> None:
    tell([Finding("cluster prod: who", "red", "user system:serviceaccount:l7gw:gateway, " * 3, "do this, " * 12)], "text", 80)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("red     cluster prod: who: user system:") and all(len(line) <= 80 for line in lines)
    assert all(line.startswith(" " * 8) for line in lines[1:-1])
    assert any(line.startswith("        -> do this") for line in lines) and lines[-1] == "0 green, 0 yellow, 1 red"


def test_what_others_call_things_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    tell([Finding("cluster c: version", "yellow", "v1\x1b[2J", "\x1b]0;x\x07")], "text")
    assert "\x1b" not in capsys.readouterr().out


def test_on_a_terminal_what_is_being_asked_is_shown_while_it_is_asked(written: Written) -> None:
    """By a terminal of the kernel's: the line is written on stderr, the document alone on stdout."""
    import os
    import pty
    import subprocess
    import sys

    main, side = pty.openpty()
    done = subprocess.Popen(
        [Path(sys.executable).parent / "l7gw", "check", "--online", "--config", written.path],
        stdout=subprocess.PIPE, stderr=side, text=True, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(side)
    out, _ = done.communicate(timeout=60)
    shown = b""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            shown += os.read(main, 4096)
        except OSError:
            break
    os.close(main)
    assert b"asking" in shown and "\x1b" not in out and done.returncode == 1
