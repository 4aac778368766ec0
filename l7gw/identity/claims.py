"""Names that a credential brings: what may be one, and what kind of caller it makes."""

from __future__ import annotations

from l7gw.errors import Refusal

LONGEST_NAME = 256  # bytes in UTF-8 (cluster/impersonation.py names no longer one to a cluster); OIDC bounds `sub` at 255
MOST_GROUPS = 200  # Entra puts at most 200 into a JWT and then none at all; 8 KiB of token hold about 150 of its ids


def refused(message: str) -> Refusal:
    return Refusal(401, "Unauthorized", message)


def printable(value: object) -> bool:
    """Whether this is a text that can stand in a header, a log line and on a terminal and look like nothing else.

    `isprintable` is false for CR, LF and other controls, for lone surrogates (which no UTF-8 can carry), and for invisible
    and direction-changing characters. Spaces at the ends are refused because HTTP strips them (RFC 9110 5.5):
    " system:masters" would be another group at the other side.
    """
    return isinstance(value, str) and value != "" and value.isprintable() and value[0] != " " and value[-1] != " "


def name(value: object, what: str) -> str:
    """`value` as a user, actor or subject. Raises Refusal; `what` says whose claim it is."""
    if not isinstance(value, str) or not printable(value):
        raise refused(f"{what} is no text, empty, or has characters that no name has")
    if len(value.encode()) > LONGEST_NAME:
        raise refused(f"{what} has more than {LONGEST_NAME} bytes")
    return value


def group_names(values: list[object], what: str) -> tuple[str, ...]:
    """Groups in their order, each once. A broken one refuses the whole credential: left out in silence, it could be the
    very group that a guardrail denies. Commas and `system:` are for the cluster's room to judge (threats D16).
    """
    if len(values) > MOST_GROUPS:
        raise refused(f"{what} has more than {MOST_GROUPS} groups")
    for value in values:
        if not printable(value):
            raise refused(f"a group in {what} is no text, empty, or has characters that no name has")
    return tuple(dict.fromkeys(str(value) for value in values))
