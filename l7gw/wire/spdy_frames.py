"""SPDY/3.1 frames (draft-mbelshe-httpbis-spdy-00 sections 2.2 and 2.6): numbers, and each frame as bytes.

control: 1|version (15) | type (16) | flags (8) | length (24) | payload
data:    0|stream (31)              | flags (8) | length (24) | payload
"""

from __future__ import annotations

import struct

# ---------------------------------------------------------------------- numbers

VERSION = 0x8003  # the first 16 bits of a control frame
CONTROL_BIT = 0x80000000  # in the first 32 bits of a frame: set in control frames
STREAM_MASK = 0x7FFFFFFF  # the 31 bits of a stream's number

# Section 2.6: types, and flags
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FLAG_FIN, FLAG_UNIDIRECTIONAL = 1, 2

# Section 2.6.3: why a stream is reset
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
STREAM_IN_USE, STREAM_ALREADY_CLOSED, FRAME_TOO_LARGE = 8, 9, 11

# Bytes of one DATA frame that is received. A frame is reported in pieces, and never
# assembled. spdystream writes 32 KiB (threats C3).
LARGEST_DATA = 1024 * 1024

# ---------------------------------------------------------------------- bytes

TWO_WORDS = struct.Struct(">II")  # the head of a frame; also a payload of two numbers, such as a stream and a status


def control_bytes(kind: int, flags: int, payload: bytes) -> bytes:
    """A control frame."""
    return struct.pack(">HHI", VERSION, kind, flags << 24 | len(payload)) + payload


def stream_of(payload: bytes) -> int:
    """The stream that a control frame's payload begins with."""
    return int.from_bytes(payload[:4], "big") & STREAM_MASK
