"""Values that are made elsewhere and live for a while: made once for all who ask, renewed before their end, and used until then.

It knows no AWS, no thread and no credential. All of it runs on the loop; time is told by its clock and by `tick`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from l7gw.clock import Clock
from l7gw.cluster.credentials.messages import Failed

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_KEPT = (
    4096  # values; people who work at once on one gateway; 4 KiB each at most, and beyond it the one made longest ago is dropped
)
MOST_WAITING = 1024  # callbacks that wait for one value; further ones are refused at once
RENEW_AT = 2 / 3  # of the life
JITTER = 0.06  # of the life, by which a renewal may be earlier, so that values made together are not renewed together
RETRY_FIRST = 5.0  # seconds after the first failure to renew, doubled with each further one
RETRY_MOST = 60.0
FAILED_FOR = 2.0  # seconds for which a failure answers all who ask, so that a flood of calls asks AWS every two seconds


class Made(NamedTuple, Generic[V]):
    """A value, and the seconds that it lives from now on."""

    value: V
    life: float


class _Entry(Generic[V]):
    __slots__ = ("failed", "failures", "gone", "look_at", "making", "until", "used", "value", "waiting")

    def __init__(self) -> None:
        self.value: V | None = None
        self.until = 0.0  # monotonic, as the next one
        self.look_at = 0.0  # when to renew the value or, after a failure, when to try again; without a value, when to forget it
        self.used = False  # since it was made
        self.making = False
        self.gone = False  # it is dropped once those who wait have their answer
        self.failed: Failed | None = None
        self.failures = 0  # one after the other
        self.waiting: list[Callable[[V | Failed], None]] = []


class Kept(Generic[K, V]):
    """Values by key.

    `make` begins to make one, and calls back on the loop with what was made or why not. `failed` is told of each failure while a
    former value is still in use.
    """

    def __init__(
        self,
        make: Callable[[K, Callable[[Made[V] | Failed], None]], None],
        clock: Clock,
        *,
        failed: Callable[[K, Failed], None],
        most: int = MOST_KEPT,
        share: Callable[[], float] = random.random,
    ) -> None:
        self._make = make
        self._clock = clock
        self._failed = failed
        self._most = most
        self._share = share
        self._entries: dict[K, _Entry[V]] = {}  # the one made longest ago comes first
        self._next = float("inf")  # when `tick` has something to do

    def __len__(self) -> int:
        return len(self._entries)

    def at_hand(self, key: K) -> V | None:
        """The value, if there is one. It counts as used."""
        entry = self._entries.get(key)
        if entry is None or entry.value is None or self._clock.monotonic() >= entry.until:
            return None
        entry.used = True
        return entry.value

    def ask(self, key: K, then: Callable[[V | Failed], None]) -> None:
        """Call `then` once with the value, or with why there is none: at once where that is known."""
        value = self.at_hand(key)
        if value is not None:
            then(value)
            return
        entry = self._entries.get(key)
        if entry is None:
            self._make_room()
            entry = self._entries[key] = _Entry()
        if entry.failed is not None and not entry.making and self._clock.monotonic() < entry.look_at:
            then(entry.failed)
        elif len(entry.waiting) >= MOST_WAITING:
            then(Failed(503, "ServiceUnavailable", "too many calls wait for one credential of AWS"))
        else:
            entry.waiting.append(then)
            self._begin(key, entry)

    def drop(self, key: K, value: V) -> bool:
        """Give this value to nobody again. False where another one is in its place."""
        entry = self._entries.get(key)
        if entry is None or entry.value is None or entry.value != value:
            return False
        entry.value = None
        if not entry.making:
            del self._entries[key]
        return True

    def keep(self, wanted: Callable[[K], bool]) -> None:
        """Drop the values of all other keys. Who waits for one is still told."""
        for key, entry in list(self._entries.items()):
            if not wanted(key):
                entry.gone = True
                if not entry.making:
                    del self._entries[key]

    def close(self, why: Failed) -> None:
        """Tell all who wait that nothing comes any more."""
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            waiting, entry.waiting = entry.waiting, []
            for then in waiting:
                then(why)

    def tick(self) -> None:
        """Once a second: renew what is used and due, forget what has ended."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        for key, entry in list(self._entries.items()):
            if entry.making:
                continue
            if now >= entry.until and (entry.value is not None or now >= entry.look_at):
                del self._entries[key]
            elif entry.value is not None and entry.used and now >= entry.look_at:
                self._begin(key, entry)
        self._next = min((self._due(entry, now) for entry in self._entries.values() if not entry.making), default=float("inf"))

    def _due(self, entry: _Entry[V], now: float) -> float:
        """When to look at an entry again. One that was not used is looked at each second from its renewal on."""
        if entry.value is None:
            return entry.look_at
        return max(now, min(entry.look_at, entry.until))

    def _begin(self, key: K, entry: _Entry[V]) -> None:
        if not entry.making:
            entry.making = True
            self._make(key, lambda made: self._made(key, entry, made))

    def _made(self, key: K, entry: _Entry[V], made: Made[V] | Failed) -> None:
        now = self._clock.monotonic()
        entry.making = False
        if isinstance(made, Failed):
            self._not_made(key, entry, made, now)
        else:
            entry.value, entry.until = made.value, now + made.life
            entry.look_at = now + made.life * (RENEW_AT - JITTER * self._share())
            entry.used, entry.failed, entry.failures = False, None, 0
        if self._entries.get(key) is entry:
            del self._entries[key]  # and to the end, as it is the one made last
            if not entry.gone:
                self._entries[key] = entry
        self._next = min(self._next, entry.look_at)
        waiting, entry.waiting = entry.waiting, []
        for then in waiting:
            then(made if isinstance(made, Failed) else made.value)

    def _not_made(self, key: K, entry: _Entry[V], why: Failed, now: float) -> None:
        entry.failures += 1
        if entry.value is not None and now < entry.until:
            pause = min(RETRY_MOST, RETRY_FIRST * 2.0 ** min(entry.failures - 1, 8))
            entry.look_at = now + pause * (1 - self._share() / 4)
            self._failed(key, why)
        else:
            entry.value, entry.failed = None, why
            entry.look_at = now + FAILED_FOR

    def _make_room(self) -> None:
        if len(self._entries) >= self._most:
            first = next((key for key, entry in self._entries.items() if not entry.making), None)
            if first is not None:
                del self._entries[first]
