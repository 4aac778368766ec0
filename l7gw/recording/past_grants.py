"""The grants of a journal, as far as it was read: which groups were granted to whom, and when they counted."""

from __future__ import annotations

import datetime
import re

import msgspec

from l7gw.recording.events import GrantRecorded, SessionStarted

BY_GRANT = re.compile(r" by grant ([0-9a-f-]{36})")  # in the reason of a verdict (`gateway.granted`)
LONGEST = 24 * 3600 * 1_000_000  # microseconds that a grant lasts at most (`policy.grants`)

_Holder = tuple[str, str, str, str, str]  # as in `approval.active_grants`: issuer, user, kind, actor, cluster


class Granted(msgspec.Struct, frozen=True):
    """A group that counted for a call by the grant of this id."""

    id: str
    group: str
    ends: int  # microseconds since 1970


class PastGrants:
    """Is told of each event of a grant in the order of the journal, and gives those in force at a time."""

    def __init__(self) -> None:
        self._of: dict[_Holder, dict[str, Granted]] = {}

    def take(self, started: SessionStarted, event: GrantRecorded) -> None:
        """Something was done to a grant of whoever this session is of."""
        held = self._of.setdefault(_holder(started), {})
        if event.state == "approved" and event.ends:
            ends = datetime.datetime.fromisoformat(event.ends).timestamp()
            held[event.grant] = Granted(event.grant, event.group, ends=int(ends * 1e6))
        else:
            held.pop(event.grant, None)

    def at(self, started: SessionStarted, time: int) -> tuple[Granted, ...]:
        """The grants that counted for a call in this session at `time`, in microseconds since 1970."""
        held = self._of.get(_holder(started))
        if not held:
            return ()
        for one in [one for one in held.values() if one.ends + LONGEST < time]:
            del held[one.id]
        return tuple(one for one in held.values() if time < one.ends)


def _holder(started: SessionStarted) -> _Holder:
    return started.issuer, started.user, started.kind, started.actor, started.cluster
