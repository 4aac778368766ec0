"""The pools of one cluster together dial no more than so many times at once, and take turns."""

from __future__ import annotations

import asyncio
from collections import Counter

import uvloop

from l7gw.cluster.dials import AT_ONCE, Dials
from tests.support.manual_clock import ManualClock


class Pool:
    """A pool that wants so many dials."""

    def __init__(self, name: str, dials: Dials, wanted: int, begun: list[str], gate: asyncio.Event) -> None:
        self.name, self.dials, self.wanted, self.begun, self.gate = name, dials, wanted, begun, gate

    async def _dial(self) -> None:
        self.begun.append(self.name)
        await self.gate.wait()

    def take_turn(self) -> bool:
        if self.wanted:
            self.wanted -= 1
            self.dials.start(self._dial(), lambda _: None)
        return self.wanted > 0


def test_a_pool_that_wants_a_thousand_dials_leaves_every_second_turn_to_another() -> None:
    async def run() -> None:
        dials, begun, gate = Dials(ManualClock()), list[str](), asyncio.Event()
        greedy, modest = Pool("greedy", dials, 1000, begun, gate), Pool("modest", dials, 20, begun, gate)
        while dials.free:
            greedy.take_turn()
        dials.wait(greedy)
        dials.wait(modest)
        dials.wait(greedy)
        await asyncio.sleep(0)
        assert Counter(begun) == {"greedy": AT_ONCE}
        gate.set()
        while len(begun) < AT_ONCE + 40:
            await asyncio.sleep(0)
        assert Counter(begun[AT_ONCE : AT_ONCE + 40]) == {"greedy": 20, "modest": 20}
        while len(begun) < 1020:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert dials.free

    uvloop.run(run())


def test_no_more_are_under_way_than_may_be() -> None:
    async def run() -> None:
        dials, begun, gate = Dials(ManualClock()), list[str](), asyncio.Event()
        pools = [Pool(str(number), dials, 5, begun, gate) for number in range(50)]
        for pool in pools:
            if dials.free:
                pool.take_turn()
            dials.wait(pool)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(begun) == min(50, AT_ONCE)
        gate.set()
        while len(begun) < 250:
            await asyncio.sleep(0)

    uvloop.run(run())
