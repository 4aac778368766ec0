"""A replay never hands the recording's own bytes to the auditor's terminal (threats H7)."""

from __future__ import annotations

import re

import pytest

from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.playback import LONGEST_PAUSE
from l7gw.recording.replay import LeftOut, final_screen, printed, text, title
from l7gw.recording.shown_lines import Line, Written
from tests.support.watched import seen

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
# A row's text, colours, and the player's own cursor movements. Nothing else may be written.
ALLOWED = re.compile(
    r"(?:[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\x1b\[[0-9;]*m|\x1b\[\d+;\d+H|\x1b\[K|\x1b\[2J|\x1b\[H|\x1b\[\?(?:7|25)[lh]|\n)*"
)


def recorded(data: bytes, *, tty: bool = True, pauses: float = 0.0) -> Exec:
    frames = [e.Frame(int(n * pauses * 1e6), 1, "stdout", False, 1, bytes((b,))) for n, b in enumerate(data)]
    return Exec(1, "/exec", "web-0", 0, tty, frames, "complete")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("tty", [True, False])
def test_no_escape_sequence_of_a_recording_comes_through(attack: bytes, tty: bool) -> None:
    one = recorded(b"before\r\n" + attack + b"\r\nafter\r\n", tty=tty)
    written: list[str] = []
    seen(one, written.append, LeftOut())
    for line in ["".join(written), *final_screen(one, LeftOut(), colour=True), *text(one, LeftOut())]:
        assert ALLOWED.fullmatch(line), repr(line)
    assert "owned" not in "".join(final_screen(one, LeftOut()))


def test_a_final_screen_has_the_rows_that_stood_there() -> None:
    data = b"one\r\ntwo\x1b[1A\r\x1b[31mred\x1b[0m\x1b[2B\rthree\x1b[K"
    assert final_screen(recorded(data), LeftOut()) == ["red", "two", "three"]
    assert final_screen(recorded(data), LeftOut(), colour=True)[0] == "\x1b[0m\x1b[31mred\x1b[0m"


def test_text_of_a_command_without_a_terminal_has_all_its_lines() -> None:
    one = recorded(b"".join(b"line %d\n" % n for n in range(200)), tty=False)
    assert list(text(one, LeftOut())) == [f"line {n}" for n in range(200)]


def test_a_replay_keeps_the_pace_and_cuts_long_pauses() -> None:
    def took(one: Exec, **how: float) -> float:
        return seen(one, lambda _: None, LeftOut(), **how)  # type: ignore[arg-type]

    assert took(recorded(b"abc", pauses=0.5)) == pytest.approx(1.0)
    assert took(recorded(b"abc", pauses=0.5), speed=2) == pytest.approx(0.5)
    assert took(recorded(b"ab", pauses=3600)) == pytest.approx(LONGEST_PAUSE)
    assert took(recorded(b"ab", pauses=3600), longest_pause=float("inf")) == pytest.approx(3600)


def test_a_resize_changes_the_screen() -> None:
    one = recorded(b"x" * 10)
    one.frames = [e.Frame(0, 1, "resize", True, 4, b'{"Width":5,"Height":3}'), *one.frames]
    assert final_screen(one, LeftOut()) == ["xxxxx", "xxxxx"]


def test_a_small_terminal_shows_the_last_rows_and_their_beginnings_and_tells_the_rest() -> None:
    written: list[str] = []
    left_out = LeftOut()
    seen(recorded(f"one\r\ntwo\u200b{'y' * 30}\r\nthree".encode()), written.append, left_out, size=(12, 2))
    shown = "".join(written)
    assert "one" not in shown and "two\\u200byyy\x1b" in shown and "three" in shown
    assert max(int(row) for row in re.findall(r"\x1b\[(\d+);1H", shown)) <= 2
    assert left_out == LeftOut(lines=2)
    assert left_out.sentence().startswith("2 lines of text")


def test_lines_that_left_the_screen_before_they_were_drawn_are_counted() -> None:
    quick, slow = LeftOut(), LeftOut()
    seen(recorded(b"secret\r\x1b[Kls"), lambda _: None, quick)
    seen(recorded(b"secret\r\x1b[Kls", pauses=0.1), lambda _: None, slow)
    assert (quick.lines, slow.lines) == (1, 0)


@pytest.mark.parametrize("tty", [True, False])
def test_a_recording_without_bytes_says_so(tty: bool) -> None:
    channels = [("resize", b""), ("stdout", b""), ("stdout", b""), ("error", b"")]
    frames = [e.Frame(0, 1, channel, False, 1, data) for channel, data in channels]
    left_out = LeftOut()
    assert list(text(Exec(1, "/exec", "web-0", 0, tty, frames, "complete"), left_out)) == []
    assert left_out.sentence() == "the bytes of 4 messages, which were not recorded (`record: metadata`)"
    for some in (frames[:1], [*frames, e.Frame(0, 1, "error", False, 3, b"{}")]):
        left_out = LeftOut()
        assert list(text(Exec(1, "/exec", "web-0", 0, tty, some, "complete"), left_out)) == []
        assert left_out.sentence() == ""


