"""Goes through a sent body and puts, in the place of each placeholder, the value that the same field of the stored object holds.

What was sent is a field as it was shown where both are equal; tags are compared in constant time. In a text of which only parts are
masked, what stands around them may have been edited.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.masking.coming_back.same_field import DOCUMENT, Field, Items, Steps
from l7gw.masking.coming_back.spans import restored_text
from l7gw.masking.placeholder import LONGEST_DETECTOR, PLACEHOLDER, Tagger
from l7gw.masking.placeholder_search import Room, may_hold
from l7gw.masking.sent.sent_body import MOST_PLACES, as_bytes, bytes_of, invalid, leaf_holds, lost, refuse_name, text_at

LAST_APPLIED = ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")  # there alone its fields are masked
_LONGEST = 3 * LONGEST_DETECTOR  # bytes: no placeholder is longer

Mask = Callable[[Node], object]  # masks an object in place


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The stored object, read anew as the caller, in JSON. `mask` masks an object as the answers to this caller are."""

    stored: bytes
    mask: Mask
    tagger: Tagger  # of the object's namespace

    def field(self, act: Act) -> Field:
        """The object as a field: as it is stored, and as masking shows it. Raises Refusal 502 where it cannot be read."""
        try:
            stored = json_nodes.read(self.stored, strict=False)
            masked = self.masked(json_nodes.read(self.stored, strict=False))
        except Unreadable as error:
            raise Refusal(502, "BadGateway", "the object, which was read to restore masked values, cannot be read") from error
        return Field(stored=stored, masked=masked, secret=act.resource == "secrets" and not act.group)

    def masked(self, node: Node) -> Node:
        """An object in JSON as masking shows it. The node itself is edited."""
        self.mask(node)
        return json_nodes.read(node.render("recorded"), strict=False)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was restored."""

    path: str
    sent: bytes
    octets: bytes | None  # for which the sent text stands as base64
    value: bytes
    encoded: bool = False  # `value` is stored in base64, and was sent as a text (`stringData`)
    inside: Steps  # from the root of the body, or of the document in an annotation, to the value
    field: Steps | None  # from the stored object to the field; None: the value stands in an annotation's document


class Walk:
    """One way through a body. `places` is what was restored, without what was left out. `prefix` stands before the paths in
    refusals."""

    __slots__ = ("_reading", "_room", "_root", "_settled", "_strategic", "documents", "places", "prefix", "renamed")

    def __init__(self, root: Field, reading: Reading, *, strategic: bool = False) -> None:
        self._root = root
        self._reading = reading
        self._strategic = strategic
        self._settled = 0
        self._room = Room()
        self.prefix = ""
        self.renamed = ("", "")  # the beginning of paths in the body, and what people are told instead
        self.places: list[Place] = []
        self.documents: list[tuple[Node, list[Place]]] = []  # what was restored within the documents of annotations

    def value(self, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> None:
        """Settle what a value holds. `fields` are the stored fields that it may be; with `leave_out` a value that the field holds
        already is taken out of the body. Raises Refusal 422."""
        if not may_hold(node.render("recorded")):
            return
        if node.shape == "object":
            leave_out = leave_out and node.member("$patch") is None  # `$patch: replace` keeps nothing of what is stored
            for name, child in node.members():
                refuse_name(node, name)
                below = [inner for field in fields for inner in field.member(name)]
                self.member(name, child, (*steps, name), below, leave_out=leave_out)
        elif node.shape == "list":
            self._items("", node, steps, fields, leave_out=False)
        elif self._holds(node):
            self._leaf(node, steps, fields, leave_out=leave_out)

    def member(self, name: str, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> None:
        """Settle what a member of this name holds. A list is merged, and an annotation read, by its name."""
        if node.shape == "list":
            self._items(name, node, steps, fields, leave_out=leave_out)
        elif steps == LAST_APPLIED and self._holds(node):
            self._last_applied(node, steps, fields, leave_out=leave_out)
        else:
            self.value(node, steps, fields, leave_out=leave_out)

    def _items(self, name: str, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> None:
        if not may_hold(node.render("recorded")):
            return
        items = node.items()
        lists = [Items(name, items, field, self._holds) for field in fields]
        for index, item in enumerate(items):
            below = [found for one in lists if (found := one.of(index)) is not None]
            merged = leave_out and self._strategic and item.shape == "object" and bool(lists) and lists[0].has_key(index)
            self.value(item, (*steps, index), below, leave_out=merged)

    def _last_applied(self, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> None:
        """Settle the annotation in which kubectl keeps what was applied. The fields in it count as the object's own."""
        if self._shown(node, steps, fields, leave_out=leave_out):
            return
        document = node.document()
        if document is None or text_at(document, "kind") != text_at(self._root.stored, "kind"):
            self._lose(node)
        inner = [found for field in fields for found in field.document()]
        within = Walk(self._root, self._reading)
        within.prefix, within.renamed = self.prefix, self.renamed
        within._settled, within._room = self._settled, self._room
        within.value(document, (), [*inner, self._root], leave_out=False)
        self._settled = within._settled
        self.documents.append((document, within.places))
        whole = bytes_of(node)
        self.places += [
            Place(path=one.path, sent=one.sent, octets=one.octets, value=whole, inside=(*steps, DOCUMENT, *one.inside), field=None)
            for one in within.places
        ]

    def _leaf(self, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> None:
        self._settled += 1
        if self._settled > MOST_PLACES:
            raise invalid(f"the body holds placeholders of masked values in more than {MOST_PLACES} places; write less at once")
        if not self._shown(node, steps, fields, leave_out=leave_out) and not self._around(node, steps, fields):
            self._lose(node)

    def _shown(self, node: Node, steps: Steps, fields: Sequence[Field], *, leave_out: bool) -> bool:
        """Restore, or leave out, a value that is as a whole what was shown of the field."""
        for field in fields:
            if not equal(node, field):
                continue
            if leave_out:
                node.remove()
                return True
            if (value := stored_value(node, field)) is not None:
                self._put(node, steps, field, value)
                return True
        return False

    def _around(self, node: Node, steps: Steps, fields: Sequence[Field]) -> bool:
        """Restore the placeholders in a text that was edited around them."""
        text = node.text() if node.shape == "text" else None
        for field in fields:
            stored, masked = field.stored.text(), field.masked.text()
            if text is None or stored is None or masked is None or field.encoded or PLACEHOLDER.fullmatch(masked):
                continue
            whole = restored_text(text, masked, stored, self._reading.tagger)
            if whole is not None:
                self._put(node, steps, field, as_bytes(whole))
                return True
        return False

    def _holds(self, node: Node) -> bool:
        return leaf_holds(node, self._room)

    def _lose(self, node: Node) -> NoReturn:
        lost(self._path(node), self.prefix)

    def _path(self, node: Node) -> str:
        beginning, told = self.renamed
        rest = node.path.removeprefix(beginning)
        return told + rest if told else rest.removeprefix(".")

    def _put(self, node: Node, steps: Steps, field: Field, value: bytes) -> None:
        within = field.steps if DOCUMENT not in field.steps else None
        sent, octets = bytes_of(node), node.octets()
        self.places.append(
            Place(path=self._path(node), sent=sent, octets=octets, value=value, encoded=field.encoded, inside=steps, field=within)
        )
        if node.shape == "octets":
            node.replace_octets(value)
        else:
            node.replace(value.decode("utf-8", "surrogatepass"))


def equal(node: Node, field: Field) -> bool:
    """Whether a value that was sent is what masking shows of the field: as a text, or as the bytes for which base64 stands."""
    shown = field.masked.octets()
    if field.encoded:
        return shown is not None and alike(bytes_of(node), shown)
    text, there = node.text() if node.shape == "text" else None, field.masked.text()
    if text is not None and there is not None and alike(as_bytes(text), as_bytes(there)):
        return True
    octets = node.octets()
    return octets is not None and shown is not None and alike(octets, shown)


def alike(sent: bytes, shown: bytes) -> bool:
    """Whether what was sent is what is shown. Of two whole placeholders the tags count. Takes the same time for every value."""
    ours, theirs = _tag(sent), _tag(shown)
    if ours is not None and theirs is not None:
        return hmac.compare_digest(ours, theirs)
    return hmac.compare_digest(sent, shown)


def _tag(value: bytes) -> str | None:
    """The tag of a value that is one placeholder and nothing else."""
    found = PLACEHOLDER.fullmatch(value.decode("latin-1")) if len(value) < _LONGEST else None
    return found[2] if found is not None else None


def stored_value(node: Node, field: Field) -> bytes | None:
    """What to put in the place of a value that was sent; None where the stored value cannot stand there."""
    if field.encoded:
        value = field.stored.octets()
        return value if value is not None and _is_text(value) else None
    if node.shape == "octets":
        return field.stored.octets()
    text = field.stored.text()
    return as_bytes(text) if text is not None else None


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
