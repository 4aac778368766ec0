"""The registered values of one namespace, and how a text is looked through for them.

A text is searched for the heads of the values' forms (`head_index`); what stands behind a head is digested and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from l7gw.masking.registry.escape_triggers import needs_decoding
from l7gw.masking.registry.head_index import HeadIndex, Hits
from l7gw.masking.registry.registry_log import Entry
from l7gw.masking.registry.text_views import UNFINISHED_ESCAPE, View, unescaped

DETECTOR = "registry"
# Measured on 4,000 values of 24 bytes: Python's objects and the automaton take 16 KiB for a value of six forms.
FORM_COSTS = 2400  # bytes
VALUE_COSTS = 1600  # bytes
CHECKED = (1, 2, 4, 12)  # bytes behind the head up to which beginnings are digested
BEGIN_SIZE = 8  # bytes of the digest of a beginning
MOST_OTHERS = 4096  # beginnings that are remembered in a namespace, of about 100 bytes each
MOST_SHARED = 2000  # heads of a namespace that stand in the index of its cluster; whoever has more gets an index of his own
_LINE_END = (b"\n", b"\r")
_PERCENT_SIGN = 0x25


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """A registered value in a text."""

    start: int
    end: int
    tag: str  # of the value, in whichever form it stands there
    value: int  # the same for the same value
    detector: str = DETECTOR


class Look(msgspec.Struct, frozen=True, gc=False):
    """What a text holds. `open` is where a value begins that the next bytes may complete; the text's length where none does.
    `tail` is the cut value at the end of the text that has HEAD bytes or more (threats E12)."""

    found: list[Recognised]
    open: int
    tail: Recognised | None = None


class Value:
    """One registered value in its namespace."""

    __slots__ = ("entry", "number", "read", "told")

    def __init__(self, entry: Entry, number: int, now: float) -> None:
        self.entry = entry
        self.number = number
        self.read = now  # monotonic seconds of the last reading
        self.told = now  # when it was last written to the log

    @property
    def cost(self) -> int:
        return VALUE_COSTS + FORM_COSTS * len(self.entry.forms)


K = TypeVar("K")


class Counted(Generic[K]):
    """How often each thing is there. `keys` are those that are."""

    __slots__ = ("keys",)

    def __init__(self) -> None:
        self.keys: dict[K, int] = {}

    def add(self, key: K) -> None:
        self.keys[key] = self.keys.get(key, 0) + 1

    def discard(self, key: K) -> None:
        left = self.keys[key] - 1
        if left:
            self.keys[key] = left
        else:
            del self.keys[key]


class Owners:
    """By what values are known: `of` has one of those that share it."""

    __slots__ = ("of", "_others")

    def __init__(self) -> None:
        self.of: dict[bytes, Value] = {}
        self._others: dict[bytes, dict[Value, None]] = {}  # of what several share

    def add(self, keys: Iterable[bytes], value: Value) -> None:
        """A value is known by these. It may be told more than once."""
        of = self.of
        for key in keys:
            if of.setdefault(key, value) is not value:
                self._others.setdefault(key, {})[value] = None

    def discard(self, keys: Iterable[bytes], value: Value) -> None:
        """A value is known by these no more. It may be told more than once."""
        for key in keys:
            others = self._others.get(key)
            if others is not None:
                if self.of[key] is value:
                    self.of[key] = others.popitem()[0]
                else:
                    others.pop(value, None)
                if not others:
                    del self._others[key]
            elif self.of.get(key) is value:
                del self.of[key]


class Namespace:
    """The registered values of one namespace of one cluster."""

    def __init__(self, index: HeadIndex | None = None) -> None:
        """`index` is the one of the cluster."""
        self.index = index if index is not None else HeadIndex()
        self.values: dict[bytes, Value] = {}  # by the value's digest
        self.lengths: dict[bytes, tuple[int, ...]] = {}  # of the forms that begin with each head, in descending order
        self.headed = Owners()  # by heads
        self.begins = Owners()  # by digests of the beginning of a form, its head and CHECKED bytes more
        self.wholes = Owners()  # by digests of a form
        self.starts: Counted[bytes] = Counted()  # beginnings of heads that are shorter than the head
        self.longest_head = 0
        self.special: Counted[int] = Counted()  # bytes of values that an encoder may have to escape
        self.others: set[bytes] = set()  # what begins with a head, and with no value
        self._sizes: Counted[int] = Counted()  # of heads
        self._again: dict[tuple[bytes, int], int] = {}  # how many forms more have this head and length; none: one form
        self._own = False  # whether the index is its own

    def add(self, key: bytes, value: Value) -> None:
        self.values[key] = value
        self.others.clear()
        for byte in value.entry.special:
            self.special.add(byte)
        for form in value.entry.forms:
            self._add_head(form.head, form.length)
            self.headed.add((form.head,), value)
            self.begins.add(form.begins, value)
            self.wholes.add((form.whole,), value)
        if len(self.lengths) > MOST_SHARED and not self._own:
            self._part()

    def _add_head(self, head: bytes, length: int) -> None:
        lengths = self.lengths.get(head)
        if lengths is None:
            self.lengths[head] = (length,)
            self.index.add(head)
            self._sizes.add(len(head))
            self.longest_head = max(self.longest_head, len(head))
            for at in range(1, len(head)):
                self.starts.add(head[:at])
        elif length in lengths:
            self._again[head, length] = self._again.get((head, length), 0) + 1
        else:
            self.lengths[head] = tuple(sorted((*lengths, length), reverse=True))

    def _remove_head(self, head: bytes, length: int) -> None:
        again = self._again.get((head, length), 0)
        if again > 1:
            self._again[head, length] = again - 1
        elif again:
            del self._again[head, length]
        elif left := tuple(one for one in self.lengths[head] if one != length):
            self.lengths[head] = left
        else:
            del self.lengths[head]
            self.index.discard(head)
            self._sizes.discard(len(head))
            self.longest_head = max(self._sizes.keys, default=0)
            for at in range(1, len(head)):
                self.starts.discard(head[:at])

    def _part(self) -> None:
        """Leave the index of the cluster, so that its other namespaces are searched as quickly as before."""
        shared, self.index, self._own = self.index, HeadIndex(self.index.aside), True
        for head in self.lengths:
            shared.discard(head)
            self.index.add(head)

    def remember(self, begins: bytes) -> None:
        """Remember that these bytes, a head and as many more as are CHECKED, begin with no value and are the beginning of none. To
        digest them costs 3 us."""
        if len(self.others) >= MOST_OTHERS:
            self.others.clear()
        self.others.add(begins)

    def remove(self, key: bytes) -> None:
        """Forget a value. It costs 5 us a form, however many values there are."""
        value = self.values.pop(key)
        for byte in value.entry.special:
            self.special.discard(byte)
        for form in value.entry.forms:
            self._remove_head(form.head, form.length)
            self.headed.discard((form.head,), value)
            self.begins.discard(form.begins, value)
            self.wholes.discard((form.whole,), value)


Digest = Callable[[bytes], bytes]


def look_through(digest: Digest, scope: Namespace, data: bytes) -> Look | None:
    """Look through bytes as they are and, where escapes stand in them, decoded. None where nothing is in them."""
    hits = scope.index.find(data)
    if not needs_decoding(data, scope.special.keys.keys()):
        end = _unfinished(data)
        if hits:
            look = _look_at(digest, scope, data, hits)
            if end == len(data):
                return look
            # No escape before the unfinished one is of a value.
            before = [(start, head) for start, head in hits if start + len(head) <= end]
            cut = _look_at(digest, scope, data[:end], before)
            return Look(look.found, min(look.open, cut.open), look.tail if look.tail is not None else _to(cut.tail, len(data)))
        opened = _head_begins(scope, data if end == len(data) else data[:end])
        return None if opened == len(data) else Look([], opened)
    look = _look_at(digest, scope, data, hits)
    # A value that is a URL has percent-encoding of its own, which stays where the value stands in JSON
    plain = (True, False) if _PERCENT_SIGN in scope.special.keys and b"\\" in data and b"%" in data else (True,)
    for percent in plain:
        view = unescaped(data, percent=percent)
        text = bytes(view.text)
        look = _both(look, _look_at(digest, scope, text, scope.index.find(text)), view, len(data))
    return look


def stands_in(digest: Digest, scope: Namespace, data: bytes, hits: Hits) -> bool:
    """Whether a form of a value stands whole in the bytes as they are. Heads alone may be common words. `hits` are what the
    namespace's index finds."""
    found: list[Recognised] = []
    for start, head in hits:
        if head not in scope.lengths:
            continue
        begins = data[start : start + len(head) + CHECKED[-1]]
        if begins in scope.others:
            continue
        _match(digest, scope, head, data, start, found)
        if found:
            return True
        if len(begins) == len(head) + CHECKED[-1] and digest(begins)[:BEGIN_SIZE] not in scope.begins.of:
            scope.remember(begins)
    return False


