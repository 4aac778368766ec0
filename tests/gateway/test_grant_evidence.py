"""What is done to grants stands in the session of the one who asked, on the disk, and in the export."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from l7gw.approval.grant_messages import Grant
from l7gw.approval.messages import Requester, Review
from l7gw.config.settings import RecordMode
from l7gw.gateway.grant_evidence import GrantEvidence
from l7gw.hold_terms import Reviewers, RuleTerms
from l7gw.identity.principal import Principal
from l7gw.recording.events import GrantRecorded
from l7gw.recording.export import json_lines
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from tests.support.desks import Seat, reviewer, wish
from tests.support.journals import session_events
from tests.support.manual_clock import ManualClock

ANN = Principal("ann", ("dev",), "human", "https://idp", "", "10.0.0.1")
WHO = Requester(user="ann", groups=("dev",), issuer="https://idp", address="10.0.0.1")
TWO = RuleTerms("grant of oncall", Reviewers(groups=("sre",), minimum=2, emergency=("night",)))


def recorded(state: Path, test: Any, record: RecordMode = "all") -> tuple[list[GrantRecorded], list[dict[str, Any]]]:
    """Run `test(seat)`: the events that are in ann's session on prod then, and the lines of its export."""
    state.mkdir(mode=0o700)
    found: list[GrantRecorded] = []

    async def run() -> None:
        recorder = Recorder(state, clock=ManualClock(), reserve=0, loop=asyncio.get_running_loop(), version="test")
        recorder.open()
        seat = Seat(state, ManualClock())
        seat.grants._record = GrantEvidence(recorder, lambda _cluster: record)
        await test(seat)
        if record != "none":  # while the session runs: each is on the disk before anybody is told
            session = recorder.session(ANN, "prod")
            found.extend(one for one in session_events(state, key_of(session.id)) if isinstance(one, GrantRecorded))
        await seat.end()
        recorder.close()

    asyncio.run(run())
    lines = [line for summary in summaries(state) for line in json_lines(summary, session_events(state, key_of(summary.id)))]
    return found, [line for line in lines if line["type"] == "grant"]


async def story(seat: Seat) -> None:
    grant = await seat.grant(wish(who=WHO, terms=TWO))
    assert isinstance(grant, Grant)
    await seat.say(grant, reviewer("rob"), Review(verdict="approve", note="go on"), TWO)
    await seat.say(grant, reviewer("max", "night"), Review(verdict="approve", force=True, reason="down"), TWO)
    await seat.tick(1800)
    await seat.settled()


def test_each_thing_that_is_done_is_an_event_and_that_of_the_approval_has_all_reviews(tmp_path: Path) -> None:
    events, lines = recorded(tmp_path / "s", story)
    assert [(one.did, one.state, one.user, one.note, one.forced, one.reason) for one in events] == [
        ("request", "pending", "ann", "INC-1", False, ""),
        ("approve", "pending", "rob", "go on", False, ""),
        ("approve", "approved", "max", "", True, "down"),
        ("time", "ended", "", "", False, ""),
    ]
    assert [bool(one.reviews) for one in events] == [False, False, True, False]
    approved = lines[2]
    assert {name: approved[name] for name in ("type", "state", "group", "cluster", "user", "note", "for")} == {
        "type": "grant", "state": "approved", "group": "oncall", "cluster": "prod", "user": "max", "note": "", "for": 1800,
    }  # fmt: skip
    assert [one["user"] for one in approved["reviews"]] == ["rob", "max"] and approved["ends"] > approved["starts"]
    assert lines[0]["starts"] is None and "exchange" not in lines[0]


@pytest.mark.parametrize(("record", "count"), [("metadata", 4), ("none", 0)])
def test_what_is_recorded_of_a_cluster_bounds_what_is_recorded_of_its_grants(
    tmp_path: Path, record: RecordMode, count: int
) -> None:
    assert len(recorded(tmp_path / "s", story, record)[1]) == count
