"""The terminal of replays loses no text: what is printed is shown, or its omission is told (threats H7)."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from types import FrameType
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.recording import events as e
from l7gw.recording.export import Exec
from l7gw.recording.replay import LeftOut, text
from l7gw.recording.terminal.emulator import Emulator
from l7gw.recording.terminal.parser import LONGEST_SEQUENCE, LONGEST_STRING
from l7gw.recording.terminal.screen import MOST_MARKS
from l7gw.recording.terminal.style import RGB, Style
from l7gw.recording.terminal.unseen import safe, width
from tests.support.vector_files import Vector, vectors

Piece = str | tuple[int, int]  # output, or a size


def recording(*pieces: Piece, size: tuple[int, int] = (80, 24)) -> Exec:
    frames = [
        e.Frame(0, 1, "stdout", False, 1, piece.encode())
        if isinstance(piece, str)
        else e.Frame(0, 1, "resize", True, 4, b'{"Width":%d,"Height":%d}' % piece)
        for piece in ((size), *pieces)
    ]
    return Exec(1, "/exec", "web-0", 0, True, frames, "complete")


def shown(*pieces: Piece, size: tuple[int, int] = (80, 24)) -> str:
    """What `replay --text` prints."""
    return "\n".join(text(recording(*pieces, size=size), LeftOut()))


def screen(output: str, columns: int = 80, rows: int = 24) -> list[str]:
    emulator = Emulator(columns, rows)
    emulator.feed(output)
    emulator.finish()
    return emulator.screen.lines()


def _size(word: str) -> tuple[int, int]:
    columns, rows = word.split("x")
    return int(columns), int(rows)


@pytest.mark.parametrize("vector", vectors("terminal"), ids=lambda vector: vector.name)
def test_printed_text_is_shown_as_its_vector_says(vector: Vector) -> None:
    then = [_size(word) for word in vector.fields.get("then", "").split()]
    assert vector.fields["expect"] in shown(vector.data.decode(), *then, size=_size(vector.fields["size"]))


@pytest.mark.parametrize("vector", [one for one in vectors("terminal") if "screen" in one.fields], ids=lambda vector: vector.name)
def test_a_real_programs_screen_is_as_tmux_has_it(vector: Vector) -> None:
    assert screen(vector.data.decode()) == json.loads(vector.fields["screen"])


# ---------------------------------------------------------------------- the invariant

# Printable characters. An output has each at most once, so that every one of them can be looked for. None is ASCII, because ASCII
# may belong to a sequence.
POOL = [chr(code) for first, last in ((0xA1, 0x17F), (0x300, 0x33F), (0x400, 0x47F), (0x4E00, 0x4F00), (0x1F600, 0x1F640)) for code in range(first, last) if chr(code).isprintable()]  # fmt: skip
NUMBERS = st.sampled_from(["", "0", "1", "2", "3", "5", "7", "24", "80", "999", "1049", "47", "65536", "1" * 12, "4:3", "38:2"])
CSI = st.builds(
    lambda prefix, numbers, between, final: f"\x1b[{prefix}{';'.join(numbers)}{between}{final}",
    st.sampled_from(["", "", "", "?", "?", ">", "=", "<", "!", "1?"]),
    st.lists(NUMBERS, max_size=4),
    st.sampled_from(["", "", "", "", " ", "$", "!", "'"]),
    st.sampled_from([chr(code) for code in range(0x40, 0x7F)]),
)
ESCAPE = st.builds(lambda between, final: f"\x1b{between}{final}", st.sampled_from(["", "", "#", "(", "%", " "]), st.sampled_from([chr(code) for code in range(0x30, 0x7F)]))  # fmt: skip
CONTROL = st.sampled_from([chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))])
PARTS = st.sampled_from(["\x1b", "\x1b[", "\x1b[1;2", "\x1b]0;", "\x1bP", "\x1bX", "\x1b^", "\x1b_", "\x1b\\", "\x07", "\x18", "\r\n", "\r\n", "\u200b", "\u202e", "a", " "])  # fmt: skip
MODES = st.sampled_from(["\x1b[?7l", "\x1b[4h", "\x1b[?6h", "\x1b[2;4r", "\x1b[?1049h", "\x1b[?1049l", "\x1b7", "\x1b8"])
SIZES = st.tuples(st.sampled_from([0, 1, 2, 3, 10, 80, 1000]), st.sampled_from([0, 1, 2, 5, 24, 1000]))
PIECES = st.lists(st.one_of(st.integers(1, 30), st.integers(1, 30), CSI, CSI, ESCAPE, CONTROL, PARTS, MODES, SIZES), max_size=40)


@settings(max_examples=250, deadline=None)
@given(PIECES, st.permutations(range(8)))
def test_every_printable_character_is_shown_or_told(pieces: list[int | Piece], order: list[int]) -> None:
    """The sequences around it may be known, unknown, private, broken or without end; the sizes may be any."""
    left = [character for part in order for character in POOL[part::8]]
    printed = ""
    output: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, int):
            now, left = left[:piece], left[piece:]
            printed += "".join(now)
            output.append("".join(now))
        else:
            output.append(piece)
    left_out = LeftOut()
    found = "\n".join(text(recording(*output), left_out))
    missing = set(printed) - set(found)
    assert len(missing) <= left_out.characters, (missing, found)
    assert all(character == "\n" or safe(character) == character for character in found if character not in "\ufe0e\ufe0f")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(CSI, ESCAPE, CONTROL, PARTS, MODES, st.text(max_size=5)), max_size=30), st.integers(1, 7))
def test_how_an_output_was_cut_makes_no_difference(pieces: list[str], length: int) -> None:
    output = "".join(pieces)
    whole, parts = Emulator(20, 5), Emulator(20, 5)
    whole.feed(output)
    for at in range(0, len(output), length):
        parts.feed(output[at : at + length])
    for one in (whole, parts):
        one.finish()
    assert whole.screen.lines() == parts.screen.lines()
    assert (whole.strings, whole.characters_in_strings) == (parts.strings, parts.characters_in_strings)


def test_text_behind_every_sequence_is_shown() -> None:
    """The former emulator raised on 798 of these sequences, and dropped the rest of the frame."""
    finals = [chr(code) for code in range(0x40, 0x7F)]
    sequences = [
        f"\x1b[{prefix}{numbers}{between}{final}"
        for prefix in ("", "?", ">", "=", "<", "1?")
        for numbers in ("", "4", "2;3", "1:2;;9")
        for between in ("", " ", "$", "!")
        for final in finals
    ]
    sequences += [f"\x1b{between}{chr(code)}" for between in ("", "#", "(", "%", " ", "+%") for code in range(0x30, 0x7F)]
    sequences += [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
    for sequence in set(sequences) - {"\x1b[", "\x9b"}:  # here the text would end the sequence
        found = shown(f"text before{sequence}text behind")
        assert "text before" in found and "text behind" in found, sequence


def work(output: str, size: tuple[int, int]) -> int:
    """How many calls of Python and C functions it takes to show an output."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1

    one = recording(output, size=size)
    sys.setprofile(count)
    try:
        for _ in text(one, LeftOut()):
            pass
    finally:
        sys.setprofile(None)
    return calls


