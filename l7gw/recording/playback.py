"""An exec as a film: its screen at any moment, forward and backward.

Moments are seconds from the beginning as they are shown: silences of the recording are cut. Going back begins at a copy of the
screen that was kept on the way.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.shown_lines import Player
from l7gw.recording.terminal.cells import Lost
from l7gw.recording.terminal.screen import Screen

LONGEST_PAUSE = 2.0  # seconds; longer silences of the recording are cut to this
KEPT_EVERY = 256 * 1024  # bytes of output between two copies of the screen, at first; 0.1 s of drawing
MOST_CELLS = 1_000_000  # of all copies together: 20 MB
MOST_KEPT = 64  # copies


class _Kept(NamedTuple):
    """The screen when so many frames were drawn."""

    frames: int
    at: float
    time: int
    player: Player


class Playback:
    """`frames` gives the exec's frames, anew each time it is iterated. `length` is how long it lasts, in seconds."""

    def __init__(
        self,
        one: Exec,
        frames: Iterable[e.Frame],
        lost: Lost,
        *,
        longest_pause: float = LONGEST_PAUSE,
        kept_every: int = KEPT_EVERY,
    ) -> None:
        self._frames, self._one, self._longest_pause = frames, one, longest_pause
        self._first = Player(one.size, lost, tty=one.tty)
        self._kept: list[_Kept] = []
        self._kept_every = kept_every
        self._size = 0  # bytes since the screen was kept
        self._drawn, self._at, self._time, self._player = 0, 0.0, one.started, self._first
        self._next: tuple[float, e.Frame] | None = None
        self.length = self.moments([])[1]
        self._go_to(_Kept(0, 0.0, one.started, copy.deepcopy(self._first)))

    @property
    def screen(self) -> Screen:
        return self._player.screen

    @property
    def player(self) -> Player:
        return self._player

    @property
    def next_at(self) -> float | None:
        """When the next frame comes; None where none does."""
        return self._next[0] if self._next is not None else None

    def moments(self, times: list[int]) -> tuple[list[float], float]:
        """These times (microseconds since 1970, sorted) as moments, and the last moment of all."""
        found: list[float] = []
        at, last = 0.0, self._one.started
        for frame in self._frames:
            at += self._pause(last, frame.time)
            last = frame.time
            while len(found) < len(times) and times[len(found)] <= frame.time:
                found.append(at)
        return found + [at] * (len(times) - len(found)), at

    def advance(self, to: float) -> bool:
        """Draw what comes up to a moment. Gives whether something came."""
        came = False
        while self._next is not None and self._next[0] <= to:
            at, frame = self._next
            self._player.take(frame)
            self._drawn += 1
            self._at, self._time = at, frame.time
            self._size += len(frame.data)
            if self._size >= self._kept_every and (not self._kept or self._drawn > self._kept[-1].frames):
                self._keep()
            self._take_next()
            came = True
        return came

    def seek(self, to: float) -> None:
        """Go to a moment, on or back."""
        if to < self._at:
            begin = next((kept for kept in reversed(self._kept) if kept.at <= to), None)
            begin = begin or _Kept(0, 0.0, self._one.started, self._first)
            self._go_to(begin._replace(player=copy.deepcopy(begin.player)))
        self.advance(to)

    def _pause(self, before: int, after: int) -> float:
        return min(max(after - before, 0) / 1e6, self._longest_pause)

    def _go_to(self, kept: _Kept) -> None:
        self._drawn, self._at, self._time, self._player = kept
        self._size = 0
        self._rest: Iterator[e.Frame] = islice(iter(self._frames), kept.frames, None)
        self._take_next()

    def _take_next(self) -> None:
        frame = next(self._rest, None)
        self._next = (self._at + self._pause(self._time, frame.time), frame) if frame is not None else None
        if frame is None:
            self._player.finish()

    def _keep(self) -> None:
        """Keep a copy of the screen. Where there are too many, every second one goes, and they come half as often."""
        self._size = 0
        self._kept.append(_Kept(self._drawn, self._at, self._time, copy.deepcopy(self._player)))
        cells = self.screen.columns * self.screen.rows
        if len(self._kept) > min(MOST_KEPT, max(2, MOST_CELLS // cells)):
            del self._kept[::2]
            self._kept_every *= 2
