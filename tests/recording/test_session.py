"""What a session keeps of its calls, in which blocks, and within which limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from l7gw.limits import Limits
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording import session as session_module
from l7gw.recording.batches import Piece
from l7gw.recording.call_record import BY_REFERENCE, LARGEST_EVENT, CallRecord, Silent, lasting
from l7gw.recording.layout import HOLDS_SESSION_EVENTS, LARGEST_PLAIN, NO_SESSION
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import BLOCK
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, call, recorded, session_events
from tests.support.manual_clock import ManualClock

PODS = "/api/v1/namespaces/d/pods"


def events(state: Path) -> list[e.AnyEvent]:
    return list(session_events(state, key_of(summaries(state)[0].id)))


def with_clock(state: Path, fill: Callable[[Recorder, ManualClock], None]) -> None:
    """The same as `recorded`, with a clock that stands still."""
    state.mkdir(mode=0o700, exist_ok=True)

    async def run() -> None:
        clock = ManualClock()
        recorder = Recorder(state, clock=clock, reserve=0, loop=asyncio.get_running_loop(), version="test")
        recorder.open()
        fill(recorder, clock)
        recorder.close()

    asyncio.run(run())


def test_a_call_is_its_events_in_order_at_their_times(tmp_path: Path) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        exchange = call(recorder.session(ANN, "prod"), f"{PODS}/web-0", "POST")
        clock.advance(1.5)
        exchange.request_body(b"in")
        exchange.response(200, (("a", "b"),))
        exchange.response_body(b"out")
        exchange.frame("port-8080-error", up=True, stream=7, data=b"x", final=True)
        exchange.end("complete")

    with_clock(tmp_path, fill)
    began = 1_700_000_000_000_000
    first, run, request, verdict, *others = events(tmp_path)
    assert isinstance(first, e.SessionStarted) and first.time == began and first.user == ANN.user and first.groups == ANN.groups
    assert run == e.RunStarted(began, "run-1", "kubectl/v1.33", "kubectl exec")
    assert isinstance(request, e.RequestRecorded)
    assert (request.exchange, request.run, request.verb, request.resource, request.name) == (1, 0, "create", "pods", "web-0")
    assert request.effects == ("workload", "write")
    assert verdict == e.VerdictRecorded(began, 1, "all", "allow", "allowed")
    at = began + 1_500_000
    assert others == [
        e.RequestBody(at, 1, b"in"), e.ResponseRecorded(at, 1, 200, (("a", "b"),)), e.ResponseBody(at, 1, b"out"),
        e.Frame(at, 1, "port-8080-error", True, 7, b"x", True), e.ExchangeEnded(at, 1, "complete"), e.SessionEnded(at, "shutdown"),
    ]  # fmt: skip


def test_a_session_with_metadata_alone_keeps_counts_and_no_bytes(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        exchange = recorder.session(ANN, "prod").begin(run_id="r", client="c", command="", content=False)
        exchange.request_body(b"secret" * 10)
        exchange.response_body(b"secret" * 100)
        exchange.frame("stdout", up=False, stream=1, data=b"secret")
        exchange.end("complete")

    recorded(tmp_path, fill)
    assert b"secret" not in repr(events(tmp_path)).encode()
    assert [event.data for event in events(tmp_path) if isinstance(event, e.Frame)] == [b""]
    assert summaries(tmp_path)[0].content == 6 * 111


def test_beginnings_and_ends_lie_in_blocks_of_their_own(tmp_path: Path) -> None:
    """So listing sessions reads no bodies."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for n in range(5):
            call(session, PODS, run=f"run-{n}").response_body(bytes(1000))
            recorder.outbox.flush()

    recorded(tmp_path, fill)
    flagged = 0
    for path in reader.segments(tmp_path):
        for place in reader.places(path):
            if place.header.session == NO_SESSION:
                continue
            found = {type(event) for event in reader.events_at(place)}
            about = {e.SessionStarted, e.RunStarted, e.SessionEnded}
            if place.header.flags & HOLDS_SESSION_EVENTS:
                flagged += 1
                assert found <= about
            else:
                assert not found & about
    assert flagged >= 2


def test_each_block_tells_the_sessions_totals_so_far(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for n in range(3):
            exchange = call(session, PODS)
            exchange.request_body(bytes(10))
            exchange.verdict("deny", rule="none", reason="no")
            exchange.end("denied")
            assert session._exchanges == n + 1

    recorded(tmp_path, fill)
    summary = summaries(tmp_path)[0]
    assert (summary.exchanges, summary.denied, summary.held, summary.content) == (3, 3, 0, 30)


def test_a_body_larger_than_a_block_is_kept_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256)) * (LARGEST_PLAIN // 256 + 1)

    def fill(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), PODS)
        exchange.request_body(body)
        exchange.response_body(body)
        exchange.frame("stdout", up=False, stream=1, data=body, final=True)

    recorded(tmp_path, fill)
    for kind in (e.RequestBody, e.ResponseBody, e.Frame):
        assert b"".join(event.data for event in events(tmp_path) if isinstance(event, kind)) == body
    finals = [event.final for event in events(tmp_path) if isinstance(event, e.Frame)]
    assert finals == [False, False, True]
    assert max(place.header.plain for path in reader.segments(tmp_path) for place in reader.places(path)) <= LARGEST_PLAIN


