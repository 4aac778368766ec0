"""Writes lines to a pipe, a file or a terminal from a thread of its own.

Whoever logs never waits for whoever reads: a pager, a journal that is being restarted, a terminal that was stopped by Ctrl-S. Lines
wait in a queue with a bound. Lines beyond it are dropped and counted, and a line says how many once the reader takes some again.
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

MOST_WAITING = 16 * 1024  # lines in the queue; a line of a call takes 0.3 to 0.6 KiB there, and 6 at most; any other 2 KiB
BATCH = 256  # lines that are made and written at once; the event loop waits for the interpreter's lock meanwhile, 1 ms at most
GATHER = 0.05  # seconds in which lines gather that are in no hurry: waking the thread for each would cost more than the line
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
    """Lines for one file descriptor. `render` makes the bytes of lines, with their newlines, and `dropped` those of the line that
    so many were dropped; both are called in the writer's thread."""

    def __init__(
        self, descriptor: int, render: Callable[[list[L]], bytes], dropped: Callable[[int], bytes], retry_after: float = RETRY_AFTER
    ) -> None:
        self._descriptor = descriptor
        self._retry_after = retry_after
        self._render = render
        self._dropped = dropped
        self._queue: deque[L] = deque()
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
        for them. It costs 0.1 us."""
        if len(self._queue) >= MOST_WAITING:
            self._lose(1)
            return
        self._queue.append(line)
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

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while True:
            if len(self._queue) < BATCH and not self._ending:  # also where none is there: to be rung for costs the loop more
                self._hurry.heard(GATHER)
            if not self._queue and not self._lost:
                if self._ending:
                    return
                self._wait()
                continue
            data, lost = self._next()
            unwritten = self._write((b"\n" if self._torn else b"") + data)
            if unwritten:
                self._lose(unwritten[-len(data) :].count(b"\n") - (lost > 0) + lost)  # the end of a torn line is no line
                if self._ending:
                    return
                self._hurry.heard(0)
                self._hurry.heard(self._retry_after)

    def _wait(self) -> None:
        self._waits = True
        if not self._queue and not self._ending:  # once more, because a line may have come just before `_waits` was set
            self._bell.heard()
        self._waits = False
        self._bell.heard(0)

    def _next(self) -> tuple[bytes, int]:
        """The next lines, and behind them one that says how many were dropped; and that number, 0 where there is no such line."""
        lines = list(islice(iter(self._queue.popleft, None), min(BATCH, len(self._queue))))
        try:
            data = self._render(lines)
        except Exception:  # a line that cannot be made must end neither the log nor the lines beside it
            data = b"".join(map(self._alone, lines))
        with self._counting:
            lost, self._lost = self._lost, 0
        return data + self._dropped(lost) if lost else data, lost

    def _alone(self, line: L) -> bytes:
        try:
            return self._render([line])
        except Exception:
            self._lose(1)
            return b""

    def _write(self, data: bytes) -> bytes:
        """Write all. Returns what nobody can take."""
        whole = len(data)
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process has set the descriptor so
                if not select.select((), (self._descriptor,), (), self._retry_after)[1] and self._ending:
                    return data
            except OSError:  # no reader (EPIPE), no space (ENOSPC)
                self._torn = self._torn or len(data) < whole
                return data
        self._torn = False
        return b""

    def _lose(self, lines: int) -> None:
        with self._counting:
            self._lost += lines
