"""An event that is reported as durable is on the disk. What cannot be recorded is reported. Nothing is lost or written twice in
between."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from l7gw.clock import SystemClock
from l7gw.identity.principal import Principal
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.recording import events as e
from l7gw.recording import journal as journal_module
from l7gw.recording import outbox as outbox_module
from l7gw.recording import reader
from l7gw.recording.call_record import CallRecord, Silent
from l7gw.recording.outbox import State
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import IDLE_AFTER, LONGEST_SESSION, Session
from l7gw.recording.session_list import summaries
from l7gw.recording.verify import verify
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.journals import ANN, call, recorded

BOB = Principal("bob@example.com", (), "human", "https://idp", "", "10.0.0.2")
PODS = "/api/v1/namespaces/d/pods"


class Clock(SystemClock):
    """Moved by the test. Each test begins at noon: what counts by days must not depend on the hour at which it runs."""

    def __init__(self) -> None:
        self.moved = 0.0
        self._to_noon = 12 * 3600 - time.time() % (24 * 3600)

    def monotonic(self) -> float:
        return time.monotonic() + self.moved

    def wall(self) -> float:
        return time.time() + self._to_noon + self.moved


class Disk:
    """The system calls of the journal's threads, with faults that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.syncs = 0
        self.write_fault: Callable[[int, bytes], int] | None = None
        self.sync_fault: Callable[[int], None] | None = None
        real_write, real_sync = os.write, os.fdatasync

        def write(file: int, data: bytes) -> int:
            self.writes += 1
            return self.write_fault(file, data) if self.write_fault else real_write(file, data)

        def sync(file: int) -> None:
            self.syncs += 1
            if self.sync_fault:
                self.sync_fault(file)
            real_sync(file)

        self.real_write = real_write
        monkeypatch.setattr(journal_module.os, "write", write)
        monkeypatch.setattr(journal_module.os, "fdatasync", sync)

    def full(self, after: int = 0) -> None:
        """From now on all writes together take `after` bytes; then the disk is full."""
        left = [after]

        def fault(file: int, data: bytes) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            part = data[: left[0]]
            left[0] -= len(part)
            return self.real_write(file, part)

        self.write_fault = fault

    def syncs_fail(self) -> None:
        def fault(file: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self.sync_fault = fault

    def heal(self) -> None:
        self.write_fault = self.sync_fault = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def with_recorder(
    state: Path,
    test: Callable[[Recorder], Awaitable[None]],
    *,
    clock: SystemClock | None = None,
    timeouts: Timeouts = USUAL_TIMEOUTS,
    limits: Limits = USUAL_LIMITS,
) -> None:
    state.mkdir(mode=0o700, exist_ok=True)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        recorder = Recorder(
            state, clock=clock or SystemClock(), reserve=0, loop=loop, version="test", timeouts=timeouts, limits=limits
        )
        recorder.open()
        try:
            await asyncio.wait_for(test(recorder), 10)
        finally:
            recorder.close()

    asyncio.run(run())


async def durable(session: Session | CallRecord) -> Exception | None:
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    session.durable(done.set_result)
    return await done


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def found(state: Path, kind: type[e.Event]) -> list[e.Event]:
    events = (event for path in reader.segments(state) for place in reader.places(path) for event in reader.events_at(place))
    return [event for event in events if isinstance(event, kind)]


def targets(state: Path) -> list[str]:
    return [event.target for event in found(state, e.RequestRecorded)]  # type: ignore[attr-defined]


def intact(state: Path) -> bool:
    report = verify(reader.segments(state))
    assert report.intact, report.problems
    return True


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


# ---------------------------------------------------------------------- to the disk


def test_a_durable_event_can_be_read_by_another_process(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), f"{PODS}/a")
        assert await durable(exchange) is None
        assert targets(state) == [f"{PODS}/a"]

    with_recorder(state, test)
    assert intact(state)


