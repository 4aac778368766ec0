"""The masks of objects: what their structure says first, then what looks like a secret in any text of them, and registered values.

An ObjectMasker is of one call. Of each object, or part of a body, it is asked first whether the bytes must be read at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from l7gw.config.settings import MaskingField
from l7gw.kube.act import Act
from l7gw.kube.objects.node import Node
from l7gw.masking.detectors.marks import DETECTOR, Expression, Marks
from l7gw.masking.objects.hiding import Cut, Hiding, Masked
from l7gw.masking.objects.machine_fields import Text, texts
from l7gw.masking.objects.object_kinds import Unit, kind_of, units
from l7gw.masking.objects.overlaps import parted
from l7gw.masking.objects.pod_objects import POD_SPECS
from l7gw.masking.objects.structure import mask_structure
from l7gw.masking.objects.structure_hints import (
    ALWAYS,
    ENCODED,
    ENVIRONMENT,
    ESCAPED,
    EXPRESSIONS,
    GO_ESCAPED,
    JSON_EXPRESSIONS,
    LARGE_JSON,
    STRUCTURE,
    WITHIN,
    hints,
    holds_variable,
    marks_in_json,
    may_be_json,
    without_go_escapes,
)  # fmt: skip
from l7gw.obligations import Obligations

REGISTRY = "registry"

# The namespace of an object in JSON; in protobuf it stands before a selfLink, which Go writes though it is empty, and a uid of 36
# bytes (AM pkg/apis/meta/v1)
_NAMESPACE = b'"namespace"'
_ITS_NAME = re.compile(rb'\s*:\s*"([^"\\]{1,63})"')
_PROTOBUF_NAMESPACE = re.compile(rb'\x1a[\x01-\x3f]([a-z0-9-]{1,63})(?:"\x00)?\*\$')
_MOST_NAMESPACES = 32  # of one part of a body that are asked of the registry; an item of a list has one or two
_FEW_NAMESPACES = 4  # that are asked of the registry without a look whether the body has them: that look costs 0.5 ns a byte
# What was noticed and says that the bytes must be read, whatever is asked
_TELLS = DETECTOR | STRUCTURE | ESCAPED | ENCODED


class Span(Protocol):
    """A place in bytes that a detector found: `data[start:end]`."""

    @property
    def detector(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def others(self) -> tuple[str, ...]: ...


class Scanner(Protocol):
    """Finds what looks like a secret."""

    def may_hold(self, data: bytes) -> bool:
        """Whether `scan` could find anything. It costs one search."""

    def may_hold_text(self, text: str) -> bool:
        """As `may_hold`, for a text that calls say again and again."""

    def marks(self, beside: Sequence[Expression], size: int) -> Marks | None:
        """One search for `beside` and for what `may_hold` notices, for so many bytes; None where there is none yet."""

    def scan(self, data: bytes, *, sent: bool = False) -> Sequence[Span]:
        """What is found, sorted and disjoint. With `sent` by detectors of a fixed shape alone, for what a caller sent."""


class Recognised(Protocol):
    """A registered value in bytes, in any encoding: `data[start:end]`. `tag` is that of the value itself."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def tag(self) -> str: ...


class Registered(Protocol):
    """Recognises the values of Secrets that were read."""

    def namespaces(self, cluster: str) -> Collection[str]:
        """The namespaces of which it knows values."""

    def may_hold(self, data: bytes, cluster: str, *namespaces: str) -> bool:
        """Whether `scan` could find anything."""

    def scan(self, data: bytes, cluster: str, *namespaces: str, sender: str = "") -> Sequence[Recognised]:
        """The values found, sorted and disjoint, without those that `sender` wrote."""

    def register(self, cluster: str, namespace: str, value: bytes, *, principal: str = "") -> None:
        """Remember a value that a Secret holds. `principal` wrote it; "" where it was read."""


