"""Lists and watches in JSON, split into their items and events as they come.

Where an item ends is guessed by how the items before it began, and the guess is checked: msgspec reads `[` + the bytes up to there
+ `]`, which is a list only if each of these bytes stands where it seems to. Where a guess fails, brackets are counted.

What grows without giving a part is looked at now and then: where it cannot be the beginning of JSON any more it is refused, and not
held up to the limit of a piece.

Costs (one core): lists and watches 250 MB/s where items have 1 kB, 2 us an item below; where brackets are counted 15 to 100 MB/s.
What is held: the bytes of STEP, of what one read brought and of one item, twice while a guess is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from l7gw.kube.objects.json_nodes import read
from l7gw.kube.objects.node import DEEPEST, Unreadable
from l7gw.kube.objects.parts import LONGEST_PIECE, Part

STEP = 64 * 1024  # bytes of items that are looked at together
READ_WHOLE = 256 * 1024  # bytes of a body that is never split: it costs less so
LOOKS_AGAIN = 4  # times the size at which what is held was last looked at; so all looks cost a third more than one at the whole
GUESSES = 3  # that may fail in one step before brackets are counted

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_any = msgspec.json.Decoder(msgspec.Raw).decode  # one value, and only spaces around it

_FAULT = re.compile(r"JSON is malformed: .*\(byte (\d+)\)")  # msgspec's words of what no further bytes could mend

_SPACE = rb"[ \t\n\r]*"
_SPACES = re.compile(_SPACE)
_COMMA = re.compile(_SPACE + rb",?" + _SPACE)
_REST_OF_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# What stands before the next bracket, or before a text whose end has not come.
_RUN = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
# A list's beginning. Within a text, a backslash would stand before its quotes.
_LIST = re.compile(rb"[{,]" + _SPACE + rb'"(items|rows)"' + _SPACE + rb":" + _SPACE + rb"\[\Z")
_TYPE = rb'"apiVersion"' + _SPACE + rb":" + _SPACE + rb'"[^"\\]*"' + _SPACE + rb"," + _SPACE
# The kind of an object where only an apiVersion stands before it. kube-apiserver writes both first.
_FIRST_KIND = re.compile(_SPACE + rb"\{" + _SPACE + rb"(?:" + _TYPE + rb')?"kind"' + _SPACE + rb":" + _SPACE + rb'"([^"\\]*)"')
# The end of an item and the beginning of the next, with its first name.
_SEAM = re.compile(rb"\}" + _SPACE + rb"," + _SPACE + rb"\{" + _SPACE + rb'"[^"\\]{0,64}"' + _SPACE + rb":")
_LINE_END = re.compile(rb"\r?\n|")
_OPENING, _OPENING_OBJECT, _CLOSING_LIST = frozenset(b"[{"), ord("{"), ord("]")
_CLOSING_LINE, _LINE_BREAKS, _QUOTE = frozenset(b"} \t\r"), frozenset(b"\r\n"), ord('"')


class _Brackets:
    """Counts the brackets outside of texts, in bytes that grow. Looks at each byte twice at most."""

    __slots__ = ("at", "depth", "in_text")

    def __init__(self, at: int = 0) -> None:
        self.at = at  # what stands before is counted
        self.depth = 0
        self.in_text = False

    def count(self, data: bytearray) -> Iterator[tuple[int, int]]:
        """Each bracket from `at` on: its place, and the depth behind it."""
        while True:
            if self.in_text:
                self.at = _end(_REST_OF_TEXT, data, self.at)
                if self.at == len(data) or data[self.at] != _QUOTE:
                    return
                self.at += 1
                self.in_text = False
            place = self.at = _end(_RUN, data, self.at)
            if place == len(data):
                return
            self.at += 1
            self.in_text = data[place] == _QUOTE
            if not self.in_text:
                self.depth += 1 if data[place] in _OPENING else -1
                yield place, self.depth


def _end(pattern: re.Pattern[bytes], data: bytes | bytearray, at: int) -> int:
    found = pattern.match(data, at)
    assert found is not None  # each of these patterns matches nothing, too
    return found.end()


def _check_size(held: bytearray) -> None:
    if len(held) > LONGEST_PIECE:
        raise Unreadable(f"a piece of it has more than {LONGEST_PIECE} bytes")


def _check_beginning(text: bytes | bytearray) -> None:
    """Raise Unreadable where no bytes that may follow could make these bytes one JSON value. 1 GB/s."""
    try:
        _any(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        found = _FAULT.fullmatch(str(error))
        if found is not None and int(found[1]) < len(text):  # at the end, a number may lack its rest
            raise Unreadable("it is no JSON") from None


def _too_deep() -> Unreadable:
    return Unreadable(f"it is nested deeper than {DEEPEST} levels")


class ListSplitter:
    """Splits the body of an answer that is no watch. A `parts.Splitter`.

    An object, and a list of at most READ_WHOLE bytes, is one part, whose JSON is not looked at here. A longer list is valid JSON as
    far as its parts were given; UTF-8 and members that stand twice within an item are left to who reads the item.
    """

    __slots__ = (
        "_before", "_brackets", "_check_at", "_first", "_head", "_held", "_index", "_kind", "_look_at", "_mode", "_seam", "_step"
    )  # fmt: skip

    def __init__(self, *, read_whole: int = READ_WHOLE, step: int = STEP) -> None:
        self._step = step
        self._mode: Literal["head", "object", "items", "tail"] = "head"
        self._held = bytearray()
        self._brackets = _Brackets()
        self._before = 0  # in the head: the place of the last bracket
        self._head = b""
        self._kind = ""
        self._index = 0
        self._first = True  # whether the first item has not come yet
        self._seam = b""  # how an item ends and the next one begins; empty where it is not known yet
        self._look_at = read_whole + 1  # held bytes from which on they are looked at
        self._check_at = READ_WHOLE + 1  # held bytes from which on it is asked whether they can be JSON at all

    def feed(self, data: bytes) -> list[Part]:
        self._held += data
        parts: list[Part] = []
        if len(self._held) >= self._look_at:
            if self._mode == "head":
                self._seek_list(parts)
            if self._mode == "items":
                self._take_items(parts)
            # What is held is looked at again when it has grown by half: a long item is looked at a few times, not at each read.
            self._look_at = len(self._held) + max(self._step, len(self._held) // 2) if self._mode == "items" else 0
        if parts:
            self._check_at = READ_WHOLE + 1
        elif len(self._held) >= self._check_at:
            self._check_at = LOOKS_AGAIN * len(self._held)
            self._check()
        _check_size(self._held)
        return parts

    def _check(self) -> None:
        """Raise Unreadable where what is held cannot go on as JSON."""
        if self._mode == "items":
            _check_beginning((b"[" if self._first else b'[""') + self._held)
        elif self._mode == "tail":
            _check_beginning(self._head + self._held)
        else:
            _check_beginning(self._held)

    def end(self) -> list[Part]:
        if self._mode in ("head", "object"):
            return [Part(data=bytes(self._held), role="object")]
        parts: list[Part] = []
        if self._mode == "items":
            del self._held[: self._guess(parts)]
            self._brackets = _Brackets()
            del self._held[: self._count(parts)]
        if self._mode == "items":
            raise Unreadable("it ends within a list")
        tail = bytes(self._held)
        read(self._head + tail, strict=False)
        return [*parts, Part(data=tail, role="between")]

    def _seek_list(self, parts: list[Part]) -> None:
        """Look for the beginning of the items in the object's own members."""
        said = _FIRST_KIND.match(self._held)
        if said is not None and not said[1].endswith(b"List") and said[1] != b"Table":
            self._mode = "object"
            return
        for place, depth in self._brackets.count(self._held):
            if depth == 2 and (found := _LIST.search(self._held[self._before : place + 1])) is not None:
                self._begin_items(bytes(self._held[: place + 1]), found[1], parts)
                return
            if depth < 1:
                self._mode = "object"
                return
            self._before = place

    def _begin_items(self, head: bytes, name: bytes, parts: list[Part]) -> None:
        try:
            kind = _object(head + b"]}").get("kind")
            said = _text(kind) if kind is not None else ""
        except (ValueError, RecursionError):
            raise Unreadable("it is no JSON") from None
        if name == b"rows" and said == "Table":
            self._kind = said
        elif name == b"items" and (not said or said.endswith("List")):
            self._kind = said.removesuffix("List")
        else:
            self._mode = "object"  # of a kind that has a member of that name
            return
        self._mode = "items"
        self._head = head
        del self._held[: len(head)]
        self._brackets = _Brackets()
        parts.append(Part(data=head, role="between"))

    def _take_items(self, parts: list[Part]) -> None:
        """Give the items that are whole."""
        if not self._seam:
            self._learn_seam()
        end = self._guess(parts) or self._count(parts)
        if end:
            del self._held[:end]
            self._brackets = _Brackets()

    def _learn_seam(self) -> None:
        """Look how the first held item ends and the next one begins."""
        for place, depth in _Brackets().count(self._held):
            if depth <= 0:
                found = _SEAM.match(self._held, place)
                self._seam = found[0] if found is not None else b""
                return

    def _guess(self, parts: list[Part]) -> int:
        """Give the items up to the last seam. Gives where they end, 0 where no guess was right."""
        if not self._seam:
            return 0
        place = len(self._held)
        for _ in range(GUESSES):
            place = self._held.rfind(self._seam, 0, place + len(self._seam) - 1)
            if place < 0:
                break
            if end := self._read_items(place + 1, parts):
                return end
        self._seam = b""
        return 0

    def _count(self, parts: list[Part]) -> int:
        """The same by counting brackets, also up to the end of the list."""
        upto, closed = 0, False
        for place, depth in self._brackets.count(self._held):
            if depth == 0:
                upto = place + 1
            elif depth < 0:
                upto, closed = place, True
                break
        if closed:
            if self._held[upto] != _CLOSING_LIST:
                raise Unreadable("it is no JSON")
            self._mode = "tail"
        end = self._read_items(upto, parts)
        if end is None:
            raise Unreadable("it is no JSON")
        return end

    def _read_items(self, upto: int, parts: list[Part]) -> int | None:
        """Give the items in the held bytes up to there. Gives where the last one ends, None where these are no whole items."""
        opening = b"[" if self._first else b'[""'
        with memoryview(self._held) as held:
            text = b"".join((opening, held[:upto], b"]"))
        try:
            items = _list(text)
        except RecursionError:
            raise _too_deep() from None
        except ValueError:
            return None
        at = len(opening)
        for item in items if self._first else items[1:]:
            start = _end(_COMMA, text, at)
            if start > at:
                parts.append(Part(data=text[at:start], role="between"))
            at = start + len(item)
            parts.append(Part(data=text[start:at], role="item", index=self._index, kind=self._kind))
            self._index += 1
        self._first = self._index == 0
        return at - len(opening)


