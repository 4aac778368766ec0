"""Terminal sizes: JSON objects with Width and Height, as clients write them on the resize channel (kubernetes-wire 5.1).

Kubelets and API servers decode the objects one by one into two uint16 each. At the first that does not fit they stop, and the shell
would not hear of later sizes. So only well-formed sizes are sent to the cluster, each written anew. Other bytes are dropped, and
the next size is searched for behind them.
"""

from __future__ import annotations

import json
import re
from typing import Any

LARGEST_SIZE = 256  # bytes of one size; kubectl's have about 30
LARGEST_PIECE = 1024  # bytes of one message or DATA frame; a larger one is not read, as a MiB of sizes would cost a second
MOST_OF_A_SIDE = 65535  # columns or rows; the largest uint16 of Go

_objects = re.compile(rb"\{[^{}]{0,%d}\}" % (LARGEST_SIZE - 2)).finditer


class Sizes:
    """Reads the sizes of one channel. A piece of bytes may hold several sizes, and a size may be spread over several pieces."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = b""  # a size of which the end has not come

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The sizes that are complete now, as they are sent to the cluster; and the bytes that belong to no size."""
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
        """The bytes of a size whose end has not come, once the channel has ended."""
        half, self._half = self._half, b""
        return half


def whole_sizes(data: bytes) -> tuple[list[bytes], bytes]:
    """As `Sizes.feed`, for a message that is a whole by itself."""
    sizes = Sizes()
    found, odd = sizes.feed(data)
    return found, odd + sizes.end()


def _size(text: bytes) -> bytes | None:
    """A size, written as kubectl writes it; None where the text is no size, or could be read as two."""
    try:
        sides = json.loads(text.decode("ascii"), object_pairs_hook=_sides)
    except (ValueError, RecursionError):
        return None
    return b'{"Width":%d,"Height":%d}\n' % (sides["width"], sides["height"])


def _sides(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Width and height; their names count in any case, as in Go. Raises ValueError where a
    side is missing, repeated or too large."""
    found = {key.lower(): value for key, value in pairs}
    for side in ("width", "height"):
        if type(found.get(side)) is not int or not 0 <= found[side] <= MOST_OF_A_SIDE:  # `type`, as a bool is an int too
            raise ValueError
    if len(found) != len(pairs):
        raise ValueError
    return found
