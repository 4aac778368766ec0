"""How the gateway stands with a cluster: whether its credential is taken there, and whom it may impersonate.

An outage is two lines of the log, however many calls it fails: one when it begins, one when it is over, with their number.
"""

from __future__ import annotations

import logging

from l7gw.names import visible
from l7gw.wire.events import Headers

log = logging.getLogger(__name__)

MOST_LISTED = 12  # names in a sentence
MOST_TOLD = 100  # missing permissions that are told apart; a person may have a thousand groups


class Standing:
    """Of one cluster. `troubled` says that an outage runs: only then is what the cluster takes worth telling (`accepted`)."""

    __slots__ = ("_missing", "_name", "_rejected", "troubled")

    def __init__(self, name: str) -> None:
        self._name = name
        self._rejected = 0  # calls that the cluster answered with a 401, since it last took one
        self._missing: dict[frozenset[str], list[int]] = {}  # what was named -> calls refused for it
        self.troubled = False

    def rejected(self) -> None:
        """The cluster does not take the gateway's own credential."""
        self.troubled = True
        self._rejected += 1
        if self._rejected == 1:
            log.error("cluster %s does not accept the gateway's own credential (401): calls are answered with 502", self._name)

    def not_impersonated(self, named: frozenset[str], words: str) -> None:
        """The cluster does not let the gateway name (all of) these; `words` are the sentence about it."""
        self.troubled = True
        counted = self._missing.get(named)
        if counted is not None:
            counted[0] += 1
        elif len(self._missing) < MOST_TOLD:
            self._missing[named] = [1]
            log.error("%s: calls are answered with 502", words)
            if len(self._missing) == MOST_TOLD:
                log.error("cluster %s: other permissions that are missing are not told until one of these is there", self._name)

    def accepted(self, headers: Headers) -> None:
        """The cluster took the credential, and let the gateway name whom these headers name."""
        if self._rejected:
            log.info("cluster %s accepts the gateway's credential again; calls refused: %d", self._name, self._rejected)
            self._rejected = 0
        lines = named(headers)
        for missing in [missing for missing in self._missing if missing <= lines]:
            (times,) = self._missing.pop(missing)
            log.info("cluster %s lets the gateway impersonate %s now; calls refused: %d", self._name, shown(missing), times)
        self.troubled = bool(self._missing)

    def policy_changed(self) -> None:
        """Others may be named from now on: what is missing still is told anew."""
        for missing, (times,) in self._missing.items():
            log.info("cluster %s: calls refused for %s under the former policy: %d", self._name, shown(missing), times)
        self._missing.clear()
        self.troubled = self._rejected > 0


def named(headers: Headers) -> frozenset[str]:
    """What a request asks the cluster to take for the caller's, as RBAC spells it; of extras their keys alone."""
    found = set()
    for name, value in headers:
        if name == "impersonate-user":
            found.add(f"users {_text(value)}")
        elif name == "impersonate-group":
            found.add(f"groups {_text(value)}")
        elif name.startswith("impersonate-extra-"):
            found.add(f"userextras/{name.removeprefix('impersonate-extra-')}")
    return frozenset(found)


def shown(lines: frozenset[str]) -> str:
    """In a sentence: the user first, then extras, then groups."""
    listed = sorted(lines, reverse=True)
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return visible(", ".join(listed[:MOST_LISTED]) + more)


def _text(octets: str) -> str:
    """A header value, which has a character for each byte, as the name that it stands for."""
    return octets.encode("latin-1").decode(errors="replace")
