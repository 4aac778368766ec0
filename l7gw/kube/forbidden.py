"""Whom a 403 of the API server is about: the caller, or the gateway, which may not impersonate whom it named.

Both are a Status with reason Forbidden, and only the sentence differs (kubernetes-wire 7.2). Parts of that sentence are the
caller's to choose, a resource of any name among them, so it is compared with the Status's own fields, from its first character on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from l7gw.kube.status import JSON, PROTOBUF

LARGEST_STATUS = 16 * 1024  # bytes of a 403's body that are looked at; with the longest names it has 4 KiB
MOST_FIELDS = 64  # of one protobuf message; a Status has six

# What is asked for in the older form.
IMPERSONATED = frozenset(("users", "groups", "userextras", "uids", "serviceaccounts"))

_QUOTED = r'"(?:[^"\\]|\\.)*"'  # Go's %q
_PLAIN = re.compile(r"[a-z0-9.-]*", re.ASCII)  # a resource or group as real ones are written
# Since 1.36 the same is asked first in a finer form, whose verbs have colons that no method of a client can have.
_OLDER = re.compile(rf'User {_QUOTED} cannot impersonate resource "([a-z]+)(/[^"\\]+)?" in API group ')
_FINER = re.compile(rf'User {_QUOTED} cannot (impersonate(?:-on)?:[a-z:-]+) (?:resource "([a-z]+(?:/[^"\\]+)?)"|path|resource) ')


@dataclass(frozen=True, slots=True)
class NotImpersonated:
    """What the API server does not let its caller name: a `resource` as RBAC spells it (`groups`, `userextras/l7gw-user`) and its
    `name`. With a verb `impersonate-on:...` it says neither: then they are what was called."""

    verb: str
    resource: str = ""
    name: str = ""


class _Details(msgspec.Struct):
    name: str = ""
    group: str = ""
    kind: str = ""


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    details: _Details | None = None


def not_impersonated(content_type: str, body: bytes) -> NotImpersonated | None:
    """What of an impersonation the API server refuses with this 403; None where it refuses the call itself, or says neither."""
    try:
        status = _decoded(content_type.partition(";")[0].strip().lower(), body)
    except (ValueError, msgspec.DecodeError, RecursionError):  # the last: JSON nested without end
        return None
    if status is None or status.reason != "Forbidden":
        return None
    details = status.details or _Details()
    if not _PLAIN.fullmatch(details.kind) or not _PLAIN.fullmatch(details.group):
        return None
    said = _behind_subject(status.message, details)
    if said is None:
        return None
    older = _OLDER.match(said)
    if older is not None and older[1] == details.kind and details.kind in IMPERSONATED:
        return NotImpersonated("impersonate", older[1] + (older[2] or ""), details.name)
    finer = _FINER.match(said)
    return NotImpersonated(finer[1], finer[2] or "", details.name) if finer is not None else None


def _behind_subject(message: str, details: _Details) -> str | None:
    """The sentence behind `groups "x" is forbidden: `, where what stands before it is what the details say."""
    subject = re.escape(f"{details.kind}.{details.group}" if details.group else details.kind)
    name = f" {_QUOTED}" if details.name else ""
    match = re.match(f"{subject}{name} is forbidden: " if subject else "forbidden: ", message)
    return message[match.end() :] if match is not None else None


def _decoded(content_type: str, body: bytes) -> _Status | None:
    """Raises ValueError or DecodeError for what is no Status."""
    if content_type == JSON:
        return msgspec.json.decode(body, type=_Status)
    if content_type != PROTOBUF or not body.startswith(b"k8s\0"):
        return None
    fields = _fields(_fields(body[4:]).get(2, b""))  # runtime.Unknown: 2 raw; the numbers of Status stand in kube/status.py
    details = _fields(fields.get(5, b""))
    inner = _Details(_text(details, 1), _text(details, 2), _text(details, 3))
    return _Status(_text(fields, 3), _text(fields, 4), inner)


def _text(fields: dict[int, bytes], number: int) -> str:
    return fields.get(number, b"").decode()


def _fields(data: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a protobuf message; of a repeated one the last. Raises ValueError."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(MOST_FIELDS):
        if at == len(data):
            return found
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 0:
            continue  # a number: its value was the varint
        if key & 7 != 2 or at + value > len(data):
            raise ValueError("no field of a Status")
        found[key >> 3] = data[at : at + value]
        at += value
    raise ValueError("more fields than a Status has")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a cut number")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
