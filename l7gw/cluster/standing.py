"""Whether a cluster accepts the gateway's credential, and whom it lets the gateway impersonate.

An outage makes two lines of the log, however many calls fail: one when it begins, and one when it is over, with the number of
calls.
"""

from __future__ import annotations

import logging

from l7gw.kube.acting_as import ActsAs
from l7gw.name_rules import visible
from l7gw.wire.events import Headers

log = logging.getLogger(__name__)

MOST_LISTED = 12  # names in one sentence
MOST_TOLD = 100  # missing permissions that are remembered one by one; a person may have a thousand groups


class Standing:
    """The standing with one cluster. `troubled` is true during an outage; only then does a call need to tell `accepted`."""

    __slots__ = ("_missing", "_name", "_rejected", "hint", "troubled")

    def __init__(self, name: str) -> None:
        self._name = name
        self._rejected = 0  # calls answered with a 401 since the cluster last accepted one
        self._missing: dict[frozenset[str], list[int]] = {}  # names that the cluster refused -> a list of one: the calls refused
        self.troubled = False
        self.hint = ""  # what to do where the credential is not accepted, for the log

    def rejected(self) -> None:
        """A call failed because the cluster does not accept the gateway's own credential."""
        self.troubled = True
        self._rejected += 1
        if self._rejected == 1:
            words = "cluster %s does not accept the gateway's own credential (401): calls are answered with 502%s"
            log.error(words, self._name, f"; {self.hint}" if self.hint else "")

    def not_impersonated(self, named: frozenset[str], words: str) -> None:
        """A call failed because the cluster does not let the gateway impersonate one or more of these. `words` is the log's
        sentence."""
        self.troubled = True
        counted = self._missing.get(named)
        if counted is not None:
            counted[0] += 1
        elif len(self._missing) < MOST_TOLD:
            self._missing[named] = [1]
            apply = f"l7gw rbac render {self._name} | kubectl apply -f -"
            log.error("%s: calls are answered with 502; apply there what it needs: %s", words, apply)
            if len(self._missing) == MOST_TOLD:
                log.error("cluster %s: other permissions that are missing are not told until one of these is there", self._name)

    def accepted(self, headers: Headers) -> None:
        """A call passed: the cluster accepts the credential, and lets the gateway impersonate those whom these headers name."""
        if self._rejected:
            log.info("cluster %s accepts the gateway's credential again; calls refused: %d", self._name, self._rejected)
            self._rejected = 0
        lines = named(headers)
        for missing in [missing for missing in self._missing if missing <= lines]:
            (times,) = self._missing.pop(missing)
            log.info("cluster %s lets the gateway impersonate %s now; calls refused: %d", self._name, shown(missing), times)
        self.troubled = bool(self._missing)

    def policy_changed(self) -> None:
        """The policy changed, and with it the groups that are named. Permissions that are still missing are logged again."""
        for missing, (times,) in self._missing.items():
            log.info("cluster %s: calls refused for %s under the former policy: %d", self._name, shown(missing), times)
        self._missing.clear()
        self.troubled = self._rejected > 0


def named(headers: Headers) -> frozenset[str]:
    """The users, groups and keys of extras that a request's headers impersonate, spelled as in RBAC. A service account stands with
    its namespace."""
    found = set()
    for name, value in headers:
        if name == "impersonate-user":
            user = ActsAs(_text(value))
            found.add(f"serviceaccounts {user.account}" if user.account else f"users {user.user}")
        elif name == "impersonate-group":
            found.add(f"groups {_text(value)}")
        elif name.startswith("impersonate-extra-"):
            found.add(f"userextras/{name.removeprefix('impersonate-extra-')}")
    return frozenset(found)


def shown(lines: frozenset[str]) -> str:
    """These names in a sentence: the user first, then extras, then groups."""
    listed = sorted(lines, reverse=True)
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return visible(", ".join(listed[:MOST_LISTED]) + more)


def _text(octets: str) -> str:
    """The name in a header value: the value has one character for each byte of the name's UTF-8."""
    return octets.encode("latin-1").decode(errors="replace")
