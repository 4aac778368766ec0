"""What somebody sees who watches an exec: a title, the screen, and a line that says where he is. It is told of time and of keys."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from l7gw.recording import drawing
from l7gw.recording.drawing import Canvas, Out
from l7gw.recording.playback import Playback
from l7gw.recording.terminal.style import RESET

FRAME_EVERY = 1 / 30  # seconds between two drawings of the screen, at least
STEP = 5.0  # seconds that an arrow goes on or back
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0)
LEAST_ROWS = 4  # a smaller terminal has no room for title and status
HELP = (
    "space      pause, and go on",
    "right left 5 seconds on, back",
    "up down    faster, slower; + and - too",
    "m M        next, previous match of --search",
    "n p        next, previous exec",
    "?          these keys",
    "q          quit",
)


class Watch:
    """One exec that is being watched. `then` says what comes after it: "" while it goes on, next, previous or quit.

    `size` is that of the watcher's terminal, (columns, rows). `matches` are moments to which m and M go. Without `keys` nothing can
    be pressed. Times are seconds of a clock that never goes back."""

    def __init__(
        self,
        playback: Playback,
        out: Out,
        now: float,
        *,
        title: str,
        place: str = "",
        size: tuple[int, int],
        speed: float = 1.0,
        matches: Sequence[float] = (),
        keys: bool = True,
    ) -> None:
        self._playback, self._out = playback, out
        self._title, self._place, self._keys = title, place, keys
        self._matches = matches
        self._speed = speed
        self._position = 0.0
        self._since = now
        self._drawn_at = 0.0  # the moment
        self._paused = False
        self._helping = False
        self.sought = False  # whether something was left out by somebody's wish
        self.then = ""
        self.resize(size)
        if matches:
            self._go_to(matches[0], pause=keys)

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> float | None:
        """Draw what is due. Gives the seconds until it must be called again; None where nothing comes by itself."""
        if self._paused or self.then:
            self._since = now
            return None
        self._position = min(self._position + (now - self._since) * self._speed, self._playback.length)
        self._since = now
        following = self._playback.next_at
        if following is None or following > self._position:
            self._draw_status()
        while following is not None and following <= self._position:
            if following - self._drawn_at >= FRAME_EVERY * self._speed:  # what stood there long enough to be seen is drawn
                self._draw()
                self._drawn_at = following
            self._playback.advance(following)
            following = self._playback.next_at
            if following is None or following > self._position:
                self._draw()
                self._drawn_at = self._position
        if following is None:
            self.then = "next"
            return None
        return min(max((following - self._position) / self._speed, FRAME_EVERY), 1.0)

    def press(self, key: str, now: float) -> None:
        """A key: a character, or left, right, up, down. `stopped`: the process had been stopped, and time stood still. `redraw`:
        the terminal may show something else."""
        if key == "stopped":
            self._since = now
        self.tick(now)
        if key == "redraw":
            self.redraw()
        elif self._helping or key == "?":
            self._helping = not self._helping
            self._paused = self._helping
            self.redraw()
        elif key in _DOES:
            _DOES[key](self)
            self._draw()

    # ------------------------------------------------------------------ keys

    def _pause(self) -> None:
        self._paused = not self._paused

    def _go_to(self, moment: float, *, pause: bool | None = None) -> None:
        self.sought = True
        self._position = max(0.0, min(moment, self._playback.length))
        self._paused = self._paused if pause is None else pause
        self._playback.seek(self._position)
        self._drawn_at = self._position
        self._draw()

    def _step(self, seconds: float) -> None:
        self._go_to(self._position + seconds)

    def _faster(self) -> None:
        self._speed = SPEEDS[min(bisect_right(SPEEDS, self._speed), len(SPEEDS) - 1)]

    def _slower(self) -> None:
        self._speed = SPEEDS[max(bisect_left(SPEEDS, self._speed) - 1, 0)]

    def _next_match(self) -> None:
        at = bisect_right(self._matches, self._position)
        if at < len(self._matches):
            self._go_to(self._matches[at], pause=True)

    def _previous_match(self) -> None:
        at = bisect_left(self._matches, self._position)
        if at:
            self._go_to(self._matches[at - 1], pause=True)

    def _leave(self, then: str) -> None:
        self.then = then
        self.sought = True

    # ------------------------------------------------------------------ drawing

    def resize(self, size: tuple[int, int]) -> None:
        """The watcher's terminal has another size."""
        self._columns, self._rows = size
        self.redraw()

    def redraw(self) -> None:
        """Draw everything, whatever is there."""
        bars = self._rows >= LEAST_ROWS
        drawing.forget_drawn(self._playback.screen)
        self._canvas = Canvas(self._out, self._columns, self._rows - 2 * bars, top=int(bars))
        self._status = ""
        self._out(f"{drawing.HIDE_CURSOR}{drawing.CUT_ROWS}{drawing.CLEAR}")
        if bars:
            self._out(f"\x1b[1;1H{drawing.bar(self._title, self._columns)}")
        self._draw()

    def _draw(self) -> None:
        if self._helping:
            self._canvas.put([f"{line:.{self._columns}}" for line in ("", *HELP)][: self._canvas.rows])
        else:
            self._canvas.draw(self._playback.screen)
        self._draw_status()

    def _draw_status(self) -> None:
        if self._rows < LEAST_ROWS:
            return
        status = drawing.bar(self._status_text(), self._columns)
        if status != self._status:
            self._status = status
            self._out(f"\x1b[{self._rows};1H{status}")

    def _status_text(self) -> str:
        parts = ["paused" if self._paused else "playing", f"{_minutes(self._position)} of {_minutes(self._playback.length)}"]
        parts += [f"speed {self._speed:g}"] if self._speed != 1 else []
        parts += [self._place] if self._place else []
        screen = self._playback.screen
        if screen.columns > self._canvas.columns or screen.rows > self._canvas.rows:
            shown = f"{min(screen.columns, self._canvas.columns)}x{min(screen.rows, self._canvas.rows)}"
            parts.append(f"shows {shown} of {screen.columns}x{screen.rows}")
        if self._matches:
            parts.append(f"match {bisect_right(self._matches, self._position)} of {len(self._matches)}")
        return " " + "  ".join(parts + (["?: keys"] if self._keys else []))

    def close(self) -> None:
        """Leave the terminal as it was, with the last screen on it."""
        if self._rows >= LEAST_ROWS:
            self._out(f"\x1b[{self._rows};1H{RESET}\x1b[K")
        self._out(f"\x1b[{min(self._canvas.end, self._rows - 1) + 1};1H{RESET}{drawing.WRAP_ROWS}{drawing.SHOW_CURSOR}\n")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


_DOES: dict[str, Callable[[Watch], None]] = {
    " ": Watch._pause,
    "right": lambda watch: watch._step(STEP),
    "left": lambda watch: watch._step(-STEP),
    "up": Watch._faster, "+": Watch._faster, "down": Watch._slower, "-": Watch._slower,
    "m": Watch._next_match, "M": Watch._previous_match,
    "n": lambda watch: watch._leave("next"),
    "p": lambda watch: watch._leave("previous"),
    "q": lambda watch: watch._leave("quit"),
}  # fmt: skip
