"""Reads only some kinds of events of a block. Of the others no more than the time and the exchange is decoded: their bytes are most
of a journal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

import msgspec

from l7gw.recording import reader
from l7gw.recording.events import WrittenEvent


def reading(*kinds: type[WrittenEvent]) -> Callable[[bytes, int], list[Any]]:
    """What `reader.decoded_at` takes, for blocks of which these kinds of events count. A block with an event of a later version is
    read whole."""
    union: Any = None
    for kind in get_args(WrittenEvent):
        one = kind if kind in kinds else _skipped(kind)
        union = one if union is None else union | one
    decode_list = msgspec.msgpack.Decoder(list[union]).decode

    def decode(data: bytes, count: int) -> list[Any]:
        try:
            return decode_list(reader.as_list(data, count))
        except msgspec.ValidationError:  # an event of a later version
            return cast(list[Any], reader.decode(data, count))

    return decode


def _skipped(kind: type[WrittenEvent]) -> Any:
    """A type for an event of this kind of which only time and exchange are decoded."""
    fields = [("time", int)] + ([("exchange", int)] if "exchange" in kind.__struct_fields__ else [])
    return msgspec.defstruct(f"Skipped{kind.__name__}", fields, array_like=True, tag=kind.__struct_config__.tag, gc=False)
