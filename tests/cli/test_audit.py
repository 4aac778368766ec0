"""`l7gw audit reconcile` says who went round the gateway, and what the cluster never saw, to people and to programs."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from l7gw.clock import SystemClock
from l7gw.recording.recorder import Recorder
from tests.support.audit_events import PODS, called, changed, event, lines, written
from tests.support.journals import ANN, cli_run, recorded

EVE = {"username": "[red]eve\x1b]0;x\x07\u202e"}
NODE = {"username": "system:node:ip-1"}


class Journal:
    """A state with two calls of Ann's, and events of the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"

        def fill(recorder: Recorder) -> None:
            called(recorder, "list")
            called(recorder, "delete", f"{PODS}/web-0", "DELETE")
            self.session = recorder.session(ANN, "prod").id

        recorded(self.state, fill)
        hour = 3600
        now = SystemClock().wall()
        self.events = [
            event("n-1", user=NODE, at=now - hour),
            event("list", session=self.session),
            event("delete", f"{PODS}/web-0", "DELETE", session=self.session),
            event("n-2", user=NODE, at=now + hour),
        ]

    @property
    def log(self) -> Path:
        return written(self.folder / "audit.log", *self.events)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def _run(capsys: pytest.CaptureFixture[str], journal: Journal, *words: str | Path) -> tuple[int, str, str]:
    return cli_run(capsys, "audit", "reconcile", "--state", journal.state, *words)


def test_a_log_of_recorded_calls_alone_is_0(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = _run(capsys, journal, journal.log)
    assert (status, err) == (0, "")
    assert "0 calls went round, 0 recorded and never seen, 2 recorded calls seen by the cluster" in out
    assert "the log has no event at all from " in out and ", and 1 times more: a part of it may be missing" in out
    assert "left out: 2 calls of the cluster's own parts: system:node:ip-1 2 (--all shows them)" in out


def test_a_way_round_is_1_and_told_with_nothing_that_moves_a_terminal(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.events.insert(1, event("x", "/api/v1/secrets", user=EVE))
    status, out, err = _run(capsys, journal, journal.log)
    assert (status, err) == (1, "")
    assert "Went round the gateway:" in out and "list secrets (200)" in out and "10.0.0.9, kubectl/v1.36" in out
    assert "[red]eve\\u001b]0;x\\u0007\\u202e" in out and "\x1b" not in out and "1 call went round" in out


def test_a_recorded_call_that_the_log_lacks_is_1(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    del journal.events[2]
    status, out, err = _run(capsys, journal, journal.log)
    assert status == 1 and "Recorded, and never seen by the cluster:" in out and "delete pods web-0 in shop" in out
    assert f"{journal.session}/2" in out and "hint: where the audit policy leaves such calls out" in err
    assert _run(capsys, journal, journal.log, "--unaudited", "delete *")[0] == 0


def test_json_has_the_documented_keys(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.events[2] = event("x", "/api/v1/secrets", user=EVE)
    status, out, _ = _run(capsys, journal, journal.log, "-o", "json")
    said = json.loads(out)
    assert status == 1
    assert list(said) == [
        "cluster", "from", "to", "silences", "events", "recorded", "recorded_and_seen", "went_round", "rounds",
        "never_seen", "calls_never_seen",
        "ignored", "harmless", "earlier", "not_recorded_by_configuration", "unreadable_lines", "other_lines", "unreadable_blocks",
    ]  # fmt: skip
    (way,), (never,) = said["rounds"], said["calls_never_seen"]
    assert list(way) == ["why", "user", "as", "address", "client", "verb", "resource", "namespace", "count", "last"]
    assert (way["user"], way["why"], way["last"]["uri"]) == (EVE["username"], "not recorded", "/api/v1/secrets")
    assert list(never) == ["session", "exchange", "user", "time", "verb", "resource", "namespace", "name"]
    assert (never["session"], never["exchange"], never["user"]) == (journal.session, 2, ANN.user)
    assert (said["cluster"], said["recorded"], said["recorded_and_seen"]) == ("prod", 2, 1)


def test_stdin_and_packed_files_and_folders_are_read(
    journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lines(*journal.events)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(data))))
    assert _run(capsys, journal, "-")[0] == 0
    exported = journal.folder / "exported" / "0199"
    for number, stream in enumerate(("kube-apiserver-audit-1", "kube-apiserver-audit-2", "authenticator-1")):
        (exported / stream).mkdir(parents=True)
        part = lines(*journal.events[2 * number : 2 * number + 2]) or b"time=x\xff"
        (exported / stream / "000000.gz").write_bytes(gzip.compress(part))
    (exported / "aws-logs-write-test").write_text("Permission Check Successful")
    status, out, err = _run(capsys, journal, journal.folder / "exported")
    assert (status, err) == (0, "") and "2 recorded calls seen" in out


@pytest.mark.parametrize("harm", ["garbled", "empty", "block", "earlier"])
def test_what_cannot_be_said_is_3_and_told(journal: Journal, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "garbled": "1 part of the log",
        "empty": "the log has no call",
        "block": "1 block of",
        "earlier": "1 call came before",
    }
    log = journal.log
    if harm == "garbled":
        log.write_bytes(log.read_bytes() + b'{"kind":"Event","audi')
    elif harm == "empty":
        log.write_bytes(b"")
    elif harm == "block":
        changed(journal.state)
        log = written(journal.folder / "audit.log", journal.events[0])
    else:
        written(log, event("e", user=EVE, at=SystemClock().wall() - 7200), *journal.events)
    status, _, err = _run(capsys, journal, log)
    assert status == 3 and told[harm] in err


def test_a_way_round_is_1_though_something_cannot_be_read(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.events.append(event("x", user=EVE))
    log = journal.log
    log.write_bytes(log.read_bytes() + b"{")
    assert _run(capsys, journal, log)[0] == 1


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ((), 2, "which log? name a FILE"),
        (("LOG", "--since", "yesterday"), 2, "--since is 30m"),
        (("LOG", "--margin", "2"), 2, "--margin is 30s"),
        (("/nowhere/audit.log",), 3, "cannot be read"),
    ],
)
def test_wrong_words_are_told(
    journal: Journal, words: tuple[str, ...], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(journal.log) if word == "LOG" else word for word in words]
    found, _, err = _run(capsys, journal, *given)
    assert found == status and told in err


def test_of_several_clusters_one_is_named(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(journal.state, lambda recorder: called(recorder, "x", cluster="dev") and None)
    status, _, err = _run(capsys, journal, journal.log)
    assert status == 2 and "whose log is it? say --cluster NAME: dev, prod" in err
    assert _run(capsys, journal, journal.log, "--cluster", "prod")[0] == 0
    assert _run(capsys, journal, journal.log, "--cluster", "dev")[0] == 1
