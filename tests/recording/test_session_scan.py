"""The fast pass over a journal finds what the slow one finds, whatever the journal holds and whatever of it is gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l7gw.clock import SystemClock
from l7gw.limits import Limits
from l7gw.recording import reader
from l7gw.recording.batches import Batch
from l7gw.recording.events import SessionStarted
from l7gw.recording.layout import HOLDS_SESSION_EVENTS, NO_SESSION
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from l7gw.recording.session_scan import CHUNK, MOST_CALLS, SMALL, scan
from tests.support.journals import ANN, call

POD = "/api/v1/namespaces/d/pods/web-0"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of several segments, with blocks that are smaller, and larger, than what is read at once."""
    state = tmp_path_factory.mktemp("state")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        recorder = Recorder(state, clock=SystemClock(), reserve=0, loop=loop, version="test", limits=Limits(segment=CHUNK))
        recorder.open()
        for number in range(40):
            for cluster in ("prod", "stage"):
                made = call(recorder.session(ANN, cluster), POD, run=f"run-{number}")
                made.response_body(Random(number).randbytes(2 * CHUNK if number % 10 == 9 else SMALL * (number % 3)))
                made.end("complete")
            attempt = recorder.attempts("prod").begin()
            attempt.verdict("refused", reason="from 10.0.0.7: no")
            attempt.end("refused")
            done = loop.create_future()
            made.durable(done.set_result)
            assert await done is None
        recorder.close()

    asyncio.run(run())
    assert len(reader.segments(state)) > 4
    return state


Found = dict[str, tuple[object, list[object], list[object], Path]]


def by_places(state: Path) -> Found:
    """The same by `reader.places`, which reads headers one by one: of each session its last header, the blocks that are read of it,
    and where it begins."""
    begun: dict[bytes, SessionStarted] = {}
    found: Found = {}
    for path in reader.segments(state):
        for place in reader.places(path):
            header, flagged, spot = place.header, place.header.flags & HOLDS_SESSION_EVENTS, (path, place.offset)
            started = begun.get(header.session)
            if started is not None:
                _, spots, calls, first = found[started.id]
                if flagged or started.attempts:
                    (spots if flagged else calls).append(spot)
                found[started.id] = header, spots, calls, first
            elif header.session != NO_SESSION and flagged and header.session_sequence == 1:
                with suppress(reader.Unreadable):
                    (started,) = [event for event in reader.events_at(place) if isinstance(event, SessionStarted)]
                    begun[header.session], found[started.id] = started, (header, [], [], path)
    return found


def by_scan(state: Path) -> Found:
    return {
        one.started.id: (
            one.header(),
            [(path, at) for path, of_path in one.spots.items() for at in of_path],
            [*one.calls],
            one.path,
        )
        for one in scan(state)
    }


def test_a_whole_journal_is_found_as_by_reading_each_header(state: Path) -> None:
    found = by_scan(state)
    assert len(found) == 3 and found == by_places(state)
    assert (
        all(spots for _, spots, _, _ in found.values()) and [len(calls) > 0 for _, _, calls, _ in found.values()].count(True) == 1
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.data())
def test_a_damaged_or_shortened_journal_is_found_as_by_reading_each_header(
    state: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    other = tmp_path_factory.mktemp("damaged")
    (other / "journal").mkdir()
    for path in reader.segments(state):
        content = bytearray(path.read_bytes())
        what = data.draw(st.sampled_from(["keep", "keep", "cut", "flip", "zeros", "gone"]))
        at = data.draw(st.integers(0, min(len(content), 4000) - 1) | st.integers(0, len(content) - 1))
        if what == "cut":
            del content[at:]
        elif what == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "zeros":
            content[at:] = bytes(len(content) - at)
        if what != "gone":
            (other / "journal" / path.name).write_bytes(content)
    assert by_scan(other) == by_places(other)


def test_of_a_day_of_many_attempts_the_newest_blocks_are_remembered(tmp_path: Path) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        recorder = Recorder(
            tmp_path, clock=SystemClock(), reserve=0, loop=loop, version="test", limits=Limits(attempts_a_second=10_000)
        )
        recorder.open()
        for number in range(MOST_CALLS + 9):
            attempt = recorder.attempts("prod").begin()
            attempt.verdict("refused", reason=f"from 10.0.{number >> 8}.{number & 255}: no")
            attempt.end("refused")
            recorder.outbox._journal.put(Batch(recorder.attempts("prod").take(), sync=False, done=lambda left, error: None))
        recorder.close()

    asyncio.run(run())
    (one,) = summaries(tmp_path)
    found = one.failed_logins()
    assert found is not None and not found.whole and found.addresses == MOST_CALLS
    assert not any(failed.address == "10.0.0.8" for failed in found.by) and found.by[0].address == "10.0.0.9"


def test_of_what_was_removed_meanwhile_nothing_is_told(state: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    for path in reader.segments(state):
        (tmp_path / "journal" / path.name).write_bytes(path.read_bytes())
    found = scan(tmp_path)
    for path in reader.segments(tmp_path)[1:]:
        path.unlink()
    assert [len([*one.blocks()]) < sum(map(len, one.spots.values())) + 1 for one in found] == [True] * 3
