"""A journal that is being written, read as it grows: each block once, as soon as it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from l7gw.recording import reader
from l7gw.recording.events import AnyEvent
from l7gw.recording.layout import HEADER_SIZE, NO_SESSION

NEWEST = 2  # segments that may still grow: while the gateway changes segments it writes to two


class Following:
    """Gives each session's blocks in the order in which they were written. `unreadable` counts those that are changed."""

    def __init__(self, state: Path) -> None:
        self.unreadable = 0
        self._state = state
        self._ends: dict[Path, int] = {}  # where the last block that was read ends, in bytes, of segments that may grow

    def skip(self) -> None:
        """Leave out what was written before the newest segments."""
        for path in reader.segments(self._state)[:-NEWEST]:
            self._ends[path] = path.stat().st_size

    def __call__(self, wanted: Callable[[bytes, int], bool]) -> Iterator[tuple[bytes, list[AnyEvent]]]:
        """The blocks since the last call: session and events. `wanted` is asked for each by its session and flags. Raises
        OSError."""
        paths = reader.segments(self._state)
        oldest = min(self._ends, default=None)
        for path in paths:
            if oldest is not None and path < oldest and path not in self._ends:
                continue  # it was read to its end
            end = self._ends.get(path, 0)
            if path.stat().st_size > end:
                for place in reader.places(path, end):
                    self._ends[path] = place.offset + HEADER_SIZE + place.header.stored
                    session = place.header.session
                    if session == NO_SESSION or not wanted(session, place.header.flags):
                        continue
                    try:
                        events = reader.events_at(place)
                    except reader.Unreadable:
                        self.unreadable += 1
                        continue
                    yield session, events
        for path in paths[:-NEWEST]:
            self._ends.pop(path, None)
