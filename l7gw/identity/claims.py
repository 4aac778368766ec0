"""The claims of a proven credential: where a claim stands, and which texts may be names of users and groups."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Any, NamedTuple

from l7gw import names
from l7gw.errors import Refusal

log = logging.getLogger(__name__)

LONGEST_NAME = 256  # bytes in UTF-8; no longer name is sent to a cluster (cluster/impersonation.py), and OIDC bounds `sub` at 255
MOST_GROUPS = 1000  # groups of one credential, unfit and repeated ones included; Entra sends at most 200, Keycloak all
MOST_TOLD = 3  # unfit groups of one credential that a line of the log names


class Groups(NamedTuple):
    """Groups with their prefix, in their order, each once.

    `fit` are the groups that are names. `unfit` are the spellings (`names.spellings`) of the groups that are no names. These allow
    nothing, and no cluster is told of them. But a deny looks at them: else a trailing space would be a way around a guardrail.
    """

    fit: tuple[str, ...]
    unfit: tuple[str, ...]


def refused(message: str) -> Refusal:
    return Refusal(401, "Unauthorized", message)


def claim_at(claims: dict[str, Any], path: str) -> Any:
    """The claim of exactly this name; else the member that the names between the dots lead to (`realm_access.roles`); else None."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for member in path.split("."):
        if not isinstance(found, dict) or member not in found:
            return None
        found = found[member]
    return found


def told(value: object) -> str:
    """A proven claim's value for a message: a text is quoted, with at most 80 characters; a
    list or an object is only named as one."""
    if isinstance(value, str):
        return names.quoted(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return names.quoted(json.dumps(value))[1:-1]


def name(value: object, what: str) -> str:
    """`value`, if it may be the name of a user or an actor. Raises Refusal 401, which quotes the value, so the value must be
    proven. `what` names the claim in the refusal."""
    if not isinstance(value, str):
        raise refused(f"{what} is no text: {told(value)}")
    if fault := names.fault(value):
        raise refused(f"{what} {fault}: {told(value)}")
    if len(value.encode()) > LONGEST_NAME:
        raise refused(f"{what} has more than {LONGEST_NAME} bytes: {told(value)}")
    return value


def groups_of(values: list[object], prefix: str, what: str) -> Groups:
    """The groups that a proven credential names. `null` is an empty name, as in the API server.

    Raises Refusal for more than MOST_GROUPS, and for a value that is no text. Commas and `system:` are allowed here:
    `cluster/impersonation.py` judges them (threats D16).
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


@lru_cache(maxsize=1024)  # so that each group is logged once
def _tell(what: str, which: str, more: int) -> None:
    others = f"; and {more} more" if more > 0 else ""
    log.warning("groups in %s are left out, what denies them still does: %s%s", what, which, others)
