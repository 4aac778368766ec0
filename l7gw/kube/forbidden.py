"""Who is refused by a 403 of the API server: the caller, or the gateway, which may not impersonate a name that it sent.

Both 403s are a Status with the reason Forbidden, and differ only in the message (kubernetes-wire 7.2). Callers
choose parts of that message, such as the name of a resource. So the whole message, from its first character, is
compared with the other fields of the Status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from l7gw.kube.status import JSON, LARGEST_UPGRADE_BODY, MESSAGE, PROTOBUF
from l7gw.name_rules import visible

LARGEST_REFUSAL = 16 * 1024  # bytes; a larger body of a 403 is not read; with the longest names it has 4 KiB
MOST_FIELDS = 64  # fields of one protobuf message; a Status has six

# The resources that RBAC checks for an impersonation, in the older form of that check.
IMPERSONATED = frozenset(("users", "groups", "userextras", "uids", "serviceaccounts"))

_QUOTED = r'"(?:[^"\\]|\\.)*"'  # Go's %q
_PLAIN = re.compile(r"[a-z0-9.-]*", re.ASCII)  # the letters of a real resource or group
# Since 1.36 RBAC is first asked in a finer form. Its verbs hold colons, which no verb of a client's call can hold.
_OLDER = re.compile(rf'User {_QUOTED} cannot impersonate resource "([a-z]+)(/[^"\\]+)?" in API group ')
_FINER = re.compile(rf'User {_QUOTED} cannot (impersonate(?:-on)?:[a-z:-]+) (?:resource "([a-z]+(?:/[^"\\]+)?)"|path|resource) ')
_LACKS = re.compile(rf"User {_QUOTED} cannot ")  # AS pkg/endpoints/handlers/responsewriters/errors.go: forbiddenMessage


@dataclass(frozen=True, slots=True)
class NotImpersonated:
    """A name that the API server does not let the gateway impersonate.

    `resource` is spelled as in RBAC (`groups`, `userextras/l7gw-user`), and `name` is the name. With a verb `impersonate-on:...`
    the API server names neither; the two fields are then those of the call.
    """

    verb: str
    resource: str = ""
    name: str = ""

    def is_about(self, named: str) -> bool:
        """Whether it is about this name, in RBAC's spelling: `groups x`, `userextras/x`, `serviceaccounts NAMESPACE/x`. The cluster
        does not say the namespace in its own field."""
        if self.resource == "serviceaccounts":
            return named.startswith("serviceaccounts ") and named.endswith(f"/{self.name}")
        return named in (self.resource, f"{self.resource} {self.name}")


class _Details(msgspec.Struct):
    name: str = ""
    group: str = ""
    kind: str = ""


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    details: _Details | None = None


def not_impersonated(content_type: str, body: bytes) -> NotImpersonated | None:
    """What the API server does not let the gateway impersonate; None where this 403 is about the call itself, or cannot be read.

    `content_type` and `body` are those of the 403, `body` in JSON or protobuf.
    """
    said, details = _said(content_type, body)
    older = _OLDER.match(said)
    if older is not None and older[1] == details.kind and details.kind in IMPERSONATED:
        return NotImpersonated("impersonate", older[1] + (older[2] or ""), details.name)
    finer = _FINER.match(said)
    return NotImpersonated(finer[1], finer[2] or "", details.name) if finer is not None else None


def not_authorized(content_type: str, body: bytes) -> bool:
    """Whether a 403 that is not about impersonation says that whoever was named to the API server lacks a right. Admission and
    quotas refuse with a 403 in other words. The arguments are as in `not_impersonated`."""
    return _LACKS.match(_said(content_type, body)[0]) is not None


def also_saying(content_type: str, body: bytes, words: str) -> bytes:
    """The body of a 403 whose message says `words` too. As it came where it is no JSON, or would be longer than clients read of a
    refused upgrade."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        return body
    status = msgspec.json.decode(body)
    status["message"] = visible(f"{status['message']}; {MESSAGE}{words}")
    longer = msgspec.json.encode(status) + b"\n"
    return longer if len(longer) <= LARGEST_UPGRADE_BODY else body


def _said(content_type: str, body: bytes) -> tuple[str, _Details]:
    """What a 403 says behind its subject, "" where it is none of the API server's own; and the details of its Status."""
    nothing = ("", _Details())
    try:
        status = _decoded(content_type.partition(";")[0].strip().lower(), body)
    except (ValueError, msgspec.DecodeError, RecursionError):  # RecursionError: JSON that is nested too deeply
        return nothing
    if status is None or status.reason != "Forbidden":
        return nothing
    details = status.details or _Details()
    if not _PLAIN.fullmatch(details.kind) or not _PLAIN.fullmatch(details.group):
        return nothing
    said = _behind_subject(status.message, details)
    return (said, details) if said is not None else nothing


def _behind_subject(message: str, details: _Details) -> str | None:
    """The message behind its beginning `groups "x" is forbidden: `; None where it does not begin with what the details say."""
    subject = re.escape(f"{details.kind}.{details.group}" if details.group else details.kind)
    name = f" {_QUOTED}" if details.name else ""
    match = re.match(f"{subject}{name} is forbidden: " if subject else "forbidden: ", message)
    return message[match.end() :] if match is not None else None


def _decoded(content_type: str, body: bytes) -> _Status | None:
    """The Status in a body; None for another content type. Raises ValueError or DecodeError for a body that is no Status."""
    if content_type == JSON:
        return msgspec.json.decode(body, type=_Status)
    if content_type != PROTOBUF or not body.startswith(b"k8s\0"):
        return None
    fields = _fields(_fields(body[4:]).get(2, b""))  # 2 is `raw` of runtime.Unknown; kube/status.py lists Status
    details = _fields(fields.get(5, b""))
    inner = _Details(_text(details, 1), _text(details, 2), _text(details, 3))
    return _Status(_text(fields, 3), _text(fields, 4), inner)


def _text(fields: dict[int, bytes], number: int) -> str:
    return fields.get(number, b"").decode()


def _fields(data: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a protobuf message by number; the last one of a repeated field. Raises ValueError."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(MOST_FIELDS):
        if at == len(data):
            return found
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 0:
            continue  # the field is a number, and this varint was its value
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
