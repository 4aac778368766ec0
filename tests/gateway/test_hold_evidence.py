"""What happens to holds stands in the session of the held call, on the disk, in the journal's own words and in the export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec

from l7gw.approval.messages import Asked, Hold, Requester, Review, Shown
from l7gw.config.settings import RecordMode
from l7gw.gateway.hold_evidence import HoldEvidence
from l7gw.hold_terms import Reviewers
from l7gw.identity.principal import Principal
from l7gw.recording import events as e
from l7gw.recording.export import json_lines
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from tests.support.desks import Seat, Waits, asked, reviewer, terms
from tests.support.journals import call, session_events
from tests.support.manual_clock import ManualClock

ANN = Principal("ann", ("dev",), "human", "https://idp", "", "10.0.0.1")
WHO = Requester(user="ann", groups=("dev",), issuer="https://idp", address="10.0.0.1")


def with_evidence(state: Path, test: Any, *, record: RecordMode = "all") -> None:
    """Run `test(seat, recorder)` at a desk whose evidence is a recorder's."""
    state.mkdir(mode=0o700)

    async def run() -> None:
        recorder = Recorder(state, clock=ManualClock(), reserve=0, loop=asyncio.get_running_loop(), version="test")
        recorder.open()
        seat = Seat(state, ManualClock())
        seat.desk._evidence = HoldEvidence(recorder, lambda _cluster: record)
        work: Coroutine[Any, Any, None] = test(seat, recorder)
        await work
        await seat.end()
        recorder.close()

    asyncio.run(run())


def of_session(session: str, number: int, **fields: Any) -> Asked:
    return asked(who=WHO, session=session, exchange=number, shown=Shown(diff="-a\n+b"), **fields)