def _to(tail: Recognised | None, end: int) -> Recognised | None:
    """A cut value that reaches to the end of the bytes, with the escape that is not whole."""
    return None if tail is None else Recognised(tail.start, end, tail.tag, tail.value)


def _unfinished(data: bytes) -> int:
    """Where an escape begins that is not whole at the end of the bytes; their length where none does.

    This is asked of each read, and costs 0.3 us."""
    end = data[-6:]
    if b"%" not in end and b"\\" not in end and end[-1:] not in _LINE_END:
        return len(data)
    match = UNFINISHED_ESCAPE.search(data, max(0, len(data) - 6))
    return len(data) if match is None else match.start()


def _head_begins(scope: Namespace, data: bytes) -> int:
    """Where at the end of the bytes a head begins that is not whole yet; their length where none does."""
    starts = scope.starts.keys
    size = len(data)
    for start in range(max(0, size - scope.longest_head + 1), size):
        if data[start:] in starts:
            return start
    return size


def _both(look: Look, seen: Look, view: View, size: int) -> Look:
    """What was found in the bytes and in a view of them."""
    found = [Recognised(view.start_of(one.start), view.end_of(one.end), one.tag, one.value) for one in seen.found]
    opened = min(look.open, view.start_of(seen.open))
    tail = look.tail
    if seen.tail is not None and (tail is None or view.start_of(seen.tail.start) < tail.start):
        tail = Recognised(view.start_of(seen.tail.start), size, seen.tail.tag, seen.tail.value)
    return Look(look.found + found, opened, tail)


