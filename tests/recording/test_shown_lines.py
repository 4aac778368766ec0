"""The lines that an exec showed have the time at which they were whole."""

from __future__ import annotations

from l7gw.recording import events as e
from l7gw.recording.shown_lines import LONGEST_LINE, Line, TerminalLines, Written


def frame(time: int, data: bytes, channel: str = "stdout") -> e.Frame:
    return e.Frame(time, 1, channel, up=False, stream=1, data=data)


def shown(*frames: e.Frame) -> list[tuple[int, str]]:
    lines = TerminalLines((10, 3))
    return [(line.time, line.text) for one in frames for line in lines.take(one)] + [(one.time, one.text) for one in lines.finish()]


def written(*frames: e.Frame) -> list[Line]:
    lines = Written()
    return [line for one in frames for line in lines.take(one)] + lines.finish()


def test_a_line_on_a_terminal_has_the_time_of_its_last_character() -> None:
    assert shown(frame(1, b"$ l"), frame(2, b"s"), frame(3, b"\r\n"), frame(4, b"a\r\nb\r\nc\r\nd")) == [
        (2, "$ ls"), (4, "a"), (4, "b"), (4, "c"), (4, "d"),
    ]  # fmt: skip


def test_a_line_that_is_erased_later_keeps_its_time() -> None:
    assert shown(frame(1, b"secret"), frame(5, b"\r\x1b[Kls")) == [(1, "secret"), (5, "ls")]


def test_a_line_that_is_wrapped_has_the_time_of_its_last_row() -> None:
    assert shown(frame(1, b"0123456789"), frame(2, b"abc")) == [(2, "0123456789abc")]


def test_a_written_line_has_the_time_of_its_end() -> None:
    lines = written(frame(1, b"o"), frame(2, b"ne\ntw"), frame(3, b"err\n", "stderr"), frame(4, b"o"))
    assert [(line.time, line.text) for line in lines] == [(2, "one"), (3, "err"), (4, "two")]


def test_a_part_of_a_longer_line_says_that_it_goes_on() -> None:
    long = b"x" * (LONGEST_LINE + 1)
    assert [(len(line.text), line.goes_on) for line in written(frame(1, long), frame(2, b"y\n"))] == [
        (len(long), True),
        (1, False),
    ]
    wide = TerminalLines((1000, 2))
    lines = [line for at in range(3) for line in wide.take(frame(at, b"x" * 600_000))] + wide.finish()
    assert [line.goes_on for line in lines] == [True, False] and sum(len(line.text) for line in lines) == 1_800_000