def test_a_hold_its_review_and_its_use_are_events_of_the_call(tmp_path: Path) -> None:
    async def told(seat: Seat, recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        held = call(session, "/api/v1/namespaces/dev/pods/web-0", "DELETE")
        hold = await seat.held(of_session(session.id, held.number), Waits())
        await seat.review(hold, reviewer("rob"), Review(verdict="approve", note="go on", rest_of_run=2))
        assert await seat.claim(hold, "b-a")
        # all this is on the disk before the call goes on, while the session runs
        events = [
            one for one in session_events(tmp_path / "s", key_of(session.id)) if isinstance(one, e.HoldRecorded | e.ReviewRecorded)
        ]
        pending, review, approved, consumed = events
        assert isinstance(pending, e.HoldRecorded) and isinstance(consumed, e.HoldRecorded) and isinstance(review, e.ReviewRecorded)
        assert {one.exchange for one in events} == {held.number} and {one.hold for one in events} == {hold.id}
        assert (pending.state, pending.rule, pending.wait, pending.command) == (
            "pending",
            "writes",
            "wait",
            "kubectl delete pod web-0 -n dev",
        )
        assert (review.user, review.verdict, review.note, review.rest_of_run) == ("rob", "approve", "go on", 2)
        assert review.issuer == "https://idp"
        assert isinstance(approved, e.HoldRecorded) and (approved.state, approved.shown, approved.reviews) == ("approved", "", "")
        assert consumed.state == "consumed" and json.loads(consumed.shown) == json.loads(pending.shown) == {"diff": "-a\n+b"}
        assert [(one["user"], one["verdict"]) for one in json.loads(consumed.reviews)] == [("rob", "approve")]
        assert await seat.covered(of_session(session.id, held.number)) == hold.id
        held.end("complete")

    with_evidence(tmp_path / "s", told)
    (summary,) = summaries(tmp_path / "s")
    assert summary.held == 1
    lines = [
        line
        for line in json_lines(summary, session_events(tmp_path / "s", key_of(summary.id)))
        if line["type"] in ("hold", "review")
    ]
    assert [(line["type"], line.get("state", line.get("verdict"))) for line in lines] == [
        ("hold", "pending"), ("review", "approve"), ("hold", "approved"), ("hold", "consumed"), ("hold", "covered"),
    ]  # fmt: skip
    assert lines[0] | {"time": "", "seq": 0, "hold": ""} == {
        "time": "", "seq": 0, "run": "run-1", "exchange": 1, "type": "hold", "hold": "", "state": "pending", "rule": "writes", "wait": "wait",
        "why": "", "command": "kubectl delete pod web-0 -n dev", "session": "", "shown": {"diff": "-a\n+b"}, "reviews": None,
    }  # fmt: skip
    assert lines[1]["note"] == "go on" and lines[3]["reviews"][0]["user"] == "rob"


def test_a_hold_that_outlives_its_session_is_told_in_a_later_one_of_the_same_caller(tmp_path: Path) -> None:
    async def outlives(seat: Seat, recorder: Recorder) -> None:
        former = "01900000-0000-7000-8000-000000000000"
        await seat.held(of_session(former, 7, terms=terms(wait="come-back")))
        session = recorder.session(ANN, "prod")
        (event,) = [one for one in session_events(tmp_path / "s", key_of(session.id)) if isinstance(one, e.HoldRecorded)]
        assert (event.exchange, event.session) == (0, former)

    with_evidence(tmp_path / "s", outlives)


def test_one_of_two_approvals_is_a_review_and_no_state(tmp_path: Path) -> None:
    async def one(seat: Seat, recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        two = terms(("writes", Reviewers(groups=("sre",), minimum=2)))
        hold = await seat.held(of_session(session.id, 1, terms=two), Waits())
        await seat.review(hold, reviewer("rob"))
        events = [
            one for one in session_events(tmp_path / "s", key_of(session.id)) if isinstance(one, e.HoldRecorded | e.ReviewRecorded)
        ]
        assert [type(one).__name__ for one in events] == ["HoldRecorded", "ReviewRecorded"]

    with_evidence(tmp_path / "s", one)


def test_of_a_cluster_that_is_not_recorded_nothing_is_written_and_holds_go_on(tmp_path: Path) -> None:
    async def silent(seat: Seat, recorder: Recorder) -> None:
        hold: Hold = await seat.held(of_session("none", 0), Waits())
        await seat.review(hold, reviewer("rob"))
        assert await seat.claim(hold, "b-a")
        assert await seat.covered(msgspec.structs.replace(of_session("none", 0), run="r9")) is None

    with_evidence(tmp_path / "s", silent, record="none")
    assert summaries(tmp_path / "s") == []


def test_the_rule_of_a_call_says_what_is_kept_of_its_hold_before_the_cluster_does(tmp_path: Path) -> None:
    async def by_rule(seat: Seat, recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for number, mode in enumerate(("all", "metadata", "none"), 1):
            await seat.held(of_session(session.id, number, record=mode, binding=f"b-{mode}"), Waits())
        events = [one for one in session_events(tmp_path / "s", key_of(session.id)) if isinstance(one, e.HoldRecorded)]
        assert [(one.exchange, bool(one.shown)) for one in events] == [(1, True), (2, False)]

    with_evidence(tmp_path / "s", by_rule, record="none")


def test_of_a_cluster_whose_content_is_not_recorded_the_view_is_not_either(tmp_path: Path) -> None:
    async def without(seat: Seat, recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        hold = await seat.held(of_session(session.id, 1), Waits())
        await seat.review(hold, reviewer("rob"))
        assert await seat.claim(hold, "b-a")
        events = [one for one in session_events(tmp_path / "s", key_of(session.id)) if isinstance(one, e.HoldRecorded)]
        assert [(one.state, one.shown) for one in events] == [("pending", ""), ("approved", ""), ("consumed", "")]
        assert json.loads(events[-1].reviews)[0]["user"] == "rob"

    with_evidence(tmp_path / "s", without, record="metadata")
