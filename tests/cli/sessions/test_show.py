"""`l7gw sessions show` tells what was in a session, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import msgspec
import pytest

from l7gw.kube.requestinfo import describe
from l7gw.limits import Limits
from l7gw.masking.find import Find
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.at_terminal import at_terminal
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


def test_a_pipe_gets_the_session_and_a_line_for_each_call(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bobs = summaries(state)[1].id
    status, out, _ = cli_run(capsys, "sessions", "show", bobs, "--state", state)
    assert status == 0
    lines = [re.sub(r"  +", " | ", line.strip()) for line in out.splitlines()]
    assert lines[:8] == [
        f"session | {bobs}", "cluster | stage", "user | bob@example.com", "kind | agent", "issuer | https://idp",
        "acting agent | copilot", "address | 10.0.0.1", "state | closed",
    ]  # fmt: skip
    assert re.fullmatch(r"began \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, lasted 0:00:00", lines[8])
    assert lines[9:12] == ["calls | 1, 1 denied", "", "run | kubectl exec | kubectl/v1.33 | run-2"]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d \| #1 \| kubectl delete secrets s -n d -> denied by no secrets: never; 403, denied, [0-9.]+ ms", lines[12]
    )
    assert len(lines) == 13


def test_the_json_of_a_session_has_its_calls_with_these_keys(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, one in enumerate(summaries(state)):
        document = json.loads(cli_run(capsys, "sessions", "show", one.id, "-o", "json", "--state", state)[1])
        calls = document.pop("calls")
        assert document == one.document(all_runs=True)
        assert [list(call) for call in calls] == [KEYS] * (number > 0)


KEYS = [
    *("exchange", "time", "run", "command", "verb", "group", "resource", "subresource", "namespace", "name", "argv"),
    *("verdict", "rule", "reason", "status", "up", "down", "ms", "outcome"),
]


def test_show_of_failed_log_ins_says_where_they_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        for number in range(45):
            attempt = recorder.attempts("prod").begin()
            attempt.request(method="GET", target="/api", headers=(), act=None, audit_id="")
            attempt.verdict("refused", reason=f"from 10.0.0.{number % 22}: the token\x1b[2J has expired")
            attempt.end("refused", "the token\x1b[2J has expired")
        recorder.attempts("prod").append(e.AttemptsDropped(1, 5))

    recorded(tmp_path, fill, limits=Limits(attempts_a_second=100))
    (one,) = summaries(tmp_path)
    out = cli_run(capsys, "sessions", "show", one.id, "--state", tmp_path)[1]
    assert "failed log-ins (22 addresses):\ncount  address    reason\n    3  10.0.0.0   the token\\u001b[2J has expired\n" in out
    assert "\n4 more from other addresses or for other reasons; --all and -o json have more\n" in out
    assert "\n5 more were only counted: there were too many at once\n" in out
    assert "#45  GET /api -> refused: from 10.0.0.0: the token\\u001b[2J has expired; refused, " in out
    every = cli_run(capsys, "sessions", "show", one.id, "--state", tmp_path, "--all")[1]
    assert every.count("the token") == 22 + 45 and "more from" not in every
    document = json.loads(cli_run(capsys, "sessions", "show", one.id, "--state", tmp_path, "-o", "json")[1])
    assert (document["failed_logins"]["addresses"], len(document["failed_logins"]["by"]), len(document["calls"])) == (22, 22, 45)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of 700 calls: discovery, reads, a write and an exec in each run of seven."""
    state = tmp_path_factory.mktemp("busy")

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for run in range(100):
            for target in ("/api", "/apis", "/version", "/api/v1/pods", "/apis/apps/v1/deployments"):
                made = call(session, target, run=f"run-{run}")
                made.response(200, ())
                made.response_body(bytes(1000))  # so that the session has several blocks
                made.end("complete")
            shell(session, [("stdout", False, b"hi")])
            denied = session.begin(run_id=f"run-{run}", client="kubectl/v1.33", command="kubectl exec")
            denied.request(method="DELETE", target=SECRET, headers=(), act=describe("DELETE", SECRET), audit_id="")
            denied.verdict("deny", rule="no secrets", reason="ask sre")
            denied.end("denied", "ask sre")

    recorded(state, fill)
    return state


SECRET = "/api/v1/namespaces/d/secrets/s"


