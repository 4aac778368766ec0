"""HTTP/2 frames (RFC 9113 sections 4 and 6): numbers, limits, and each frame as bytes.
`http2_connection` says which frame may come when.

+-----------------------------------------------+ | Length (24) | +---------------+---------------+---------------+ | Type (8) |
Flags (8) | +-+-------------+---------------+-------------------------------+ |R| Stream Identifier (31) |
+=+=============================================================+ | Frame Payload (0...) ...
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

DEFAULT_WINDOW = 65_535  # bytes; the window of a connection, and of a stream before any SETTINGS (section 6.9.2)
LARGEST_WINDOW = 2**31 - 1
SMALLEST_FRAME, LARGEST_FRAME = 16_384, 2**24 - 1  # bytes; the bounds of SETTINGS_MAX_FRAME_SIZE
STREAM_IDS = 2**31 - 1

# ---------------------------------------------------------------------- limits

LARGEST_BLOCK = 64 * 1024  # bytes of one header block, before it is unpacked (threats B3)
MOST_CONTINUATIONS = 8  # CONTINUATION frames of one header block, as in nghttp2 (threats B3)

# Frames of a fixed length in bytes (section 6). With another length they are a FRAME_SIZE_ERROR.
LENGTHS = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
# Frames that must name a stream, and frames that must not. WINDOW_UPDATE may do either; of unknown frames it is not checked.
OF_A_STREAM = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION))
OF_THE_CONNECTION = frozenset((SETTINGS, PING, GOAWAY))

# ---------------------------------------------------------------------- bytes, in the order of section 6

_HEAD = struct.Struct(">BHBBL")
_SETTING = struct.Struct(">HL")
_TWO = struct.Struct(">LL")
_ONE = struct.Struct(">L")
HEAD_SIZE = 9


def read_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Length, type, flags and stream of the frame that begins at `at`. Nine bytes must follow there."""
    high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
    return high << 16 | low, kind, flags, stream & STREAM_IDS


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame; `stream` 0 is the connection."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def read_number(payload: bytes) -> int:
    """The number of 32 bits in a RST_STREAM, or in a WINDOW_UPDATE, whose reserved bit is not removed."""
    number: int = _ONE.unpack_from(payload)[0]
    return number


def data_head(size: int, flags: int, stream: int) -> bytes:
    """The head of a DATA frame with `size` bytes (section 6.1)."""
    return _HEAD.pack(size >> 16, size & 0xFFFF, DATA, flags, stream)


def header_frames(stream: int, block: bytes, *, end: bool, largest: int) -> bytes:
    """A header block as a HEADERS frame and as many CONTINUATION frames as needed, with at most
    `largest` bytes in each (sections 6.2, 6.10)."""
    flags = END_STREAM if end else 0
    size = len(block)
    if size <= largest:
        return _HEAD.pack(size >> 16, size & 0xFFFF, HEADERS, flags | END_HEADERS, stream) + block
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
    """The pairs of id and value in a SETTINGS payload, in order; of two with one id the later
    counts. Its length is a multiple of six."""
    return list(_SETTING.iter_unpack(payload))


def goaway_frame(last: int, code: int) -> bytes:
    """A GOAWAY (section 6.8). `last` is the highest stream that was, or may be, acted upon."""
    return frame(GOAWAY, 0, 0, _TWO.pack(last, code))


def read_goaway(payload: bytes) -> tuple[int, int]:
    """The highest stream that the peer acted upon, or may, and its error code. Debug data are ignored."""
    last, code = _TWO.unpack_from(payload)
    return last & STREAM_IDS, code


def window_frame(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE (section 6.9): `increment` bytes more may come. `stream` 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, _ONE.pack(increment))
