"""A journal that is being written is followed: every block once, in order, over changes of segments."""

from __future__ import annotations

import asyncio
from pathlib import Path

from l7gw.clock import SystemClock
from l7gw.limits import Limits
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.following import Following
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN, call, recorded

PODS = "/api/v1/namespaces/d/pods"


def targets(following: Following) -> list[str]:
    found = [event for _, events in following(lambda session, flags: True) for event in events]
    return [event.target for event in found if isinstance(event, e.RequestRecorded)]


def test_each_call_is_seen_once_while_the_journal_goes_through_segments(tmp_path: Path) -> None:
    async def run() -> None:
        recorder = Recorder(
            tmp_path, clock=SystemClock(), reserve=0, loop=asyncio.get_running_loop(), limits=Limits(segment=2000)
        )  # fmt: skip
        recorder.open()
        following, seen = Following(tmp_path), []
        for number in range(40):
            done = asyncio.get_running_loop().create_future()
            made = call(recorder.session(ANN, "prod"), f"{PODS}/web-{number}")
            made.end("complete")
            made.durable(done.set_result)
            assert await done is None
            if number % 3 == 0:
                seen += targets(following)
        recorder.close()
        seen += targets(following)
        assert len(reader.segments(tmp_path)) > 5
        assert seen == [f"{PODS}/web-{number}" for number in range(40)]
        assert targets(following) == []
        late = Following(tmp_path)
        late.skip()
        assert 0 < len(targets(late)) < 40

    asyncio.run(run())


def test_a_block_that_is_not_whole_yet_is_waited_for_and_a_changed_one_counted(tmp_path: Path) -> None:
    recorded(tmp_path / "whole", lambda recorder: call(recorder.session(ANN, "prod"), PODS).end("complete"))
    (path,) = reader.segments(tmp_path / "whole")
    data = path.read_bytes()
    journal = tmp_path / "state" / "journal"
    journal.mkdir(parents=True)
    growing = journal / path.name
    following = Following(tmp_path / "state")
    seen = []
    for size in range(0, len(data), 97):
        growing.write_bytes(data[:size])
        seen += targets(following)
    growing.write_bytes(data)
    seen += targets(following)
    assert (seen, following.unreadable) == ([PODS], 0)
    place = next(place for place in reader.places(path) if not place.header.flags and place.header.session != bytes(16))
    changed = bytearray(data)
    changed[place.offset + 200] ^= 1
    growing.write_bytes(changed)
    again = Following(tmp_path / "state")
    assert (targets(again), again.unreadable) == ([], 1)
