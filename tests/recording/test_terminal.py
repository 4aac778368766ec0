"""The terminal of replays loses no text: what is printed is shown, or its omission is told (threats H7)."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.recording.replay import LeftOut, text
from l7gw.recording.terminal.emulator import Emulator
from l7gw.recording.terminal.unseen import safe
from tests.support.shown_terminal import Piece, recording, screen, shown
from tests.support.vector_files import Vector, vectors


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
