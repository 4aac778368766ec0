"""What the journal's threads promise. The kernel has an event within a second. A sync that failed is never reported as one. After a
crash or a power loss everything before the torn end is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.recording import events as e
from l7gw.recording import journal as journal_module
from l7gw.recording import reader
from l7gw.recording.batches import Batch, Chain, Piece
from l7gw.recording.journal import Journal
from l7gw.recording.layout import HEADER_SIZE, last_block
from l7gw.recording.verify import verify
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.journals import ANN, call, recorded

FLOOD = """
import asyncio, os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from l7gw.clock import SystemClock
from l7gw.recording import journal
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN, call

if len(sys.argv) > 3:  # a disk whose syncs take so many seconds
    slow, real = float(sys.argv[3]), os.fdatasync
    opened = []
    journal.os.fdatasync = lambda fd: (time.sleep(slow) if opened else None, real(fd))[1]

async def main():
    recorder = Recorder(
        Path(sys.argv[1]), clock=SystemClock(), reserve=0, loop=asyncio.get_running_loop(), version="t"
    )
    recorder.open()
    if len(sys.argv) > 3:
        opened.append(1)
    session = recorder.session(ANN, "prod")
    exchange = call(session, "/api/v1/namespaces/d/pods/web-0/exec?command=yes&stdout=true")
    exchange.durable(lambda error: None)
    print("flooding", flush=True)
    number = 0
    while True:
        for _ in range(50):
            exchange.frame("stdout", up=False, stream=1, data=number.to_bytes(8, "big") * 8)
            number += 1
        await asyncio.sleep(0.001)

asyncio.run(main())
"""


def frames(state: Path) -> list[e.Frame]:
    events = (event for path in reader.segments(state) for place in reader.places(path) for event in reader.events_at(place))
    return [event for event in events if isinstance(event, e.Frame)]


@pytest.mark.parametrize("slow", [[], ["3"]], ids=["a quick disk", "syncs of three seconds"])
def test_a_killed_flood_misses_nothing_older_than_a_second(tmp_path: Path, slow: list[str]) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    root = str(Path(__file__).parent.parent.parent)
    flood = subprocess.Popen([sys.executable, "-c", FLOOD, str(state), root, *slow], stdout=subprocess.PIPE)
    try:
        assert flood.stdout is not None and flood.stdout.readline() == b"flooding\n"
        with pytest.raises(subprocess.TimeoutExpired):
            flood.wait(2.0)
        killed = time.time()
        flood.send_signal(signal.SIGKILL)
    finally:
        flood.kill()
        flood.wait()
    numbers = [int.from_bytes(frame.data[:8], "big") for frame in frames(state)]
    assert numbers == list(range(len(numbers))) and len(numbers) > 1000
    assert frames(state)[-1].time / 1e6 > killed - 1.0
    assert verify(reader.segments(state)).intact
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
    report = verify(reader.segments(state))
    assert report.intact, report.problems
    assert len(frames(state)) == len(numbers)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_disk_that_is_really_full_loses_nothing_and_stays_intact(tmp_path: Path) -> None:
    """A real file system returns ENOSPC, also in the middle of a write."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from l7gw.clock import SystemClock
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN, call

async def durable(exchange):
    done = asyncio.get_running_loop().create_future()
    exchange.durable(done.set_result)
    return await done

async def main():
    state = Path(sys.argv[1]) / "state"
    state.mkdir(mode=0o700)
    recorder = Recorder(state, clock=SystemClock(), reserve=0, loop=asyncio.get_running_loop(), version="t")
    recorder.open()
    ballast = Path(sys.argv[1]) / "ballast"
    ballast.write_bytes(bytes(256 * 1024))
    failed = []
    recorder.on_failure(lambda: failed.append(1))
    session = recorder.session(ANN, "prod")
    good = 0
    while (error := await durable(one := call(session, f"/api/v1/namespaces/d/pods/{good}"))) is None:
        one.response_body(os.urandom(30_000))
        good += 1
    assert failed == [1] and recorder.refusal().code == 503, (failed, error)
    recorder.tick()
    await asyncio.sleep(0.2)
    assert recorder.refusal() is not None
    ballast.unlink()
    recorder.tick()
    while recorder.refusal() is not None:
        await asyncio.sleep(0.01)
    assert await durable(call(recorder.session(ANN, "prod"), "/api/v1/namespaces/d/pods/last")) is None
    recorder.close()
    from l7gw.recording import events as e, reader
    from l7gw.recording.verify import verify
    report = verify(reader.segments(state))
    assert report.intact, report.problems
    events = [event for path in reader.segments(state) for place in reader.places(path) for event in reader.events_at(place)]
    targets = [event.name for event in events if isinstance(event, e.RequestRecorded)]
    assert targets == [*map(str, range(good + 1)), "last"], targets
    assert sum(len(event.data) for event in events if isinstance(event, e.ResponseBody)) == good * 30_000

