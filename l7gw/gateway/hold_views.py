"""What a reviewer is shown of a held call, and what tells it from another call: for a write the difference that it makes.

A look is a generator: it yields what is to be asked of the cluster, as the requester, is sent what was said, and returns a View. So
it knows no connection, and reads from top to bottom. What the cluster says may hold secrets: it is masked, without any reveal,
before anything keeps it. A call of which no dry run can be made is shown as it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import msgspec

from l7gw.approval.messages import LONGEST_VIEW, Shown
from l7gw.errors import Refusal
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.act import Act
from l7gw.kube.body_values import plain
from l7gw.kube.dry_runs import apiservice_of, possible, rehearsal, stores
from l7gw.kube.made_anew import without_made_anew
from l7gw.kube.object_diff import changes, encoded, lines_of, unified
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.name_rules import clipped, visible

WHY = "to show a reviewer what would happen, the gateway asks the cluster as you"
LARGEST_ANSWER = 8 * 1024 * 1024  # bytes; as for a reading before a placeholder is restored
LARGEST_SHOWN = 512 * 1024  # bytes of an object that is shown as a difference; larger ones are compared, and nobody reads them
# What may be asked for by a name that stands within an object: Kubernetes itself takes any text there
NAME = re.compile("[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?")
MASKED = "@@ only values that are masked differ @@"
ALIKE = "@@ values differ that are written alike here: control characters, or what stands for one @@"
LONGEST_WORDS = 300  # characters of what the cluster says to a dry run

JSON_PATCH = "application/json-patch"
_COPIES = (b'"copy"', b'"move"')  # operations that set values which the patch does not name

T = TypeVar("T")

Look = Generator[Asked, "SideAnswer | Refusal", "View"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would do. Another view is another hold.

    `changes` are the difference that it makes, or its body where there is none. `options` is what else decides about the outcome.
    `uids` are those of the objects that are shown. `refused` says that the cluster refuses its dry run. `free` says why nobody need
    look at the call, "" where somebody must.
    """

    shown: Shown
    changes: bytes = b""
    options: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    refused: bool = False
    free: str = ""

    def is_as(self, other: View) -> bool:
        """Whether a reviewer who has seen the other one has seen this one."""
        return (self.changes, self.options, self.uids, self.refused) == (other.changes, other.options, other.uids, other.refused)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A held call, as far as a look needs it.

    `body` is as it was sent; `node` is it, read, None where there is none or nobody can read it. `recorded` is the body as it is
    recorded. `mask` gives the JSON of a cluster's object, masked. `restore` gives the body with the values that placeholders stand
    for, by what the cluster said to `restoring`; both are None where the body holds no placeholder.
    """

    method: str
    act: Act
    body: bytes
    content_type: str
    node: Node | None
    recorded: bytes
    mask: Callable[[bytes], bytes]
    within: float  # seconds for each thing that is asked
    restoring: Asked | None = None
    restore: Callable[[SideAnswer | Refusal], bytes] | None = None

    def asks(self, target: str, **more: Any) -> Asked:
        """What reads this target."""
        return Asked(**{"method": "GET", "target": target, "why": WHY, "largest": LARGEST_ANSWER, "within": self.within, **more})

    def rehearses(self, body: bytes) -> Asked:
        """What makes the dry run of the call with this body."""
        made = rehearsal(self.method, self.act, body, self.content_type, self.node)
        return self.asks(made.target, method=made.method, body=made.body, content_type=made.content_type)


def as_sent(subject: Subject, why: str = "", *, uids: tuple[str, ...] = (), refused: bool = False) -> View:
    """The view of a call that is shown as it was sent. `why` says why there is no difference."""
    shown = Shown(sent=_readable(subject.recorded) or None, dry_run=why)
    return View(shown=shown, changes=subject.body, options=(subject.act.query,), uids=uids, refused=refused)


def look_at_write(subject: Subject) -> Look:
    """The difference that a create, update, patch or apply makes. Raises Refusal 404 where its object is gone."""
    act = subject.act
    if not (yield from can_be_rehearsed(subject)):
        return as_sent(subject, "no dry run can be made of this call: nobody can say that it would change nothing")
    body = subject.body
    if subject.restoring is not None and subject.restore is not None:
        body = subject.restore((yield subject.restoring))
    before: bytes | None = None
    if act.verb != "create":
        said = yield subject.asks(standing_path(act))
        if not isinstance(said, SideAnswer) or said.status not in (200, 404):
            return as_sent(subject, f"what stands there cannot be read: {in_words(subject, said)}")
        before = said.body if said.status == 200 else None
    said = yield subject.rehearses(body)
    uids = (uid_of(before),) if before is not None else ()
    if isinstance(said, Refusal) or said.status not in (200, 201):
        if isinstance(said, SideAnswer) and said.status == 404 and before is None:
            raise said.refusal(WHY)
        return as_sent(subject, f"the dry run failed: {in_words(subject, said)}", uids=uids, refused=True)
    try:
        return _difference(subject, before, said.body)
    except (msgspec.DecodeError, RecursionError, Unreadable):
        return as_sent(subject, "what the dry run gave cannot be compared with what stands there", uids=uids)


def can_be_rehearsed(subject: Subject) -> Generator[Asked, SideAnswer | Refusal, bool]:
    """Whether a dry run of the call may be made. Of a group that a service may serve, the cluster is asked."""
    may = possible(subject.act)
    if may == "unless-served":
        said = yield subject.asks(apiservice_of(subject.act))
        return isinstance(said, SideAnswer) and said.status == 200 and stores(said.body)
    return may == "yes"


def standing_path(act: Act) -> str:
    """The path by which the object of a call, or the part of it that a subresource is, can be read."""
    return act.path.removesuffix("/finalize") if act.subresource == "finalize" else act.path


def _difference(subject: Subject, before: bytes | None, after: bytes) -> View:
    act = subject.act
    if act.resource == "bindings" or act.subresource == "binding":
        return as_sent(subject)
    said = _encode(plain(subject.node)) if subject.node is not None else None  # a body that nobody can read may choose anything
    copies = subject.content_type.startswith(JSON_PATCH) and any(operation in (said or b"") for operation in _COPIES)
    sent = None if copies else said
    named = act.verb != "create" or bool(_name(subject.node))

    def normal(data: bytes, former: bytes | None) -> Any:
        found = msgspec.json.decode(data, type=dict[str, Any])
        old = msgspec.json.decode(former, type=dict[str, Any]) if former is not None else None
        return without_made_anew(act, found, before=old, sent=sent, named=named)

    old, new = normal(before, before) if before is not None else None, normal(after, before)
    found = changes(old, new)
    uids = (uid_of(before),) if before is not None else ()
    if before is not None and not found:
        return View(shown=Shown(), uids=uids, free="its dry run changes nothing")
    view = View(shown=Shown(), changes=encoded(found), uids=uids)
    if max(len(before or b""), len(after)) > LARGEST_SHOWN:
        words = f"the object has {len(after) >> 10} KiB, too many to be shown as a difference"
        return msgspec.structs.replace(view, shown=Shown(sent=_readable(subject.recorded), dry_run=words))
    masked_before = subject.mask(before) if before is not None else None
    masked_after = subject.mask(after)
    old, new = normal(masked_before, masked_before) if masked_before is not None else None, normal(masked_after, masked_before)
    diff = unified(old, new, LONGEST_VIEW) or (ALIKE if changes(old, new) else MASKED)
    return msgspec.structs.replace(view, shown=Shown(diff=diff))


def _name(node: Node | None) -> str:
    found = node.at("metadata", "name") if node is not None else None
    return (found.text() if found is not None else None) or ""


def uid_of(data: bytes) -> str:
    """The uid of an object in JSON; "" where it has none."""
    try:
        return msgspec.json.decode(data, type=_Identified).metadata.uid
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


class _Metadata(msgspec.Struct):
    uid: str = ""


class _Identified(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Status(msgspec.Struct):
    message: str = ""


def told(said: SideAnswer | Refusal, kind: type[T]) -> T | None:
    """What a cluster answered to a reading; None where it refused, or where that is none of this kind."""
    if not isinstance(said, SideAnswer) or said.status != 200:
        return None
    try:
        return msgspec.json.decode(said.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def in_words(subject: Subject, said: SideAnswer | Refusal) -> str:
    """Why there is no view, in the cluster's words: masked, as a failure may quote a whole object."""
    if isinstance(said, Refusal):
        return said.message.removeprefix(f"{WHY}, and ")
    try:
        message = msgspec.json.decode(subject.mask(said.body), type=_Status).message if len(said.body) <= LARGEST_SHOWN else ""
    except (msgspec.DecodeError, UnicodeDecodeError, Unreadable):
        message = ""
    text = visible(message) or f"status {said.status}"
    return clipped(text, LONGEST_WORDS)


def _readable(body: bytes) -> str:
    """A body for people: JSON as lines, whatever else it is as a text. LONGEST_VIEW characters at most."""
    try:
        text = "\n".join(lines_of(msgspec.json.decode(body))) if len(body) <= LARGEST_SHOWN else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = visible(body[:LONGEST_VIEW].decode("utf-8", "replace"))
    if not text and body:
        text = f"({len(body)} bytes)"
    return text if len(text) <= LONGEST_VIEW else text[: LONGEST_VIEW - 40] + "\n… the rest is too long to be shown"


_encode = msgspec.json.Encoder().encode
