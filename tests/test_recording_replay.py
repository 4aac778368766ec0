"""A replay never hands the recording's own bytes to the auditor's terminal (threats H7)."""

from __future__ import annotations

import re

import pytest

from l7gw.recording import events as e
from l7gw.recording.export import Exec
from l7gw.recording.replay import LONGEST_PAUSE, final_screen, play, safe
from l7gw.recording.replay import written as lines_written

ATTACKS = {
    "clipboard": b"\x1b]52;c;aGVsbG8=\x07",
    "title": b"\x1b]0;owned\x07",
    "title report": b"\x1b[21t",
    "device attributes": b"\x1b[c\x1b[>c\x1b[=c",
    "cursor report": b"\x1b[6n",
    "status string": b'\x1bP$q"p\x1b\\',
    "termcap": b"\x1bP+q544e\x1b\\",
    "application command": b"\x1b_Gf=24,s=1,v=1;AAAA\x1b\\",
    "privacy message": b"\x1b^secret\x1b\\",
    "hyperlink": b"\x1b]8;;https://evil\x1b\\click\x1b]8;;\x1b\\",
    "eight-bit": b"\x9b6n\x9d52;c;x\x9c",
    "answerback": b"\x05",
    "alternate screen": b"\x1b[?1049h",
    "mouse": b"\x1b[?1003h\x1b[?1006h",
    "scroll region": b"\x1b[9999;9999r",
    "huge count": b"\x1b[999999999@\x1b[999999999b",
    "bidi": "\u202egnp.exe\u2066".encode(),
    "broken": b"\x1b[\x1b]\x1bP\xff\xfe\x1b",
}
# a row's text, colours, and the player's own cursor movements: nothing else may be written
ALLOWED = re.compile(
    r"(?:[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\x1b\[[0-9;]*m|\x1b\[\d+;\d+H|\x1b\[K|\x1b\[2J|\x1b\[H|\x1b\[\?7[lh]|\n\Z)*"
)


def recorded(data: bytes, *, tty: bool = True, pauses: float = 0.0) -> Exec:
    frames = [e.Frame(int(n * pauses * 1e6), 1, "stdout", False, 1, bytes((b,))) for n, b in enumerate(data)]
    return Exec(1, "/exec", "web-0", 0, tty, frames, "complete")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("tty", [True, False])
def test_no_escape_sequence_of_a_recording_comes_through(attack: bytes, tty: bool) -> None:
    one = recorded(b"before\r\n" + attack + b"\r\nafter\r\n", tty=tty)
    written: list[str] = []
    play(one, written.append, lambda _: None)
    for text in ["".join(written), *final_screen(one, colour=True)]:
        assert ALLOWED.fullmatch(text), repr(text)
    assert "owned" not in "".join(final_screen(one)) or not tty


def test_the_screen_is_what_stood_there() -> None:
    data = b"one\r\ntwo\x1b[1A\r\x1b[31mred\x1b[0m\x1b[2B\rthree\x1b[K"
    assert final_screen(recorded(data)) == ["red", "two", "three"]
    assert final_screen(recorded(data), colour=True)[0] == "\x1b[0m\x1b[31mred\x1b[0m"


def test_without_a_terminal_all_lines_are_shown() -> None:
    assert final_screen(recorded(b"".join(b"line %d\n" % n for n in range(200)), tty=False)) == [f"line {n}" for n in range(200)]


def test_a_replay_keeps_the_pace_and_cuts_long_pauses() -> None:
    slept: list[float] = []
    play(recorded(b"abc", pauses=0.5), lambda _: None, slept.append)
    assert sum(slept) == pytest.approx(1.0)
    slept.clear()
    play(recorded(b"abc", pauses=0.5), lambda _: None, slept.append, speed=2)
    assert sum(slept) == pytest.approx(0.5)
    slept.clear()
    play(recorded(b"ab", pauses=3600), lambda _: None, slept.append)
    assert sum(slept) == pytest.approx(LONGEST_PAUSE)


def test_a_resize_changes_the_screen() -> None:
    one = recorded(b"x" * 10)
    one.frames = [e.Frame(0, 1, "resize", True, 4, b'{"Width":5,"Height":3}'), *one.frames]
    assert final_screen(one) == ["xxxxx", "xxxxx"]


def test_safe_text_has_no_control_or_direction_characters() -> None:
    assert safe("a\tb\x1b\u202e\x9b") == "a b\ufffd\ufffd\ufffd"


def test_a_small_terminal_shows_the_last_rows() -> None:
    written: list[str] = []
    play(recorded(b"one\r\ntwo\r\nthree"), written.append, lambda _: None, rows=2)
    shown = "".join(written)
    assert "one" not in shown and "two" in shown and "three" in shown
    assert max(int(row) for row in re.findall(r"\x1b\[(\d+);1H", shown)) <= 2


def test_lines_of_stdout_and_stderr_are_kept_whole_and_runes_too() -> None:
    rune = "ä".encode()
    frames = [
        e.Frame(0, 1, channel, False, 1, data)
        for channel, data in [("stdout", b"a" + rune[:1]), ("stderr", b"oh\r\nno"), ("stdout", rune[1:] + b"b\n"), ("error", b"{}")]
    ]
    assert final_screen(Exec(1, "/exec", "web-0", 0, False, frames, "complete")) == ["oh", "aäb", "no"]


def test_a_line_without_an_end_is_bounded() -> None:
    frames = [e.Frame(0, 1, "stdout", False, 1, bytes(b"x" * 600_000)) for _ in range(4)]
    assert [len(line) for line in lines_written(Exec(1, "/exec", "web-0", 0, False, frames))] == [1_200_000, 1_200_000]


@pytest.mark.parametrize("begin", [b"\x1bP", b"\x1bX", b"\x1b^", b"\x1b_", "\x90".encode(), "\x9f".encode()])
@pytest.mark.parametrize("end", [b"\x1b\\", "\x9c".encode(), b"\x18", b"\x1a", b"\x1b[0m"])
def test_control_strings_are_dropped_with_their_contents_however_they_are_cut(begin: bytes, end: bytes) -> None:
    data = b"one " + begin + b'$q"p secret \x07 text' + end + b"two"
    assert final_screen(recorded(data)) == ["one two"]
    whole = Exec(1, "/exec", "web-0", 0, True, [e.Frame(0, 1, "stdout", False, 1, data)], "complete")
    assert final_screen(whole) == ["one two"]
