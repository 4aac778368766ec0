"""The log through which processes share what is registered: a bounded list of entries, in which values are digests alone."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import msgspec

MOST_ENTRIES = 4096  # that a follower may be behind; about 8 MiB. What it misses it does not recognise


class Form(msgspec.Struct, frozen=True, gc=False):
    """One form of a value."""

    head: bytes  # its first bytes
    begins: tuple[bytes, ...]  # keyed digests of longer beginnings, those that the form is long enough for
    length: int  # bytes
    whole: bytes  # its keyed digest


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One registered value."""

    cluster: str
    namespace: str
    digest: bytes  # the value's keyed digest
    tag: str  # of its placeholders
    special: bytes  # the bytes in it that an encoder may escape
    forms: tuple[Form, ...]


class Written(msgspec.Struct, frozen=True, gc=False):
    """A principal wrote a value."""

    author: bytes  # the keyed digest of principal, place and value


Line = Entry | Written


class Log(Protocol):
    """A bounded log. Positions count entries from the first one ever written."""

    @property
    def end(self) -> int:
        """The position behind the newest entry."""

    def append(self, entry: Line) -> None: ...

    def since(self, position: int) -> tuple[list[Line], int]:
        """The entries from a position on, as far as they are kept, and the position behind them."""


class RecentLog:
    """The log of one process: its newest entries, in memory."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._entries: deque[Line] = deque(maxlen=most)
        self.end = 0

    def append(self, entry: Line) -> None:
        self._entries.append(entry)
        self.end += 1

    def since(self, position: int) -> tuple[list[Line], int]:
        new = min(self.end - position, len(self._entries))
        return [self._entries[-back] for back in range(new, 0, -1)], self.end  # near its end a deque is reached quickly