HOSTILE = {
    "alignment": "\x1b#8", "marks": "e\u0301\u0302\u0303", "joiners": "\u200b", "clear": "x\x1b[2J", "clear below": "\x1b[999Hx\x1b[H\x1b[J",
    "repeat": "x\x1b[999999999b", "insert": "x\x1b[999999@", "lines": "x\x1b[L", "scroll": "x\x1b[999S", "alternate": "\x1b[?1049hx\x1b[?1049l",
    "tabs": "\x1b[3g\t\rx", "over": "a\bb\b", "no wrap": "\x1b[?7l\x1b[999Cxy", "reset": "x\x1bc", "up": "\x1bMx\r", "long string": "\x1b]x" + "y" * 20,
    "broken": "\x1b[1" * 3, "colours": "\x1b[38;2;1;2;3mx", "margins": "\x1b[2;9rx\n", "titles": "\x1b]0;t\x07",
}  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_work_grows_as_the_output_does(piece: str) -> None:
    counts = [work(piece * number, (1000, 1000)) for number in (50, 100, 200)]
    first, second = (after - before for before, after in pairwise(counts))
    assert second <= 2.2 * first + 200
    assert work(piece * 200, (1000, 1000)) <= 12 * work(piece * 200, (80, 24)) + 3000


def test_work_for_a_long_line_or_string_grows_with_its_length_alone() -> None:
    for output in ("x" * 50_000, "e" + "\u0301" * 5_000, "\x1b]0;" + "y" * 50_000, "\x1b[" + "1" * 50_000):
        assert work(output, (80, 24)) < len(output) * 25 + 5000, output[:8]


