"""The background worker of one channel: takes what is due from the outbox, and tells it.

What cannot be told is tried again, each time later, until the hold has been over for an hour. A channel that is away is asked by
one message at a time. Nothing that is held waits for any of this: reviewers can answer by `l7gw holds` meanwhile.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Hold
from l7gw.approval.states import TOPIC
from l7gw.clock import Clock
from l7gw.log import CountedLog
from l7gw.notify.posts import NotTold
from l7gw.store import outbox
from l7gw.store.database import Store, Work
from l7gw.store.outbox import Notice

log = logging.getLogger(__name__)

T = TypeVar("T")

SECOND = 1_000_000  # microseconds
LOOK_EVERY = 10.0  # seconds between two looks at what other gateways have noted; our own wakes the worker
FIRST_PAUSE = 1.0  # seconds until a message is tried again; twice as long each time
LONGEST_PAUSE = 120.0  # seconds; who comes back is told two minutes later at most
MOST_DOUBLED = 10  # times that the pause is doubled
TOLD_AFTER_END = 3600 * SECOND  # microseconds after its end in which a hold is still told


class Channel(Protocol):
    """What holds are told to. `name` is its word in the outbox, `where` stands in the log."""

    name: str
    where: str

    async def tell(self, hold: Hold, notice: Notice) -> str:
        """Tell a hold as it is now; gives where it stands there. Raises NotTold."""


class _Job(NamedTuple):
    notice: Notice
    hold: Hold | None  # None where it is gone


class Delivery:
    """The worker. `holder` is this gateway's name in the outbox; `chance` gives a number from 0 to 1, against gateways in step."""

    def __init__(
        self, store: Store, channel: Channel, clock: Clock, holder: str, chance: Callable[[], float] = random.random
    ) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._holder = holder
        self._chance = chance
        self._woken = asyncio.Event()
        self._ends = False
        self._failures = 0  # of the channel, one after another
        self._rests_until = 0.0  # monotonic seconds
        self._said = CountedLog(log, clock.monotonic)

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    def end(self) -> None:
        """Tell no more than what is being told now; then `run` ends."""
        self._ends = True
        self._woken.set()

    async def run(self) -> None:
        """Tell what is due, until the worker is ended or its task cancelled."""
        while not self._ends:
            self._woken.clear()
            try:
                pause = await self.step()
            except Exception:
                log.exception("%s: telling went wrong", self._channel.where)
                pause = LONGEST_PAUSE
            self._said.tick()
            if pause > 0.0 and not self._ends:
                await self._wait(pause)

    async def step(self) -> float:
        """Tell what has waited longest. Gives how many seconds nothing is to be done, 0 where the next may be due."""
        resting = self._rests_until - self._clock.monotonic()
        if resting > 0.0:
            return resting
        job = await self._do(self._take)
        if isinstance(job, _Job):
            await self._tell(job)
            return 0.0
        if isinstance(job, Exception):
            self._said.warning(self._channel.where, "the outbox cannot be read: %s", job)
        due = await self._do(lambda connection: outbox.next_due(connection, self._channel.name))
        return LOOK_EVERY if not isinstance(due, int) else min(LOOK_EVERY, max(0.05, (due - self._now()) / SECOND))

    # ------------------------------------------------------------------ one message

    def _take(self, connection: sa.Connection) -> _Job | None:
        notice = outbox.take(connection, self._channel.name, self._holder, self._now())
        if notice is None:
            return None
        found = rows.read(connection, [notice.about]) if notice.kind == TOPIC else []
        return _Job(notice, found[0] if found else None)

    async def _tell(self, job: _Job) -> None:
        notice, hold = job
        if hold is None or self._is_too_late(hold):
            await self._give_up(notice, hold)
            return
        try:
            place = await self._channel.tell(hold, notice)
        except NotTold as why:
            await self._again(notice, self._failed(notice, why))
            return
        except Exception:  # a bug at this hold: the next are told all the same
            log.exception("%s: telling of hold %s went wrong", self._channel.where, hold.id)
            await self._again(notice, self._now() + int(self._pause(notice.tries) * SECOND))
            return
        if self._failures:
            log.info("%s is told again", self._channel.where)
        self._failures = 0
        await self._do(lambda connection: outbox.told(connection, notice, self._holder, self._now(), place))

    async def _again(self, notice: Notice, at: int) -> None:
        await self._do(lambda connection: outbox.failed(connection, notice, self._holder, at))

    async def _give_up(self, notice: Notice, hold: Hold | None) -> None:
        if hold is None:
            await self._do(lambda connection: outbox.forget(connection, notice.kind, [notice.about]))
            return
        self._said.error(self._channel.where, "was never told that hold %s is %s", hold.id, hold.state)
        await self._do(lambda connection: outbox.given_up(connection, notice, self._holder))

    def _failed(self, notice: Notice, why: NotTold) -> int:
        """When a message is tried again, in microseconds since 1970."""
        self._said.warning(self._channel.where, "cannot be told, and is tried again; holds are answered by `l7gw holds`: %s", why)
        if why.alone:
            return self._now() + int(self._pause(notice.tries) * SECOND)
        pause = max(why.rest, self._pause(self._failures))
        self._failures += 1
        self._rests_until = self._clock.monotonic() + pause
        return self._now() + int(pause * SECOND)

    def _pause(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, MOST_DOUBLED))
        return float(longest * (0.5 + self._chance() / 2))

    def _is_too_late(self, hold: Hold) -> bool:
        if hold.ended is None:
            return False
        ended = datetime.datetime.fromisoformat(hold.ended).timestamp()
        return self._now() - ended * SECOND > TOLD_AFTER_END

    # ------------------------------------------------------------------ inside

    def _now(self) -> int:
        return int(self._clock.wall() * SECOND)

    async def _do(self, work: Work[T]) -> T | Exception:
        future: asyncio.Future[T | Exception] = asyncio.get_running_loop().create_future()
        self._store.do(work, lambda found: None if future.done() else future.set_result(found))
        return await future

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
