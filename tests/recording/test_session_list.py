"""The list of sessions has every session, newest first, and says which are still open."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path

import pytest

from l7gw.clock import moment
from l7gw.limits import Limits
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE, HOLDS_SESSION_EVENTS
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import NEWEST_RUNS, NoSuch, find, key_of, summaries
from tests.support.journals import ANN, call, recorded

PODS = "/api/v1/namespaces/d/pods"
BOB = dataclasses.replace(ANN, user="bob@example.com", groups=(), kind="agent", actor="copilot")


def test_a_session_of_the_list_has_the_documented_keys(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(BOB, "prod"), PODS)
        exchange.response_body(bytes(42))
        exchange.end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    listed = summary.document(all_runs=False)
    assert list(listed) == [
        "id", "cluster", "principal", "runs", "started", "ended", "exchanges", "bytes", "held", "denied", "state", "failed_logins", "runs_total",
    ]  # fmt: skip
    assert listed["principal"] == {
        "user": "bob@example.com", "groups": [], "kind": "agent", "issuer": "https://idp", "actor": "copilot", "address": "10.0.0.1",
    }  # fmt: skip
    assert (listed["cluster"], listed["exchanges"], listed["bytes"], listed["held"], listed["denied"]) == ("prod", 1, 42, 0, 0)
    assert [set(run) for run in listed["runs"]] == [{"id", "client", "command", "started"}]
    assert listed["state"] == "closed"
    times = [listed["started"], listed["ended"], listed["runs"][0]["started"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time) for time in times)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", listed["id"])
    assert "runs_total" not in summary.document(all_runs=True)


def test_the_newest_session_is_first(tmp_path: Path) -> None:
    for who in (ANN, BOB, ANN):
        recorded(tmp_path, lambda recorder, who=who: call(recorder.session(who, "prod"), PODS).end("complete"))  # type: ignore[misc]
    assert [summary.started.user for summary in summaries(tmp_path)] == [ANN.user, BOB.user, ANN.user]
    times = [summary.started.time for summary in summaries(tmp_path)]
    assert times == sorted(times, reverse=True)


def test_open_closed_and_torn_are_told_apart(tmp_path: Path) -> None:
    """A session without new events is open, too, while the journal has gone on to other segments."""
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "died"), PODS).end("complete"), close=False)
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "ended"), PODS).end("complete"))

    async def run() -> None:
        from l7gw.clock import SystemClock

        loop = asyncio.get_running_loop()
        recorder = Recorder(tmp_path, clock=SystemClock(), reserve=0, loop=loop, limits=Limits(segment=500))
        recorder.open()
        call(recorder.session(ANN, "quiet"), PODS)
        for _ in range(5):
            done = asyncio.get_running_loop().create_future()
            call(recorder.session(ANN, "busy"), PODS).durable(done.set_result)
            assert await done is None
        assert len(reader.segments(tmp_path)) > 4
        states = {summary.started.cluster: summary.state for summary in summaries(tmp_path)}
        assert states == {"died": "torn", "ended": "closed", "quiet": "open", "busy": "open"}
        documents = {summary.started.cluster: summary.document(all_runs=True) for summary in summaries(tmp_path)}
        assert [cluster for cluster, document in documents.items() if document["ended"] is None] == ["busy", "quiet"]
        recorder.close()

    asyncio.run(run())
    states = {summary.started.cluster: summary.state for summary in summaries(tmp_path)}
    assert states == {"died": "torn", "ended": "closed", "quiet": "closed", "busy": "closed"}


def test_the_list_has_the_newest_runs_and_show_has_all(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        for n in range(NEWEST_RUNS + 50):
            call(recorder.session(ANN, "prod"), PODS, run=f"run-{n}").end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    listed = summary.document(all_runs=False)
    assert [run["id"] for run in listed["runs"]] == [f"run-{n}" for n in range(149, 49, -1)]
    assert listed["runs_total"] == 150
    shown = find(tmp_path, summary.id).document(all_runs=True)
    assert [run["id"] for run in shown["runs"]] == [f"run-{n}" for n in range(149, -1, -1)]


def test_a_unique_beginning_names_a_session(tmp_path: Path) -> None:
    for who in (ANN, BOB):
        recorded(tmp_path, lambda recorder, who=who: call(recorder.session(who, "prod"), PODS).end("complete"))  # type: ignore[misc]
    newest, older = summaries(tmp_path)
    assert find(tmp_path, older.id).id == older.id
    assert find(tmp_path, older.id[:-1].upper()).id == older.id
    with pytest.raises(NoSuch, match="2 sessions begin"):
        find(tmp_path, newest.id[:2])
    for nobody in ("", "ffff", older.id + "0", "../../x"):
        with pytest.raises(NoSuch, match="no session"):
            find(tmp_path, nobody)


def test_attempts_of_nobody_are_a_session_of_nobody(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: recorder.attempts("prod").begin().end("refused"))
    (summary,) = summaries(tmp_path)
    document = summary.document(all_runs=False)
    assert document["principal"]["user"] == "" and document["exchanges"] == 1
    assert summary.started.attempts


def test_a_damaged_block_leaves_its_session_shorter_and_the_others_alone(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        for who in (ANN, BOB):
            call(recorder.session(who, "prod"), PODS).end("complete")

    recorded(tmp_path, fill)
    path = reader.segments(tmp_path)[0]
    anns = key_of(next(one.id for one in summaries(tmp_path) if one.started.user == ANN.user))
    ended = [place for place in reader.places(path) if place.header.session == anns and place.header.flags & HOLDS_SESSION_EVENTS][
        -1
    ]
    data = bytearray(path.read_bytes())
    data[ended.offset + HEADER_SIZE] ^= 1
    path.write_bytes(data)
    assert {one.started.user: one.state for one in summaries(tmp_path)} == {ANN.user: "torn", BOB.user: "closed"}


def test_a_moment_has_microseconds_and_z() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000000Z"
    assert moment(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


def test_a_session_whose_beginnings_hold_events_of_a_later_version_is_listed_all_the_same(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        session._about(["approval", 1, "x"])  # type: ignore[arg-type]  # an event as a later version would write it
        call(session, PODS).end("complete")

    recorded(tmp_path, fill)
    (summary,) = summaries(tmp_path)
    assert (summary.started.user, summary.run_count, summary.exchanges, summary.state) == (ANN.user, 1, 1, "closed")
