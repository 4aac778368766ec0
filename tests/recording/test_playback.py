"""Whatever way one goes to a moment, the screen there is the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording import playback
from l7gw.recording.execs import Exec
from l7gw.recording.playback import Playback

PIECES = [
    "a",
    "line\r\n",
    "\x1b[2J",
    "\x1b[A",
    "\x1b[31m",
    "\x1b[?1049h",
    "\x1b[?1049l",
    "中",
    "\x1b",
    "[1m",
    "\r",
    "x" * 30,
    "\x1b7",
    "\x1b8",
    "ä",
    "\x1b]0;",
]


def exec_of(pieces: list[str], pause: float = 0.5) -> Exec:
    frames = [e.Frame(int(n * pause * 1e6), 1, "stdout", False, 1, piece.encode()) for n, piece in enumerate(pieces, 1)]
    frames.insert(len(frames) // 2, e.Frame(int(len(frames) // 2 * pause * 1e6), 1, "resize", True, 4, b'{"Width":15,"Height":4}'))
    return Exec(1, "/exec", "web-0", 0, True, frames, first_size=(20, 3))


def play(one: Exec, kept_every: int = playback.KEPT_EVERY) -> Playback:
    return Playback(one, one.frames, lambda text, *, goes_on, replaced, time: None, kept_every=kept_every)


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=25),
    moments=st.lists(st.floats(0, 15), max_size=6),
    kept_every=st.sampled_from([1, 5, 1000]),
)
def test_a_screen_after_any_seeks_is_that_of_playing_up_to_there(pieces: list[str], moments: list[float], kept_every: int) -> None:
    sought = play(exec_of(pieces), kept_every)
    for moment in moments:
        straight = play(exec_of(pieces))
        straight.advance(moment)
        sought.seek(moment)
        assert sought.screen.lines() == straight.screen.lines()
        assert (sought.screen.cursor, sought.next_at) == (straight.screen.cursor, straight.next_at)


def test_moments_are_those_of_the_shortened_silences() -> None:
    one = Exec(1, "/exec", "web-0", 0, True, [e.Frame(int(at * 1e6), 1, "stdout", False, 1, b"x") for at in (1, 2, 100, 101)])
    film = play(one)
    assert film.length == 1 + 1 + 2 + 1
    assert film.moments([0, 1_500_000, 50_000_000, 100_000_000, 500_000_000])[0] == [1, 2, 4, 4, 5]
    film.advance(3.9)
    assert film.next_at == 4
    slow = Playback(one, one.frames, lambda text, *, goes_on, replaced, time: None, longest_pause=float("inf"))
    assert slow.length == 101


@pytest.mark.parametrize("size", [(1000, 1000), (20, 3)])
def test_copies_of_the_screen_are_few_however_much_there_is_and_how_large_it_is(size: tuple[int, int]) -> None:
    one = exec_of(["line of output\r\n"] * 300, pause=0.01)
    one.first_size = size
    one.frames = [frame for frame in one.frames if frame.channel == "stdout"]
    film = play(one, kept_every=20)
    film.advance(100)
    assert 2 <= len(film._kept) <= playback.MOST_KEPT
    assert len(film._kept) * size[0] * size[1] <= 2 * playback.MOST_CELLS
    film.seek(0)
    assert film.screen.lines() == []
