"""Execs on somebody's terminal, one after the other, with keys where stdin is a terminal too."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from l7gw.cli.keyboard import Keyboard
from l7gw.recording.drawing import REVERSE, Out
from l7gw.recording.execs import Exec
from l7gw.recording.playback import Playback
from l7gw.recording.replay import FramesOf, LeftOut, text
from l7gw.recording.terminal.style import RESET
from l7gw.recording.terminal.unseen import safe
from l7gw.recording.watching import Watch


class Film(NamedTuple):
    one: Exec
    title: str
    times: list[int] = []  # microseconds since 1970 at which there is something to be seen; sorted


class Keys(Protocol):
    def wait(self, seconds: float | None) -> list[str]:
        """As `Keyboard.wait`."""


class NoKeys:
    """Where stdin is no terminal: nothing can be pressed."""

    def wait(self, seconds: float | None) -> list[str]:
        time.sleep(seconds or 0)
        return []


def watch_all(
    films: Sequence[Film], out: Out, told: Callable[[Film, LeftOut], None], *, speed: float, longest_pause: float
) -> None:
    """Show all of them, until the end or somebody quits. `told` is called after each, with what it did not show."""
    with ExitStack() as stack:
        has_keys = sys.stdin.isatty()
        keys: Keys = stack.enter_context(Keyboard()) if has_keys else NoKeys()
        watcher = Watcher(out, keys, shutil.get_terminal_size, time.monotonic, has_keys=has_keys)
        watcher.show(films, told, speed=speed, longest_pause=longest_pause)


class Watcher:
    """A terminal: where to write, its keys and its size, and the clock by which it is watched."""

    def __init__(
        self, out: Out, keys: Keys, size: Callable[[], tuple[int, int]], clock: Callable[[], float], *, has_keys: bool = True
    ) -> None:
        self._out, self._keys, self._size, self._clock, self._has_keys = out, keys, size, clock, has_keys

    def show(self, films: Sequence[Film], told: Callable[[Film, LeftOut], None], *, speed: float, longest_pause: float) -> None:
        with_terminal = [number for number, film in enumerate(films) if film.one.tty]
        number = 0
        while number < len(films):
            film, left_out = films[number], LeftOut()
            if not film.one.tty:
                self._print(film, left_out)
                then = "next"
            else:
                place = f"exec {number + 1} of {len(films)}" if len(films) > 1 else ""
                then = self._watch(film, left_out, place=place, speed=speed, longest_pause=longest_pause)
            told(film, left_out)
            if then == "quit":
                return
            number = number + 1 if then == "next" else max((one for one in with_terminal if one < number), default=number)

    def _print(self, film: Film, left_out: LeftOut) -> None:
        """An exec without a terminal: the lines that it wrote, all at once."""
        self._out(f"{REVERSE}{safe(film.title)}{RESET}\n")
        for line in text(film.one, left_out):
            self._out(line + "\n")

    def _watch(self, film: Film, left_out: LeftOut, *, place: str, speed: float, longest_pause: float) -> str:
        def count(text: str, *, goes_on: bool, replaced: bool, time: int) -> None:
            left_out.lines += not goes_on

        playback = Playback(film.one, FramesOf(film.one, left_out), count, longest_pause=longest_pause)
        watch = Watch(
            playback, self._out, self._clock(), title=film.title, place=place, size=self._size(), speed=speed,
            matches=playback.moments(film.times)[0], keys=self._has_keys,
        )  # fmt: skip
        try:
            wait = watch.tick(self._clock())
            while not watch.then:
                for key in self._keys.wait(wait):
                    if key == "resize":
                        watch.resize(self._size())
                    else:
                        watch.press(key, self._clock())
                wait = watch.tick(self._clock())
        finally:
            watch.close()
        left_out.add_strings(playback.player)
        playback.screen.tell_all()
        if watch.sought:  # what was passed over was not left out by us
            left_out.lines = 0
        return watch.then
