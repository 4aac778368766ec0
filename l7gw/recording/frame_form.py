"""The events of the frames of one stream, encoded once but for their time and their bytes.

A form makes exactly the bytes that msgspec makes of the events one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from l7gw.recording import events as e
from l7gw.recording.call_form import bytes_head, pack

_FALSE, _TRUE = b"\xc2", b"\xc3"  # msgpack's bool format family
_EMPTY = e.Frame(0, 0, channel="", up=False, stream=0, data=b"")
_BEGIN = e.encode(_EMPTY)[
    : -len(pack(0) + pack(0) + pack("") + _FALSE + pack(0) + pack(b"") + _FALSE)
]  # the array's head, and the tag


class FrameForm:
    """The events of the frames of one stream in one direction. The fields are those of `Frame`."""

    __slots__ = ("_middle",)

    def __init__(self, exchange: int, channel: str, up: bool, stream: int) -> None:
        self._middle = pack(exchange) + pack(channel) + pack(up) + pack(stream)

    def all(self, time: int, data: Sequence[bytes], *, final: bool) -> list[bytes]:
        """The events of frames that came together, in parts that together are their bytes. `final`: the last of them is. There is
        at least one. A frame of 64 bytes costs 2,100 instructions with its append, made by msgspec 10,000."""
        head = _FALSE + _BEGIN + pack(time) + self._middle  # the end of the event before, and the beginning of this one
        heads = {size: head + bytes_head(size) for size in set(map(len, data))}
        parts = list(chain.from_iterable(zip(map(heads.__getitem__, map(len, data)), data)))
        parts[0] = parts[0][len(_FALSE) :]
        parts.append(_TRUE if final else _FALSE)
        return parts
