"""HPACK's Huffman code (RFC 7541 section 5.2), by the library's table of its states.

The library takes half a byte a step, 1,900 instructions a byte. Here a step is a whole byte, which is made of two of the library's
when it first comes. Each answer of a cluster has an Audit-Id of 36 characters so packed.
"""

from __future__ import annotations

from typing import Any

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

from l7gw.wire.events import Headers

MOST_STEPS = 16_384  # steps that are kept, about 100 bytes each; usual text needs 3,000, and there are 65,536

# A step by its byte: the text that it decodes, the state behind it, and whether a string may end there; None until it first comes.
# A state is the list of its steps, and behind them its number.
_Step = tuple[str, list[Any], bool]
_states: dict[int, list[Any]] = {0: [*[None] * 256, 0]}
_kept = 0


def unpacked(packed: bytes) -> str:
    """The text of a packed string, one character a byte. Raises HPACKDecodingError."""
    texts: list[str] = []  # joined at the end: where this is compiled, to add each to the ones before copies them all
    state, whole = _states[0], True
    for byte in packed:
        text, state, whole = state[byte] or _step(state, byte)
        texts.append(text)
    if not whole:
        raise HPACKDecodingError("Incomplete Huffman string")
    return "".join(texts)


MOST_LONG, LARGEST_LONG = 1024, 1024 * 1024  # long strings that are kept, and bytes of what they unpack to
LONGEST_LONG = 8 * 1024  # bytes packed; longer strings are not kept
MOST_NEW = 4  # long strings that are held until it is known whether they are kept


class LongStrings:
    """Long strings and their text, for all connections of a worker. Clients send their credential in one, and to unpack 763 bytes
    takes 37 us. Whoever takes the text says whether it is kept, and strangers can keep none.

    A string is found by a keyed hash over all of it, so how long that takes tells no part of another one.
    """

    __slots__ = ("_kept", "_largest", "_new", "_size")

    def __init__(self, largest: int = LARGEST_LONG) -> None:
        self._largest = largest
        self._kept: dict[bytes, str] = {}
        self._new: dict[bytes, str] = {}
        self._size = 0

    def unpacked(self, packed: bytes) -> str:
        """As the function of that name."""
        text = self._kept.get(packed)
        if text is None:
            text = unpacked(packed)
            if len(packed) <= LONGEST_LONG:
                if len(self._new) >= MOST_NEW:
                    self._new.clear()
                self._new[packed] = text
        return text

    def keep(self, headers: Headers) -> None:
        """Keep the strings of the last blocks that are values of these fields, whose sender is known."""
        if not self._new:
            return
        values = {value for _, value in headers}
        for packed, text in self._new.items():
            if text in values:
                self._kept[packed] = text
                self._size += len(text)
        self._new.clear()
        while len(self._kept) > MOST_LONG or self._size > self._largest:
            self._size -= len(self._kept.pop(next(iter(self._kept))))


def _step(state: list[Any], byte: int) -> _Step:
    global _kept
    number, flags, symbols = state[256], 0, []
    for half in (byte >> 4, byte & 0x0F):
        number, flags, symbol = HUFFMAN_TABLE[number * 16 + half]
        if flags & HUFFMAN_FAIL:
            raise HPACKDecodingError("Invalid Huffman string")
        if flags & HUFFMAN_EMIT_SYMBOL:
            symbols.append(symbol)
    step = bytes(symbols).decode("latin-1"), _states.setdefault(number, [*[None] * 256, number]), flags & HUFFMAN_COMPLETE != 0
    if _kept < MOST_STEPS:
        _kept += 1
        state[byte] = step
    return step
