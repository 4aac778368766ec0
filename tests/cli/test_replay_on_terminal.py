"""Several execs, one after the other, with keys."""

from __future__ import annotations

import re
from pathlib import Path

from l7gw.cli.replay_on_terminal import Film, Watcher
from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.playback import LONGEST_PAUSE
from l7gw.recording.recorder import Recorder
from l7gw.recording.replay import LeftOut
from tests.support.journals import ANN, TTY, call, recorded
from tests.support.manual_clock import ManualClock
from tests.support.pty_programs import OnPty
from tests.support.watched import KeysByTime


def film(number: int, *, tty: bool = True) -> Film:
    """Ten seconds that count, or a line without a terminal."""
    frames = [e.Frame(at * 1_000_000, number, "stdout", False, 1, b"\r\x1b[K%d at %d" % (number, at)) for at in range(11)]
    return Film(
        Exec(number, "/exec", "web-0", 0, tty, frames if tty else [e.Frame(0, number, "stdout", False, 1, b"line %d\n" % number)]),
        f"title {number}",
    )


def watched(films: list[Film], *pressed: tuple[float, str]) -> tuple[list[int], str, float]:
    """The execs in the order in which they were shown, what was written, and when it ended."""
    shown: list[int] = []
    written: list[str] = []
    keys = KeysByTime(list(pressed))

    def told(one: Film, left_out: LeftOut) -> None:
        shown.append(one.one.exchange)

    watcher = Watcher(written.append, keys, lambda: (80, 24), keys.clock)
    watcher.show(films, told, speed=1.0, longest_pause=LONGEST_PAUSE)
    return shown, "".join(written), keys.now


def test_all_execs_are_shown_in_order_each_below_its_title() -> None:
    shown, written, end = watched([film(1), film(2, tty=False), film(3)])
    assert shown == [1, 2, 3] and end == 20
    assert [match[0] for match in re.finditer(r"title \d|line \d|\d at 10", written)] == [
        "title 1",
        "1 at 10",
        "title 2",
        "line 2",
        "title 3",
        "3 at 10",
    ]
    assert "exec 1 of 3" in written and "exec 3 of 3" in written


def test_n_and_p_go_to_the_next_and_the_previous_exec_with_a_terminal_and_q_ends_all() -> None:
    films = [film(1), film(2, tty=False), film(3), film(4)]
    assert watched(films, (2, "n"), (4, "p"), (6, "n"), (8, "n"), (10, "q"))[::2] == ([1, 2, 3, 1, 2, 3, 4], 10)
    assert watched(films, (1, "p"), (2, "q"))[0] == [1, 1]


def test_lines_that_somebody_passed_over_are_not_told_as_left_out() -> None:
    frames = [e.Frame(at * 1_000_000, 1, "stdout", False, 1, b"a\r\n" * 50) for at in range(11)]
    found: list[LeftOut] = []
    for pressed in ([], [(0.5, "right")]):
        keys = KeysByTime(pressed)
        watcher = Watcher(lambda text: None, keys, lambda: (80, 24), keys.clock)
        watcher.show(
            [Film(Exec(1, "/exec", "web-0", 0, True, frames), "")],
            lambda one, left: found.append(left),
            speed=1.0,
            longest_pause=2.0,
        )
    assert found[0].lines > 0 and found[1].lines == 0


CHILD = """
import shutil, sys
from pathlib import Path
from l7gw.cli.keyboard import Keyboard
from l7gw.cli.replay_on_terminal import Film, Watcher
from l7gw.recording.execs import execs
from l7gw.recording.reader import Blocks
from l7gw.recording.session_list import key_of, summaries

class ByItself(Keyboard):  # time costs nothing, and stands still each ten seconds until a key is pressed
    now, until = 0.0, 10.5
    def wait(self, seconds):
        if seconds is not None and self.now + seconds < self.until:
            self.now += seconds
            return []
        self.now, self.until = self.until, self.until + 10
        return super().wait(None)

state = Path(sys.argv[1])
films = [Film(one, "the title") for one in execs(Blocks(state, key_of(summaries(state)[0].id)))]
with ByItself() as keys:
    out = lambda text: (sys.stdout.write(text), sys.stdout.flush())
    Watcher(out, keys, shutil.get_terminal_size, lambda: keys.now).show(films, lambda one, left: None, speed=1.0, longest_pause=2.0)
print("left", flush=True)
"""


def test_keys_that_are_pressed_on_a_terminal_move_through_a_recording(tmp_path: Path) -> None:
    clock = ManualClock()

    def fill(recorder: Recorder) -> None:
        one = call(recorder.session(ANN, "prod"), TTY)
        for number in range(100):
            one.frame("stdout", up=False, stream=1, data=b"\r\x1b[Know %d." % number)
            clock.advance(1)
        one.end("complete")

    recorded(tmp_path, fill, clock=clock)
    it = OnPty(CHILD, str(tmp_path))
    try:
        it.until(b"now 9.")
        it.press(b" ")
        it.until(b"paused  0:10 of 1:39")
        for key, shown in (
            (b"\x1b[C", b"now 15."),
            (b"\x1b[D", b"now 10."),
            (b"?", b"faster, slower"),
            (b"?", b"now 10."),
            (b"+", b"speed 2"),
        ):
            it.press(key)
            it.until(shown)
        it.press(b" ")
        it.until(b"now 30.")  # ten seconds, twice as fast
        it.press(b"q")
        assert b"\x1b[?7h\x1b[?25h" in it.until(b"left")
        assert it.process.wait() == 0 and it.attributes() == it.before
    finally:
        it.close()
