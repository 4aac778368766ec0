"""An exec that is watched to its end by a clock that costs no time."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.cli.replay_on_terminal import Film, Watcher
from l7gw.recording.execs import Exec
from l7gw.recording.playback import LONGEST_PAUSE
from l7gw.recording.replay import LeftOut


class KeysByTime:
    """A keyboard and a clock. At a time (seconds) keys are pressed; with none left, time runs to the end."""

    def __init__(self, pressed: list[tuple[float, str]] | None = None) -> None:
        self.now = 0.0
        self._pressed = pressed or []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float | None) -> list[str]:
        assert seconds is not None or self._pressed, "it would wait for ever"
        until = self.now + seconds if seconds is not None else float("inf")
        if self._pressed and self._pressed[0][0] <= until:
            when, key = self._pressed.pop(0)
            self.now = max(self.now, when)
            return [key]
        self.now = until
        return []


def seen(
    one: Exec,
    out: Callable[[str], object],
    left_out: LeftOut,
    *,
    speed: float = 1.0,
    longest_pause: float = LONGEST_PAUSE,
    size: tuple[int, int] = (1000, 1000),
    keys: KeysByTime | None = None,
) -> float:
    """Watch an exec. Gives the seconds that it took."""
    keys = keys or KeysByTime()

    def told(film: Film, found: LeftOut) -> None:
        left_out.__dict__.update(found.__dict__)

    watcher = Watcher(out, keys, lambda: size, keys.clock)
    watcher.show([Film(one, "title")], told, speed=speed, longest_pause=longest_pause)
    return keys.now
