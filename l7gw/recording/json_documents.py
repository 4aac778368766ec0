"""Cuts a long JSON document into the objects that it lists, as it is read: a log of gigabytes is never in memory.

It knows no meaning: what it gives may still be no JSON. A list at the top, the list of a member in LISTS of an object at the top,
and objects one after the other are documents of objects here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LARGEST = 16 * 1024 * 1024  # bytes of one object; an audit event repeats a request and an answer of 3 MiB each at most, escaped
HEAD = 64 * 1024  # bytes of an object at the top before its list that are looked at
LISTS = ("events", "items", "results", "logEvents")  # members whose list is cut: CloudWatch's answers and Kubernetes' EventList

# A text, whose end is a group of its own; a bracket. Possessive, so that a text of megabytes is not tried twice
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(")?|[\[\]{}]', re.S)
_LIST = re.compile(rb'"(?:' + "|".join(LISTS).encode() + rb')"\s*:\s*$')
_CLOSES = {ord("]"): ord("["), ord("}"): ord("{")}


class Documents:
    """The objects of documents whose bytes come in parts. `largest` is how many bytes one may have; `lost` counts those that are
    too large, or no whole object; `head` is what stands in an object at the top before its list."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.lost = 0
        self._largest = largest
        self.head = b""
        self._buffer = b""
        self._at = 0  # where in the buffer the next token is looked for
        self._open = bytearray()  # the brackets that are open
        self._begin = -1  # where in the buffer the object begins that will be given; -1: within none
        self._depth = 0  # brackets that were open at its beginning
        self._too_large = False

    def objects(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """Each object, as its bytes."""
        for part in parts:
            self._buffer = self._buffer[self._kept :] + part if self._kept else self._buffer + part
            self._at -= self._kept
            self._begin = self._begin - self._kept if self._begin >= 0 else -1
            yield from self._scan()
        if self._open or self._too_large:
            self.lost += 1

    @property
    def _kept(self) -> int:
        """Where in the buffer that begins which is still needed."""
        return self._begin if self._begin >= 0 else self._at

    def _scan(self) -> Iterator[bytes]:
        while (token := _TOKEN.search(self._buffer, self._at)) is not None:
            byte = self._buffer[token.start()]
            if byte == ord('"') and token[1] is None:
                self._at = token.start()  # the text goes on in the next part
                break
            self._at = token.end()
            if byte in b"[{":
                self._opened(byte, token.start())
            elif byte in b"]}" and (found := self._closed(byte)) is not None:
                yield found
        else:
            self._at = len(self._buffer)
        if self._begin >= 0 and len(self._buffer) - self._begin > self._largest:
            self._begin, self._too_large = -1, True
        if self._begin < 0 and len(self._buffer) - self._at > self._largest:  # a text that goes on: what came of it is forgotten
            cut = (len(self._buffer) - len(self._buffer.rstrip(b"\\"))) % 2
            self._buffer, self._at = b'"' + b"\\" * cut, 0

    def _opened(self, byte: int, at: int) -> None:
        if (
            byte == ord("{")
            and self._begin < 0
            and not self._too_large
            and all(one == ord("[") for one in self._open[self._outer :])
        ):
            self._begin, self._depth = at, len(self._open)
        elif byte == ord("[") and self._begin >= 0 and len(self._open) == 1 and self._depth == 0:
            before = self._buffer[self._begin : at]
            if _LIST.search(before[-HEAD:]):
                self.head, self._begin = before[:HEAD], -1  # not an object to give, but one whose list is cut
                self._open[0] = ord("(")
        self._open.append(byte)

    @property
    def _outer(self) -> int:
        return 1 if self._open[:1] == b"(" else 0

    def _closed(self, byte: int) -> bytes | None:
        wanted = _CLOSES[byte]
        last = self._open.pop() if self._open else 0
        if last != wanted and not (last == ord("(") and byte == ord("}")):
            self.lost += 1
            self._open.clear()
            self._begin, self._too_large = -1, False
            return None
        if self._begin >= 0 and len(self._open) == self._depth:
            found, self._begin = self._buffer[self._begin : self._at], -1
            return found
        if self._too_large and len(self._open) == self._depth:
            self._too_large = False
            self.lost += 1
        return None
