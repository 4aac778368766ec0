"""Writes lines to a pipe, a file or a terminal from a thread of its own.

Whoever logs never waits for whoever reads: a pager, a journal that is being restarted, a terminal that was stopped by Ctrl-S. What
is written waits with a bound. Lines beyond it are dropped and counted, and a line says how many once the reader takes some again.

Lines wait in two places: as they were put, and as bytes. Who puts the last of ROW lines makes the bytes of all of them, in a row:
what they are made of is still in the processor's caches then, and the thread, which has slept, finds little there. So it makes only
what is left when it comes by, and writes.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

ROW = 32  # lines that are made at once; the event loop is busy with them for some 40 us
MOST_ROWS = 512  # that wait; a line of a call takes 0.3 to 0.6 KiB there, any other 2 KiB at most
MOST_WAITING = ROW * MOST_ROWS  # lines
ENOUGH = 16  # rows for which the thread gathers no longer: a socket takes no more than these at once (net.core.wmem_default)
GATHER = 0.1  # seconds in which lines gather that are in no hurry: to wake the thread and to write take 100 us and more
RETRY_AFTER = 1.0  # seconds between two attempts to write where nobody can take anything: no reader is left, or no disk space
FLUSH_WITHIN = 2.0  # seconds that the last lines have at the end

L = TypeVar("L")


class _Bell:
    """Wakes the one thread that listens. It is a lock, which is free as long as the bell rings: `threading.Event` takes 16,000
    instructions for a wait, most of them Python's, and this takes 4,100."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        with suppress(RuntimeError):  # it rings already
            self._silent.release()

    def heard(self, within: float = -1) -> bool:
        """Whether it rings within so many seconds (negative: for ever). It is silent again then."""
        return self._silent.acquire(timeout=within)


class LineWriter(Generic[L]):
    """Lines for one file descriptor. `render` makes the bytes of lines, with their newlines, in the thread of whoever puts one or
    in the writer's, never in both at once; `dropped` those of the line that so many were dropped, in the writer's thread."""

    def __init__(
        self, descriptor: int, render: Callable[[list[L]], bytes], dropped: Callable[[int], bytes], retry_after: float = RETRY_AFTER
    ) -> None:
        self._descriptor = descriptor
        self._retry_after = retry_after
        self._render = render
        self._dropped = dropped
        self._lines: deque[L] = deque()
        self._rows: deque[bytes] = deque()
        self._making = threading.Lock()  # has whoever makes rows of lines, so that they keep their order
        self._bell = _Bell()  # rings where the thread waits for lines
        self._hurry = _Bell()  # and where it should gather no more
        self._waits = False  # whether the thread waits for the bell
        self._counting = threading.Lock()
        self._lost = 0  # lines that were dropped since that was told
        self._torn = False  # whether a line was cut within
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"l7gw-lines-{descriptor}", daemon=True)
        self._thread.start()

    def put(self, line: L) -> None:
        """Write a line soon. Lines that come within GATHER seconds are written together, and while lines keep coming nobody rings
        for them."""
        if len(self._rows) >= MOST_ROWS:
            self._lose(1)
            return
        lines = self._lines
        lines.append(line)
        if len(lines) >= ROW:
            self._make_row()
        if self._waits:
            self._bell.ring()

    def put_now(self, line: L) -> None:
        """Write a line, and what waits before it, at once."""
        self.put(line)
        self._hurry.ring()

    def close(self, within: float = FLUSH_WITHIN) -> None:
        """Write what waits, for at most so many seconds. Then nobody may put anything any more."""
        self._ending = True
        self._hurry.ring()
        self._bell.ring()
        self._thread.join(within)

    def _make_row(self) -> None:
        """Make a row of the lines that wait. Where another thread makes one, or this one does so further up (a destructor that
        Python runs meanwhile may log), they wait for the next line."""
        if self._making.acquire(blocking=False):
            try:
                self._make()
            finally:
                self._making.release()
            if len(self._rows) == ENOUGH:
                self._hurry.ring()

    def _make(self) -> None:
        lines = list(islice(iter(self._lines.popleft, None), len(self._lines)))
        if not lines:
            return
        try:
            made = self._render(lines)
        except Exception:  # a line that cannot be made must end neither the log nor the lines beside it
            made = b"".join(map(self._alone, lines))
        self._rows.append(made)

    def _alone(self, line: L) -> bytes:
        try:
            return self._render([line])
        except Exception:
            self._lose(1)
            return b""

    def _lose(self, lines: int) -> None:
        with self._counting:
            self._lost += lines

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            if len(self._rows) < ENOUGH and not self._ending:  # also where none is there: to be rung for costs the loop more
                self._hurry.heard(GATHER)
            if not self._lines and not self._rows and not self._lost:
                if self._ending:
                    return
                self._wait()
                continue
            rows, lost = self._next()
            unwritten = self._write([b"\n", *rows] if self._torn else rows)
            if unwritten:
                lines = sum(row.count(b"\n") for row in unwritten[-len(rows) :])  # the end of a torn line is no line
                self._lose(lines - (lost > 0) + lost)
                if self._ending:
                    return
                self._hurry.heard(0)
                self._hurry.heard(self._retry_after)

    def _wait(self) -> None:
        self._waits = True
        # Once more, because a line may have come just before `_waits` was set
        if not self._lines and not self._rows and not self._ending:
            self._bell.heard()
        self._waits = False
        self._bell.heard(0)

    def _next(self) -> tuple[list[bytes], int]:
        """The next rows, behind them one that says how many lines were dropped, and that number: 0 where there is no such row."""
        if len(self._rows) < ENOUGH:
            with self._making:
                self._make()
        rows = list(islice(iter(self._rows.popleft, None), min(ENOUGH, len(self._rows))))
        with self._counting:
            lost, self._lost = self._lost, 0
        if lost:
            rows.append(self._dropped(lost))
        return rows, lost

    def _write(self, rows: list[bytes]) -> list[bytes]:
        """Write all. Returns what nobody can take."""
        rest, begun = rows, False
        while rest:
            try:
                rest = behind(rest, os.writev(self._descriptor, rest))
                begun = True
            except BlockingIOError:  # another process has set the descriptor so
                if not select.select((), (self._descriptor,), (), self._retry_after)[1] and self._ending:
                    return rest
            except OSError:  # no reader (EPIPE), no space (ENOSPC)
                self._torn = self._torn or begun
                return rest
        self._torn = False
        return []


def behind(rows: list[bytes], written: int) -> list[bytes]:
    """What is left of rows of which the first bytes were written."""
    for number, row in enumerate(rows):
        if written < len(row):
            return [row[written:], *rows[number + 1 :]]
        written -= len(row)
    return []
