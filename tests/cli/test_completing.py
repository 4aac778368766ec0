"""A shell completes the ids of sessions and the names of clusters, and says nothing where it cannot."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from l7gw.cli.main import cli
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, call, recorded
from tests.support.written_configuration import Written


def completed(*words: str) -> list[tuple[str, str | None]]:
    complete = BashComplete(cli, {}, "l7gw", "_L7GW_COMPLETE")
    return [(one.value, one.help) for one in complete.get_completions(list(words[:-1]), words[-1])]


def test_the_ids_of_sessions_are_completed_where_one_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cluster in ("prod", "stage\x1b"):
        recorded(tmp_path, lambda recorder, on=cluster: call(recorder.session(ANN, on), "/api").end("complete"))  # type: ignore[misc]
    new, old = [one.id for one in summaries(tmp_path)]
    for words in (("replay",), ("export",), ("sessions", "show"), ("sessions", "tail"), ("sessions", "kill")):
        state = () if words[-1] == "kill" else ("--state", str(tmp_path))
        found = completed(*words, *state, "")
        if state:
            assert [one for one, _ in found] == [new, old]
            assert re.fullmatch(r"ann@example\.com on stage\\u001b, \d{4}-\d\d-\d\d \d\d:\d\d, 1 call", found[0][1] or "")
            assert completed(*words, *state, old[:30].upper()) == found[1:]
        assert completed(*words, "--config", str(tmp_path / "none.yaml"), "") == []
    assert capsys.readouterr() == ("", "")


def test_the_newest_fifty_sessions_are_completed_and_failed_log_ins_named(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        for number in range(51):
            call(recorder.session(replace(ANN, user=f"user-{number}"), "prod"), "/api").end("complete")
        for _ in range(2):
            recorder.attempts("prod").begin().end("refused")

    recorded(tmp_path, fill)
    found = completed("sessions", "show", "--state", str(tmp_path), "")
    assert [one for one, _ in found] == [one.id for one in summaries(tmp_path)][:50]
    assert (found[0][1] or "").startswith("failed log-ins on prod, ") and (found[0][1] or "").endswith(", 2 calls")


def test_the_names_of_clusters_are_completed_where_one_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(tmp_path)
    written.top["clusters"]["stage"] = written.prod
    written.load()
    assert completed("kubeconfig", "--config", str(written.path), "") == [("prod", None), ("stage", None)]
    assert completed("kubeconfig", "--config", str(written.path), "st") == [("stage", None)]
    assert completed("kubeconfig", "--config", str(tmp_path / "none.yaml"), "") == []
    assert capsys.readouterr() == ("", "")


def test_users_and_groups_that_are_named_in_full_are_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = Written(tmp_path)
    written.load()
    (tmp_path / "policy.yaml").write_text(
        "guardrails: [{name: g, users: [eve, 'bot:*'], verdict: deny}]\n"
        "rules: [{name: r, groups: [engineers, sre, 'dev-*'], users: ann, verdict: allow}, {name: s, groups: [sre], verdict: allow}]\n"
        "tests: [{as: {user: lea, groups: [ops]}, call: GET /x, verdict: deny}]\n"
    )
    recorded(tmp_path / "state", lambda recorder: call(recorder.session(ANN, "prod"), "/api").end("complete"))
    where = ("policy", "explain", "--config", str(written.path))
    assert [name for name, _ in completed(*where, "--user", "")] == ["eve", "ann", "lea", "ann@example.com"]
    assert [name for name, _ in completed(*where, "--user", "ann@")] == ["ann@example.com"]
    assert [name for name, _ in completed(*where, "--group", "")] == ["engineers", "sre", "ops"]
    assert [name for name, _ in completed(*where, "--cluster", "")] == ["prod"]
    assert [name for name, _ in completed("sessions", "list", "--config", str(written.path), "--user", "e")] == ["eve"]
    for wrong in ("rules: [", "- a\n", "rules: 3\n", "\x00"):
        (tmp_path / "policy.yaml").write_text(wrong)
        assert completed(*where, "--group", "") == []
    for wrong in ("{", "clusters: 1\n", "- x\n", "policy: [1]\n"):
        written.path.write_text(wrong)
        assert completed(*where, "--cluster", "") == completed(*where, "--user", "") == []
    assert capsys.readouterr() == ("", "")


def test_the_names_of_rules_are_completed_as_the_shell_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(tmp_path)
    written.load()
    (tmp_path / "policy.yaml").write_text(
        "guardrails: [{name: keep prod, verdict: deny}]\nrules: [{name: read, verdict: allow}, {name: 'a; id', verdict: allow}]\n"
    )
    where = ("policy", "explain", "--config", str(written.path), "--rule")
    assert [name for name, _ in completed(*where, "")] == ["keep prod", "read"]
    monkeypatch.setenv("_L7GW_COMPLETE", "bash_complete")
    assert [name for name, _ in completed(*where, "keep p")] == ["keep\\\\ prod"]


def test_verify_completes_sessions_and_else_files(tmp_path: Path) -> None:
    recorded(tmp_path / "state", lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
    where = ("verify", "--state", str(tmp_path / "state"))
    [(found, _)] = completed(*where, "0")
    assert len(found) == 36
    assert completed(*where, "/mnt/copy") == [("/mnt/copy", None)]


def test_no_name_is_completed_that_a_shell_would_not_take_as_one_word(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.load()
    hostile = [
        "x;id",
        "$(id)",
        "`id`",
        "a b",
        "a|b",
        "a&b",
        "a>b",
        "a'b",
        'a"b',
        "a\\b",
        "a!b",
        "#a",
        "~a",
        "a*",
        "-x",
        "--config=/x",
        "{a,b}",
        "a\u3164",
    ]
    plain = ["ann@example.com", "CN=eve,O=dev", "bot:first", "müller", "arn:aws:iam::1:role/x+y"]

    def fill(recorder: Recorder) -> None:
        for user in hostile + plain:
            call(recorder.session(replace(ANN, user=user), "prod"), "/api").end("complete")

    recorded(tmp_path / "state", fill)
    (tmp_path / "policy.yaml").write_text(json.dumps({"rules": [{"users": hostile, "groups": [*hostile, "ops"]}]}))
    where = ("policy", "explain", "--config", str(written.path))
    assert sorted(name for name, _ in completed(*where, "--user", "")) == sorted(plain)
    assert completed(*where, "--group", "") == [("ops", None)]
