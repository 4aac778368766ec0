"""JSON patches (RFC 6902) that come back: placeholders in `add` and `replace` are restored, and no operation tells what is masked.

`test` would confirm a guess, `copy` and `move` would carry a value to where it is not masked, and another name would show a
variable (threats E6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.objects.node import Node, member_path
from l7gw.masking.coming_back.restoring import Reading, Walk
from l7gw.masking.coming_back.same_field import Field, Items
from l7gw.masking.coming_back.telling import hides, is_told, refusal, told_by
from l7gw.masking.placeholder_search import Room, holds, may_hold
from l7gw.masking.sent.sent_body import Sent, as_bytes, invalid, leaf_holds, lost, text_at

MOST_OPERATIONS = 1000  # in a patch for which the object is read; of others the API server takes 10,000 (AS handlers/patch.go)
READING = frozenset(("test", "copy", "move"))
VERSION = "/metadata/resourceVersion"
LEADING = b'[{"op":"test","path":"/metadata/resourceVersion"'  # how a patch begins that was restored
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_ODD_INDEX = re.compile(r"[+-][0-9]+|0[0-9]+")
_SHIFTING = frozenset(("add", "remove", "move", "copy"))

Tokens = tuple[str, ...]


class Operation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One operation, as the gateway needs it. `place` is the pointer of what it reads: `from`, or the path of a `test`."""

    op: str = ""
    path: str = ""
    origin: str = msgspec.field(default="", name="from")

    @property
    def place(self) -> str:
        return self.path if self.op == "test" else self.origin


_operations = msgspec.json.Decoder(list[Operation]).decode


def reads(body: bytes) -> bool:
    """Whether a patch tests, copies or moves what may be masked, or changes what may tell that something is. Nothing in `metadata`
    is masked, but for annotations."""
    if not any(word in body for word in (b"test", b"copy", b"move", b"/name", b"/kind", b"/type", b"/metadata", b"\\u")):
        return False
    try:
        operations = _operations(body)
    except msgspec.ValidationError:
        return True  # a member of an odd type, which the API server may read as absent: null is
    except msgspec.DecodeError:
        return False  # the strict reading of the body refuses it
    return any(
        (one.op in READING and not _is_plain(one.place)) or (one.op != "test" and told_by(pointer(one.path)) is not None)
        for one in operations
    )


def _is_plain(pointer: str) -> bool:
    return pointer.startswith("/metadata/") and not pointer.startswith("/metadata/annotations")


def restore(sent: Sent, root: Field, reading: Reading, version: str) -> tuple[bytes, Walk]:
    """The patch with the stored values, led by a `test` of the resourceVersion where a value was restored; and what was restored.
    Raises Refusal 403 for an operation that reads what is masked, 422 for a placeholder that cannot be restored."""
    body = sent.read()
    items = body.items()
    if len(items) > MOST_OPERATIONS:
        raise invalid(f"the patch touches masked values and has more than {MOST_OPERATIONS} operations; send several patches")
    operations = [Operation(op=text_at(one, "op"), path=text_at(one, "path"), origin=text_at(one, "from")) for one in items]
    for index, one in enumerate(operations):
        for place in (one.path, one.origin):
            if _has_odd_index(root, pointer(place)):
                raise invalid(
                    f"operation {index} of the patch names an item of a list by what is no plain number; write 0, 1, 2 and so on"
                )
    _refuse_readers(operations, root)
    walk = Walk(root, reading)
    for index, (one, node) in enumerate(zip(operations, items, strict=True)):
        if not may_hold(node.render("recorded")):
            continue
        walk.prefix = f"operation {index} of the patch ({one.op}):"
        if holds(as_bytes(one.path)) or holds(as_bytes(one.origin)):
            raise invalid(f"operation {index} of the patch has a path with the placeholder of a masked value; write the real name")
        value = node.member("value")
        if value is not None:
            _settle(walk, one, value, _fields(root, operations, index, value))
    rendered = body.render("recorded")
    if not walk.places or any(one.path == VERSION for one in operations):
        return rendered, walk
    leading = msgspec.json.encode({"op": "test", "path": VERSION, "value": version})
    return b"[" + leading + b"," + rendered.lstrip()[1:], walk


def _settle(walk: Walk, one: Operation, value: Node, fields: Sequence[Field]) -> None:
    tokens = pointer(one.path)
    told = ""
    for token in tokens:
        told = member_path(told, token)
    walk.renamed = (value.path, told)
    if one.op not in ("add", "replace"):
        lost(told, walk.prefix)
    walk.member(tokens[-1] if tokens else "", value, tokens, fields, leave_out=False)


