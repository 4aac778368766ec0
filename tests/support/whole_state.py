"""Everything that a gateway has written down: each file of its state as it lies there, and the journals unpacked."""

from __future__ import annotations

from pathlib import Path

from l7gw.recording.layout import HEADER_SIZE
from l7gw.recording.reader import decompress, places, segments


def written_down(state: Path) -> bytes:
    """The bytes of all files, and of all blocks of the journals unpacked, one after the other."""
    found = [path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()]
    for segment in segments(state):
        for place in places(segment):
            place.file.seek(place.offset + HEADER_SIZE)
            found.append(decompress(place.file.read(place.header.stored), place.header.plain))
    return b"\0".join(found)
