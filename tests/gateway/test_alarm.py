"""An alarm rings once, at the earliest of the moments that it was set to."""

from __future__ import annotations

import asyncio
import time

from l7gw.clock import SystemClock
from l7gw.gateway.alarm import Alarm


def test_an_alarm_rings_once_at_the_earliest_moment_and_can_be_set_again() -> None:
    async def run() -> list[float]:
        rung: list[float] = []
        turn = asyncio.Event()

        def ring() -> None:
            rung.append(time.monotonic())
            turn.set()

        alarm = Alarm(SystemClock(), ring)
        now = time.monotonic()
        for after in (3600.0, 0.02, 7200.0):
            alarm.set(now + after)
        await turn.wait()
        turn.clear()
        alarm.set(now)  # a moment that is over
        await turn.wait()
        assert rung[0] >= now + 0.02
        return rung

    assert len(asyncio.run(run())) == 2


def test_an_alarm_that_has_ended_rings_no_more() -> None:
    async def run() -> None:
        rung: list[bool] = []
        alarm = Alarm(SystemClock(), lambda: rung.append(True))
        alarm.set(time.monotonic())
        alarm.end()
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(0.0, done.set)
        await done.wait()
        assert not rung

    asyncio.run(run())
