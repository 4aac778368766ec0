"""Lines are written in order by another thread. A reader who is slow or gone costs lines, which are counted, and never time."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.supervisor import line_writer
from l7gw.supervisor.line_writer import MOST_WAITING, RETRY_AFTER, ROW, LineWriter
from tests.support.faults import until


def writer(descriptor: int, retry_after: float = RETRY_AFTER) -> LineWriter[str]:
    return LineWriter(
        descriptor,
        lambda lines: "".join(f"{line}\n" for line in lines).encode(),
        lambda count: f"{count} dropped\n".encode(),
        retry_after,
    )


def counted(data: bytes) -> int:
    """The lines of a text: those that stand there, and those that it says were dropped."""
    dropped = re.findall(rb"^(\d+) dropped$", data, re.MULTILINE)
    return sum(map(int, dropped)) + data.count(b"\n") - len(dropped)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError as error:
            assert error.errno == errno.EBADF  # the test has closed it


def whole(descriptor: int) -> bytes:
    """All that stands in a pipe whose writer is closed."""
    return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))


def test_lines_come_whole_and_in_their_order_by_both_ways(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    it = writer(end)
    for number in range(500):
        (it.put_now if number % 7 == 0 else it.put)(str(number))
    it.close()
    os.close(end)
    assert whole(reader).decode().split() == [str(number) for number in range(500)]


def test_a_pipe_that_nobody_reads_keeps_nobody_waiting_and_its_lost_lines_are_told_when_it_flows(pipe: tuple[int, int]) -> None:
    """The pipe takes 64 KiB, the queue MOST_WAITING lines. `put` returns for all others too, or this test would not end."""
    reader, end = pipe
    it = writer(end)
    many = MOST_WAITING + 20_000
    for number in range(many):
        it.put_now(f"{number} {'x' * 50}")
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(whole(reader)))
    reading.start()
    it.put_now("the last")
    it.close(within=30)
    os.close(end)
    reading.join()
    assert counted(got[0]) == many + 1
    assert b" dropped\n" in got[0]
    kept = [int(line.split()[0]) for line in got[0].decode().splitlines() if "x" in line]
    assert kept == sorted(kept), "what is written keeps its order"


def test_a_writer_whose_reader_is_stuck_ends_in_its_time(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    it = writer(end)
    for _ in range(5000):
        it.put("x" * 100)
    it.close(within=0.1)  # returns, or the suite's timeout ends this test
    os.close(reader)
    it._thread.join()  # before another test has a file of this number


def test_lines_that_no_reader_took_are_told_to_the_next_one(tmp_path: Path) -> None:
    """A named pipe keeps its descriptor when its reader goes (EPIPE), and another may come, as journald after a restart."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    end = os.open(fifo, os.O_WRONLY)
    it = writer(end, retry_after=0.01)
    it.put_now("first")
    until(lambda: _read(reader) == b"first\n")
    os.close(reader)
    for number in range(10):
        it.put_now(f"unheard {number}")
    until(lambda: it._lost == 10)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    heard = b""

    def told() -> bool:
        nonlocal heard
        heard += _read(reader)
        return b"dropped" in heard

    until(told)
    it.put_now("last")
    it.close()
    heard += _read(reader)
    os.close(reader)
    os.close(end)
    assert counted(heard) == 11 and heard.endswith(b"last\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


def test_a_descriptor_that_another_process_set_to_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    os.set_blocking(end, False)
    it = writer(end)
    lines = [f"{number} {'y' * 100}" for number in range(3000)]
    for line in lines:
        it.put(line)
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(whole(reader)))
    reading.start()
    it.close(within=30)
    os.close(end)
    reading.join()
    assert got[0].decode().splitlines() == lines


