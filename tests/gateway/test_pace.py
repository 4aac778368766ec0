"""No client floods a stream: pings are counted, terminal sizes are thinned out, and the last size always arrives."""

from __future__ import annotations

import asyncio

import pytest

from l7gw.clock import SystemClock
from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND, RESIZE_EVERY, Newest, Pace
from l7gw.wire.errors import PeerError
from tests.support.manual_clock import ManualClock


def test_a_hundred_control_frames_a_second_pass_and_one_more_does_not() -> None:
    clock = ManualClock()
    pace = Pace(clock, CLIENT_CONTROL_A_SECOND)
    for _ in range(3):
        for _ in range(CLIENT_CONTROL_A_SECOND):
            pace.count()
        clock.advance(1)
    for _ in range(CLIENT_CONTROL_A_SECOND):
        pace.count()
    with pytest.raises(PeerError) as refused:
        pace.count()
    assert refused.value.code == 1008


def test_few_of_ten_thousand_sizes_travel_and_the_last_one_among_them() -> None:
    found: list[int] = []

    async def run() -> None:
        newest = Newest(SystemClock(), found.append)
        for number in range(10_000):
            newest.offer(number)
        while found[-1] != 9_999:
            await asyncio.sleep(RESIZE_EVERY / 10)

    asyncio.run(asyncio.wait_for(run(), 5))
    assert found[0] == 0 and found[-1] == 9_999
    assert len(found) <= 5


def test_sizes_that_come_slowly_travel_at_once() -> None:
    clock = ManualClock()
    found: list[int] = []

    async def run() -> None:
        newest = Newest(clock, found.append)
        for number in range(5):
            newest.offer(number)
            clock.advance(RESIZE_EVERY)

    asyncio.run(run())
    assert found == [0, 1, 2, 3, 4]