def test_a_flood_of_runs_is_recorded_and_not_remembered(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for n in range(300):
            call(session, PODS, run=f"run-{n}").end("complete")
        assert len(session._runs) == 10
        call(session, PODS, run="run-299").end("complete")
        call(session, PODS, run="run-0").end("complete")  # this run was forgotten, so it is recorded again

    recorded(tmp_path, fill, limits=Limits(runs_known=10))
    runs = [event.id for event in events(tmp_path) if isinstance(event, e.RunStarted)]
    assert runs == [f"run-{n}" for n in range(300)] + ["run-0"]
    requests = [event for event in events(tmp_path) if isinstance(event, e.RequestRecorded)]
    assert [runs[request.run] for request in requests] == [f"run-{n}" for n in range(300)] + ["run-299", "run-0"]


def test_long_words_of_clients_are_cut(tmp_path: Path) -> None:
    recorded(
        tmp_path,
        lambda recorder: (
            recorder.session(ANN, "prod").begin(run_id="r", client="c" * 100_000, command="k" * 100_000).end("complete")
        ),
    )
    (run,) = [event for event in events(tmp_path) if isinstance(event, e.RunStarted)]
    assert len(run.client) == len(run.command) == session_module.LONGEST_ATTEMPT


@pytest.mark.parametrize("step", [-3600.0, -1.5, 1.5, 86_400.0])
def test_a_step_of_the_wall_clock_is_an_event(tmp_path: Path, step: float) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        call(recorder.session(ANN, "prod"), PODS)
        clock.advance(10.0)
        recorder.tick()
        clock._wall += step
        recorder.tick()
        recorder.tick()

    with_clock(tmp_path, fill)
    steps = [event for event in events(tmp_path) if isinstance(event, e.ClockStepped)]
    assert [event.by / 1e6 for event in steps] == [pytest.approx(step)]


def test_events_before_a_step_of_the_clock_keep_their_old_times_and_stand_before_it(tmp_path: Path) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        exchange = call(recorder.session(ANN, "prod"), PODS)
        clock._wall -= 3600.0
        clock.advance(0.5)
        exchange.response_body(b"before")
        recorder.tick()
        exchange.response_body(b"behind")
        clock.advance(0.5)
        exchange.end("complete")

    with_clock(tmp_path, fill)
    told = [(type(event).__name__, event.time / 1e6 - 1_700_000_000) for event in events(tmp_path)]
    assert told[-5:] == [
        ("ResponseBody", 0.5),
        ("ClockStepped", -3599.5),
        ("ResponseBody", -3599.5),
        ("ExchangeEnded", -3599.0),
        ("SessionEnded", -3599.0),
    ]
    (summary,) = summaries(tmp_path)
    assert (summary.last - summary.started.time) / 1e6 == 1.0


def test_a_step_of_the_clock_is_recorded_in_sessions_of_attempts_too(tmp_path: Path) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        recorder.attempts("prod").begin().end("refused")
        clock._wall += 3600.0
        recorder.tick()

    with_clock(tmp_path, fill)
    assert [type(event).__name__ for event in events(tmp_path)][-2:] == ["ClockStepped", "SessionEnded"]


def test_a_small_correction_of_the_clock_or_a_slow_tick_is_no_step(tmp_path: Path) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        call(recorder.session(ANN, "prod"), PODS)
        clock.advance(1000.0)
        clock._wall += 0.9
        recorder.tick()

    with_clock(tmp_path, fill)
    assert not [event for event in events(tmp_path) if isinstance(event, e.ClockStepped)]


def test_events_stand_in_the_order_of_appending_whatever_the_clock_says(tmp_path: Path) -> None:
    def fill(recorder: Recorder, clock: ManualClock) -> None:
        exchange = call(recorder.session(ANN, "prod"), PODS)
        for n in range(10):
            clock._wall -= 3600.0
            exchange.response_body(bytes((n,)))

    with_clock(tmp_path, fill)
    assert [event.data[0] for event in events(tmp_path) if isinstance(event, e.ResponseBody)] == list(range(10))


def test_strangers_are_only_counted_while_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(recorder: Recorder) -> None:
        recorder.outbox.failure = "no disk"
        assert all(isinstance(recorder.attempts("prod").begin(), Silent) for _ in range(3))
        recorder.outbox.failure = ""
        assert not isinstance(recorder.attempts("prod").begin(), Silent)
        recorder.tick()

    recorded(tmp_path, fill)
    assert [event.count for event in events(tmp_path) if isinstance(event, e.AttemptsDropped)] == [3]


def test_a_silent_record_leaves_no_trace(tmp_path: Path) -> None:
    answered: list[Exception | None] = []

    async def run() -> None:
        recorder = Recorder(tmp_path, clock=ManualClock(), reserve=0, loop=asyncio.get_running_loop())
        recorder.open()
        silent = Silent(recorder.session(ANN, "prod"))
        silent.request(method="GET", target="/secret", headers=(), act=None, audit_id="")
        silent.request_body(b"secret")
        silent.verdict("deny", rule="secret", reason="")
        silent.response(200, (("secret", ""),))
        silent.response_body(b"secret")
        silent.frame("stdout", up=False, stream=1, data=b"secret")
        silent.durable(answered.append)
        assert answered == []  # never called at once, because the caller has not returned yet
        await asyncio.sleep(0)
        silent.end("complete")
        recorder.close()

    tmp_path.chmod(0o700)
    asyncio.run(run())
    assert answered == [None]
    assert {type(event) for event in events(tmp_path)} == {e.SessionStarted, e.SessionEnded}
    assert summaries(tmp_path)[0].exchanges == summaries(tmp_path)[0].denied == 0


def test_a_failed_journal_ends_sessions_and_later_calls_begin_others(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        before = recorder.session(ANN, "prod")
        running = call(before, PODS)
        recorder.outbox.fail(OSError(5, "Input/output error"))
        recorder.outbox.failure = ""
        assert recorder.session(ANN, "prod").id != before.id
        running.end("cut")
        recorder.tick()
        assert before.ended

    recorded(tmp_path, fill)
    reasons = [
        event.reason
        for path in reader.segments(tmp_path)
        for place in reader.places(path)
        for event in reader.events_at(place)
        if isinstance(event, e.SessionEnded)
    ]
    assert sorted(reasons) == ["failed", "shutdown"]


# ---------------------------------------------------------------------- what the loop copies


def pieces_of(fill: Callable[[CallRecord], None], state: Path) -> list[Piece]:
    """What a session hands to the journal of a call that `fill` recorded, but for its beginnings."""
    pieces: list[Piece] = []

    async def run() -> None:
        recorder = Recorder(state, clock=ManualClock(), reserve=0, loop=asyncio.get_running_loop())
        session = recorder.session(ANN, "prod")
        session._outbox.flush = lambda: None  # type: ignore[method-assign]
        fill(session.begin(run_id="r", client="c", command=""))
        pieces.extend(piece for piece in session.take() if not piece.flags)

    asyncio.run(run())
    return pieces


@pytest.mark.interpreted
@pytest.mark.parametrize("size", [BY_REFERENCE + 1, 65_536, BLOCK + 1, LARGEST_EVENT])
def test_the_loop_hands_on_much_of_a_body_as_it_came_and_joins_nothing(tmp_path: Path, size: int) -> None:
    up, down, seen = bytes(size), b"x" * size, memoryview(b"y" * size)

    def fill(record: CallRecord) -> None:
        record.request_body(up)
        record.response_body(down)
        record.response_body(seen)
        record.end("complete")

    pieces = pieces_of(fill, tmp_path)
    parts = [part for piece in pieces for part in piece.parts]
    assert [part for part in parts if len(part) >= size] == [up, down, seen]
    assert all(any(part is whole for part in parts) for whole in (up, down, seen))
    assert sum(len(part) for part in parts if len(part) < size) < 200  # what is encoded beside them
    assert sum(piece.events for piece in pieces) == 4
    whole = b"".join(parts)
    assert sum(piece.size for piece in pieces) == len(whole)
    decoder = msgspec.msgpack.Decoder(list[e.WrittenEvent])
    assert [type(event) for event in decoder.decode(b"\x94" + whole)] == [
        e.RequestBody,
        e.ResponseBody,
        e.ResponseBody,
        e.ExchangeEnded,
    ]


@pytest.mark.interpreted
def test_the_parts_of_a_body_that_is_longer_than_an_event_are_not_copied(tmp_path: Path) -> None:
    body = bytes(2 * LARGEST_EVENT + 1)
    parts = [part for piece in pieces_of(lambda record: record.response_body(body), tmp_path) for part in piece.parts]
    assert [len(part) for part in parts if len(part) > 50] == [LARGEST_EVENT, LARGEST_EVENT]
    assert all(part.obj is body for part in parts if isinstance(part, memoryview))


def test_bytes_that_may_change_or_are_a_part_of_much_more_are_copied() -> None:
    whole = b"x" * 1000
    half, less = memoryview(whole)[:500], memoryview(whole)[:499]
    assert lasting(whole) is whole and lasting(half) is half
    assert lasting(less) == less and isinstance(lasting(less), bytes)
    buffer = bytearray(whole)
    kept = lasting(memoryview(buffer))
    buffer[0] = 0
    assert kept == whole
    assert isinstance(lasting(memoryview(buffer).toreadonly()), bytes)  # it cannot be written by this view, but by others