class ObjectMasker(msgspec.Struct, frozen=True, kw_only=True):
    """Masks the objects of one call.

    `sender` says who sent the bodies that are masked, "" where the cluster sent them. What a caller sent is masked for the record
    alone: nobody must be able to hide a command in it, so there the detectors of a fixed shape count, and the registered values
    that the sender did not write.
    """

    key: bytes
    cluster: str  # its name in the configuration
    act: Act
    obligations: Obligations
    scanner: Scanner
    registry: Registered | None = None
    sender: str = ""
    fields: tuple[MaskingField, ...] = ()  # that the configuration names

    @property
    def one_view(self) -> bool:
        """Whether what is masked for the record is masked for the client too."""
        return not self.obligations.reveal

    def needs_reading(self, data: bytes, listed: str = "") -> bool:
        """Whether an object, or a part of a body, has to be read. Where it need not be, nothing in it is masked. `listed` is the
        kind of the items, where the part is one."""
        kind = kind_of(self.act)
        if kind in ALWAYS or listed in ALWAYS:
            return True
        stop = _TELLS if kind in POD_SPECS else _TELLS | ENVIRONMENT | WITHIN
        marks = self._marks(data, stop)
        if marks & stop or holds_variable(data, marks):
            return True
        if marks & GO_ESCAPED:
            data = without_go_escapes(data)
            if self.scanner.may_hold(data):
                return True
        if self.fields and any(field.kind == listed or field.kind.encode() in data for field in self.fields):
            return True
        return self._holds_registered(data, self._namespaces)

    def _marks(self, data: bytes, stop: int) -> int:
        """The marks of EXPRESSIONS in the bytes, and DETECTOR, up to the first of those in `stop`."""
        size = len(data)
        if size >= LARGE_JSON and may_be_json(data) and (together := self.scanner.marks(JSON_EXPRESSIONS, size)) is not None:
            return marks_in_json(together, data, stop)
        if (together := self.scanner.marks(EXPRESSIONS, size)) is not None:
            return together.find(data, stop)
        marks = hints().find(data, stop)
        return marks | DETECTOR if not marks & stop and self.scanner.may_hold(data) else marks

    def mask(self, node: Node, *, where_prefix: str = "", listed: str = "", fixed: bool = False) -> Masked:
        """Mask a body, or a part of one: an object, an item of a list, an event of a watch.

        `where_prefix` stands before the paths of the finds. `listed` is the kind of the items, where the part is one. `fixed` says
        that the part keeps its length. Raises Unreadable.
        """
        hiding = self.hiding(where_prefix, fixed=fixed)
        holds = self.needs_reading if not self.sender else None
        found = list(units(node, kind_of(self.act), self.act.namespace, listed=listed, holds=holds))
        for unit in found:
            hiding.next_object()
            mask_structure(unit, hiding)
        masked = node.render("recorded")  # without what is masked already: a Secret's own values are registered
        finds = len(hiding.done.finds)
        if self.looks_held(masked):
            for unit in found:
                self.scan(unit, hiding)
        if len(hiding.done.finds) == finds:
            hiding.done.recorded = masked
        return hiding.done

    def hiding(self, where_prefix: str = "", *, fixed: bool = False) -> Hiding:
        """What masks the values of one body."""
        return Hiding(
            self.key,
            self.cluster,
            self.obligations,
            prefix=where_prefix,
            fixed=fixed,
            sent=bool(self.sender),
            fields=self.fields,
            learn=self._learn if self.registry is not None else None,
        )

    def looks_held(self, data: bytes) -> bool:
        """Whether the prefilters notice something, or cannot tell because the bytes are written in escapes."""
        return self._notice(data, self._namespaces)

    def looks_held_text(self, text: str) -> bool:
        """As `looks_held`, for a text of a request's head: what the scanner noticed nothing in is not searched again."""
        if self.scanner.may_hold_text(text) or '"binaryData' in text:
            return True
        known = self.registry is not None and self.registry.namespaces(self.cluster)
        return bool(known) and self._holds_registered(text.encode("utf-8", "surrogateescape"), self._namespaces)

    def _notices(self, namespace: str) -> Callable[[bytes], bool]:
        """`looks_held` for bytes of an object of a namespace."""
        return lambda data: self._notice(data, lambda _: (namespace,))

    def _notice(self, data: bytes, namespaces: Callable[[bytes], Iterable[str]]) -> bool:
        if b"\\" in data:
            data = without_go_escapes(data)
            if b"\\u00" in data:
                return True
        if b'"binaryData' in data or self.scanner.may_hold(data):
            return True
        return self._holds_registered(data, namespaces)

    def _holds_registered(self, data: bytes, namespaces: Callable[[bytes], Iterable[str]]) -> bool:
        registry = self.registry
        if registry is None or not (known := registry.namespaces(self.cluster)):
            return False
        asked = [name for name in namespaces(data) if name in known]
        if len(asked) > _MOST_NAMESPACES:
            return True
        return bool(asked) and registry.may_hold(data, self.cluster, *asked)

    def _namespaces(self, data: bytes) -> Collection[str]:
        """The namespaces of the objects in some bytes, as far as the registry may know values of them."""
        if self.act.namespace:
            return (self.act.namespace,)
        known = self.registry.namespaces(self.cluster) if self.registry is not None else ()
        if len(known) <= _FEW_NAMESPACES:
            return known
        found = {match[1] for part in data.split(_NAMESPACE)[1:] if (match := _ITS_NAME.match(part)) is not None}
        if b"\x1a" in data:  # which JSON has nowhere
            found.update(match[1] for match in _PROTOBUF_NAMESPACE.finditer(data))
        return ["", *(one.decode("latin-1") for one in found)]  # an object of the cluster says nothing

    def scan(self, unit: Unit, hiding: Hiding) -> None:
        """Mask what looks like a secret in the texts of a unit, and registered values."""
        hiding.namespace = unit.namespace
        for text in texts(unit.node, unit.apart, self._notices(unit.namespace), sent=bool(self.sender)):
            self._scan_text(text, hiding)

    def _scan_text(self, text: Text, hiding: Hiding) -> None:
        data = text.node.octets() if text.encoded else None
        if data is not None:
            if cuts := self.cuts(data, hiding.namespace):
                hiding.cut_octets(text.node, data, cuts, fixed=text.fixed)
            return
        words = text.node.text()
        if not words:
            return
        data = words.encode("utf-8", "surrogatepass")
        # A member's name tells what its value is, as it does in a log
        before = b'"' + text.name.encode("utf-8", "surrogatepass") + b'":"' if text.name else b""
        cuts = self.cuts(before + data + b'"' if before else data, hiding.namespace)
        if before and cuts:
            cuts = _within(cuts, len(before), len(before) + len(data))
        if cuts:
            hiding.cut(text.node, words, in_characters(data, cuts))

    def cuts(self, data: bytes, namespace: str) -> list[Cut]:
        """What is masked in some bytes of a namespace, in order and disjoint."""
        return cuts_in(data, self.scanner, self.registry, self.cluster, namespace, self.sender)

    def _learn(self, namespace: str, value: bytes) -> None:
        if self.registry is not None:
            self.registry.register(self.cluster, namespace, value, principal=self.sender)


