"""Where heads of registered values stand in a text. Namespaces share an index, so that a text of many is searched once.

An automaton of hyperscan costs 0.6 us for 64 bytes and 0.3 ns a byte beyond, with 30,000 heads 1.5 to 5 ns. To compile it costs
15 us a head: a thread does that. Until then the former automata are used, and heads that none of them knows are looked for one by
one, or, where they are many, by their first bytes: 100 ns a byte of the text, however many they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

import hyperscan

from l7gw.masking.registry.registered_forms import HEAD
from l7gw.steps import spent

log = logging.getLogger(__name__)

FRESH = 64  # heads that are looked for one by one, and not compiled; each costs 60 ns and 0.5 ns a byte
FRESH_LOOKS = 16  # looks until even few heads are compiled
BLOCK = 16 * 1024  # bytes that are searched by the first bytes of heads between two calls of `spent`; 1.5 ms
BLOCK_UNITS = 25  # of work in them

Hits = list[tuple[int, bytes]]  # where heads begin, and which they are
Aside = Callable[[Callable[[], None]], None]  # has something done beside the event loop


def in_thread(work: Callable[[], None]) -> None:
    """Do the work in a thread of its own."""
    threading.Thread(target=work, name="l7gw-heads", daemon=True).start()


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
            (_compiled(words, literal=literal), words) for words, literal in ((plain, True), (with_zero, False)) if words
        ]

    def find(self, data: bytes) -> Hits:
        hits: Hits = []
        for database, words in self._databases:
            ends: list[tuple[int, int]] = []
            database.scan(data, match_event_handler=_hit, context=ends)
            hits += [(end - len(words[number]), words[number]) for number, end in ends]
        return hits


def _compiled(words: list[bytes], *, literal: bool) -> hyperscan.Database:
    texts = words if literal else [b"".join(b"\\x%02x" % byte for byte in word) for word in words]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=texts, ids=list(range(len(texts))), elements=len(texts), flags=[0] * len(texts), literal=literal)
    return database


def _hit(number: int, start: int, end: int, flags: int, context: object) -> None:
    cast(list[tuple[int, int]], context).append((number, end))


class HeadIndex:
    """The heads of some namespaces' values, and the automata that look for them: a large one and, for what came later, a small one.

    Each head is known to an automaton that is there or being made, or is fresh."""

    __slots__ = (
        "aside", "_begun", "_fresh", "_heads", "_large", "_looks", "_made", "_recent", "_small", "_stale", "_unknown", "_waiting",
    )  # fmt: skip

    def __init__(self, aside: Aside = in_thread) -> None:
        """`aside` compiles. What it is given may be called in any thread, once, at any time."""
        self.aside = aside
        self._heads: dict[bytes, int] = {}  # how many namespaces have each
        self._fresh: set[bytes] = set()  # heads that no automaton knows, nor the one that is being made
        self._waiting: set[bytes] = set()  # heads that the automaton knows that is being made, and none that is there
        self._unknown: dict[bytes, list[bytes]] = {}  # those of both, by their first HEAD bytes; some may be forgotten
        self._recent: set[bytes] = set()  # heads that the small automaton knows
        self._stale: set[bytes] = set()  # forgotten heads that an automaton knows, of which the newest large one is made or begun
        self._large: Automaton | None = None
        self._small: Automaton | None = None
        self._begun: tuple[set[bytes], bool] | None = (
            None  # what is being made: its heads if it is the small one; whether the large
        )
        self._made: Automaton | None = None  # what a thread made, and nobody took yet
        self._looks = 0

    def add(self, head: bytes) -> None:
        """A namespace more has this head."""
        count = self._heads.get(head, 0)
        self._heads[head] = count + 1
        if count:
            return
        if head in self._stale:
            self._stale.discard(head)
            return
        self._fresh.add(head)
        alike = self._unknown.setdefault(head[:HEAD], [])
        if head not in alike:
            alike.append(head)

    def discard(self, head: bytes) -> None:
        """A namespace less has this head."""
        count = self._heads[head]
        if count > 1:
            self._heads[head] = count - 1
            return
        del self._heads[head]
        if head in self._fresh:
            self._fresh.discard(head)
        else:
            self._stale.add(head)

    def find(self, data: bytes) -> Hits:
        """Where heads stand in the bytes; also some that are forgotten. A place may be there twice. Works in steps where it is
        called in them."""
        if self._made is not None:
            self._take(self._made)
        if self._begun is None and (self._fresh or self._stale):
            self._looks += 1 if self._fresh else 0
            if len(self._fresh) > FRESH or (self._fresh and self._looks > FRESH_LOOKS) or self._many_stale():
                self._compile()
        hits = self._large.find(data) if self._large is not None else []
        if self._small is not None:
            hits += self._small.find(data)
        if self._unknown:
            if len(self._fresh) + len(self._waiting) > FRESH:
                hits += _by_first_bytes(self._unknown, data)
            else:
                hits += _one_by_one(self._unknown, data)
        return hits

    def _many_stale(self) -> bool:
        return len(self._stale) > FRESH + len(self._heads) // 4

    def _compile(self) -> None:
        self._looks = 0
        self._waiting, self._fresh = self._fresh, set()
        recent = self._recent | self._waiting
        large = self._many_stale() or len(recent) > max(FRESH, len(self._heads) // 4)
        if large:
            self._stale = set()
        self._begun = (set() if large else recent), large
        self.aside(partial(self._make, list(self._heads if large else recent)))

    def _make(self, heads: list[bytes]) -> None:
        try:
            self._made = Automaton(heads)
        except Exception:  # the heads are looked for by their first bytes, then, for as long as the index lives
            log.exception("an automaton of %d heads is not made", len(heads))

    def _take(self, made: Automaton) -> None:
        assert self._begun is not None
        self._recent, large = self._begun
        if large:
            self._large, self._small = made, None
        else:
            self._small = made
        self._made = self._begun = None
        self._waiting = set()
        self._unknown = {}
        for head in self._fresh:
            self._unknown.setdefault(head[:HEAD], []).append(head)


def _one_by_one(unknown: dict[bytes, list[bytes]], data: bytes) -> Hits:
    hits: Hits = []
    for heads in unknown.values():
        for head in heads:
            at = data.find(head)
            while at >= 0:
                hits.append((at, head))
                at = data.find(head, at + 1)
    return hits


def _by_first_bytes(unknown: dict[bytes, list[bytes]], data: bytes) -> Hits:
    hits: Hits = []
    for begin in range(0, len(data), BLOCK):
        if begin:
            spent(BLOCK_UNITS)
        for at in range(begin, min(begin + BLOCK, len(data))):
            if (first := data[at : at + HEAD]) in unknown:
                hits += [(at, head) for head in unknown[first] if data.startswith(head, at)]
    return hits
