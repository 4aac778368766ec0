"""Vector files. A file has header lines (`expect:`, `source:`, `comment:`, and others as a room needs them), a blank line, then the
bytes of the wire. Each file has one fault, so that any implementation can be tested with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Vector:
    name: str
    fields: dict[str, str]
    data: bytes


def read(path: Path) -> Vector:
    """Read one file. Raises ValueError where `expect`, `source` or `comment` is missing."""
    head, _, data = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\n"))
    if not {"expect", "source", "comment"} <= fields.keys():
        raise ValueError(f"{path}: expect, source and comment are needed")
    return Vector(path.stem, fields, data)


def vectors(room: str) -> list[Vector]:
    """All vectors of `tests/vectors/ROOM`, sorted by name; none where there is no such folder."""
    return [read(path) for path in sorted((VECTORS / room).glob("*")) if path.is_file()]
