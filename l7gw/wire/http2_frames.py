"""HTTP/2 frames (RFC 9113 sections 4 and 6): numbers, limits, and each frame as bytes. `http2` says when which may come.

+-----------------------------------------------+
|                 Length (24)                   |
+---------------+---------------+---------------+
|   Type (8)    |   Flags (8)   |
+-+-------------+---------------+-------------------------------+
|R|                 Stream Identifier (31)                      |
+=+=============================================================+
|                   Frame Payload (0...)                      ...
+---------------------------------------------------------------+
"""

from __future__ import annotations

import struct

# ---------------------------------------------------------------------- numbers

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # section 3.4

# Section 6: types, and flags
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20  # the PRIORITY flag of HEADERS

# Section 7: the error codes that are sent or understood here
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 5, 6, 7, 8, 9
ENHANCE_YOUR_CALM, HTTP_1_1_REQUIRED = 11, 13

# Section 6.5.2
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6

DEFAULT_WINDOW = 65_535  # bytes, of a connection and of a stream before any SETTINGS (section 6.9.2)
LARGEST_WINDOW = 2**31 - 1
SMALLEST_FRAME, LARGEST_FRAME = 16_384, 2**24 - 1  # what SETTINGS_MAX_FRAME_SIZE may say
STREAM_IDS = 2**31 - 1

# ---------------------------------------------------------------------- limits

LARGEST_BLOCK = 64 * 1024  # bytes of one header block before unpacking (threats B3)
MOST_CONTINUATIONS = 8  # frames of one header block, as nghttp2 (threats B3)

# The exact length of each frame that has one (section 6): anything else is FRAME_SIZE_ERROR.
LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
# Frames that name a stream, and those that must not; WINDOW_UPDATE may do either, of unknown ones nobody asks.
OF_A_STREAM = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION))
OF_THE_CONNECTION = frozenset((SETTINGS, PING, GOAWAY))

# ---------------------------------------------------------------------- bytes, in the order of section 6

_HEAD = struct.Struct(">BHBBL")
_SETTING = struct.Struct(">HL")
_TWO = struct.Struct(">LL")
_ONE = struct.Struct(">L")
HEAD_SIZE = 9


def read_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Length, type, flags and stream of the frame that begins at `at`; nine bytes must be there."""
    high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
    return high << 16 | low, kind, flags, stream & STREAM_IDS


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame; `stream` 0 is the connection."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def read_number(payload: bytes) -> int:
    """The 32 bits of a RST_STREAM, or of a WINDOW_UPDATE with its reserved bit."""
    number: int = _ONE.unpack_from(payload)[0]
    return number


def data_head(size: int, flags: int, stream: int) -> bytes:
    """What stands before `size` bytes of a DATA frame (section 6.1)."""
    return _HEAD.pack(size >> 16, size & 0xFFFF, DATA, flags, stream)


def header_frames(stream: int, block: bytes, *, end: bool, largest: int) -> bytes:
    """A header block as HEADERS and as many CONTINUATION as it needs, `largest` bytes of it in each (sections 6.2, 6.10)."""
    flags = END_STREAM if end else 0
    if len(block) <= largest:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    pieces = [block[at : at + largest] for at in range(0, len(block), largest)]
    frames = [frame(HEADERS, flags, stream, pieces[0])]
    frames += [frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]]
    frames.append(frame(CONTINUATION, END_HEADERS, stream, pieces[-1]))
    return b"".join(frames)


def reset_frame(stream: int, code: int) -> bytes:
    """Section 6.4."""
    return frame(RST_STREAM, 0, stream, _ONE.pack(code))


def settings_frame(settings: dict[int, int]) -> bytes:
    """Section 6.5."""
    return frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*pair) for pair in settings.items()]))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The pairs of a SETTINGS payload whose length is a multiple of six, in order: a later one of a kind wins."""
    return list(_SETTING.iter_unpack(payload))


def goaway_frame(last: int, code: int) -> bytes:
    """Section 6.8: `last` is the highest stream that was or may be acted upon."""
    return frame(GOAWAY, 0, 0, _TWO.pack(last, code))


def read_goaway(payload: bytes) -> tuple[int, int]:
    """The last stream that was or may be acted upon, and why; debug data is nobody's business."""
    last, code = _TWO.unpack_from(payload)
    return last & STREAM_IDS, code


def window_frame(stream: int, increment: int) -> bytes:
    """Section 6.9: so many bytes more may come."""
    return frame(WINDOW_UPDATE, 0, stream, _ONE.pack(increment))
