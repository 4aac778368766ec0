"""WebSocket's frames (RFC 6455 sections 5 and 7.4): numbers, and each frame as bytes. The events are in `websocket_events`.

FIN (1) | RSV (3) | opcode (4) | MASK (1) | length (7, or 7 + 16, or 7 + 64) | masking key (32, if MASK) | payload
"""

from __future__ import annotations

import os

from websockets.speedups import apply_mask

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.websocket_events import Close, Run

# ---------------------------------------------------------------------- numbers (section 5.2, 7.4.1)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASK = 0x80, 0x80
WHOLE = FIN | BINARY  # the first byte of a binary message in one frame

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY_VIOLATION, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
ABNORMAL = 1006  # never sent: the connection ended without a Close

LARGEST_CONTROL = 125  # bytes of a control frame's payload (section 5.5)
NO_TEXT = "text that is not UTF-8"

# ---------------------------------------------------------------------- frames (sections 5.2, 5.3)


def long_length(data: bytes) -> int:
    """A length of two or eight bytes (section 5.2). Refused in a longer form than needed, and with its highest bit set."""
    length = int.from_bytes(data, "big")
    if length < (126 if len(data) == 2 else 65536) or length >> 63:
        raise PeerError(PROTOCOL_ERROR, "a length that is not in its shortest form, or of 2^63 and more")
    return length


def head_bytes(opcode: int, length: int, bit: int) -> bytes:
    """The head of an unfragmented frame up to its mask, if any. `bit` is MASK where one follows, else 0."""
    if length < 126:
        return bytes((FIN | opcode, bit | length))
    if length < 65536:
        return bytes((FIN | opcode, bit | 126, length >> 8, length & 255))
    return bytes((FIN | opcode, bit | 127)) + length.to_bytes(8, "big")


def frame_bytes(opcode: int, data: bytes, masked: bool) -> bytes:
    """One unfragmented frame (section 5.2), with a new random mask where it is `masked`, as a client's must be."""
    if not masked:
        return head_bytes(opcode, len(data), 0) + data
    mask = os.urandom(4)  # unpredictable, section 5.3
    return head_bytes(opcode, len(data), MASK) + mask + apply_mask(data, mask)


def run_bytes(run: Run, masked: bool) -> bytes:
    """The frames of a run. Their masks are drawn together, as each drawing is a system call."""
    first, count = bytes((run.first,)), len(run.rests)
    if not masked:
        return b"".join([head_bytes(BINARY, len(rest) + 1, 0) + first + rest for rest in run.rests])
    drawn = os.urandom(4 * count)
    parts: list[bytes] = []
    for number, rest in enumerate(run.rests):
        mask = drawn[4 * number : 4 * number + 4]
        parts += (head_bytes(BINARY, len(rest) + 1, MASK), mask, apply_mask(first + rest, mask))
    return b"".join(parts)


# ---------------------------------------------------------------------- the body of a Close (sections 5.5.1, 7.4)


def _may_be_sent(code: int) -> bool:
    """Whether a close code may be sent. 1004 to 1006 and 1015 may not (section 7.4, and the registry of close codes)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload: bytes) -> Close:
    """The Close that a frame's payload says (section 5.5.1, 7.4). Raises PeerError."""
    if not payload:
        return Close()
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not _may_be_sent(code):
        raise PeerError(PROTOCOL_ERROR, "a Close with a code that none may send")
    return Close(code, _utf8(payload[2:]))


def close_bytes(close: Close) -> bytes:
    """The payload of a Close frame, with its reason cut to fit. Raises OurError for a code that may not be sent."""
    if close.code is None:
        return b""
    if not _may_be_sent(close.code):
        raise OurError(f"a Close with code {close.code}")
    return close.code.to_bytes(2, "big") + _cut(close.reason, LARGEST_CONTROL - 2)


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PeerError(INVALID_DATA, NO_TEXT) from error


def _cut(text: str, most: int) -> bytes:
    """The UTF-8 of a text, cut between characters to at most `most` bytes."""
    return text.encode()[:most].decode(errors="ignore").encode()
