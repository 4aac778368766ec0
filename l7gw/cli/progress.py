"""How far a command has read what it reads, as bars on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from l7gw.recording import reader

Told = Callable[[int], None]  # what is called with how many more bytes were read


class Bars:
    """Bars one after the other: one that begins takes the place of the one before."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, words: str, total: int | None) -> Told:
        """A new bar of so many bytes, None where that is not known. Gives what to tell it of the bytes that were read."""
        bars = self._bars
        if bars is None:
            return lambda size: None
        if self._task is not None:
            bars.remove_task(self._task)
        task = self._task = bars.add_task(words, total=total)
        return lambda size: bars.advance(task, size)

    def begin_recordings(self, states: Iterable[Path]) -> Told:
        """A new bar for all recordings below these states."""
        total = sum(path.stat().st_size for state in states for path in reader.segments(state)) if self._bars is not None else None
        return self.begin("reading the recordings", total)

    def stop(self) -> None:
        """Take the bars away, before something is printed."""
        if self._bars is not None:
            self._bars.stop()


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Bars that go when the block ends. Where stderr is no terminal nothing is shown."""
    if not sys.stderr.isatty():
        yield Bars(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    # What a command prints meanwhile goes to stdout, and not through the bars' console to stderr
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        yield Bars(bars)


@contextmanager
def reading_bar(state: Path) -> Iterator[Told]:
    """One bar for the recordings below a state."""
    with progress_bars() as bars:
        yield bars.begin_recordings((state,))