def _refuse_readers(operations: Sequence[Operation], root: Field) -> None:
    """Raise Refusal 403 where an operation reads what is masked."""
    exact = not any(one.op in _SHIFTING and _is_item(pointer(one.path)) for one in operations)
    known: dict[str, bool] = {}
    for one in operations:
        place = pointer(one.path)
        told = told_by(place) if one.op != "test" else None
        if told is not None and any(is_told(field, place[len(told)]) for field in _places(root, told, exact=exact)):
            raise refusal(one.path)
        if one.op in READING and not _is_plain(one.place):
            if one.place not in known:
                known[one.place] = _masked_at(root, pointer(one.place), exact=exact)
            if known[one.place]:
                raise Refusal(
                    403, "Forbidden", f"a JSON patch may not {one.op} {one.place or 'the whole object'}: a value in it is masked"
                )


def _has_odd_index(root: Field, tokens: Tokens) -> bool:
    """Whether a place names an item of a list otherwise than by its plain number. kube-apiserver takes `+1`, `01` and `-1`, too
    (strconv.Atoi in evanphx/json-patch), and what is compared here must be what it takes."""
    fields = [root]
    for token in tokens:
        if not fields:
            if _ODD_INDEX.fullmatch(token) is not None:
                return True
        elif fields[0].stored.shape == "list":
            if token != "-" and _INDEX.fullmatch(token) is None:
                return True
            fields = _item(fields[0], token)
        else:
            fields = fields[0].member(token)
    return False


def _masked_at(root: Field, tokens: Tokens, *, exact: bool) -> bool:
    """Whether anything at this place is masked."""
    return any(hides(field) for field in _places(root, tokens, exact=exact))


def _places(root: Field, tokens: Sequence[str], *, exact: bool) -> list[Field]:
    """The stored fields at a place. Where another operation moves items of lists (`exact` is false), an index may mean any item."""
    fields = [root]
    for token in tokens:
        below: list[Field] = []
        for field in fields:
            if field.stored.shape != "list":
                below += field.member(token)
            elif exact:
                below += _item(field, token)
            else:
                below += [field.item(index) for index in range(len(field.stored.items()))]
        fields = below
    return fields


def _fields(root: Field, operations: Sequence[Operation], index: int, value: Node) -> list[Field]:
    """The stored fields that an operation's value replaces. None where another operation of the patch may change which item of a
    list that is, or what stands beside it."""
    one = operations[index]
    fields = [root]
    item = 0  # the number of tokens up to the last index of a list
    tokens = pointer(one.path)
    for at, token in enumerate(tokens):
        if fields and fields[0].stored.shape == "list":
            item = at + 1
            last = item == len(tokens)
            name = tokens[at - 1] if at else ""
            items = [_replaced(field, name, token, value, one) if last else _item(field, token) for field in fields]
            fields = [found for found_items in items for found in found_items]
        else:
            fields = [found for field in fields for found in field.member(token)]
    if item and any(_touches(other, tokens[:item]) for at, other in enumerate(operations) if at != index):
        return []
    return fields


def _replaced(field: Field, name: str, token: str, value: Node, one: Operation) -> list[Field]:
    """The item of a list that an operation replaces, where its value is the same item: by its merge key, or by what stands
    beside."""
    there = _item(field, token)
    if not there or one.op != "replace":
        return []
    lone = Field(stored=field.stored, masked=field.masked, steps=field.steps)
    found = Items(name, [value], lone, lambda node: leaf_holds(node, Room()), at=int(token)).of(0)
    return [found] if found is not None and found.steps == there[0].steps else []


def _touches(other: Operation, item: Tokens) -> bool:
    """Whether an operation changes an item of a list, something in it, or which item stands at an index on the way to it."""
    for place in {other.path, other.origin}:
        tokens = pointer(place)
        if place and (tokens[: len(item)] == item or item[: len(tokens)] == tokens):
            return True
        shifts = other.op in _SHIFTING and _is_item(tokens)
        if shifts and tokens[:-1] == item[: len(tokens) - 1] and len(tokens) <= len(item):
            return True
    return False


def _item(field: Field, token: str) -> list[Field]:
    if _INDEX.fullmatch(token) is None or int(token) >= len(field.stored.items()):
        return []
    return [field.item(int(token))]


def _is_item(tokens: Tokens) -> bool:
    return bool(tokens) and (tokens[-1] == "-" or _INDEX.fullmatch(tokens[-1]) is not None)


def pointer(text: str) -> Tokens:
    """The names of a JSON pointer (RFC 6901)."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])
