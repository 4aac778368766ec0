"""Calls without a principal, by the address from which they came: what a day's session of attempts holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from l7gw.clock import moment
from l7gw.recording.events import AttemptsDropped, VerdictRecorded
from l7gw.recording.partial_events import reading

MOST = 1000  # pairs of address and reason that are kept, and addresses; strangers choose how many there are
_REASON = re.compile("from ([^ ]+): (.*)", re.DOTALL)  # as the gateway writes it


class Failed(msgspec.Struct):
    """Failed log-ins from one address for one reason. Times are microseconds since 1970."""

    address: str
    reason: str
    count: int
    first: int
    last: int


class FailedLogins:
    """The failed log-ins in these blocks of a session. `by` has the most frequent first, MOST at most; `others` counts those that
    are in none of them, `unrecorded` those of which the gateway recorded nothing because there were too many.

    `addresses` is how many different ones there are, MOST at most. `whole` says whether these are all blocks of the session."""

    decode = staticmethod(reading(VerdictRecorded, AttemptsDropped))

    def __init__(self, blocks: Iterable[list[Any]], *, whole: bool) -> None:
        self.whole = whole
        self.others = self.unrecorded = 0
        self._addresses: set[str] = set()
        found: dict[tuple[str, str], Failed] = {}
        for events in blocks:
            for event in events:
                if type(event) is VerdictRecorded:
                    self._take(event, found)
                elif type(event) is AttemptsDropped:
                    self.unrecorded += event.count
        self.by = sorted(found.values(), key=lambda one: (-one.count, one.first))

    def _take(self, event: VerdictRecorded, found: dict[tuple[str, str], Failed]) -> None:
        match = _REASON.fullmatch(event.reason)
        address, reason = (match[1], match[2]) if match is not None else ("", event.reason)
        one = found.get((address, reason))
        if one is not None:
            one.count += 1
            one.last = event.time
        elif len(found) < MOST:
            found[address, reason] = Failed(address, reason, 1, event.time, event.time)
        else:
            self.others += 1
        if address and len(self._addresses) < MOST:
            self._addresses.add(address)

    @property
    def addresses(self) -> int:
        return len(self._addresses)

    def __str__(self) -> str:
        """`failed log-ins (3 addresses)`."""
        more = " or more" if self.addresses == MOST or not self.whole else ""
        return f"failed log-ins ({self.addresses}{more} address{'' if self.addresses == 1 and not more else 'es'})"

    def document(self) -> dict[str, Any]:
        """As JSON. Its keys stay from release to release."""
        by = [
            {"address": one.address, "reason": one.reason, "count": one.count, "first": moment(one.first), "last": moment(one.last)}
            for one in self.by
        ]
        return {"addresses": self.addresses, "by": by, "others": self.others, "unrecorded": self.unrecorded, "whole": self.whole}