class WatchSplitter:
    """Splits a watch into its events: objects one after the other, with a line end behind each. A `parts.Splitter`.

    kube-apiserver writes an event in one line, and with `?pretty` in many. An event is given as soon as its last brace is there.
    """

    __slots__ = ("_brackets", "_check_at", "_failed", "_held", "_index", "_looked")

    def __init__(self) -> None:
        self._held = bytearray()
        self._check_at = READ_WHOLE + 1  # as in ListSplitter
        self._looked = 0  # no line ends before, as far as the first event that is held goes
        self._failed = 0  # where an event was guessed to end, and did not
        self._brackets: _Brackets | None = None  # counts the brackets of the first event that is held, where it is not one line
        self._index = 0

    def feed(self, data: bytes) -> list[Part]:
        held = self._held
        held += data
        parts: list[Part] = []
        at = self._failed = 0  # `at`: where the next event begins, with the spaces before it
        while (start := _end(_SPACES, held, at)) < len(held):
            if held[start] != _OPENING_OBJECT:
                raise Unreadable("an event of it is no JSON object")
            end = self._guess(start) if self._brackets is None else 0
            if self._brackets is not None:
                end = self._count(self._brackets, start)
            if not end:
                break
            parts.append(Part(data=bytes(held[at:end]), role="event", index=self._index))
            self._index += 1
            self._brackets, at = None, end
        del held[:at]
        self._looked = max(self._looked - at, 0)
        if self._brackets is not None:
            self._brackets.at -= at
        if parts:
            self._check_at = READ_WHOLE + 1
        elif len(held) >= self._check_at:
            self._check_at = LOOKS_AGAIN * len(held)
            _check_beginning(held)  # one event, that is not whole
        _check_size(held)
        return parts

    def end(self) -> list[Part]:
        if _end(_SPACES, self._held, 0) < len(self._held):
            raise Unreadable("it ends within an event")
        return [Part(data=bytes(self._held), role="between")] if self._held else []

    def _guess(self, start: int) -> int:
        """Where the event ends that begins there: with its line, or with a brace that begins a line. 0 where it does not, or has no
        end yet."""
        held = self._held
        indented = len(held) > start + 1 and held[start + 1] in _LINE_BREAKS
        end = held.find(b"\n}" if indented else b"\n", max(start, self._looked))
        self._looked = len(held) - 1 if end < 0 else end
        if end < 0:
            end = len(held)
            if held[-1] not in _CLOSING_LINE and self._failed != end:
                return 0
        elif indented:
            end += 2
        if end != self._failed and held[end - 1] in _CLOSING_LINE and _is_value(held, start, end):
            return _end(_LINE_END, held, end)
        self._failed = end
        self._brackets = _Brackets(start)
        return 0

    def _count(self, brackets: _Brackets, start: int) -> int:
        """The same by counting brackets."""
        for place, depth in brackets.count(self._held):
            if depth == 0:
                if not _is_value(self._held, start, place + 1):
                    raise Unreadable("an event of it is no JSON")
                return _end(_LINE_END, self._held, place + 1)
        return 0


def _is_value(held: bytearray, start: int, end: int) -> bool:
    with memoryview(held) as view:
        text = bytes(view[start:end])
    try:
        _any(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return False
    return True
