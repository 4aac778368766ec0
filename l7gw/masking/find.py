"""A find: one value that was masked. It says where the value stood and never what it was."""

from __future__ import annotations

import msgspec


class Find(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One masked value. It is recorded as a `mask` event."""

    detector: str  # the name of the detector, or of the structural rule
    where: str  # a JSON path such as `items[3].data.password`; in a stream CHANNEL:OFFSET, an offset in the recorded bytes
    length: int  # bytes of the value that was masked
    tag: str  # the placeholder's tag; "" where the place was too short for one
    others: tuple[str, ...] = ()  # the names of what else was found in these bytes; they are shown where each name is revealed
    late: bool = False  # in a stream: the client was sent its beginning before it was whole

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which it was masked."""
        return (self.detector, *self.others)