def test_a_line_that_is_cut_by_a_full_disk_is_no_beginning_of_the_next(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, end = pipe
    real: Callable[[int, list[bytes]], int] = os.writev
    tries: list[int] = []

    def write(descriptor: int, rows: list[bytes]) -> int:
        tries.append(len(rows))
        if len(tries) == 1:
            return os.write(descriptor, rows[0][:3])
        if len(tries) == 2:
            raise OSError(errno.ENOSPC, "no space")
        return real(descriptor, rows)

    monkeypatch.setattr(line_writer.os, "writev", write)
    it = writer(end, retry_after=0.01)
    it.put_now("cut within")
    until(lambda: len(tries) >= 3)
    it.put_now("whole")
    it.close()
    os.close(end)
    assert whole(reader) == b"cut\n1 dropped\nwhole\n"


def test_a_disk_that_stays_full_for_long_costs_the_lines_that_came_and_no_others(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its attempts begins with the end of the line that was cut."""
    reader, end = pipe
    real: Callable[[int, list[bytes]], int] = os.writev
    tries: list[int] = []

    def write(descriptor: int, rows: list[bytes]) -> int:
        tries.append(len(rows))
        if len(tries) == 1:
            return os.write(descriptor, rows[0][:3])
        if len(tries) < 10:
            raise OSError(errno.ENOSPC, "no space")
        return real(descriptor, rows)

    monkeypatch.setattr(line_writer.os, "writev", write)
    it = writer(end, retry_after=0.01)
    it.put_now("cut within")
    until(lambda: len(tries) >= 4)
    it.put_now("lost")
    until(lambda: len(tries) >= 10)
    it.put_now("whole")
    it.close()
    os.close(end)
    told = whole(reader)
    assert told.startswith(b"cut\n") and counted(told[4:]) == 3
    assert b"whole\n" in told


def test_a_line_that_cannot_be_made_is_counted_and_ends_nothing(pipe: tuple[int, int]) -> None:
    reader, end = pipe

    def render(lines: list[str]) -> bytes:
        if "bad" in lines:
            raise ValueError("bad")
        return "".join(f"{line}\n" for line in lines).encode()

    it = LineWriter(end, render, lambda count: f"{count} dropped\n".encode())
    for line in ("a", "bad", "b"):
        it.put(line)
    it.close()
    os.close(end)
    assert sorted(whole(reader).splitlines()) == [b"1 dropped", b"a", b"b"]


def test_who_logs_while_lines_are_made_waits_for_nobody(pipe: tuple[int, int]) -> None:
    """A destructor that Python runs in the middle of `render` may log (`sys.unraisablehook`)."""
    reader, end = pipe
    again = iter(["from within"])

    def render(lines: list[str]) -> bytes:
        for line in again:
            it.put_now(line)
        return "".join(f"{line}\n" for line in lines).encode()

    it = LineWriter(end, render, lambda count: b"")
    lines = [str(number) for number in range(ROW)]
    for line in lines:
        it.put(line)  # the last makes the row, or this test would not end
    it.close()
    os.close(end)
    assert whole(reader).decode().splitlines() == [*lines, "from within"]


def test_lines_of_several_threads_stay_in_the_order_of_each(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    it = writer(end)

    def say(name: str) -> None:
        for number in range(2000):
            (it.put_now if number % 50 == 0 else it.put)(f"{name} {number}")

    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(whole(reader)))
    saying = [threading.Thread(target=say, args=(name,)) for name in "abc"]
    for thread in (reading, *saying):
        thread.start()
    for thread in saying:
        thread.join()
    it.close(within=30)
    os.close(end)
    reading.join()
    lines = got[0].decode().splitlines()
    for name in "abc":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(2000)]
    assert len(lines) == 6000


@given(st.lists(st.binary(max_size=5), max_size=5), st.data())
def test_what_is_left_of_rows_stands_behind_what_was_written(rows: list[bytes], data: st.DataObject) -> None:
    text = b"".join(rows)
    written = data.draw(st.integers(0, len(text)))
    assert b"".join(line_writer.behind(rows, written)) == text[written:]
