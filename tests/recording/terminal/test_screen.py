"""The screen: its lines in reading order, scrolling, wrapped lines and the alternate screen."""

from __future__ import annotations

from tests.support.shown_terminal import screen, shown


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
