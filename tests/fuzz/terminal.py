"""A recording of any bytes, on a terminal of any size, is shown; and every part that is not shown is reported."""

from __future__ import annotations

from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.replay import LeftOut, final_screen, text
from l7gw.recording.terminal.unseen import is_visible, safe
from tests.support.watched import seen

WORDS = [
    b"\x1b[", b"\x1b]0;", b"\x1bP", b"\x1bX", b"\x1b^", b"\x1b_", b"\x1b\\", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?7l", b"\x1b[4h",
    b"\x1b[2;4r", b"\x1b[?6h", b"\x1b[2J", b"\x1b[K", b"\x1b[9;9H", b"\x1b[9L", b"\x1b[9M", b"\x1b[9@", b"\x1b[9P", b"\x1b[9b",
    b"\x1b7", b"\x1b8", b"\x1bc", b"\x1bM", b"\x1b#8", b"\xe2\x80\x8b", b"\xcc\x81", b"\xe4\xb8\xad", b"\r\n", b"\x9b", b"\xc2\x9b",
]  # fmt: skip
RUNS = 1500
SIZES = (1, 2, 3, 10, 80, 1000)


def one(data: bytes) -> None:
    """The first byte says the size, the second how the bytes are cut. Every visible character that no sequence may hold (none of
    ASCII) is in the text, or there are as many in the control strings that were told; nothing raises, and nothing that is written
    could move the auditor's cursor but the player's own sequences."""
    size, cut, output = data[:1], data[1:2], data[2:]
    columns, rows = SIZES[(size or b"\0")[0] % 6], SIZES[(size or b"\0")[0] // 6 % 6]
    length = (cut or b"\0")[0] + 1
    frames = [e.Frame(0, 1, "resize", True, 4, b'{"Width":%d,"Height":%d}' % (columns, rows))]
    for number, at in enumerate(range(0, len(output), length)):
        frames.append(e.Frame(number * 20_000, 1, "stdout", False, 1, output[at : at + length]))
    recording = Exec(1, "/exec", "web-0", 0, True, frames, "complete", (columns, rows))
    left_out = LeftOut()
    lines = list(text(recording, left_out))
    printed = {character for character in output.decode("utf-8", "replace") if character >= "\xa1" and is_visible(character)}
    missing = printed - set("".join(lines))
    assert len(missing) <= left_out.characters, missing
    for line in [*lines, *final_screen(recording, LeftOut())]:
        assert safe(line) == line, line
    drawn: list[str] = []
    seen(recording, drawn.append, LeftOut(), size=(80, 24))
    for part in "".join(drawn).split("\x1b")[1:]:
        assert part.startswith(("[", "[?7", "[?25")) and part.lstrip("[?0123456789;")[:1] in set("mHKJhl")