# ---------------------------------------------------------------------- another implementation

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


# ---------------------------------------------------------------------- cases


def test_lines_of_a_screen_come_in_reading_order() -> None:
    output = "$ pip install\r\n10%\r20%\r100%\r\n$ ls\r\n" + "".join(f"file-{number}\r\n" for number in range(40))
    lines = shown(output).split("\n")
    assert lines == ["$ pip install", "10%", "20%", "100%", "$ ls", *(f"file-{number}" for number in range(40))]


def test_equal_lines_that_scroll_by_are_all_printed_and_rounds_of_a_spinner_are_not() -> None:
    assert shown("y\r\n" * 100).split("\n") == ["y"] * 100
    assert shown("wait |" + "\b/\b-\b\\\b|" * 100).split("\n") == ["wait |", "wait /", "wait -", "wait \\", "wait |"]


def test_a_line_that_was_wrapped_by_the_terminal_is_one_line() -> None:
    assert shown("x" * 1000 + "\r\nnext", size=(10, 3)).split("\n") == ["x" * 1000, "next"]
    assert shown("hunter2", size=(1, 1)) == "hunter2"


def test_the_screen_behind_an_editor_comes_back() -> None:
    assert screen("$ vi f\r\n\x1b[?1049h\x1b[H\x1b[2JFILE\r\n~\r\n\x1b[?1049l$ exit\r\n") == ["$ vi f", "$ exit"]
    assert screen("one\x1b[?47h\x1b[?47h\x1b[Htwo\x1b[?47l\x1b[?47l") == ["one"]


def test_wide_characters_take_two_cells_and_no_half_stays() -> None:
    assert screen("\u4e2d\u6587x", 4, 2) == ["\u4e2d\u6587", "x"]
    assert screen("a\u4e2d\u6587\x1b[3Gx") == ["a x\u6587"]
    assert screen("a\u4e2d\u6587\x1b[2Gx") == ["ax \u6587"]
    assert screen("\u4e2d\u4e2d\x1b[2G\x1b[K") == []
    assert screen("abc\u4e2d", 4, 2) == ["abc", "\u4e2d"]
    assert screen("\u4e2d", 1, 1) == ["\u4e2d"]


@pytest.mark.parametrize("half", ["\x1b[2G", "\x1b[1G"])
@pytest.mark.parametrize("sequence", ["\x1b[K", "\x1b[1K", "\x1b[X", "\x1b[P", "\x1b[@", "x", "\x1b[4hx", "\x1b[J", "\x1b[9@"])
def test_a_wide_character_whose_half_is_overwritten_is_shown(half: str, sequence: str) -> None:
    assert "\u4e2d" in shown(f"\u4e2d\u6587{half}{sequence}", size=(4, 2))
    assert "\u6587" in shown(f"\u4e2d\u6587{half}{sequence}", size=(4, 2))
    assert "\u4e2d" in shown("\u4e2d\u6587", (3, 2), (1, 2), (4, 2), size=(4, 2))


def test_marks_have_a_bound_and_none_is_lost() -> None:
    marks = "\u0301" * (MOST_MARKS * 3)
    (line,) = screen("e" + marks)
    assert line.count("\u0301") == len(marks) and len(line) > len(marks) + 1


def test_sequences_and_strings_beyond_their_limits_are_drawn() -> None:
    assert screen("\x1b[" + "1" * (LONGEST_SEQUENCE - 2) + "mx", 1000) == ["x"]
    assert screen("\x1b[" + "1" * (LONGEST_SEQUENCE - 1) + "mx", 1000) == ["\\u001b[" + "1" * (LONGEST_SEQUENCE - 1) + "mx"]
    emulator = Emulator(1000, 100)
    emulator.feed("\x1b]" + "y" * (LONGEST_STRING - 2) + "\x07")
    assert (emulator.strings, emulator.screen.lines()) == (1, [])
    emulator.feed("\x1b]" + "y" * (LONGEST_STRING - 1))
    assert emulator.strings == 1 and sum(map(len, emulator.screen.lines())) == LONGEST_STRING + 1 + len("\\u001b") - 1


