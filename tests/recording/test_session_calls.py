"""Each call of a session is given once, in order, with what is recorded of it and nothing else, in memory that has a bound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.clock import moment
from l7gw.kube.requestinfo import describe
from l7gw.recording import events as e
from l7gw.recording.reader import Blocks
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_calls import MOST_WAITING, SessionCall, SessionCalls
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, PLAIN, call, recorded, shell

PODS = "/api/v1/namespaces/d/pods"
BEGAN = 1_700_000_000_000_000


def calls_of(state: Path) -> list[SessionCall]:
    (one,) = summaries(state)
    return [*SessionCalls((events for _, events in Blocks(state, key_of(one.id))()), lambda grant: None)]


def documents(state: Path) -> list[dict[str, Any]]:
    return [one.document() for one in calls_of(state)]


def test_a_call_has_what_is_recorded_of_it(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        posted = call(session, f"{PODS}?dryRun=All", "POST")
        posted.request_body(b"12345")
        posted.request_body(b"67")
        posted.response(201, ())
        posted.response_body(b"123")
        posted.end("complete")
        shell(session, [("stdin", True, b"ls\r"), ("stdout", False, b"a"), ("stdout", False, b"bc")], PLAIN)
        session.begin(run_id="", client="curl", command="").request(method="GET", target="/\x1b", headers=(), act=None, audit_id="")

    recorded(tmp_path, fill)
    posted, executed, odd = documents(tmp_path)
    times = [posted.pop("time"), executed.pop("time"), odd.pop("time")]
    assert times == [moment(one.time) for one in calls_of(tmp_path)]
    assert isinstance(posted["ms"], float) and 0 <= posted.pop("ms") < 60_000 and 0 <= executed.pop("ms") < 60_000
    assert posted == {
        "exchange": 1, "run": "run-1", "command": "kubectl exec", "verb": "create", "group": "", "resource": "pods", "subresource": "",
        "namespace": "d", "name": "", "argv": None, "verdict": "allow", "rule": "all", "reason": "allowed", "status": 201, "up": 7,
        "down": 3, "outcome": "complete",
    }  # fmt: skip
    assert executed == {
        "exchange": 2, "run": "run-1", "command": "kubectl exec", "verb": "get", "group": "", "resource": "pods",
        "subresource": "exec", "namespace": "d", "name": "web-0", "argv": ["ls"], "verdict": "allow", "rule": "all",
        "reason": "allowed", "status": 101, "up": 3, "down": 3, "outcome": "complete",
    }  # fmt: skip
    assert odd == {
        "exchange": 3, "run": None, "command": None, "verb": None, "group": None, "resource": None, "subresource": None,
        "namespace": None, "name": None, "argv": None, "verdict": None, "rule": None, "reason": None, "status": None, "up": 0,
        "down": None, "ms": None, "outcome": None,
    }  # fmt: skip


def request(number: int, method: str = "GET", target: str = PODS, headers: e.Headers = (), run: int = 0) -> e.RequestRecorded:
    act = describe(method, target)
    return e.RequestRecorded(
        BEGAN + number, number, run, method, target, headers, act.verb, "", "pods", "", "d", "", tuple(act.effects), ""
    )


def given_by(*events: e.WrittenEvent) -> list[SessionCall]:
    return [*SessionCalls([[e.RunStarted(BEGAN, "run-1", "kubectl/v1", "kubectl get"), *events]], lambda grant: None)]


JSON_BODY = (("content-type", "application/json"),)


@pytest.mark.parametrize(
    ("method", "headers", "status", "events", "up", "down"),
    [
        ("GET", (), 200, [e.ResponseBody(1, 1, b"abc")], 0, 3),
        ("GET", (), 200, [e.ResponseBody(1, 1, b"")], 0, 0),
        ("GET", (), 200, [], 0, None),  # `record: metadata`
        ("GET", (), 304, [], 0, 0),
        ("HEAD", (), 200, [], 0, 0),
        ("GET", (), 0, [], 0, None),
        ("POST", JSON_BODY, 201, [], None, None),
        ("POST", JSON_BODY, 403, [e.ResponseBody(1, 1, b"no")], None, 2),  # of a denied call no body is recorded
        ("DELETE", (), 200, [e.ResponseBody(1, 1, b"ok")], 0, 2),
        ("POST", (("content-length", "0"),), 200, [e.ResponseBody(1, 1, b"ok")], 0, 2),
        ("POST", (), 101, [e.Frame(1, 1, "stdout", False, 1, b""), e.Frame(1, 1, "stdin", True, 0, b"")], None, None),
        ("POST", (), 101, [e.Frame(1, 1, "stdout", False, 1, b"ab"), e.Frame(1, 1, "stdin", True, 0, b"")], 0, 2),
        ("POST", (), 101, [], 0, 0),
    ],
)  # fmt: skip
def test_bytes_that_may_not_be_recorded_are_not_known(
    method: str, headers: e.Headers, status: int, events: list[e.WrittenEvent], up: int | None, down: int | None
) -> None:
    answer = [e.ResponseRecorded(1, 1, status, ())] if status else []
    (one,) = given_by(request(1, method, headers=headers), *answer, *events)
    assert (one.sent, one.got) == (up, down)


@pytest.mark.parametrize(
    ("verdicts", "end", "said"),
    [
        ([("allow", "a", "yes", False)], ("complete", ""), ("allow", "a", "yes")),
        ([("allow", "a", "yes", False)], ("failed", "no route"), ("allow", "a", "no route")),
        ([("allow", "a", "yes", False), ("allow", "b", "port 80", False)], ("complete", ""), ("allow", "a", "yes")),
        ([("allow", "a", "yes", False), ("deny", "b", "changed", False)], ("cut", "the policy changed"), ("deny", "b", "changed")),
        ([("allow", "", "own", True), ("deny", "b", "no", False)], ("denied", "no"), ("deny", "b", "no")),
        ([("refused", "", "odd", False)], ("refused", "odd"), ("refused", None, "odd")),
        ([], ("aborted", ""), (None, None, None)),
    ],
)
def test_the_verdict_is_the_one_on_the_call(
    verdicts: list[tuple[Any, ...]], end: tuple[str, str], said: tuple[str | None, ...]
) -> None:
    recorded_verdicts = [e.VerdictRecorded(1, 1, rule, word, reason, own) for word, rule, reason, own in verdicts]
    (one,) = given_by(request(1), *recorded_verdicts, e.ExchangeEnded(2, 1, *end))
    document = one.document()
    assert (document["verdict"], document["rule"], document["reason"]) == said


def test_of_a_held_call_the_hold_counts_and_who_reviewed_it() -> None:
    (one,) = given_by(
        request(1),
        e.VerdictRecorded(1, 1, "writes", "hold", "ask"),
        e.HoldRecorded(1, 1, "h", "pending", "writes", "wait"),
        e.ReviewRecorded(1, 1, "h", "lea", "approve", ""),
        e.ReviewRecorded(1, 1, "h", "rob", "approve", ""),
        e.HoldRecorded(1, 1, "h", "consumed", "writes", "wait"),
        e.VerdictRecorded(1, 1, "writes", "allow", "approved"),
    )
    assert (one.verdict, one.rule, one.hold, one.reviewers) == ("hold", "writes", "consumed", ("lea", "rob"))


def test_steps_of_the_clock_are_taken_out_of_times_and_durations() -> None:
    step = 3600 * 1_000_000
    (one, other) = given_by(
        request(1), e.ClockStepped(BEGAN + 2, step), e.ExchangeEnded(BEGAN + step + 1501, 1, "complete"), request(2)
    )
    assert (one.time, one.milliseconds, other.time) == (BEGAN + 1, 1.5, BEGAN + 2 - step)


@given(st.permutations(range(1, 9)), st.integers(0, 8), st.integers(1, 20))
def test_calls_are_given_once_in_the_order_of_their_beginning(order: list[int], open_calls: int, block: int) -> None:
    events = [request(number) for number in range(1, 9)]
    events += [e.ExchangeEnded(BEGAN, number, "complete") for number in order[open_calls:]]  # type: ignore[misc]
    blocks = [events[at : at + block] for at in range(0, len(events), block)]
    found = [*SessionCalls(blocks, lambda grant: None)]  # type: ignore[arg-type]
    assert [one.request.exchange for one in found] == [*range(1, 9)]
    assert {one.request.exchange for one in found if not one.over} == set(order[:open_calls])


def long_watch(calls: int) -> Iterator[list[e.AnyEvent]]:
    """A watch that lasts as long as so many other calls."""
    yield [request(1)]
    for number in range(2, calls + 2):
        yield [request(number), e.ExchangeEnded(BEGAN, number, "complete")]
    yield [e.ExchangeEnded(BEGAN, 1, "cut")]


def test_a_call_that_many_overtake_is_given_when_it_ends() -> None:
    numbers = [one.request.exchange for one in SessionCalls(long_watch(MOST_WAITING + 5), lambda grant: None)]
    assert numbers == [*range(2, MOST_WAITING + 7), 1]


def test_what_is_kept_does_not_grow_with_the_calls_behind_a_long_one() -> None:
    calls = SessionCalls(long_watch(2 * MOST_WAITING), lambda grant: None)
    most = max(len(calls._waiting) + len(calls._late) for _ in calls)
    assert MOST_WAITING <= most <= MOST_WAITING + 2


def test_events_of_no_known_call_are_passed_over_and_grants_handed_on() -> None:
    grant = e.GrantRecorded(1, "g", "approved", "oncall", "prod", "approve", "lea", "", 3600)
    taken: list[e.GrantRecorded] = []
    events = [e.ResponseBody(1, 7, b"x"), e.ExchangeEnded(1, 7, "complete"), e.UnknownEvent("later", 1), grant, request(1, run=9)]
    (one,) = SessionCalls([events], taken.append)  # type: ignore[list-item]
    assert one.run is None and taken == [grant]
