"""Terminal sizes: JSON objects with Width and Height, as clients write them on the resize channel (kubernetes-wire 5.1).

Kubelets and API servers decode one object behind the other into two uint16, and end at the first that does not fit: the shell
would live on, deaf to its window. So what goes up is written anew, each size that is one; what is none goes nowhere, and the next
is looked for behind it.
"""

from __future__ import annotations

import json
import re
from typing import Any

LARGEST_SIZE = 256  # bytes of one size; kubectl's have 30
LARGEST_PIECE = 1024  # bytes that are looked at, of one message or DATA frame, which has one size: a MiB of them costs a second
MOST_OF_A_SIDE = 65535  # columns or rows: Go's uint16

_objects = re.compile(rb"\{[^{}]{0,%d}\}" % (LARGEST_SIZE - 2)).finditer


class Sizes:
    """The sizes of one channel, however their bytes are cut: several in one piece, or one in several."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = b""  # the beginning of a size

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The sizes that are whole by now, as they go up; and the bytes that belong to none."""
        text = self._half + data
        if len(data) > LARGEST_PIECE:
            self._half = b""
            return [], text
        sizes: list[bytes] = []
        odd: list[bytes] = []
        at = 0
        for found in _objects(text):
            odd.append(text[at : found.start()])
            at = found.end()
            size = _size(found[0])
            if size is None:
                odd.append(found[0])
            else:
                sizes.append(size)
        begin = text.rfind(b"{", at)
        if begin < 0 or len(text) - begin >= LARGEST_SIZE:
            begin = len(text)
        self._half = text[begin:]
        odd.append(text[at:begin])
        return sizes, b"".join(piece for piece in odd if not piece.isspace())

    def end(self) -> bytes:
        """The bytes of a size whose end never came."""
        half, self._half = self._half, b""
        return half


def whole_sizes(data: bytes) -> tuple[list[bytes], bytes]:
    """The same of one message, of which no part is in another."""
    sizes = Sizes()
    found, odd = sizes.feed(data)
    return found, odd + sizes.end()


def _size(text: bytes) -> bytes | None:
    """A size as kubectl writes it; None where it is none, or two readers could find different ones."""
    try:
        sides = json.loads(text.decode("ascii"), object_pairs_hook=_sides)
    except (ValueError, RecursionError):
        return None
    return b'{"Width":%d,"Height":%d}\n' % (sides["width"], sides["height"])


def _sides(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Both sides, in any letters as Go takes them, each once. Raises ValueError."""
    found = {key.lower(): value for key, value in pairs}
    for side in ("width", "height"):
        if type(found.get(side)) is not int or not 0 <= found[side] <= MOST_OF_A_SIDE:  # a bool is none
            raise ValueError
    if len(found) != len(pairs):
        raise ValueError
    return found
