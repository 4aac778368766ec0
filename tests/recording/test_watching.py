"""What keys do, by a clock that the test turns."""

from __future__ import annotations

import re

import pytest

from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.playback import Playback
from l7gw.recording.watching import HELP, SPEEDS, Watch

SECOND = 1_000_000


def counting() -> Exec:
    """Each second another number, from 1 to 60."""
    frames = [e.Frame(at * SECOND, 1, "stdout", False, 1, b"\r\x1b[Know %d." % at) for at in range(1, 61)]
    return Exec(1, "/exec", "web-0", 0, True, frames, first_size=(40, 5))


class Seen:
    """A watched exec, and what stands on the watcher's terminal."""

    def __init__(self, size: tuple[int, int] = (60, 10), **more: object) -> None:
        self.rows: dict[int, str] = {}
        self.written = ""
        one = counting()
        film = Playback(one, one.frames, lambda text, *, goes_on, replaced, time: None)
        self.watch = Watch(film, self._out, 0.0, title="the title", size=size, **more)  # type: ignore[arg-type]

    def _out(self, text: str) -> None:
        self.written += text
        if "\x1b[2J" in text:
            self.rows.clear()
        for row, content in re.findall(r"\x1b\[(\d+);1H([^\n]*?)(?=\x1b\[\d+;1H|\Z)", text):
            self.rows[int(row)] = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", content).rstrip()

    def at(self, now: float, *keys: str) -> tuple[str, str]:
        """The screen's first row and the status, at a time, after these keys."""
        self.watch.tick(now)
        for key in keys:
            self.watch.press(key, now)
        return self.rows.get(2, ""), self.rows.get(10, "").strip()


def test_title_screen_and_status_are_shown_and_time_goes_on() -> None:
    it = Seen()
    assert it.rows[1] == "the title"
    assert it.at(3.5) == ("now 3.", "playing  0:03 of 1:00  ?: keys")
    assert it.at(10) == ("now 10.", "playing  0:10 of 1:00  ?: keys")


def test_space_pauses_and_goes_on_where_it_was() -> None:
    it = Seen()
    assert it.at(3.2, " ")[1].startswith("paused  0:03")
    assert it.watch.tick(100) is None
    assert it.at(100)[0] == "now 3."
    it.at(100, " ")
    assert it.at(101)[0] == "now 4."


def test_arrows_go_five_seconds_on_and_back_also_while_paused_and_not_beyond_the_ends() -> None:
    it = Seen()
    assert it.at(10, "left")[0] == "now 5." and it.at(10, "left", "left")[0] == ""
    assert it.at(10, "right", "right", "right")[0] == "now 15."
    assert it.at(10, " ", "left") == ("now 10.", "paused  0:10 of 1:00  ?: keys")
    assert it.at(10, *["right"] * 30)[0] == "now 60." and it.watch.then == ""
    it.at(10, " ")
    it.at(11)
    assert it.watch.then == "next"


def test_the_speed_changes_in_steps_and_stops_at_both_ends() -> None:
    it = Seen()
    assert "speed 2" in it.at(1, "+")[1]
    assert it.at(2)[0] == "now 3."
    assert "speed" not in it.at(2, "down")[1] and "speed 0.5" in it.at(2, "-")[1]
    assert it.at(4)[0] == "now 4."
    assert f"speed {SPEEDS[-1]:g}" in it.at(4, *["up"] * 20)[1] and f"speed {SPEEDS[0]:g}" in it.at(4, *["-"] * 20)[1]
    assert "speed 4" in Seen(speed=3.0).at(0, "+")[1]


@pytest.mark.parametrize(("key", "then"), [("n", "next"), ("p", "previous"), ("q", "quit")])
def test_a_key_leaves_it(key: str, then: str) -> None:
    it = Seen()
    it.at(3, key)
    assert it.watch.then == then and it.watch.tick(4) is None
    it.watch.close()
    assert it.written.endswith("\x1b[0m\x1b[?7h\x1b[?25h\n")


def test_matches_are_gone_to_and_wait_there() -> None:
    it = Seen(matches=[10.0, 20.0])
    assert it.at(0) == ("now 10.", "paused  0:10 of 1:00  match 1 of 2  ?: keys")
    assert it.at(5, "m")[0] == "now 20." and it.at(5, "m")[0] == "now 20."
    assert it.at(5, "M") == ("now 10.", "paused  0:10 of 1:00  match 1 of 2  ?: keys")
    assert it.at(5, "M")[0] == "now 10."
    without = Seen(matches=[10.0], keys=False)
    assert without.at(1)[0] == "now 11." and "keys" not in without.at(1)[1]


def test_help_stands_over_the_screen_until_a_key() -> None:
    it = Seen(size=(60, 12))
    it.at(3, "?")
    assert [it.rows[row] for row in range(3, 3 + len(HELP))] == list(HELP)
    it.watch.tick(50)
    assert it.rows[3] == HELP[0]
    it.at(50, "x")
    assert it.rows[2] == "now 3." and not it.rows.get(3)
    it.at(51)
    assert it.rows[2] == "now 4."


def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    it = Seen()
    it.at(3)
    it.watch.press("stopped", 1000)
    assert it.at(1001)[0] == "now 4."


def test_another_size_of_the_terminal_is_drawn_anew_and_what_has_no_room_is_told() -> None:
    it = Seen()
    it.at(3)
    it.watch.resize((30, 6))
    assert it.rows[1] == "the title" and it.rows[2] == "now 3."
    assert it.rows[6].strip().startswith("playing  0:03 of 1:00  shows") and it.rows[6].endswith("…")
    it.watch.resize((60, 3))
    assert it.rows == {1: "now 3."}
    assert it.at(4) == ("", "")
    assert "shows 40x4 of 40x5" in Seen(size=(50, 6)).rows[6]


def test_what_is_written_are_cells_and_colours_only() -> None:
    it = Seen(matches=[3.0])
    for second, key in enumerate([" ", "?", "x", "right", "left", "+", "m", "M", "redraw", "stopped", "q"]):
        it.at(second, key)
    it.watch.close()
    left = re.sub(r"\x1b\[(?:[0-9;]*m|\d+;1H|K|2J|H|\?(?:7|25)[lh])", "", it.written)
    assert left.removesuffix("\n").isprintable()


def test_it_is_asked_again_when_the_next_thing_happens_and_at_least_each_second() -> None:
    frames = [e.Frame(int(at * SECOND), 1, "stdout", False, 1, b"x") for at in (0.01, 0.5, 90)]
    film = Playback(Exec(1, "/exec", "web-0", 0, True, frames), frames, lambda text, *, goes_on, replaced, time: None)
    watch = Watch(film, lambda text: None, 0.0, title="", size=(80, 24))
    assert watch.tick(0) == pytest.approx(1 / 30) and watch.tick(0.1) == pytest.approx(0.4) and watch.tick(0.6) == 1.0
