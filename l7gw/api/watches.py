"""Who watches the holds. The desk tells one listener, and each change is encoded once for all who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from l7gw.approval.messages import Hold, Shown, encode
from l7gw.errors import Refusal

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk

MOST_WATCHING = 256  # in all; a team with its consoles and scripts has a few dozen
FOR_OTHERS = 56  # of them, for callers who watch less than OF_ONE times: an agent that takes all others keeps no reviewer from it
OF_ONE = 8
NOTHING = Shown()


class Watcher(Protocol):
    def hold_changed(self, hold: Hold) -> None:
        """A hold is new or has changed. It is slim. Called on the loop."""


def slim(hold: Hold) -> Hold:
    """A hold without what a reviewer is shown: that may have 64 KiB, many may wait for who does not read, and GET has it."""
    return msgspec.structs.replace(hold, shown=NOTHING)


class Watches:
    """Those who watch. `follow` takes the desk as soon as there is one."""

    def __init__(self) -> None:
        self._desk: Desk | None = None
        self._watchers: dict[Watcher, str] = {}  # each with its caller
        self._last: tuple[Hold, bytes] | None = None

    def follow(self, desk: Desk | None) -> None:
        if desk is not None and desk is not self._desk:
            self._desk = desk
            desk.watch(self._changed)

    def add(self, watcher: Watcher, caller: str) -> Callable[[], object]:
        """Tell a watcher from now on; gives the function that ends it. Raises Refusal 429."""
        if len(self._watchers) >= MOST_WATCHING:
            raise Refusal(429, "TooManyRequests", f"{MOST_WATCHING} callers watch the holds already")
        if len(self._watchers) >= MOST_WATCHING - FOR_OTHERS and list(self._watchers.values()).count(caller) >= OF_ONE:
            raise Refusal(429, "TooManyRequests", "you watch the holds often enough, and leave the rest to others")
        self._watchers[watcher] = caller
        return lambda: self._watchers.pop(watcher, None)

    def _changed(self, hold: Hold) -> None:
        if self._watchers:
            told = slim(hold)  # one for all
            for watcher in list(self._watchers):
                watcher.hold_changed(told)

    def line(self, hold: Hold) -> bytes:
        """A hold as a line of JSON."""
        if self._last is None or self._last[0] is not hold:
            self._last = hold, encode(hold) + b"\n"
        return self._last[1]
