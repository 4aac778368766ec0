"""Control sequences do to the screen what another implementation makes of them."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.recording.terminal.emulator import Emulator

TEXT = st.text(alphabet="abcdefgh ", min_size=1, max_size=25)
SIDEWAYS = st.builds(lambda n, final: f"\x1b[{n}{final}", st.integers(1, 30), st.sampled_from("CDGa@LMPX"))
UP_AND_DOWN = st.builds(lambda n, final: f"\x1b[{n}{final}", st.integers(1, 30), st.sampled_from("ABEFde"))
ERASES = st.sampled_from(["\x1b[J", "\x1b[1J", "\x1b[2J", "\x1b[K", "\x1b[1K", "\x1b[2K"])
PLACES = st.builds(lambda row, column: f"\x1b[{row};{column}H", st.integers(0, 8), st.integers(0, 24))
WITHIN = st.builds(lambda row, column: f"\x1b[{row};{column}f", st.integers(0, 4), st.integers(0, 24))
OTHERS = st.sampled_from(["\r\n", "\n", "\r", "\t", "\x1bD", "\x1bM", "\x1b7\x1b[m", "\x1b[1m", "\x1b[31;44m"])


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.lists(st.one_of(TEXT, TEXT, SIDEWAYS, ERASES, OTHERS, UP_AND_DOWN, PLACES), max_size=25),
        st.lists(st.one_of(TEXT, TEXT, SIDEWAYS, ERASES, OTHERS, WITHIN), max_size=25).map(
            lambda pieces: ["\x1b[1;4r\x1b[H", *pieces]
        ),
    )
)
def test_sequences_that_pyte_knows_are_shown_as_pyte_shows_them(pieces: list[str]) -> None:
    """The cursor stays within the margins: from outside, pyte would jump to them."""
    theirs = pyte.Screen(20, 6)
    stream = pyte.Stream(theirs)
    ours = Emulator(20, 6)
    for piece in pieces:
        if len(piece) > 1 and piece[0] == "\x1b" and ours.screen.cursor.x == 20:
            # Where the cursor waits behind the last column, pyte counts from there, xterm from the last column.
            for one in (stream.feed, ours.feed):
                one("\r")
        assert len(theirs.display) == 6  # `display` makes missing rows, which pyte does not do when lines are deleted
        stream.feed(piece)
        ours.feed(piece)
    lines = [line.rstrip() for line in theirs.display]
    while lines and not lines[-1]:
        lines.pop()
    assert ours.screen.lines() == lines
