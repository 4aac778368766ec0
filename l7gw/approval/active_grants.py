"""The grants that are in force, as the judge asks for them: in memory, so that no call waits for the database.

A grant belongs to exactly the principal that asked: issuer, user, kind and actor, on one cluster. So neither another identity of
the same person has it, nor an agent that acts for him. It ends at its time by the monotonic clock too: no clock that is set back
makes it longer. `generation` grows with each change, so that what was judged before is judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from l7gw.clock import Clock, moment
from l7gw.identity.principal import Principal

MOST_REMEMBERED = 1024  # grants that are over, whose end is still explained to the streams that they allowed
SECOND = 1_000_000  # microseconds

Holder = tuple[str, str, str, str, str]  # issuer, user, kind, actor, cluster


class ActiveGrant(msgspec.Struct, frozen=True):
    """A grant in force. `ends` is in microseconds since 1970, `lasts` how many it was given for."""

    id: str
    group: str
    holder: Holder
    ends: int
    lasts: int


class ActiveGrants:
    """The grants in force at this gateway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[Holder, tuple[ActiveGrant, ...]] = {}
        self._until: dict[str, float] = {}  # of each grant its end, in monotonic seconds
        self._words: dict[str, str] = {}  # of grants that are over: how they ended
        self._listeners: list[Callable[[], None]] = []
        self.generation = 0

    def when_changed(self, listener: Callable[[], None]) -> None:
        """Call back whenever grants begin or end."""
        self._listeners.append(listener)

    def of(self, principal: Principal, cluster: str) -> tuple[ActiveGrant, ...]:
        """The grants that this principal has on this cluster now."""
        if not self._of:
            return ()
        found = self._of.get((principal.issuer, principal.user, principal.kind, principal.actor, cluster))
        return tuple(one for one in found if self.has(one.id)) if found else ()

    def has(self, grant: str) -> bool:
        """Whether the grant of this id is in force."""
        until = self._until.get(grant)
        return until is not None and until > self._clock.monotonic()

    def is_over(self, grant: str) -> bool:
        """Whether the grant of this id was in force at this gateway, and is over."""
        return grant in self._words

    def why_over(self, grant: str) -> str:
        """How a grant ended, in words behind its name: `was revoked by lea`. One that the policy does not list any more is in
        force, and does not count."""
        return self._words.get(grant, "does not count any more" if self.has(grant) else "has ended")

    @property
    def known(self) -> tuple[str, ...]:
        """The ids of those that are in force, or ended since the last `tick`."""
        return tuple(self._until)

    def replace(self, active: Iterable[ActiveGrant], over: Mapping[str, str], wall: float) -> None:
        """What the database says: these are in force, and no others. `over` has words for those that are over. `wall` is now by the
        clock of the database, in seconds since 1970."""
        now = self._clock.monotonic()
        found: dict[Holder, list[ActiveGrant]] = {}
        until: dict[str, float] = {}
        for one in active:
            if one.id in self._words:
                continue  # over is over, whatever a clock says that was set back
            ends = now + min(one.ends / SECOND - wall, one.lasts / SECOND)  # the clock may have been set back before a start
            until[one.id] = min(ends, self._until.get(one.id, ends))
            found.setdefault(one.holder, []).append(one)
        gone = self._until.keys() - until.keys()
        changed = bool(gone) or until.keys() != self._until.keys()
        self._of = {holder: tuple(grants) for holder, grants in found.items()}
        self._until = until
        for grant in gone:
            self._remember(grant, over.get(grant, "has ended"))
        if changed:
            self._tell()

    def drop(self, grant: str, words: str) -> None:
        """A grant is over."""
        if self._until.pop(grant, None) is not None:
            self._of = {
                holder: left for holder, grants in self._of.items() if (left := tuple(one for one in grants if one.id != grant))
            }
            self._remember(grant, words)
            self._tell()

    def tick(self) -> list[str]:
        """Drop those whose time is over. Gives their ids."""
        if not self._until:
            return []
        now = self._clock.monotonic()
        over = [grant for grant, until in self._until.items() if until <= now]
        for grant in over:
            self.drop(grant, f"ended at {moment(int(self._clock.wall() * SECOND))}")
        return over

    def _remember(self, grant: str, words: str) -> None:
        self._words[grant] = words
        if len(self._words) > MOST_REMEMBERED:
            del self._words[next(iter(self._words))]

    def _tell(self) -> None:
        self.generation += 1
        for listener in self._listeners:
            listener()
