"""`l7gw sessions show` tells what was in a session, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import msgspec
import pytest

from l7gw.masking.find import Find
from l7gw.recording import events as e
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, call, cli_run, recorded, shell

BOB = dataclasses.replace(ANN, user="bob@example.com", groups=(), kind="agent", actor="copilot")
HOSTILE = dataclasses.replace(ANN, user="[red]eve[/] :bomb: \x1b]0;owned\x07\u202e\u3164", groups=("[/]",))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three sessions: one of ann on prod, one of bob on stage with a denial, and one of strangers."""

    def fill(recorder: Recorder) -> None:
        shell(recorder.session(ANN, "prod"), [("stdout", False, b"hi")])
        denied = call(recorder.session(BOB, "stage"), "/api/v1/namespaces/d/secrets/s", "DELETE", run="run-2")
        denied.verdict("deny", rule="no secrets", reason="never")
        denied.response(403, ())
        denied.end("denied", "never")
        recorder.attempts("prod").begin().end("refused")

    recorded(tmp_path, fill)
    return tmp_path


def listed(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> list[str]:
    status, out, _ = cli_run(capsys, "sessions", "list", "-o", "json", "--state", state, *arguments)
    assert status == 0
    return [session["principal"]["user"] for session in json.loads(out)]


def test_show_lists_each_call_with_its_verdict_and_outcome(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bobs = summaries(state)[1].id
    status, out, _ = cli_run(capsys, "sessions", "show", bobs, "--state", state)
    assert status == 0
    lines = [re.sub(r"  +", " | ", line.strip()) for line in out.splitlines() if line.strip()]
    assert lines == [
        f"session | {bobs}", "cluster | stage", "user | bob@example.com", "kind | agent", "issuer | https://idp",
        "acting agent | copilot", "address | 10.0.0.1", "state | closed", "calls | 1, 1 denied", "run | kubectl exec | kubectl/v1.33 | run-2",
        "call | what | namespace | verdict | status | masked | outcome | reason", lines[11],
        "1 | delete secrets s | d | deny (no secrets) | 403 | denied | never",
    ]  # fmt: skip
    document = json.loads(cli_run(capsys, "sessions", "show", bobs, "-o", "json", "--state", state)[1])
    assert document["id"] == bobs and len(document["runs"]) == 1


def test_show_has_the_verdict_on_the_call_and_not_on_what_was_read_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(recorder: Recorder) -> None:
        for later in ("allow", "deny"):
            one = call(recorder.session(ANN, "prod"), "/api/v1/namespaces/d/secrets/s", "PUT")
            one.verdict(later, rule="readers", reason="to restore masked values, the gateway reads the object as you: ...")
            one.end("complete")

    recorded(tmp_path, fill)
    out = cli_run(capsys, "sessions", "show", summaries(tmp_path)[0].id, "--state", tmp_path)[1]
    assert re.findall(r"(?:allow|deny) \([a-z]+\)", out) == ["allow (all)", "deny (readers)"]


def test_show_of_an_id_that_no_or_several_sessions_have_is_exit_status_1(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_run(capsys, "sessions", "show", "ffff", "--state", state)[0] == 1
    status, _, err = cli_run(capsys, "sessions", "show", summaries(state)[0].id[:4], "--state", state)
    assert status == 1 and "3 sessions begin with" in err


def test_a_run_that_comes_back_with_another_command_shows_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for command in ("kubectl get", "kubectl delete", "kubectl get"):
            session.begin(run_id="run-1", client="kubectl/v1.33", command=command).end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    out = cli_run(capsys, "sessions", "show", summary.id, "--state", tmp_path)[1]
    runs = [line.split("  ") for line in out.splitlines() if line.strip().startswith("run ")]
    assert [run[-3] for run in runs] == ["kubectl get", "kubectl delete"]


def test_show_says_of_a_held_call_what_became_of_it_and_who_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        held = call(session, "/api/v1/namespaces/d/pods/web-0", "DELETE")
        session.count(held=1)
        for state in ("pending", "approved", "consumed"):
            if state == "approved":
                session.append(e.ReviewRecorded(session.now(), held.number, "h", "rob\x1b[2J", "approve", "go on"))
            session.append(e.HoldRecorded(session.now(), held.number, "h", state, "writes", "wait"))
        held.end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    out = cli_run(capsys, "sessions", "show", summary.id, "--state", tmp_path)[1]
    assert "hold (writes): consumed by rob\\u001b[2J" in " ".join(out.split()) and "1, 0 denied, 1 held" in out
    assert summary.document(all_runs=True)["held"] == 1


def test_show_has_the_command_of_an_exec_and_the_selectors_of_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where percent escapes in the target hide them from a reader's eyes."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for target in (
            "/api/v1/namespaces/d/pods/web-0/exec?command=%73h&command=-c&command=rm%20-rf%20/&container=main&stdout=1",
            "/api/v1/pods?labelSelector=app%3D%77eb&fieldSelector=spec.nodeName%3Da",
            "/api/v1/namespaces/d/pods/web-0/exec?command=sh&container=main%20--%20ls%20/",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/view%20-l%20app%3Dweb",
        ):
            call(session, target).end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    out = cli_run(capsys, "sessions", "show", summary.id, "--state", tmp_path)[1]
    assert "pods/exec web-0 -c main -- sh -c 'rm -rf /'" in out
    assert "list pods -l app=web --field-selector spec.nodeName=a" in out
    assert "pods/exec web-0 -c 'main -- ls /' -- sh" in out  # a word that a caller chose cannot look like several words
    assert "get clusterroles 'view -l app=web'" in out


def test_events_of_a_later_version_are_left_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Checked for each command that reads events. The calls around the events are shown."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        running = call(session, "/api/v1/pods")
        for name in ("blessing", "witness", "blessing"):
            session.append_encoded(msgspec.msgpack.encode([name, 1_779_000_000_000_000, 1, "x"]))
        running.end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    told = "left out: 3 events of kinds that this version does not know (blessing, witness)"
    status, out, err = cli_run(capsys, "sessions", "show", summary.id, "--state", tmp_path)
    assert status == 0 and told in err and re.search("1 +list pods .*complete", out)
    status, out, err = cli_run(capsys, "export", summary.id, "--format", "jsonl", "--state", tmp_path)
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and told in err
    assert lines[-1] == {"type": "unknown", "count": 3, "names": {"blessing": 2, "witness": 1}}
    assert [(line["seq"], line["type"]) for line in lines[1:-1]] == [
        (2, "run"),
        (3, "request"),
        (4, "verdict"),
        (8, "end"),
        (9, "ended"),
    ]
    for command in (("replay", summary.id), ("export", summary.id, "--format", "asciicast")):
        assert cli_run(capsys, *command, "--state", tmp_path)[2].count(told) == 1
    status, out, err = cli_run(capsys, "verify", "--state", tmp_path)
    assert status == 0 and told in err and "intact" in out
    assert json.loads(cli_run(capsys, "verify", "-o", "json", "--state", tmp_path)[1])["unknown_events"] == 3


def test_show_says_how_much_was_masked_by_what_and_marks_a_call_that_sent_much_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(recorder: Recorder) -> None:
        for sent in (20, 21):
            one = call(recorder.session(ANN, "prod"), "/api/v1/namespaces/d/secrets/s", "PUT")
            for number in range(sent):
                one.mask(Find(detector="github-token", where=f"data.{number}", length=40, tag="0123abcd"), up=True)
            one.mask(Find(detector="secret-data", where="data.password", length=7, tag="89abcdef"), up=False)
            one.end("complete")

    recorded(tmp_path, fill)
    (session,) = summaries(tmp_path)
    out = cli_run(capsys, "sessions", "show", session.id, "--state", tmp_path)[1]
    flat = re.sub(r"[ \n]+", " ", out)
    assert "21 masked, 807 bytes: github-token, secret-data in data.0," in flat
    assert "22 masked, 847 bytes: github-token, secret-data in data.0," in flat
    assert flat.count("the caller sent") == 1 and "21 of them" in flat
    lines = [
        json.loads(line) for line in cli_run(capsys, "export", session.id, "--format", "jsonl", "--state", tmp_path)[1].splitlines()
    ]
    about = {"detector": "secret-data", "where": "data.password", "length": 7, "tag": "89abcdef", "direction": "down"}
    assert sum(line["type"] == "mask" for line in lines) == 43
    assert [line | about for line in lines if line.get("detector") == "secret-data"] == [
        line for line in lines if line.get("detector") == "secret-data"
    ]
