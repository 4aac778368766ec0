"""A form makes the bytes that msgspec makes of the events one by one, whatever is in them; and a session that is filled by forms is
the one that is filled event by event."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import zstandard
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from l7gw.clock import SteadyClock
from l7gw.kube.act import EFFECTS, Act
from l7gw.kube.acting_as import ActsAs
from l7gw.limits import USUAL_LIMITS
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.call_form import AnswerForm, CallForm, FieldsForm
from l7gw.recording.call_record import BY_REFERENCE, LARGEST_EVENT, CallRecord, Silent
from l7gw.recording.layout import HEADER_SIZE, HOLDS_SESSION_EVENTS, NO_SESSION, Header
from l7gw.recording.outbox import Outbox
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import BLOCK, Session
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.journals import ANN
from tests.support.manual_clock import ManualClock

# One less and one more than what each form of a number, text, array or byte string in msgpack can say
WIDTHS = sorted({(1 << power) + by for power in (0, 4, 5, 7, 8, 15, 16, 31, 32, 62) for by in (-1, 0, 1)})
LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
numbers = st.sampled_from(WIDTHS) | st.integers(0, (1 << 63) - 1)
texts = st.text("a\x00\u00e9\u20ac\U0001f600", max_size=20) | st.sampled_from(LENGTHS).map("x".__mul__)
words = st.sampled_from(["", "pods", "\u00e9\x00"]) | st.sampled_from(LENGTHS[:8]).map("w".__mul__)
seldom = st.none() | words
headers = st.lists(st.tuples(words, texts), max_size=3).map(tuple) | st.sampled_from([14, 15, 16, 65_536]).map(
    (("a", "b"),).__mul__
)
bodies = st.binary(max_size=40) | st.sampled_from([*LENGTHS, BY_REFERENCE, BY_REFERENCE + 1, BLOCK + 1]).map(bytes)


many = st.none() | st.sampled_from([0, 1, 15, 16]).map(("word",).__mul__)
acts = st.builds(
    Act, verb=words, path=words, query=words, effects=st.frozensets(st.sampled_from(EFFECTS)), group=words, resource=words,
    subresource=st.sampled_from(["", "exec", "attach", "log", "status"]) | words, namespace=words, name=words, argv=many,
    container=words, tty=st.booleans(), stdin=st.booleans(), ports=st.none() | st.lists(numbers, max_size=3).map(tuple),
    label_selector=seldom, field_selector=seldom,
    acts_as=st.none() | st.builds(ActsAs, user=words, groups=st.sampled_from([(), ("a", "b")])),
)  # fmt: skip


class At:
    """A clock that stands at these microseconds since 1970; beyond 2 ** 53 as near as a float comes."""

    def __init__(self, microseconds: int) -> None:
        seconds = microseconds / 1e6
        self._seconds = seconds if int(seconds * 1_000_000) >= microseconds else math.nextafter(seconds, math.inf)

    def wall(self) -> float:
        return self._seconds

    monotonic = wall


def a_session(time: int, exchange: int) -> Session:
    """A session whose next call has this number and is at this time. Nothing takes what it gathers but the test."""
    clock, never = At(time), Mock(**{"call_later.return_value": None})
    limits = replace(USUAL_LIMITS, unwritten=1 << 40)
    outbox = Outbox(Mock(**{"put.return_value": None}), clock, never, USUAL_TIMEOUTS, limits, on_failed=never, on_written=never)
    outbox.durable(never)  # the journal never answers this, so nothing else is handed to it
    session = Session(outbox, SteadyClock(clock), e.SessionStarted(0, "0" * 32, "", "", (), "", "", "", ""), limits)
    session._exchanges = exchange - 1
    return session


def taken(session: Session) -> tuple[bytes, int]:
    """The events of a session behind its beginnings, and how many these are."""
    pieces = [piece for piece in session.take() if not piece.flags]
    return b"".join(part for piece in pieces for part in piece.parts), sum(piece.events for piece in pieces)


def form_of(record: CallRecord, **words: Any) -> CallForm:
    """The form of calls that are recorded with the same words as this one."""
    return CallForm(run=record.run, run_id=record.run_id, content=record.content, **words)


@given(
    time=numbers, exchange=numbers, run=numbers, method=texts, target=texts, headers=headers, act=acts, audit_id=texts,
    verdict=st.sampled_from(["allow", "hold", "deny", "refused"]), rule=texts, reason=texts, content=st.booleans(),
)  # fmt: skip
def test_what_was_asked_is_recorded_by_its_form_as_the_events_are_one_by_one(
    time: int, exchange: int, run: int, method: str, target: str, headers: e.Headers, act: Act, audit_id: str,
    verdict: e.VerdictWord, rule: str, reason: str, content: bool,
) -> None:  # fmt: skip
    plain = a_session(time, exchange)
    record = CallRecord(plain, number=exchange, run=run, run_id="r", content=content)
    record.act = act
    record.request(method=method, target=target, headers=headers, act=act, audit_id=audit_id)
    record.verdict(verdict, rule=rule, reason=reason)
    form = form_of(record, method=method, target=target, headers=headers, act=act, verdict=verdict, rule=rule, reason=reason)
    formed = a_session(time, exchange)
    alike = formed.begin_alike(form)
    alike.asked(form, audit_id)
    assert told(record) == told(alike)
    assert plain.recent == formed.recent and plain._denied == formed._denied
    assert taken(plain) == taken(formed)


@given(
    time=numbers, exchange=numbers, run=numbers, method=texts, targets=st.lists(st.tuples(texts, acts), min_size=1, max_size=3),
    headers=headers, audit_id=texts, rule=texts, content=st.booleans(),
)  # fmt: skip
def test_what_was_asked_in_the_same_words_about_several_targets_is_recorded_as_the_events_are_one_by_one(
    time: int, exchange: int, run: int, method: str, targets: list[tuple[str, Act]], headers: e.Headers, audit_id: str, rule: str,
    content: bool,
) -> None:  # fmt: skip
    words: dict[str, Any] = {"method": method, "headers": headers, "verdict": "allow", "rule": rule, "reason": "why"}
    fields = FieldsForm(run=run, run_id="r", content=content, **words)
    for target, drawn in targets:
        act = structs.replace(drawn, argv=None, ports=None, acts_as=None, subresource="status")  # as a usual call's
        by_all = CallForm(run=run, run_id="r", content=content, target=target, act=act, **words)
        for form in (fields.of(target, act), fields.kept(target, act)):
            assert form.events(time, exchange, audit_id) == by_all.events(time, exchange, audit_id)
            for one in ("act", "content", "method", "rule", "run", "run_id", "verdict"):
                assert getattr(form, one) == getattr(by_all, one)


@given(time=numbers, exchange=numbers, status=numbers, headers=headers, audit_id=texts, body=bodies, content=st.booleans())
def test_what_was_answered_is_recorded_by_its_form_as_the_events_are_one_by_one(
    time: int, exchange: int, status: int, headers: e.Headers, audit_id: str, body: bytes, content: bool
) -> None:
    plain, formed = a_session(time, exchange), a_session(time, exchange)
    ways = [CallRecord(one, number=exchange, run=0, run_id="", content=content) for one in (plain, formed)]
    ways[0].response(status, (*headers, ("audit-id", audit_id)))
    if body:
        ways[0].response_body(body)
    ways[0].end("complete")
    ways[1].answered(AnswerForm(status, (*headers, ("audit-id", "another one"))), audit_id, body)
    assert told(ways[0]) == told(ways[1])
    assert (plain.open_calls, plain.content, plain.backlogged) == (formed.open_calls, formed.content, formed.backlogged)
    assert taken(plain) == taken(formed)


def told(record: CallRecord) -> object:
    return record.act, record.said, record.rule, record.status, record.up, record.down, record.run_id, record.number


def test_a_body_longer_than_an_event_may_be_is_cut_by_a_form_as_it_is_without() -> None:
    for content in (True, False):
        plain, formed = a_session(1, 1), a_session(1, 1)
        ways = [CallRecord(one, number=1, run=0, run_id="", content=content) for one in (plain, formed)]
        body = bytes(range(256)) * (2 * LARGEST_EVENT // 256) + b"end"
        ways[0].response(200, (("audit-id", "a"),))
        ways[0].response_body(body)
        ways[0].end("complete")
        ways[1].answered(AnswerForm(200, (("audit-id", ""),)), "a", body)
        assert told(ways[0]) == told(ways[1]) and plain.content == formed.content == len(body)
        whole, events = taken(formed)
        assert events == (5 if content else 2) and (whole, events) == taken(plain)


ACT = Act("get", "/api/v1/namespaces/d/pods/p", "", frozenset({"read"}), True, "", "v1", "pods", "", "d", "p")
REQUEST = {"method": "GET", "target": ACT.path, "headers": (("accept", "*/*"), ("user-agent", "kubectl")), "act": ACT}
VERDICT = {"verdict": "allow", "rule": "all", "reason": "allowed"}
ANSWER = (("content-type", "application/json"), ("audit-id", ""))


def by_events(session: Session, clock: ManualClock, audit_id: str, body: bytes, *, content: bool) -> CallRecord:
    record = session.begin(run_id="run-1", client="kubectl", command="get", content=content)
    record.act = ACT
    record.request(**REQUEST, audit_id=audit_id)  # type: ignore[arg-type]
    record.verdict(**VERDICT)  # type: ignore[arg-type]
    clock.advance(0.25)
    record.response(200, (*ANSWER[:-1], ("audit-id", audit_id)))
    if body:
        record.response_body(body)
    record.end("complete")
    return record


def by_forms(session: Session, clock: ManualClock, audit_id: str, body: bytes, form: CallForm, answer: AnswerForm) -> CallRecord:
    record = session.begin_alike(form)
    record.asked(form, audit_id)
    clock.advance(0.25)
    record.answered(answer, audit_id, body)
    return record


def journal(state: Path, fill: Callable[[Recorder, ManualClock], None]) -> tuple[bytes, Header]:
    """The bytes of a session's calls in a journal, and the last header without what is each journal's own."""
    state.mkdir(mode=0o700)

    async def run() -> None:
        clock = ManualClock()
        recorder = Recorder(state, clock=clock, reserve=0, loop=asyncio.get_running_loop(), version="test")
        recorder.open()
        fill(recorder, clock)
        recorder.close()

    asyncio.run(run())
    plain, events = b"", 0
    for path in reader.segments(state):
        for place in reader.places(path):
            header = place.header
            events += header.events
            if header.session != NO_SESSION and not header.flags & HOLDS_SESSION_EVENTS:
                file = path.read_bytes()
                stored = file[place.offset + HEADER_SIZE :][: header.stored]
                plain += zstandard.decompress(stored)
    own = {"session": b"", "previous": b"", "session_previous": b"", "payload_hash": b""}
    return plain, header._replace(**own, events=events, sequence=0, session_sequence=0)


def test_a_journal_of_calls_by_their_form_is_the_journal_of_the_same_calls_event_by_event(tmp_path: Path) -> None:
    sizes = [0, 1, 1000, BY_REFERENCE + 1, 0, 70_000, 100_000, BLOCK + 1, 3, 100_000, 100_000, 100_000, 7]

    def plainly(recorder: Recorder, clock: ManualClock) -> None:
        session = recorder.session(ANN, "prod")
        for content in (True, False):
            for n, size in enumerate(sizes):
                by_events(session, clock, f"audit-{n}", bytes(size), content=content)
                assert session.open_calls == 0 and session.idle_since == clock.monotonic()
                recorder.outbox.flush()

    def formed(recorder: Recorder, clock: ManualClock) -> None:
        session = recorder.session(ANN, "prod")
        for content in (True, False):
            first = by_events(session, clock, "audit-0", bytes(sizes[0]), content=content)
            recorder.outbox.flush()
            form, answer = form_of(first, **REQUEST, **VERDICT), AnswerForm(200, ANSWER)
            for n, size in enumerate(sizes[1:], 1):
                record = by_forms(session, clock, f"audit-{n}", bytes(size), form, answer)
                assert (record.act, record.said, record.rule, record.run_id) == (first.act, first.said, first.rule, first.run_id)
                assert session.open_calls == 0 and session.idle_since == clock.monotonic()
                recorder.outbox.flush()
        assert [act for _, _, act in session.recent] == [ACT] * session.recent.maxlen  # type: ignore[operator]

    assert journal(tmp_path / "plain", plainly) == journal(tmp_path / "formed", formed)


def test_a_silent_record_counts_what_a_form_says_and_keeps_nothing() -> None:
    session = a_session(1, 1)
    silent = Silent(session, "r")
    form = form_of(silent, **REQUEST, **VERDICT)
    silent.asked(form, "a")
    silent.answered(AnswerForm(200, ANSWER), "a", b"12345")
    assert told(silent) == (ACT, "allow", "all", 200, 0, 5, "r", 0)
    assert taken(session) == (b"", 0) and session.open_calls == 0 and not session.recent