def _look_at(digest: Digest, scope: Namespace, data: bytes, hits: Hits) -> Look:
    """What the bytes hold as they are. `hits` are the heads that stand in them."""
    found: list[Recognised] = []
    opened = size = len(data)
    tail: Recognised | None = None
    for start, head in hits:
        if head not in scope.lengths:  # of another namespace, or forgotten
            continue
        begun = _match(digest, scope, head, data, start, found)
        if begun is not None and start < opened:
            opened = start
            tail = Recognised(start, size, begun.entry.tag, begun.number)
    return Look(found, min(opened, _head_begins(scope, data)), tail)


def _match(digest: Digest, scope: Namespace, head: bytes, data: bytes, start: int, found: list[Recognised]) -> Value | None:
    """Add the forms that stand whole behind this head. Gives the value of a form that the end of the bytes cuts; None where none
    does."""
    lengths = scope.lengths[head]
    length = len(head)
    left = len(data) - start
    value: Value | None = scope.headed.of[head]
    shorter = left + 1  # only a form that is shorter can stand here
    for more in CHECKED:
        if length + more > left:
            break
        value = scope.begins.of.get(digest(data[start : start + length + more])[:BEGIN_SIZE])
        if value is None:
            shorter = length + more
            break
    for whole in reversed(lengths):
        if whole >= shorter:
            break
        known = scope.wholes.of.get(digest(data[start : start + whole]))
        if known is not None:
            found.append(Recognised(start, start + whole, known.entry.tag, known.number))
    return value if lengths[0] > left else None
