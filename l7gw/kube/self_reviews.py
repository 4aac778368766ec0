"""Self reviews (`kubectl auth can-i`): what the cluster was asked, read out of its answer, and that answer written anew.

The question stands in the answer, as the cluster read it: so no two readers of a request can differ. Answers come in JSON and in
protobuf. Only the status is written anew; all else passes as it came.
"""

from __future__ import annotations

import zlib
from typing import Any, Literal

import msgspec

from l7gw import plainjson
from l7gw.kube.act import Act
from l7gw.kube.objects import protobuf_nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.protobuf_wire import LENGTH, VARINT, encode, scan
from l7gw.kube.status import JSON, PROTOBUF

GROUP = "authorization.k8s.io"
KINDS = {"selfsubjectaccessreviews": "SelfSubjectAccessReview", "selfsubjectrulesreviews": "SelfSubjectRulesReview"}
MAGIC = b"k8s\0"
LARGEST = 2 * 1024 * 1024  # bytes of an answer, unpacked; the rules of somebody with thousands of roles have less

Kind = Literal["access", "rules"]
_KIND_OF: dict[str, Kind] = {"selfsubjectaccessreviews": "access", "selfsubjectrulesreviews": "rules"}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks whether he may. `path` is None of a resource; "" elsewhere is not said, and in `namespace` all of them."""

    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str | None = None


class Said(msgspec.Struct, frozen=True):
    """What the cluster said. `allowed` and `reason` are of an access review, `error` of both."""

    allowed: bool = False
    reason: str = ""
    error: str = ""


def asks(act: Act) -> Kind | None:
    """Which self review the call is; None where it is none."""
    if act.group != GROUP or act.verb != "create" or act.subresource or act.name:
        return None
    return _KIND_OF.get(act.resource)


class Answer:
    """An answer to a self review, whole. Raises Unreadable for what is none of this kind."""

    __slots__ = ("_body", "_json", "kind", "question", "said")

    def __init__(self, kind: Kind, content_type: str, body: bytes) -> None:
        self.kind = kind
        self._body = body
        self._json: dict[str, Any] | None = None
        sort = content_type.partition(";")[0].strip().lower()
        if sort == JSON:
            read = self._from_json(body)
        elif sort == PROTOBUF and body.startswith(MAGIC):
            read = _Fields(protobuf_nodes.read(body, strict=False))
        else:
            raise Unreadable("it is neither JSON nor protobuf")
        if read.text("kind") != KINDS[f"selfsubject{kind}reviews"] or not read.text("apiVersion").startswith(f"{GROUP}/"):
            raise Unreadable("it is another kind")
        self.question = _question(read) if kind == "access" else None
        self.said = Said(read.flag("status", "allowed"), read.text("status", "reason"), read.text("status", "evaluationError"))

    def _from_json(self, body: bytes) -> _Fields:
        try:
            found = plainjson.read(body)
        except ValueError as error:
            raise Unreadable(str(error)) from None
        if not isinstance(found, dict):
            raise Unreadable("it is no object")
        self._json = found
        return _Fields(found)

    def answering(self, *, allowed: bool, reason: str) -> bytes:
        """The body of an access review with this answer. That somebody is denied for good is kept of what the cluster said."""
        if self._json is not None:
            status = {**self._status(), "allowed": allowed, "reason": reason}
            return msgspec.json.encode({**self._json, "status": status})
        return self._with_status({1: encode(allowed), 2: _text(reason)})

    def incomplete(self, error: str) -> bytes:
        """The body of a rules review that says that it is incomplete, and why."""
        if self._json is not None:
            status = {**self._status(), "incomplete": True, "evaluationError": error}
            return msgspec.json.encode({**self._json, "status": status})
        return self._with_status({3: encode(1), 4: _text(error)})

    def _status(self) -> dict[str, Any]:
        assert self._json is not None
        status = self._json.get("status")
        return status if isinstance(status, dict) else {}

    def _with_status(self, fields: dict[int, bytes]) -> bytes:
        """The protobuf body with these fields of its status, by number. Each value is as it stands behind its tag."""
        body = self._body
        envelope = scan(body, len(MAGIC), len(body))
        (raw,) = envelope[2 << 3 | LENGTH]  # `raw` of runtime.Unknown
        inner = scan(body, raw[1], raw[2])
        spans = inner.get(3 << 3 | LENGTH, [])  # `status` of both reviews
        status = b"".join(_without(body, start, end, fields) for _, start, end in spans)
        status += b"".join(
            encode(number << 3 | (LENGTH if number in (2, 4) else VARINT)) + value for number, value in fields.items()
        )
        new = _without(body, raw[1], raw[2], {3: b""}) + encode(3 << 3 | LENGTH) + _length(status)
        return body[: raw[0]] + encode(2 << 3 | LENGTH) + _length(new) + body[raw[2] :]


def unpacked(data: bytes) -> bytes:
    """What gzip packed. Raises Unreadable, also for more than LARGEST bytes."""
    unpack = zlib.decompressobj(31)
    try:
        found = unpack.decompress(data, LARGEST + 1)
    except zlib.error:
        raise Unreadable("it is not packed as it says") from None
    if len(found) > LARGEST or not unpack.eof or unpack.unused_data:
        raise Unreadable("it is not packed as it says, or too large")
    return found


def _question(read: _Fields) -> Question:
    spec = "spec"
    about, other = "resourceAttributes", "nonResourceAttributes"
    if read.has(spec, about) == read.has(spec, other):
        raise Unreadable("it asks of no resource and no path, or of both")
    if read.has(spec, other):
        return Question(verb=read.text(spec, other, "verb"), path=read.text(spec, other, "path"))
    names = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Question(**{name: read.text(spec, about, name) for name in names})


class _Fields:
    """Members of an object in either encoding, by their path. Raises Unreadable for a value of another type."""

    def __init__(self, top: Node | dict[str, Any]) -> None:
        self._top = top

    def _at(self, *path: str) -> object:
        if not isinstance(self._top, dict):
            node = self._top.at(*path)
            return None if node is None else node.scalar() if node.shape != "object" else node
        found: Any = self._top
        for name in path:
            if found is not None and not isinstance(found, dict):
                raise Unreadable("a value of it has another type")
            found = None if found is None else found.get(name)
        return found

    def has(self, *path: str) -> bool:
        return self._at(*path) is not None

    def text(self, *path: str) -> str:
        found = self._at(*path)
        if not isinstance(found, str | None):
            raise Unreadable("a value of it has another type")
        return found or ""

    def flag(self, *path: str) -> bool:
        found = self._at(*path)
        if not isinstance(found, bool | None):
            raise Unreadable("a value of it has another type")
        return bool(found)


def _without(data: bytes, start: int, end: int, numbers: dict[int, bytes]) -> bytes:
    """The message between two offsets, without the fields of these numbers."""
    spans = sorted(span for tag, found in scan(data, start, end).items() if tag >> 3 not in numbers for span in found)
    return b"".join(data[begun:stop] for begun, _, stop in spans)


def _text(text: str) -> bytes:
    return _length(text.encode())


def _length(data: bytes) -> bytes:
    return encode(len(data)) + data
