"""What only scrolls is not drawn, and gives the same lines as if it were."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording.scrolling import BLANKS, LEAST_COLUMNS, LONGEST, Scrolling, plain
from l7gw.recording.shown_lines import Line, TerminalLines

NEVER = 10**9  # screens of plain lines
PLAIN = [
    "a",
    "line of text\r\n",
    "\r\n",
    "\x1b[31mred\x1b[0m\r\n",
    "ä\r\n",
    "end  \r\n",
    "   in\r\n",
    "x" * 100 + "\r\n",
    "same\r\n",
]
OTHER = ["\t", "\r", "\x1b[A", "\x1b[2J", "\x1b[2;4r", "\x1b[?7l", "\x1b[?7h", "\x1b[4h", "\x1b[4l", "\x1b[?1049h", "\x1b[?1049l", "中", "e\u0301", "\x1b]0;t", "\x07", "\x1b[3b", "\x1b", BLANKS, "\x08", "\n", "\x1b[H"]  # fmt: skip
SCROLLED = st.lists(st.sampled_from(PLAIN), max_size=40).map("".join)


def lines(output: str, length: int, size: tuple[int, int], screens: int) -> list[Line]:
    data = output.encode()
    terminal = TerminalLines(size, screens=screens)
    frames = [e.Frame(at, 1, "stdout", False, 1, data[at : at + length]) for at in range(0, len(data), length)]
    middle = [e.Frame(len(data) // 2, 1, "resize", True, 4, b'{"Width":%d,"Height":%d}' % (size[0], size[1] + 1))]
    return [line for frame in frames + middle + frames for line in terminal.take(frame)] + terminal.finish()


def times_of_rows(told: list[Line], columns: int) -> list[Line]:
    """Lines, of which those that were wrapped have no time: where a changed screen cuts one whose rows came at different times, it is
    told with that of its last row, and where all is drawn with that of the last that it shows."""
    return [line._replace(time=0) if len(line.text) > columns else line for line in told]


@given(
    pieces=st.lists(st.one_of(SCROLLED, SCROLLED, st.sampled_from(OTHER)), max_size=6),
    length=st.integers(1, 300),
    rows=st.integers(1, 4),
    columns=st.sampled_from([LEAST_COLUMNS - 1, LEAST_COLUMNS, 80]),
)
@example(pieces=["line\r\n" * 30, "\x1b[A\x1b[Aup", "\r\n" * 9], length=1000, rows=4, columns=80)
@example(pieces=["\x1b[A", "line of text\r\n" * 4 + "ä\r\nline of text\r\n"], length=12, rows=3, columns=41)
@example(pieces=["line of text\r\n" * 4, "\x1b[A", "a"], length=2, rows=1, columns=41)
@example(pieces=["line of text\r\n" * 6 + "x" * 100 + "\r\n", "\x1b[2;4r"], length=2, rows=3, columns=41)
def test_the_lines_are_those_of_a_terminal_that_draws_everything(pieces: list[str], length: int, rows: int, columns: int) -> None:
    output = "".join(pieces)
    drawn = lines(output, length, (columns, rows), NEVER)
    assert times_of_rows(lines(output, length, (columns, rows), 2), columns) == times_of_rows(drawn, columns)


def test_plain_lines_are_not_drawn_once_they_fill_the_screen_twice() -> None:
    terminal = TerminalLines((80, 10))
    left = terminal.take(e.Frame(1, 1, "stdout", False, 1, b"".join(b"line %d\r\n" % number for number in range(1000))))
    assert [line.text for line in left] == [f"line {number}" for number in range(990)]
    assert terminal.player.screen.lines()[0] == "line 11", "this is where it was left"
    terminal.take(e.Frame(2, 1, "stdout", False, 1, b"\x1b[H"))
    assert terminal.player.screen.lines()[0] == "line 991"


@pytest.mark.parametrize("text", [*OTHER, "x" * (LONGEST + 1), "x" * (LONGEST + 1) + "\r\n"])
def test_what_is_more_than_plain_lines_is_not_taken(text: str) -> None:
    scrolling = Scrolling(2)
    assert scrolling.take(1, "one\r\ntwo\r\nthr") == []
    if text in ("\r", "\x1b"):  # it may be the beginning of a line's end, or of a colour
        assert scrolling.take(2, text) == [] and scrolling.take(2, "x") is None
        return
    assert plain(text) == (len(text) > LONGEST) and scrolling.take(2, text) is None
    assert scrolling.leave() == [(1, "one\r\n"), (1, "two\r\n"), (1, "thr")]
