"""Keys come one by one, and the terminal is as it was before in every end."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.cli.keyboard import keys_of
from tests.support.pty_programs import OnPty

CHILD = """
from l7gw.cli.keyboard import Keyboard
with Keyboard() as keys:
    print("ready", flush=True)
    while "q" not in (found := keys.wait(None)):
        print("got", *found, ".", flush=True)
        if "x" in found:
            raise RuntimeError("a bug")
print("left", flush=True)
"""
MODE = 3  # of a terminal's attributes: the local modes


@pytest.fixture
def child() -> Iterator[OnPty]:
    it = OnPty(CHILD)
    it.until(b"ready")
    assert not it.attributes()[MODE] & (termios.ICANON | termios.ECHO) and it.attributes()[MODE] & termios.ISIG
    yield it
    it.close()


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", ["q"]), (b"+-", ["+", "-"]), (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]), (b"\x1bOA", ["up"]),
        (b"\x1b", []), (b"\x1b[", []), (b"\x1b[5~a", ["a"]), (b"\x1b[1;5Cb", ["b"]), (b"\x1b[M", []), ("ä".encode(), []), (b"\x00\x7f\r", []), (b" ", [" "]),
    ],
)  # fmt: skip
def test_keys_are_read_as_xterm_sends_them_and_others_are_left_out(sent: bytes, keys: list[str]) -> None:
    assert keys_of(sent) == keys


@given(st.binary(max_size=30))
def test_no_bytes_of_a_terminal_raise(data: bytes) -> None:
    assert all(key in ("up", "down", "left", "right") or len(key) == 1 for key in keys_of(data))


def test_keys_come_as_they_are_pressed_and_the_terminal_is_given_back(child: OnPty) -> None:
    child.press(b"a")
    child.until(b"got a .")
    child.press(b"\x1b[C")
    child.until(b"got right .")
    child.press(b"q")
    assert b"\x1b[0m\x1b[?7h\x1b[?25h" in child.until(b"left")
    assert child.process.wait() == 0 and child.attributes() == child.before


@pytest.mark.parametrize(
    ("end", "status"),
    [(signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1), (signal.SIGQUIT, 128 + 3), (signal.SIGINT, -2), (b"x", 1)],
    ids=["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT", "a bug"],
)
def test_the_terminal_is_given_back_whatever_ends_the_program(child: OnPty, end: signal.Signals | bytes, status: int) -> None:
    if isinstance(end, bytes):
        child.press(end)
    else:
        child.process.send_signal(end)
    child.until(b"\x1b[0m\x1b[?7h\x1b[?25h")
    assert child.process.wait() == status and child.attributes() == child.before


def test_a_stopped_program_gives_the_terminal_back_and_takes_it_again(child: OnPty) -> None:
    for _ in range(2):
        child.process.send_signal(signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(child.process.pid, os.WUNTRACED)[1])
        assert child.attributes() == child.before
        child.until(b"\x1b[0m\x1b[?7h\x1b[?25h")
        child.process.send_signal(signal.SIGCONT)
        child.until(b"got stopped resize")
        assert child.attributes() != child.before
    child.press(b"q")
    child.until(b"left")
    assert child.process.wait() == 0 and child.attributes() == child.before


def test_another_size_is_told(child: OnPty) -> None:
    child.process.send_signal(signal.SIGWINCH)
    child.until(b"got resize .")


def test_a_terminal_that_is_gone_ends_it() -> None:
    it = OnPty(CHILD)
    it.until(b"ready")
    os.close(it._ours)
    os.close(it._theirs)
    it.process.wait(30)
