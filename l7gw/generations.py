"""A bounded memory of what can be found out anew."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """Remembers what was asked for lately, in two generations. Where the newer one is full it becomes the older one, and what the
    older one held is forgotten, but for what was asked for since. So many keys that are asked for once do not drive out those
    that are asked for again and again, and no call pays for forgetting them.

    `most` bounds the sizes in one generation together, in what unit `keep` is told them; both may hold twice as much. 0: nothing is
    remembered.
    """

    __slots__ = ("_most", "_newer", "_older", "_size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._newer: dict[K, tuple[V, int]] = {}
        self._older: dict[K, tuple[V, int]] = {}
        self._size = 0  # of what is in the newer one

    def get(self, key: K) -> V | None:
        """What is remembered under this key; None where nothing is."""
        found = self._newer.get(key)
        if found is None:
            found = self._older.get(key)
            if found is None:
                return None
            self.keep(key, *found)
        return found[0]

    def keep(self, key: K, value: V, size: int = 1) -> None:
        """Remember a value of this size under a key under which nothing is remembered."""
        if size > self._most:
            return
        if self._size + size > self._most:
            self._older, self._newer, self._size = self._newer, {}, 0
        self._newer[key] = value, size
        self._size += size

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