def test_a_final_screen_counts_the_lines_and_strings_that_it_does_not_have() -> None:
    left_out = LeftOut()
    data = b"".join(b"%d\r\n" % number for number in range(30)) + b"x\ry\x1b]0;title\x07\x1b[?1049h"
    assert final_screen(recorded(data), left_out) == []
    assert left_out == LeftOut(lines=30 + 2, strings=1, characters=7)
    assert left_out.sentence() == (
        "32 lines of text that passed before the screen was drawn or had no room on it and "
        "1 control string that are no text, such as window titles and pictures (7 characters)"
    )
    assert LeftOut().sentence() == ""


def test_lines_of_stdout_and_stderr_are_kept_whole_and_runes_too() -> None:
    rune = "ä".encode()
    frames = [
        e.Frame(0, 1, channel, False, 1, data)
        for channel, data in [("stdout", b"a" + rune[:1]), ("stderr", b"oh\r\nno"), ("stdout", rune[1:] + b"b\n"), ("error", b"{}")]
    ]
    assert list(text(Exec(1, "/exec", "web-0", 0, False, frames, "complete"), LeftOut())) == ["oh", "aäb", "no"]


def test_a_line_without_an_end_is_bounded() -> None:
    frames = [e.Frame(0, 1, "stdout", False, 1, bytes(b"x" * 600_000)) for _ in range(4)]
    written = Written()
    assert [len(line.text) for frame in frames for line in written.take(frame)] == [1_200_000, 1_200_000]


BEGINNINGS = [b"\x1bP", b"\x1bX", b"\x1b^", b"\x1b_", "\x90".encode(), "\x9f".encode()]


@pytest.mark.parametrize("begin", BEGINNINGS)
@pytest.mark.parametrize("end", [b"\x1b\\", "\x9c".encode()])
def test_whole_control_strings_are_not_on_the_screen_however_they_are_cut(begin: bytes, end: bytes) -> None:
    data = b"one " + begin + b'$q"p secret \x07 text' + end + b"two"
    whole = Exec(1, "/exec", "web-0", 0, True, [e.Frame(0, 1, "stdout", False, 1, data)], "complete")
    for one in (recorded(data), whole):
        left_out = LeftOut()
        assert final_screen(one, left_out) == ["one two"]
        assert left_out == LeftOut(strings=1, characters=18)


@pytest.mark.parametrize("begin", [*BEGINNINGS, b"\x1b]"])
@pytest.mark.parametrize("end", [b"\x18", b"\x1a", b"\x1b[0m", b"\r\n", b"\t", b""])
def test_control_strings_that_are_not_ended_are_text(begin: bytes, end: bytes) -> None:
    """A terminal drops such a string, or all that follows it. So an attacker could write text that nobody sees."""
    data = b"one " + begin + b"cat .env" + end
    whole = Exec(1, "/exec", "web-0", 0, True, [e.Frame(0, 1, "stdout", False, 1, data)], "complete")
    for one in (recorded(data), whole):
        left_out = LeftOut()
        assert "cat .env" in final_screen(one, left_out)[0]
        assert left_out == LeftOut()


def test_a_title_says_time_who_where_how_it_ended_and_the_command_last() -> None:
    status = b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"2"}]}}'
    one = Exec(7, "/exec", "web-0", 0, True, namespace="dev", container="app", argv=("sh", "-c", "ls /"), status=status)
    assert title(one, "ann", "prod", "complete").partition(", ")[::2] == (
        "call 7",
        title(one, "ann", "prod", "").partition(", ")[2],
    )
    assert title(one, "ann", "prod", "").endswith(", ann on prod, exit 2: exec -n dev web-0 -c app -- sh -c 'ls /'")
    assert title(Exec(8, "/attach", "web-0", 0, True), "ann", "prod", "cut (time)").endswith(
        ", ann on prod, cut (time): attach web-0"
    )


def test_no_recorded_line_looks_like_one_of_ours() -> None:
    assert printed(Line(0, "call 7", ours=True)) == "== call 7"
    assert printed(Line(0, "== call 7")) == "\\u003d= call 7"
    assert printed(Line(0, " == call 7")) == " == call 7"
    for tty in (True, False):
        assert next(text(recorded(b"==\x1b[K call 9\r\n\r\n", tty=tty), LeftOut())).startswith("\\u003d=")