def test_whole_strings_are_counted_and_broken_ones_drawn() -> None:
    emulator = Emulator(80, 24)
    emulator.feed("\x1b]0;title\x07\x1bPabc\x1b\\\x9fdef\x9cx\x1b_y\x1b[mz")
    assert (emulator.strings, emulator.characters_in_strings) == (3, len("0;title") + 3 + 3)
    assert emulator.screen.lines() == ["x\\u001b_yz"]


@pytest.mark.parametrize(
    ("style", "sequence"),
    [
        (Style(), ""),
        (Style(fg=1), "\x1b[31m"),
        (Style(fg=9, bg=100), "\x1b[91;48;5;100m"),
        (Style(fg=RGB | 0xFF8000, bold=True), "\x1b[1;38;2;255;128;0m"),
        (Style(conceal=True), "\x1b[7m"),
        (Style(fg=0, bg=0), "\x1b[7m"),
        (Style(fg=RGB | 0x010101, bg=16), "\x1b[7m"),
        (Style(fg=0), ""),
        (Style(fg=RGB | 0xFFFFFF), ""),
        (Style(fg=0, bg=7), "\x1b[30;47m"),
        (Style(bg=15), ""),
    ],
)
def test_no_colour_hides_text(style: Style, sequence: str) -> None:
    assert style.sequence() == sequence


@pytest.mark.parametrize(
    ("output", "style"),
    [
        ("\x1b[1;4;7m", Style(bold=True, underline=True, reverse=True)),
        ("\x1b[1;4;7m\x1b[22;24;27m", Style()),
        ("\x1b[38;5;200;48;2;1;2;3m", Style(fg=200, bg=RGB | 0x010203)),
        ("\x1b[38:2::1:2:3;48:5:7m", Style(fg=RGB | 0x010203, bg=7)),
        ("\x1b[4:0m", Style()),
        ("\x1b[4:3m", Style(underline=True)),
        ("\x1b[91;107m\x1b[39m", Style(bg=15)),
        ("\x1b[38;5m\x1b[38;2;1m\x1b[38;9m\x1b[48:5:999m", Style()),
        ("\x1b[8m\x1b[m", Style()),
        ("\x1b[?4m\x1b[>4;2m", Style()),
    ],
)
def test_colours_are_read_as_xterm_reads_them(output: str, style: Style) -> None:
    emulator = Emulator(80, 24)
    emulator.feed(output)
    assert emulator.screen.cursor.style == style


def test_characters_without_a_shape_are_shown_as_escapes() -> None:
    assert safe("ls\u200b; curl") == "ls\\u200b; curl"
    assert safe("a\u3164\u034f\U000e0041\u202e\x1b\x7f\x9b") == "a\\u3164\\u034f\\U000e0041\\u202e\\u001b\\u007f\\u009b"
    assert safe("\u26a0\ufe0f e\u0301 \ue0b0 \u4e2d") == "\u26a0\ufe0f e\u0301 \ue0b0 \u4e2d"
    assert safe("\ufe0f a\ufe0f\ufe0f \ufe01") == "\\ufe0f a\ufe0f\\ufe0f \\ufe01"
    assert safe("a\tb\u00a0c\u3000d") == "a b c  d"


@given(st.text(st.one_of(st.characters(), st.sampled_from("a \ufe0f\ufe0e\u200b\t\x1b\u3000\xa0\ufffd")), max_size=30))
def test_a_text_is_written_character_by_character(text: str) -> None:
    alone = "".join(safe(character) if character not in "\ufe0e\ufe0f" else "" for character in text)
    written = safe(text)
    for selector in "\ufe0e\ufe0f":
        written = written.replace(selector, "").replace(f"\\u{ord(selector):04x}", "")
    assert written == alone


def test_odd_characters_by_the_million_cost_no_call_each() -> None:
    """An archive that is printed on a screen has as many."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1

    text = "".join(map(chr, range(256))) * 100 + "\ufffd" * 10_000
    sys.setprofile(count)
    try:
        safe(text)
    finally:
        sys.setprofile(None)
    assert calls < len(text) / 10


def test_the_width_of_a_character_is_its_columns() -> None:
    assert [width(character) for character in "a\u4e2d\u0301\u200b\u1160\U0001f600\xad"] == [1, 2, 0, 0, 0, 2, 0]