asyncio.run(main())
"""
    root = str(Path(__file__).parent.parent.parent)
    mounted = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$0" -c "$3" "$1" "$2"'
    command = ["unshare", "-m", "sh", "-c", mounted, sys.executable, str(disk), root, script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "mount:" in done.stderr or "unshare" in done.stderr:
        pytest.skip("this machine lets nobody mount")
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------- syncs


class Writing:
    """A journal with one session, whose answers are counted."""

    def __init__(self, state: Path, limits: Limits = USUAL_LIMITS) -> None:
        (state / "journal").mkdir(parents=True, mode=0o700, exist_ok=True)
        self.alone: list[Exception] = []
        self.journal = Journal(state, "test", self.alone.append, USUAL_TIMEOUTS, limits)
        self.journal.open()
        self.chain = Chain(bytes(range(16)))
        self.state = state

    def put(self, *, sync: bool, size: int = 100) -> Answer:
        answer = Answer()
        event = b"\x93\xa7dropped\x00\x01" + os.urandom(size)
        piece = Piece(self.chain, (event,), size=len(event), events=1, last=1)
        self.journal.put(Batch([piece], sync, answer.done))
        return answer


class Answer:
    def __init__(self) -> None:
        self.here = threading.Event()
        self.error: Exception | None = None

    def done(self, left: list[Piece], error: Exception | None) -> None:
        self.error = error
        self.here.set()

    def wait(self) -> Exception | None:
        assert self.here.wait(10)
        return self.error


def test_a_write_is_not_kept_waiting_by_a_running_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, go_on, real = Writing(tmp_path), threading.Event(), os.fdatasync
    monkeypatch.setattr(journal_module.os, "fdatasync", lambda fd: (go_on.wait(10), real(fd))[1])
    slow = writing.put(sync=True)
    assert writing.put(sync=False).wait() is None
    assert not slow.here.is_set()
    also = writing.put(sync=True)
    assert writing.put(sync=False).wait() is None
    assert not also.here.is_set()
    go_on.set()
    assert slow.wait() is None and also.wait() is None
    writing.journal.close()


def test_one_thread_writes_and_syncs_and_another_wakes_only_for_what_comes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second thread that wakes for each call takes a processor's time from the call."""
    writing, go_on, began = Writing(tmp_path), threading.Event(), threading.Event()
    wrote: list[str] = []
    real_write, real_sync = os.write, os.fdatasync

    def write(fd: int, data: bytes) -> int:
        wrote.append(threading.current_thread().name)
        return real_write(fd, data)

    monkeypatch.setattr(journal_module.os, "write", write)
    assert [writing.put(sync=True).wait() for _ in range(50)] == [None] * 50
    assert wrote == ["journal-1"] * 50
    monkeypatch.setattr(journal_module.os, "fdatasync", lambda fd: (began.set(), go_on.wait(10), real_sync(fd))[2])
    slow = writing.put(sync=True)
    assert began.wait(10)
    assert writing.put(sync=False).wait() is None
    go_on.set()
    assert slow.wait() is None
    assert wrote[50:] == ["journal-1", "journal-2"]
    writing.journal.close()


def test_calls_that_come_during_a_sync_share_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, go_on, real = Writing(tmp_path), threading.Event(), os.fdatasync
    syncs: list[int] = []
    began = threading.Event()

    def sync(fd: int) -> None:
        syncs.append(fd)
        began.set()
        go_on.wait(10)
        real(fd)

    monkeypatch.setattr(journal_module.os, "fdatasync", sync)
    answers = [writing.put(sync=True)]
    assert began.wait(10)
    answers += [writing.put(sync=True) for _ in range(20)]
    assert writing.put(sync=False).wait() is None  # all twenty are written by now
    go_on.set()
    assert [answer.wait() for answer in answers] == [None] * 21
    assert len(syncs) == 2
    writing.journal.close()


