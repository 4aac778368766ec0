"""What the bench measures: each cell is one kind of load, at so many connections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One kind of load. The load counts requests, bytes, events or frames; `unit` of them are one piece of work."""

    name: str
    kind: str
    connections: int
    streams: int = 0  # streams at once on each connection of HTTP/2; 0 for HTTP/1.1
    unit: float = 1
    people: int = 1  # each connection is of one of them, in turn
    rate: int = 0  # calls a second, all connections together; 0: as many as go
    both_cores: bool = False  # the proxy may run on the load's core too, and work is told per second instead of per core-second
    log_bytes: int = 0  # of one answer, where it is a log; 0: the usual 100 MiB
    also: tuple[str, ...] = ()  # proxies that are measured here beside those of each cell

    @property
    def protocol(self) -> str:
        return "HTTP/2.0" if self.streams else "HTTP/1.1"


PRICES = ("unlogged", "unmasked", "forgetful", "eks")  # what one thing costs is seen in the smallest call

CELLS = (  # POST first: what lists, logs and frames leave for the disk to write, its syncs would wait for
    Cell("POST, 1 connection", "post", 1, also=("undurable",)),
    Cell("1 kB GET, 1 connection", "small", 1, also=PRICES),
    Cell("1 kB GET, 16 connections", "small", 16, also=PRICES),
    Cell("1 kB GET, 64 connections", "small", 64),
    Cell("HTTP/2: 1 kB GET, 1 connection, 1 stream", "small", 1, 1, also=PRICES),
    Cell("HTTP/2: 1 kB GET, 1 connection, 16 streams", "small", 1, 16, also=PRICES),
    Cell("HTTP/2: 1 kB GET, 4 connections, 16 streams", "small", 4, 16),
    Cell("cold GET, 16 connections", "cold", 16),
    Cell("HTTP/2: cold GET, 4 connections, 16 streams", "cold", 4, 16),
    Cell("1 kB GET, 2,000 a second, 16 connections", "small", 16, rate=2000),
    Cell("new connection and a GET, 4 at once", "new", 4),
    Cell("HTTP/2: new connection and a GET, 4 at once", "new", 4, 1),
    Cell("chunked answer of 30 kB, 16 connections", "chunked", 16),
    Cell("HTTP/2: answer of 30 kB, 4 connections, 4 streams", "chunked", 4, 4),
    Cell("1 MB PodList, 4 connections", "list", 4, also=("unmasked",)),
    Cell("1 MB PodList in gzip, 4 connections", "list-gzip", 4, also=("unmasked",)),
    Cell("HTTP/2: 1 MB PodList, 1 connection, 4 streams", "list", 1, 4),
    Cell("HTTP/2: 1 MB PodList in gzip, 1 connection, 4 streams", "list-gzip", 1, 4),
    Cell("100 MB log, 2 connections (MB)", "bulk", 2, unit=1e6, also=("unmasked",)),
    Cell("100 MB log, 2 connections, both cores (MB)", "bulk", 2, unit=1e6, both_cores=True),
    Cell("HTTP/2: 100 MB log, 1 connection, 2 streams (MB)", "bulk", 1, 2, unit=1e6),
    Cell("HTTP/2: 100 MB log, 1 connection, 2 streams, both cores (MB)", "bulk", 1, 2, unit=1e6, both_cores=True),
    Cell("exec frames of 64 bytes, a record each, 4 connections", "frames-64-each", 4),
    Cell("exec frames of 64 bytes, packed, 4 connections", "frames-64-packed", 4),
    Cell("exec frames of 4 KiB, a record each, 4 connections", "frames-4096-each", 4),
    Cell("exec frames of 4 KiB, packed, 4 connections", "frames-4096-packed", 4),
    Cell("1 kB GET, 16 connections of 16 people", "small", 16, people=16, also=("eks",)),
    Cell("HTTP/2: 1 kB GET, 8 connections of 8 people, 8 streams", "small", 8, 8, people=8, also=("eks",)),
    Cell("watch of 1,000 Secrets, 4 connections (events)", "secrets", 4, also=("unmasked",)),
)


def chosen(words: str) -> tuple[Cell, ...]:
    """The cells that the words ask for, with `;` between them: each is a kind, a cell's name or a part of some. All cells for no
    word. Raises ValueError where a word asks for none."""
    wanted = [word.strip() for word in words.split(";") if word.strip()]
    found: list[Cell] = []
    for word in wanted:
        exact = [cell for cell in CELLS if word in (cell.name, cell.kind)]
        asked = exact or [cell for cell in CELLS if word in cell.name]
        if not asked:
            names = "\n  ".join(f"{cell.name} ({cell.kind})" for cell in CELLS)
            raise ValueError(f"no cell is named {word!r}; there are:\n  {names}")
        found += asked
    return tuple(cell for cell in CELLS if not wanted or cell in found)
