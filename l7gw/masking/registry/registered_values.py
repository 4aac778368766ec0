"""The registered values of one namespace, and how a text is looked through for them.

A text is searched for the heads of the values' forms by an automaton of hyperscan (0.6 us for 64 bytes, 0.6 ns a byte beyond); what
stands behind a head is digested and compared. To compile it costs 15 us a head. So heads that are new are looked for one by one,
until they are many or were looked for often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import hyperscan
import msgspec

from l7gw.masking.registry.escape_triggers import needs_decoding
from l7gw.masking.registry.registry_log import Entry
from l7gw.masking.registry.text_views import UNFINISHED_ESCAPE, View, unescaped

DETECTOR = "registry"
# Measured on 4,000 values of 24 bytes: Python's objects and the automaton take 16 KiB for a value of six forms.
FORM_COSTS = 2400  # bytes
VALUE_COSTS = 1600  # bytes
CHECKED = (1, 2, 4, 12)  # bytes behind the head up to which beginnings are digested
BEGIN_SIZE = 8  # bytes of the digest of a beginning
MOST_OTHERS = 4096  # beginnings that are remembered in a namespace, of about 100 bytes each
FRESH = 64  # heads that are looked for one by one; each costs 60 ns and 0.5 ns a byte
FRESH_LOOKS = 16  # looks until even few heads are compiled
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


class Head(msgspec.Struct, frozen=True, gc=False):
    """The forms that begin with the same bytes."""

    lengths: tuple[int, ...]  # of the forms, in descending order
    value: Value  # that has one of them


Hits = list[tuple[int, int]]  # where heads begin, and their lengths


class Automaton:
    """Finds heads."""

    __slots__ = ("_databases",)

    def __init__(self, heads: Iterable[bytes]) -> None:
        # hyperscan's quick way for literals takes none with a zero byte; as expressions they cost ten times as much to compile
        with_zero: list[bytes] = []
        plain: list[bytes] = []
        for head in heads:
            (with_zero if b"\0" in head else plain).append(head)
        self._databases = [
            (_compiled(words, literal=literal), [*map(len, words)])
            for words, literal in ((plain, True), (with_zero, False))
            if words
        ]

    def find(self, data: bytes) -> Hits:
        hits: Hits = []
        for database, sizes in self._databases:
            ends: Hits = []
            database.scan(data, match_event_handler=_hit, context=ends)
            hits += [(end - sizes[number], sizes[number]) for number, end in ends]
        return hits


def _compiled(words: list[bytes], *, literal: bool) -> hyperscan.Database:
    texts = words if literal else [b"".join(b"\\x%02x" % byte for byte in word) for word in words]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=texts, ids=list(range(len(texts))), elements=len(texts), flags=[0] * len(texts), literal=literal)
    return database


def _hit(number: int, start: int, end: int, flags: int, context: object) -> None:
    cast(Hits, context).append((number, end))


class Namespace:
    """The registered values of one namespace of one cluster, and the automata that look for them."""

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}  # by the value's digest
        self.heads: dict[bytes, Head] = {}
        self.begins: dict[bytes, Value] = {}  # digest of the beginning of a form, its head and CHECKED bytes more -> its value
        self.wholes: dict[bytes, Value] = {}  # digest of a form -> its value
        self.longest_head = 0
        self.starts: set[bytes] = set()  # beginnings of heads that are shorter than the head
        self.special: set[int] = set()  # bytes of values that an encoder may have to escape
        self.others: set[bytes] = set()  # what begins with a head, and with no value
        self._fresh: set[bytes] = set()  # heads that no automaton knows
        self._recent: set[bytes] = set()  # heads that the small automaton knows
        self._large: Automaton | None = None
        self._small: Automaton | None = None
        self._looks = 0

    def add(self, key: bytes, value: Value) -> None:
        self.values[key] = value
        self.others.clear()
        self.special.update(value.entry.special)
        for form in value.entry.forms:
            head = self.heads.get(form.head)
            if head is None:
                self._fresh.add(form.head)
                self.starts.update(form.head[:at] for at in range(1, len(form.head)))
                self.longest_head = max(self.longest_head, len(form.head))
                self.heads[form.head] = Head((form.length,), value)
            elif form.length not in head.lengths:
                self.heads[form.head] = Head(tuple(sorted((*head.lengths, form.length), reverse=True)), value)
            for digest in form.begins:
                self.begins[digest] = value
            self.wholes[form.whole] = value

    def remember(self, begins: bytes) -> None:
        """Remember that these bytes, a head and as many more as are CHECKED, begin with no value and are the beginning of none. To
        digest them costs 3 us."""
        if len(self.others) >= MOST_OTHERS:
            self.others.clear()
        self.others.add(begins)

    def remove(self, keys: Iterable[bytes]) -> None:
        """Forget values: all others are put in place anew."""
        gone = set(keys)
        left = {key: value for key, value in self.values.items() if key not in gone}
        self.__init__()  # type: ignore[misc]
        for key, value in left.items():
            self.add(key, value)

    def find(self, data: bytes) -> Hits:
        """Where heads stand in the bytes."""
        if self._fresh:
            self._looks += 1
            if len(self._fresh) > FRESH or self._looks > FRESH_LOOKS:
                self._compile()
        hits = self._large.find(data) if self._large is not None else []
        if self._small is not None:
            hits += self._small.find(data)
        for head in self._fresh:
            at = data.find(head)
            while at >= 0:
                hits.append((at, len(head)))
                at = data.find(head, at + 1)
        return hits

    def _compile(self) -> None:
        self._recent |= self._fresh
        self._fresh.clear()
        self._looks = 0
        if len(self._recent) > max(FRESH, len(self.heads) // 4):
            self._recent.clear()
            self._large, self._small = Automaton(self.heads), None
        else:
            self._small = Automaton(self._recent)


Digest = Callable[[bytes], bytes]


def look_through(digest: Digest, scope: Namespace, data: bytes) -> Look | None:
    """Look through bytes as they are and, where escapes stand in them, decoded. None where nothing is in them."""
    hits = scope.find(data)
    if not needs_decoding(data, scope.special):
        end = _unfinished(data)
        if hits:
            look = _look_at(digest, scope, data, hits)
            if end == len(data):
                return look
            # No escape before the unfinished one is of a value.
            before = [(start, length) for start, length in hits if start + length <= end]
            cut = _look_at(digest, scope, data[:end], before)
            return Look(look.found, min(look.open, cut.open), look.tail if look.tail is not None else _to(cut.tail, len(data)))
        opened = _head_begins(scope, data if end == len(data) else data[:end])
        return None if opened == len(data) else Look([], opened)
    look = _look_at(digest, scope, data, hits)
    # A value that is a URL has percent-encoding of its own, which stays where the value stands in JSON
    plain = (True, False) if _PERCENT_SIGN in scope.special and b"\\" in data and b"%" in data else (True,)
    for percent in plain:
        view = unescaped(data, percent=percent)
        text = bytes(view.text)
        look = _both(look, _look_at(digest, scope, text, scope.find(text)), view, len(data))
    return look


def stands_in(digest: Digest, scope: Namespace, data: bytes) -> bool:
    """Whether a form of a value stands whole in the bytes as they are. Heads alone may be common words."""
    found: list[Recognised] = []
    for start, length in scope.find(data):
        begins = data[start : start + length + CHECKED[-1]]
        if begins in scope.others:
            continue
        _match(digest, scope, scope.heads[begins[:length]], data, start, length, found)
        if found:
            return True
        if len(begins) == length + CHECKED[-1] and digest(begins)[:BEGIN_SIZE] not in scope.begins:
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
    starts = scope.starts
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
    for start, length in hits:
        head = scope.heads[data[start : start + length]]
        begun = _match(digest, scope, head, data, start, length, found)
        if begun is not None and start < opened:
            opened = start
            tail = Recognised(start, size, begun.entry.tag, begun.number)
    return Look(found, min(opened, _head_begins(scope, data)), tail)


def _match(
    digest: Digest, scope: Namespace, head: Head, data: bytes, start: int, length: int, found: list[Recognised]
) -> Value | None:
    """Add the forms that stand whole behind this head. Gives the value of a form that the end of the bytes cuts; None where none
    does."""
    left = len(data) - start
    value: Value | None = head.value
    shorter = left + 1  # only a form that is shorter can stand here
    for more in CHECKED:
        if length + more > left:
            break
        value = scope.begins.get(digest(data[start : start + length + more])[:BEGIN_SIZE])
        if value is None:
            shorter = length + more
            break
    for whole in reversed(head.lengths):
        if whole >= shorter:
            break
        known = scope.wholes.get(digest(data[start : start + whole]))
        if known is not None:
            found.append(Recognised(start, start + whole, known.entry.tag, known.number))
    return value if head.lengths[0] > left else None