def test_a_sync_that_failed_is_not_followed_by_one_that_claims_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel reports an error once and forgets it (threats H3). So a second sync of the same file must not count for calls that
    wait."""
    writing, go_on = Writing(tmp_path), threading.Event()
    began = threading.Event()
    failures = [OSError(5, "Input/output error")]
    real = os.fdatasync

    def sync(fd: int) -> None:
        began.set()
        go_on.wait(10)
        if failures:
            raise failures.pop()
        real(fd)

    monkeypatch.setattr(journal_module.os, "fdatasync", sync)
    first = writing.put(sync=True)
    assert began.wait(10)
    second = writing.put(sync=True)
    assert writing.put(sync=False).wait() is None
    go_on.set()
    assert isinstance(first.wait(), OSError) and isinstance(second.wait(), OSError)
    assert writing.put(sync=True).wait() is None
    assert len(reader.segments(tmp_path)) == 2
    writing.journal.close()
    assert verify(reader.segments(tmp_path)).intact


def test_a_failed_sync_of_a_segment_fails_calls_that_wait_on_the_next_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = Writing(tmp_path, Limits(segment=1500))
    first = reader.segments(tmp_path)[0].stat().st_ino
    real = os.fdatasync

    def sync(fd: int) -> None:
        if os.fstat(fd).st_ino == first:
            raise OSError(5, "Input/output error")
        real(fd)

    assert writing.put(sync=False, size=2000).wait() is None
    monkeypatch.setattr(journal_module.os, "fdatasync", sync)
    assert isinstance(writing.put(sync=True).wait(), OSError)  # the sync of its own segment would succeed
    assert len(reader.segments(tmp_path)) == 2
    assert writing.put(sync=True).wait() is None
    assert len(reader.segments(tmp_path)) == 3
    writing.journal.close()
    assert verify(reader.segments(tmp_path)).intact


def test_a_segment_that_cannot_begin_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = Writing(tmp_path, Limits(segment=300))
    assert writing.put(sync=True).wait() is None
    real = os.write

    def write(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module.os, "write", write)
    for _ in range(3):
        assert isinstance(writing.put(sync=True).wait(), OSError)
    assert len(reader.segments(tmp_path)) == 1
    monkeypatch.setattr(journal_module.os, "write", real)
    assert writing.put(sync=True).wait() is None
    writing.journal.close()
    assert verify(reader.segments(tmp_path)).intact


def test_a_segments_beginning_is_on_the_disk_before_anything_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(journal_module.os, "fdatasync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd))[1])
    writing = Writing(tmp_path)
    (first,) = reader.segments(tmp_path)
    assert synced == [first.stat().st_size] and synced[0] > HEADER_SIZE
    writing.journal.close()


# ---------------------------------------------------------------------- what a power loss leaves


def test_a_last_block_whose_content_never_arrived_is_a_tail(tmp_path: Path) -> None:
    state = tmp_path / "state"
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
    path = reader.segments(state)[0]
    places = list(reader.places(path))
    whole = path.read_bytes()
    last = places[-1].offset
    path.write_bytes(whole[: last + HEADER_SIZE] + bytes(len(whole) - last - HEADER_SIZE))
    assert last_block(path)[1] == last
    assert [place.offset for place in reader.places(path)] == [place.offset for place in places[:-1]]
    assert not verify(reader.segments(state)).intact  # until the next start has named the tail, it may also be a change
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/nodes").end("complete"))
    report = verify(reader.segments(state))
    assert report.intact, report.problems
    assert [(tail.file, tail.offset) for tail in report.torn] == [(path.name, last)]
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    assert not verify(reader.segments(state)).intact


def test_a_start_after_a_crash_at_each_byte_goes_on_where_the_last_whole_block_ends(tmp_path: Path) -> None:
    state = tmp_path / "state"
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
    path = reader.segments(state)[0]
    whole = path.read_bytes()
    for at in range(0, len(whole), 37):
        for later in reader.segments(state)[1:]:
            later.unlink()
        path.write_bytes(whole[:at])
        journal = Journal(state, "test", lambda error: None, USUAL_TIMEOUTS, USUAL_LIMITS)
        journal.open()
        journal.close()
        report = verify(reader.segments(state))
        assert report.intact, (at, report.problems)


def test_closing_a_journal_writes_every_batch_that_was_put(tmp_path: Path) -> None:
    writing = Writing(tmp_path)
    answers = [writing.put(sync=False) for _ in range(500)]
    writing.journal.close()
    assert all(answer.wait() is None for answer in answers)
    assert verify(reader.segments(tmp_path)).blocks == 501


def test_a_journal_that_another_gateway_has_open_is_refused_and_can_be_opened_later(tmp_path: Path) -> None:
    first = Writing(tmp_path)
    second = Journal(tmp_path, "test", lambda error: None, USUAL_TIMEOUTS, USUAL_LIMITS)
    with pytest.raises(OSError, match="hint: end it"):
        second.open()
    assert first.put(sync=True).wait() is None
    first.journal.close()
    second.open()
    second.close()