def shown(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> list[str]:
    (one,) = summaries(state)
    status, out, err = cli_run(capsys, "sessions", "show", one.id, "--state", state, *arguments)
    assert (status, err) == (0, "")
    return [line for line in out.splitlines() if re.match(r" +\d\d:\d\d:\d\d  #|[0-9,]+ earlier", line)]


def test_discovery_is_one_line_of_a_run_unless_all_is_asked_for(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = shown(capsys, busy, "--limit", "10")
    assert [line.split("  ", 3)[-1] for line in few if "discovery" in line] == [
        "#687  discovery, 3 calls",
        "#694  discovery, 3 calls",
    ]
    every = shown(capsys, busy, "--all")
    assert len(every) == 700 and sum("GET /api" in line and "-> allowed by all; 200, complete" in line for line in every) == 200


def test_the_newest_calls_are_shown_and_the_others_counted(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual = shown(capsys, busy)
    # 100 runs of discovery in a line, two reads, an exec, a denial; the runs of the execs are one
    assert len(usual) == 500 and not usual[-1].endswith("shows them")
    few = shown(capsys, busy, "--limit", "3")
    assert few[-1] == "697 earlier; --all or --limit N shows them" and len(few) == 4
    assert cli_run(capsys, "sessions", "show", "x", "--all", "--limit", "3", "--state", busy)[0] == 2


@pytest.mark.parametrize(
    ("only", "count", "words"),
    [("denied", 100, "kubectl delete secrets s"), ("writes", 100, "kubectl delete"), ("execs", 100, "kubectl exec")],
)
def test_only_some_calls_are_shown_and_in_json_too(
    busy: Path, capsys: pytest.CaptureFixture[str], only: str, count: int, words: str
) -> None:
    lines = shown(capsys, busy, "--only", only)
    assert len(lines) == count and all(words in line for line in lines)
    (one,) = summaries(busy)
    for more, calls in (([], count), (["--limit", "4"], 4)):
        document = json.loads(cli_run(capsys, "sessions", "show", one.id, "--state", busy, "-o", "json", "--only", only, *more)[1])
        numbers = [found["exchange"] for found in document["calls"]]
        assert len(numbers) == calls and numbers == sorted(numbers) and numbers[-1] >= 699


def test_of_a_damaged_session_is_shown_what_can_be_read_and_the_status_is_1(
    busy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "journal").mkdir()
    (path,) = reader.segments(busy)
    content = bytearray(path.read_bytes())
    content[[place for place in reader.places(path) if not place.header.flags][-1].offset + 200] ^= 1
    (tmp_path / "journal" / path.name).write_bytes(content)
    (one,) = summaries(tmp_path)
    status, out, err = cli_run(capsys, "sessions", "show", one.id, "--state", tmp_path, "-o", "json")
    assert status == 1 and "was changed" in err and 0 < len(json.loads(out)["calls"]) < 700
    status, out, err = cli_run(capsys, "sessions", "show", one.id, "--state", tmp_path)
    assert status == 1 and "was changed" in err and f"session  {one.id}" in out


def test_nothing_that_is_shown_is_wider_than_the_terminal(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = summaries(busy)
    for columns in (80, 60):
        lines = at_terminal(capsys, columns, "sessions", "show", one.id, "--state", busy, "--limit", "20")
        assert max(map(len, lines)) <= columns and any(line.startswith("        ") for line in lines)


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
    assert re.findall(r"-> ([^:;]+)", out) == ["allowed by all", "denied by readers"]


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
    assert [run["command"] for run in summary.document(all_runs=True)["runs"]] == ["kubectl delete", "kubectl get"]
    assert out.count("run  ") == 0  # no request of them is recorded, so there is nothing to tell


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
    assert "held by writes: approved by rob\\u001b[2J; " in out and "1, 0 denied, 1 held" in out
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
    assert "kubectl exec web-0 -n d -c main -- sh -c 'rm -rf /' ->" in out
    assert "kubectl get pods -A -l app=web --field-selector spec.nodeName=a ->" in out
    assert "kubectl exec web-0 -n d -c 'main -- ls /' -- sh ->" in out  # a word that a caller chose cannot look like several words
    assert "kubectl get clusterroles.rbac.authorization.k8s.io 'view -l app=web' ->" in out


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
    assert status == 0 and told in err and re.search("#1  kubectl get pods .*complete", out)
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
