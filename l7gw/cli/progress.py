"""How far a command has read the recordings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from l7gw.recording import reader


@contextmanager
def reading_bar(state: Path) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal, and what to tell it of the bytes that were read."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    total = sum(path.stat().st_size for path in reader.segments(state))
    columns = (TextColumn("reading the recordings"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda size: bar.advance(task, size)