def test_an_event_that_no_call_waits_for_reaches_the_kernel_within_a_second(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        began = time.monotonic()
        call(recorder.session(ANN, "prod"), f"{PODS}/a")
        await until(lambda: targets(state) == [f"{PODS}/a"])
        assert time.monotonic() - began < 1.0

    with_recorder(state, test)


def test_many_calls_that_wait_at_once_share_few_syncs(state: Path, disk: Disk) -> None:
    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        before = disk.syncs
        answers = await asyncio.gather(*(durable(call(session, f"{PODS}/{n}")) for n in range(200)))
        assert answers == [None] * 200
        assert disk.syncs - before <= 5

    with_recorder(state, test)
    assert len(targets(state)) == 200


def test_a_large_burst_behind_a_slow_disk_stays_readable(state: Path, disk: Disk) -> None:
    """A block never exceeds what a reader accepts, however many events have gathered."""

    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        exchange = call(session, f"{PODS}/a", "POST")
        await durable(exchange)
        waiting = durable(exchange)
        for _ in range(5):
            exchange.request_body(os.urandom(3 * 1024 * 1024))
        assert session.backlogged
        await waiting
        assert await durable(exchange) is None
        assert not session.backlogged

    with_recorder(state, test)
    assert intact(state)
    assert sum(len(event.data) for event in found(state, e.RequestBody)) == 15 * 1024 * 1024  # type: ignore[attr-defined]


def test_a_backlog_is_told_and_its_end_too(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        session, other = recorder.session(ANN, "prod"), recorder.session(BOB, "prod")
        drained = asyncio.Event()
        recorder.on_written(drained.set)
        exchange = call(session, f"{PODS}/a")
        for _ in range(5):
            exchange.response_body(bytes(1024 * 1024))
        assert session.backlogged and not other.backlogged
        await drained.wait()
        await until(lambda: not session.backlogged)
        assert recorder.refusal() is None

    with_recorder(state, test)


def test_a_backlog_of_all_sessions_together_beyond_its_limit_refuses_new_calls(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        for who in (ANN, BOB):
            call(recorder.session(who, "prod"), f"{PODS}/a").response_body(bytes(700 * 1024))
        assert recorder.refusal() is not None
        assert recorder.session(ANN, "prod").backlogged
        assert await durable(recorder.session(ANN, "prod")) is None
        assert recorder.refusal() is None and recorder.outbox.held == 0

    with_recorder(state, test, limits=Limits(unwritten=1024 * 1024))


def test_a_disk_that_takes_no_write_refuses_new_calls(state: Path, disk: Disk) -> None:
    import threading

    clock, go_on = Clock(), threading.Event()

    def stalled(file: int, data: bytes) -> int:
        go_on.wait(5)
        return disk.real_write(file, data)

    async def test(recorder: Recorder) -> None:
        disk.write_fault = stalled
        call(recorder.session(ANN, "prod"), f"{PODS}/a")
        recorder.outbox.flush()
        assert recorder.refusal() is None
        clock.moved += 11.0
        refusal = recorder.refusal()
        assert refusal is not None and refusal.code == 503
        disk.heal()
        go_on.set()
        await until(lambda: recorder.refusal() is None)

    with_recorder(state, test, clock=clock)


def test_a_disk_that_finishes_no_sync_refuses_new_calls(state: Path, disk: Disk) -> None:
    import threading

    clock, go_on = Clock(), threading.Event()

    async def test(recorder: Recorder) -> None:
        disk.sync_fault = lambda file: (go_on.wait(5), None)[1]
        waiting = durable(call(recorder.session(ANN, "prod"), f"{PODS}/a"))
        task = asyncio.ensure_future(waiting)
        await until(lambda: recorder.outbox._unwritten is not None and recorder.outbox._unwritten.written)
        assert recorder.refusal() is None
        clock.moved += 11.0
        refusal = recorder.refusal()
        assert refusal is not None and "sync" in refusal.message
        disk.heal()
        go_on.set()
        assert await task is None
        assert recorder.refusal() is None

    with_recorder(state, test, clock=clock)


# ---------------------------------------------------------------------- faults of the disk


@pytest.mark.parametrize("after", [0, 1, 100, 250, 600])
def test_nothing_passes_on_a_full_disk_and_nothing_is_lost_when_there_is_room_again(state: Path, disk: Disk, after: int) -> None:
    async def test(recorder: Recorder) -> None:
        failures = []
        recorder.on_failure(lambda: failures.append(1))
        sessions = [recorder.session(who, "prod") for who in (ANN, BOB)]
        assert await durable(call(sessions[0], f"{PODS}/before")) is None
        disk.full(after)
        for session in sessions:
            call(session, f"{PODS}/while")
        assert isinstance(await durable(sessions[0]), OSError)
        refusal = recorder.refusal()
        assert refusal is not None and (refusal.code, refusal.reason) == (503, "ServiceUnavailable")
        assert "No space left" in refusal.message
        for _ in range(3):  # the disk is still full: it is tried again, and reported once
            recorder.tick()
            await until(lambda: recorder.outbox.state is not State.WRITING)
        assert failures == [1] and recorder.refusal() is not None
        disk.heal()
        recorder.tick()
        await until(lambda: recorder.refusal() is None)
        assert await durable(call(sessions[1], f"{PODS}/after")) is None

    with_recorder(state, test)
    assert sorted(targets(state)) == [f"{PODS}/after", f"{PODS}/before", f"{PODS}/while", f"{PODS}/while"]
    assert intact(state)
    recorded(state, lambda recorder: None)
    assert intact(state)


def test_events_left_by_a_failed_write_are_written_before_later_ones(state: Path, disk: Disk) -> None:
    """Events that come while a write is failing stand behind the events that this write did not take."""
    import threading

    failing, go_on = threading.Event(), threading.Event()

    def fault(file: int, data: bytes) -> int:
        if failing.is_set():
            return disk.real_write(file, data)
        failing.set()
        go_on.wait(5)
        raise OSError(errno.EIO, "Input/output error")

    async def test(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), f"{PODS}/a")
        assert await durable(exchange) is None
        disk.write_fault = fault
        for n in range(5):
            exchange.frame("stdout", up=False, stream=1, data=bytes((n,)))
            recorder.outbox.flush()
            await until(failing.is_set)
        go_on.set()
        await until(lambda: bool(recorder.outbox.failure))
        exchange.frame("stdout", up=False, stream=1, data=bytes((5,)))
        recorder.tick()
        await until(lambda: not recorder.outbox.failure)
        assert await durable(exchange) is None

    with_recorder(state, test)
    assert [event.data[0] for event in found(state, e.Frame)] == list(range(6))  # type: ignore[attr-defined]
    assert intact(state)


def test_later_events_wait_also_while_the_loop_has_not_heard_of_a_failed_write(state: Path, disk: Disk) -> None:
    async def test(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), f"{PODS}/a")
        assert await durable(exchange) is None
        disk.full()
        exchange.frame("stdout", up=False, stream=1, data=b"\0")
        recorder.outbox.flush()
        failed = recorder.outbox._unwritten
        deadline = time.monotonic() + 5
        while failed is not None and not failed.left and time.monotonic() < deadline:
            time.sleep(0.001)  # the loop stands still meanwhile
        disk.heal()
        exchange.frame("stdout", up=False, stream=1, data=b"\1")
        recorder.outbox.flush()
        await until(lambda: bool(recorder.outbox.failure))
        recorder.tick()
        await until(lambda: not recorder.outbox.failure)

    with_recorder(state, test)
    assert [event.data for event in found(state, e.Frame)] == [b"\0", b"\1"]  # type: ignore[attr-defined]


def test_a_disk_that_failed_is_tried_once_a_second_and_not_for_each_event(state: Path, disk: Disk) -> None:
    async def test(recorder: Recorder) -> None:
        exchange = call(recorder.session(ANN, "prod"), f"{PODS}/a")
        disk.full()
        assert isinstance(await durable(exchange), OSError)
        before = disk.writes
        for _ in range(100):
            exchange.frame("stdout", up=False, stream=1, data=bytes(10_000))
            recorder.outbox.flush()
            await asyncio.sleep(0)
        await asyncio.sleep(2 * outbox_module.TICK)
        assert disk.writes == before
        recorder.tick()
        await until(lambda: recorder.outbox.state is not State.WRITING)
        assert disk.writes == before + 1
        disk.heal()

    with_recorder(state, test)
    assert intact(state)


def test_a_session_ends_once(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        session.end("idle")
        assert await durable(session) is None
        session.append(e.ClockStepped(1, 2))
        session.end("day")
        assert await durable(session) is None

    with_recorder(state, test)
    assert [event.reason for event in found(state, e.SessionEnded)] == ["idle"]  # type: ignore[attr-defined]


def test_a_failed_sync_is_told_and_never_tried_again_on_its_file(state: Path, disk: Disk) -> None:
    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        disk.syncs_fail()
        assert isinstance(await durable(call(session, f"{PODS}/a")), OSError)
        assert recorder.refusal() is not None
        assert len(reader.segments(state)) == 1
        disk.heal()
        recorder.tick()
        await until(lambda: recorder.refusal() is None)
        assert len(reader.segments(state)) == 2
        assert await durable(call(session, f"{PODS}/b")) is None

    with_recorder(state, test)
    assert intact(state)
    assert targets(state) == [f"{PODS}/a", f"{PODS}/b"]


def test_a_failed_sync_that_no_call_waits_for_is_told_too(state: Path, disk: Disk) -> None:
    async def test(recorder: Recorder) -> None:
        failed = asyncio.Event()
        recorder.on_failure(failed.set)
        disk.syncs_fail()
        call(recorder.session(ANN, "prod"), f"{PODS}/a")
        await failed.wait()
        assert recorder.refusal() is not None
        disk.heal()
        recorder.tick()  # nothing waits to be written, and the disk is tried all the same
        await until(lambda: recorder.refusal() is None)

    with_recorder(state, test, timeouts=Timeouts(sync_every=0.02))
    assert intact(state)


def test_a_bug_in_the_journals_thread_refuses_new_calls_as_a_failed_disk_does(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the bug ended the journal's thread, calls would pass unrecorded."""

    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        assert await durable(session) is None
        compressor = recorder._journal._compressor
        recorder._journal._compressor = None  # type: ignore[assignment]
        call(session, f"{PODS}/a")
        assert isinstance(await durable(session), AttributeError)
        assert recorder.refusal() is not None
        recorder._journal._compressor = compressor
        recorder.tick()
        await until(lambda: recorder.refusal() is None)

    with_recorder(state, test)
    assert targets(state) == [f"{PODS}/a"]
    assert intact(state)


def test_a_nearly_full_disk_refuses_before_it_is_full(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        recorder.disk.reserve = 2**62
        recorder.tick()
        refusal = recorder.refusal()
        assert refusal is not None and "left" in refusal.message
        recorder.disk.reserve = 0
        recorder.tick()
        assert recorder.refusal() is None

    with_recorder(state, test)


def test_a_large_journal_goes_on_in_another_segment(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        for n in range(20):
            assert await durable(call(session, f"{PODS}/{n}")) is None

    with_recorder(state, test, limits=Limits(segment=2000))
    assert len(reader.segments(state)) > 3
    assert targets(state) == [f"{PODS}/{n}" for n in range(20)]
    assert intact(state)


# ---------------------------------------------------------------------- sessions


def test_principals_that_differ_in_anything_have_sessions_of_their_own(state: Path) -> None:
    import dataclasses

    others = [
        dataclasses.replace(ANN, **change)
        for change in (
            {"user": "x"},
            {"groups": ("x",)},
            {"kind": "agent"},
            {"issuer": "https://x"},
            {"actor": "x"},
            {"address": "10.0.0.9"},
        )
    ]

    async def test(recorder: Recorder) -> None:
        ids = {recorder.session(one, cluster).id for one in [ANN, *others] for cluster in ("a", "b")}
        assert len(ids) == 14
        assert recorder.session(ANN, "a").id == recorder.session(dataclasses.replace(ANN), "a").id

    with_recorder(state, test)


def over(recorder: Recorder, clock: Clock) -> None:
    clock.moved += LONGEST_SESSION
    recorder.tick()


LEAVES: dict[str, Callable[[Recorder, Clock], None]] = {
    "over": over,
    "failed": lambda recorder, clock: recorder.outbox.fail(OSError(5, "Input/output error")),
    "ended": lambda recorder, clock: recorder.session(ANN, "a").end("idle"),
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
def test_a_session_takes_calls_until_those_of_its_principal_belong_to_another_one(
    state: Path, leave: Callable[[Recorder, Clock], None]
) -> None:
    clock = Clock()

    async def test(recorder: Recorder) -> None:
        session = recorder.session(ANN, "a")
        running = call(session, PODS)
        recorder.tick()
        assert session.takes_calls and recorder.session(ANN, "a") is session
        leave(recorder, clock)
        assert not session.takes_calls and recorder.session(ANN, "a") is not session
        running.end("complete")

    with_recorder(state, test, clock=clock)


def test_calls_without_a_principal_are_never_taken_as_others_like_them(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        assert not recorder.attempts("a").takes_calls

    with_recorder(state, test)


def test_a_session_ends_when_idle_and_never_while_a_call_is_open(state: Path) -> None:
    clock = Clock()

    async def test(recorder: Recorder) -> None:
        idle, busy = recorder.session(ANN, "a"), recorder.session(ANN, "b")
        call(idle, f"{PODS}/a").end("complete")
        running = call(busy, f"{PODS}/b")
        clock.moved += IDLE_AFTER + 1
        recorder.tick()
        assert idle.ended and not busy.ended
        assert recorder.session(ANN, "a").id != idle.id
        assert recorder.session(ANN, "b").id == busy.id
        clock.moved += LONGEST_SESSION
        recorder.tick()
        assert recorder.session(ANN, "b").id != busy.id  # after a day, new calls begin another session
        assert not busy.ended
        running.end("complete")
        recorder.tick()
        assert busy.ended
        assert await durable(recorder.session(ANN, "b")) is None

    with_recorder(state, test, clock=clock)
    assert all(summary.state == "closed" for summary in summaries(state))
    assert intact(state)


def test_a_crash_leaves_its_sessions_torn_and_the_next_start_does_not_revive_them(state: Path) -> None:
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), f"{PODS}/a").end("complete"), close=False)
    recorded(state, lambda recorder: call(recorder.session(BOB, "prod"), f"{PODS}/b").end("complete"))
    assert {one.started.user: one.state for one in summaries(state)} == {ANN.user: "torn", BOB.user: "closed"}


# ---------------------------------------------------------------------- attempts of strangers


def test_strangers_are_recorded_ten_a_second_and_the_rest_as_a_count(state: Path) -> None:
    clock = Clock()

    async def test(recorder: Recorder) -> None:
        clock.moved += 1.0 - clock.monotonic() % 1.0  # to the beginning of a second
        kept = [recorder.attempts("prod").begin() for _ in range(1000)]
        assert sum(not isinstance(one, Silent) for one in kept) == USUAL_LIMITS.attempts_a_second == 10
        clock.moved += 1.0
        assert not isinstance(recorder.attempts("prod").begin(), Silent)

    with_recorder(state, test, clock=clock)
    assert [event.count for event in found(state, e.AttemptsDropped)] == [990]  # type: ignore[attr-defined]


def test_strangers_fill_no_more_of_the_disk_a_day_than_their_limit(state: Path) -> None:
    assert USUAL_LIMITS.attempts_a_day == 64 * 1024 * 1024
    clock = Clock()

    async def test(recorder: Recorder) -> None:
        for n in range(2000):
            clock.moved += 0.5
            exchange = recorder.attempts("prod").begin()
            exchange.request(
                method="GET",
                target="/" + "x" * 100_000,
                headers=tuple((f"h{i}", "v" * 3_000) for i in range(100)),
                act=None,
                audit_id="",
            )
            exchange.verdict("refused", rule="", reason="no credential")
            exchange.end("refused")
            if n % 100 == 0:
                await durable(recorder.attempts("prod"))

    with_recorder(state, test, clock=clock, limits=Limits(attempts_a_day=100_000))
    assert sum(event.count for event in found(state, e.AttemptsDropped)) > 1900  # type: ignore[attr-defined]
    assert sum(place.header.plain for path in reader.segments(state) for place in reader.places(path)) < 250_000


def test_attempts_of_a_new_day_begin_another_session(state: Path) -> None:
    clock = Clock()

    async def test(recorder: Recorder) -> None:
        yesterday = recorder.attempts("prod")
        running = yesterday.begin()
        clock.moved += 24 * 3600.0
        assert recorder.attempts("prod").id != yesterday.id
        recorder.tick()
        assert not yesterday.ended  # one of its calls is still open
        running.end("refused")
        recorder.tick()
        assert yesterday.ended

    with_recorder(state, test, clock=clock)
    assert intact(state)


# ---------------------------------------------------------------------- the state


def test_one_state_has_one_gateway(state: Path) -> None:
    async def test(recorder: Recorder) -> None:
        second = Recorder(state, clock=SystemClock(), reserve=0, loop=asyncio.get_running_loop())
        with pytest.raises(OSError, match="another gateway uses the state"):
            second.open()
        assert len(reader.segments(state)) == 1

    with_recorder(state, test)
