"""Numbers of things in English: `1 rule`, `2 rules`, `12,000 calls`, `no rules`."""

from __future__ import annotations


def many(count: int, one: str, several: str = "", *, none: str = "0") -> str:
    """A number with its noun. `several` is the plural where it is not `one` with an s. `none` stands for 0."""
    return f"{f'{count:,}' if count else none} {one if count == 1 else several or f'{one}s'}"
