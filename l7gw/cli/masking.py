"""`l7gw masking detectors|try`: what is looked for, and what would be found in a text."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from l7gw.cli.options import config_option, output_option
from l7gw.config.load import DEFAULT, find, load
from l7gw.masking.configured import Configured, configured, ordinary
from l7gw.masking.detectors.cost import measured
from l7gw.masking.detectors.detector import Detector
from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanner, Span
from l7gw.os_faults import OF_OUTPUT, OTHERWISE, told
from l7gw.quantities import many
from l7gw.recording.terminal.unseen import safe

PIECE = 256 * 1024  # bytes that are read at once
BEHIND = 64 * 1024  # bytes before a piece in which a value may begin that ends in it; the longest private key has half of that
BEFORE = 40  # bytes of a line that are shown before a value
STARS = "*" * 8  # for a value of any length
BY_PLACE = "values of Secrets, environments and other places are masked without them"
WITHOUT_TERMINAL = 200  # columns of output that goes to no terminal


@click.group(short_help="What masking looks for, and what it would find.")
def masking() -> None:
    """Values of Secrets, and what looks like a credential, are masked in answers, logs and streams, and in every recording.

    These commands are about what looks like a credential: what is found in any text, wherever it stands. `l7gw policy explain` says
    what a caller is shown in spite of it.
    """


@masking.command("detectors", short_help="List what is looked for.")
@config_option
@output_option
@click.option("--measure", is_flag=True, help="Measure what each costs on this machine; takes some seconds.")
def list_detectors(config: Path | None, output: str, measure: bool) -> None:
    """List the detectors: what each finds, the text without which it finds nothing (its anchor), what it costs in nanoseconds
    for each byte of an ordinary log, and whether it is on.

    Those of the configuration are listed too; without a configuration, those that come with l7gw. `masking.detectors` turns one
    on or off, and `mask:` of a rule turns one on for its calls.

    \b
      l7gw masking detectors
      l7gw masking detectors -o json | jq -r '.[] | select(.on) | .name'
    """
    made = _configured(config)
    rows = [(one, _cost(one, measure=measure), one.name in made.scanners.on) for one in made.scanners.detectors]
    if output == "json":
        document = [
            {"name": one.name, "finds": one.finds, "anchor": one.anchor, "ns_per_byte": cost, "on": on} for one, cost, on in rows
        ]
        click.echo(json.dumps(document, indent=2))
        return
    columns: list[Column | str] = [Column("NAME", no_wrap=True), "ON", Column("NS/BYTE", justify="right"), "FINDS", "ANCHOR"]
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for one, cost, on in rows:
        table.add_row(one.name, "on" if on else "off", f"{cost:.2f}", safe(one.finds), safe(one.anchor))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else WITHOUT_TERMINAL).print(table)


def _cost(detector: Detector, *, measure: bool) -> float:
    """In nanoseconds for each byte. That of a detector of ours was measured before, unless it is to be measured now."""
    return round(measured(detector), 3) if measure or not detector.ns_per_byte else detector.ns_per_byte


@masking.command("try", short_help="Say what would be found in a text.")
@click.argument("file", type=click.Path(readable=False, allow_dash=True, path_type=Path))
@config_option
@output_option
def try_(file: Path, config: Path | None, output: str) -> None:
    """Say what the detectors find in FILE (- is stdin): line, column and detector, never the value.

    Only what can be told from a text alone is found so. What masking knows from where a value stands in an object (the data of a
    Secret, an environment variable by its name), or from Secrets that were read, needs the object or the cluster.

    Exit status: 0 whether or not something was found, 2 where the configuration or FILE cannot be read.

    \b
      kubectl logs web-0 | l7gw masking try -
      l7gw masking try app.log -o json | jq 'group_by(.detector) | map({(.[0].detector): length}) | add'
    """
    made = _configured(config)
    try:
        with _opened(file) as source:
            found = _finds(made.scanners.default, source, file)
            if output == "json":
                click.echo(json.dumps([one.document() for one in found], indent=2))
                return
            count = 0
            for one in found:
                count += 1
                click.echo(one.in_words())
            click.echo(f"{many(count, 'value', none='no')} would be masked by detectors; {BY_PLACE}", err=True)
    except OSError as error:
        if error.errno in OF_OUTPUT:
            raise
        click.echo(f"l7gw: {file} cannot be read: {told(error, otherwise=OTHERWISE)}", err=True)
        sys.exit(2)


def _configured(config: Path | None) -> Configured:
    """What the configuration says. Where none is named and none lies at its usual place, what comes with l7gw."""
    if config is None and not os.environ.get("L7GW_CONFIG") and not DEFAULT.exists():
        return ordinary()
    settings = load(find(config))
    return configured(settings.masking, settings.path)


def _opened(file: Path) -> BinaryIO:
    return sys.stdin.buffer if str(file) == "-" else file.open("rb")


class _Find:
    """A value, where it stands for people, and what stands before it in its line, with other values masked."""

    def __init__(self, span: Span, line: int, column: int, before: str) -> None:
        self.span = span
        self.line = line
        self.column = column
        self.before = before

    def document(self) -> dict[str, str | int]:
        return {"detector": self.span.detector, "start": self.span.start, "end": self.span.end, "line": self.line}

    def in_words(self) -> str:
        size = self.span.end - self.span.start
        return f"{self.line}:{self.column}: {self.span.detector}, {many(size, 'byte')}: {safe(self.before)}{STARS}"


def _finds(scanner: Scanner, source: BinaryIO, file: Path) -> Iterator[_Find]:
    """What is found, as the file is read, with progress on stderr where that is a terminal."""
    size = None if source is sys.stdin.buffer else file.stat().st_size
    scan, place = LongScan(scanner), _Place()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"reading {file}", total=size)
        while data := source.read(PIECE):
            place.keep(data)
            yield from map(place.of, scan.feed(data))
            progress.advance(task, len(data))
        yield from map(place.of, scan.end())


class _Place:
    """Lines and columns of offsets, which come in order, in a text of which the last bytes are kept."""

    def __init__(self) -> None:
        self._kept = b""
        self._start = 0  # offset of what is kept
        self._counted = 0  # offset up to which lines are counted
        self._line, self._line_start = 1, 0
        self._last: deque[Span] = deque(maxlen=BEFORE)

    def keep(self, data: bytes) -> None:
        """Take the next bytes. A find that comes later begins in the last BEHIND bytes before them, or in them."""
        cut = max(0, len(self._kept) - BEHIND)
        self._count(self._start + cut)
        self._kept = self._kept[cut:] + data
        self._start += cut

    def _count(self, until: int) -> None:
        passed = self._kept[self._counted - self._start : max(until, self._counted) - self._start]
        if breaks := passed.count(b"\n"):
            self._line += breaks
            self._line_start = self._counted + passed.rindex(b"\n") + 1
        self._counted += len(passed)

    def of(self, span: Span) -> _Find:
        self._count(span.start)
        begin = max(self._line_start, span.start - BEFORE, self._start)
        before = bytearray(self._kept[begin - self._start : span.start - self._start])
        for former in self._last:
            for at in range(max(former.start, begin), former.end):
                before[at - begin] = ord("*")
        self._last.append(span)
        return _Find(span, self._line, span.start - self._line_start + 1, bytes(before).decode("utf-8", "replace"))
