"""What a proven credential says: where a claim stands in it, and which of its texts may be names."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Any, NamedTuple

from l7gw import names
from l7gw.errors import Refusal

log = logging.getLogger(__name__)

LONGEST_NAME = 256  # bytes in UTF-8 (cluster/impersonation.py names no longer one to a cluster); OIDC bounds `sub` at 255
MOST_GROUPS = 1000  # fit or not, each time one stands there; Entra puts at most 200 into a token, Keycloak all that there are
MOST_TOLD = 3  # groups of one credential in a line of the log


class Groups(NamedTuple):
    """Groups with their prefix, in their order, each once.

    `fit` are names. `unfit` are the spellings of those that are no names (`names.spellings`): they allow nothing and go nowhere,
    but what denies looks at them, or a trailing space would be the way out of a guardrail.
    """

    fit: tuple[str, ...]
    unfit: tuple[str, ...]


def refused(message: str) -> Refusal:
    return Refusal(401, "Unauthorized", message)


def claim_at(claims: dict[str, Any], path: str) -> Any:
    """The claim of exactly this name; else what the names between its dots lead to (`realm_access.roles`). None: there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for member in path.split("."):
        if not isinstance(found, dict) or member not in found:
            return None
        found = found[member]
    return found


def told(value: object) -> str:
    """A proven claim's value in a message: a text escaped, 80 characters of it; of a list or an object that it is one."""
    if isinstance(value, str):
        return names.quoted(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return names.quoted(json.dumps(value))[1:-1]


def name(value: object, what: str) -> str:
    """`value` as a user or actor. Raises Refusal; `what` says whose claim it is. Only for what was proven: it is quoted."""
    if not isinstance(value, str):
        raise refused(f"{what} is no text: {told(value)}")
    if fault := names.fault(value):
        raise refused(f"{what} {fault}: {told(value)}")
    if len(value.encode()) > LONGEST_NAME:
        raise refused(f"{what} has more than {LONGEST_NAME} bytes: {told(value)}")
    return value


def groups_of(values: list[object], prefix: str, what: str) -> Groups:
    """The groups that a proven credential names; null is an empty one, as in the API server. Raises Refusal for more than
    MOST_GROUPS, and for a value that is no text. Commas and `system:` are for the cluster's room to judge (threats D16).
    """
    if len(values) > MOST_GROUPS:
        raise refused(f"{what} has {len(values)} groups, more than {MOST_GROUPS}")
    fit: dict[str, None] = {}
    unfit: dict[str, None] = {}
    left_out: list[tuple[str, str]] = []
    for number, value in enumerate(values, 1):
        group = "" if value is None else value
        if not isinstance(group, str):
            raise refused(f"group {number} in {what} is no text: {told(group)}")
        fault = names.fault(group) or ("" if group.isascii() else names.fault(prefix + group))
        if not fault:
            fit[prefix + group] = None
            continue
        unfit.update(dict.fromkeys([prefix + spelling for spelling in names.spellings(group)]))
        left_out.append((group, fault))
    if left_out:
        which = "; ".join(f"{told(group)} {fault}" for group, fault in left_out[:MOST_TOLD])
        _tell(what, which, len(left_out) - MOST_TOLD)
    return Groups(tuple(fit), tuple(unfit))


@lru_cache(maxsize=1024)  # so that each is said once
def _tell(what: str, which: str, more: int) -> None:
    others = f"; and {more} more" if more > 0 else ""
    log.warning("groups in %s are left out, what denies them still does: %s%s", what, which, others)
