"""What the terminal of replays makes of an output: the screen that is left, and the lines that `replay --text` prints."""

from __future__ import annotations

from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.replay import LeftOut, text
from l7gw.recording.terminal.emulator import Emulator

Piece = str | tuple[int, int]  # output, or a size


def recording(*pieces: Piece, size: tuple[int, int] = (80, 24)) -> Exec:
    frames = [
        e.Frame(0, 1, "stdout", False, 1, piece.encode())
        if isinstance(piece, str)
        else e.Frame(0, 1, "resize", True, 4, b'{"Width":%d,"Height":%d}' % piece)
        for piece in ((size), *pieces)
    ]
    return Exec(1, "/exec", "web-0", 0, True, frames, "complete")


def shown(*pieces: Piece, size: tuple[int, int] = (80, 24)) -> str:
    """What `replay --text` prints."""
    return "\n".join(text(recording(*pieces, size=size), LeftOut()))


def screen(output: str, columns: int = 80, rows: int = 24) -> list[str]:
    emulator = Emulator(columns, rows)
    emulator.feed(output)
    emulator.finish()
    return emulator.screen.lines()