def _within(cuts: list[Cut], start: int, end: int) -> list[Cut]:
    """What of some cuts lies between two offsets, counted from the first."""
    found: list[Cut] = []
    for cut in cuts:
        first, last = max(cut.start, start), min(cut.end, end)
        if first < last:
            found.append(msgspec.structs.replace(cut, start=first - start, end=last - start))
    return found


def cuts_in(data: bytes, scanner: Scanner, registry: Registered | None, cluster: str, namespace: str, sender: str) -> list[Cut]:
    """What detectors and registered values mask in some bytes, in order and disjoint. `sender` is as in ObjectMasker."""
    return cuts_of(scanner.scan(data, sent=bool(sender)), data, registry, cluster, namespace, sender)


def cuts_of(
    spans: Sequence[Span], data: bytes, registry: Registered | None, cluster: str, namespace: str, sender: str
) -> list[Cut]:
    """As `cuts_in`, where a scanner found these already."""
    cuts = [Cut(start=span.start, end=span.end, detector=span.detector, others=span.others) for span in spans]
    if registry is not None:
        for one in registry.scan(data, cluster, namespace, sender=sender):
            cuts.append(Cut(start=one.start, end=one.end, detector=REGISTRY, tag=one.tag))
    return apart(cuts)


def apart(cuts: list[Cut]) -> list[Cut]:
    """Cuts in order and disjoint, as `parted`. Of two that begin together the longer one counts."""
    return cuts if len(cuts) < 2 else parted(sorted(cuts, key=lambda cut: (cut.start, -cut.end)))


def in_characters(data: bytes, cuts: list[Cut]) -> list[Cut]:
    """Cuts in bytes of UTF-8, as cuts in characters; a character of which a part is cut is cut whole."""
    if not cuts or data.isascii():
        return cuts
    found: list[Cut] = []
    at = characters = 0  # where the last cut began or ended, in bytes and in characters: each byte is decoded once
    for cut in cuts:
        start, end = max(cut.start, at), cut.end
        while start > at and _continues(data, start):
            start -= 1
        while end < len(data) and _continues(data, end):
            end += 1
        first = characters + _characters(data[at:start])
        characters = first + _characters(data[start:end])
        at = end
        found.append(msgspec.structs.replace(cut, start=first, end=characters))
    return found


def _continues(data: bytes, at: int) -> bool:
    return data[at] & 0xC0 == 0x80


def _characters(data: bytes) -> int:
    """How many characters of a text these bytes are. The text may have halves of surrogate pairs, or bytes that are no UTF-8."""
    try:
        return len(data.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return len(data.decode("utf-8", "surrogateescape"))
