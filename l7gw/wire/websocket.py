"""WebSocket framing in both roles (RFC 6455), sans-IO. No extension is ever negotiated, so RSV bits are always an error.

Messages are put together from their fragments, up to a bound; what we send is one unfragmented frame a message, since the
API server takes a continuation for a message of its own (kubernetes-wire section 5.2).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Literal

from websockets.speedups import apply_mask

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import event

# ---------------------------------------------------------------------- numbers (section 5.2, 7.4.1)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASK = 0x80, 0x80
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

PROTOCOL_ERROR, INVALID_DATA, POLICY_VIOLATION, TOO_BIG, ABNORMAL = 1002, 1007, 1008, 1009, 1006

# ---------------------------------------------------------------------- limits

LARGEST_MESSAGE = 1024 * 1024  # bytes; kubectl sends 32,769 at most, the API server a write of its own each (threats C10)
LARGEST_CONTROL = 125  # section 5.5
MOST_FRAGMENTS = 4096  # of one message: empty ones cost us and not the peer
MOST_CONTROL = 1000  # control frames in a row without a byte of data between them; kubectl pings once in 5 s

# ---------------------------------------------------------------------- events


@event
class Message:
    data: bytes
    text: bool = False


@event
class Ping:
    """Reported only: the Pong is queued already."""

    data: bytes = b""


@event
class Pong:
    data: bytes = b""


@event
class Close:
    """`code` is None where the peer gave none."""

    code: int | None = None
    reason: str = ""


Frame = Message | Ping | Pong | Close

# ---------------------------------------------------------------------- handshake (section 4)


def accept_key(key: str) -> str:
    """What answers a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


def valid_key(key: str) -> bool:
    """Sixteen bytes in base64 (section 4.2.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def mask_plainly(data: bytes, mask: bytes) -> bytes:
    """The plain twin of the C function: the tests hold one against the other."""
    return bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))


# ---------------------------------------------------------------------- serialise


def frame_bytes(opcode: int, data: bytes, masked: bool) -> bytes:
    """One unfragmented frame."""
    length = len(data)
    bit = MASK if masked else 0
    if length < 126:
        head = bytes((FIN | opcode, bit | length))
    elif length < 65536:
        head = bytes((FIN | opcode, bit | 126, length >> 8, length & 255))
    else:
        head = bytes((FIN | opcode, bit | 127)) + length.to_bytes(8, "big")
    if not masked:
        return head + data
    mask = os.urandom(4)  # unpredictable, section 5.3
    return head + mask + apply_mask(data, mask)


# ---------------------------------------------------------------------- connection


class Connection:
    """One side of a WebSocket after its handshake.

    `receive` gives Message, Ping, Pong, Close; a Pong is queued for each Ping. `send` takes Message, Ping, Close. After a Close
    went both ways, or a PeerError (whose code is the close code to send), close the connection.
    """

    __slots__ = (
        "_buffer", "_client", "_control", "_fragments", "_limit", "_opcode", "_out", "_parts", "_size",
        "close_received", "close_sent",
    )  # fmt: skip

    def __init__(self, role: Literal["client", "server"], *, limit: int = LARGEST_MESSAGE) -> None:
        self._client = role == "client"
        self._limit = limit
        self._buffer = b""
        self._out: list[bytes] = []
        self._parts: list[bytes] = []  # of a fragmented message
        self._opcode = CONTINUATION  # of the message whose fragments are being gathered; CONTINUATION: none
        self._size = 0
        self._fragments = 0
        self._control = 0
        self.close_received = False
        self.close_sent = False

    def receive(self, data: bytes) -> list[Frame]:
        """Bytes of the peer; b"" is their end. Raises PeerError; 1006 for an end without a Close."""
        if self.close_received:
            return []  # section 5.5.1: nothing follows a Close
        if not data:
            raise PeerError(ABNORMAL, "the connection ended without a Close")
        buffer = self._buffer + data if self._buffer else data
        events: list[Frame] = []
        at, end = 0, len(buffer)
        expect_mask = 0 if self._client else MASK
        limit = self._limit
        # One loop over the whole read: 2.9 M frames of 64 bytes a second unmasked, 2.0 M masked.
        while end - at >= 2:
            first, second = buffer[at], buffer[at + 1]
            length = second & 0x7F
            start = at + 2
            if first & 0x70 or (second & MASK) != expect_mask:
                raise PeerError(PROTOCOL_ERROR, "a reserved bit, or a mask where none belongs or none where one does")
            opcode = first & 0x0F
            if opcode > BINARY:
                if opcode < CLOSE or opcode > PONG or not first & FIN or length > LARGEST_CONTROL:
                    raise PeerError(PROTOCOL_ERROR, "an unknown, fragmented or oversized control frame")
            elif length == 126:
                if end - start < 2:
                    break
                length = buffer[start] << 8 | buffer[start + 1]
                start += 2
                if length < 126:
                    raise PeerError(PROTOCOL_ERROR, "a length that is not in its shortest form")
            elif length == 127:
                if end - start < 8:
                    break
                length = int.from_bytes(buffer[start : start + 8], "big")
                start += 8
                if length < 65536 or length >> 63:
                    raise PeerError(PROTOCOL_ERROR, "a length that is not in its shortest form")
            if length + self._size > limit and opcode <= BINARY:
                raise PeerError(TOO_BIG, f"a message larger than {limit} bytes")  # before a byte of it is buffered
            if expect_mask:
                stop = start + 4 + length
                if stop > end:
                    break
                payload = apply_mask(buffer[start + 4 : stop], buffer[start : start + 4]) if length else b""
            else:
                stop = start + length
                if stop > end:
                    break
                payload = buffer[start:stop]
            at = stop
            if first == 0x82 and self._opcode == CONTINUATION:  # a whole binary message: nearly all that ever comes
                self._control = 0
                events.append(Message(payload, False))
            elif opcode <= BINARY:
                self._data(opcode, bool(first & FIN), payload, events)
            else:
                self._control_frame(opcode, payload, events)
                if self.close_received:
                    self._buffer = b""
                    return events
        self._buffer = buffer[at:] if at else buffer
        return events

    def _data(self, opcode: int, final: bool, payload: bytes, events: list[Frame]) -> None:
        if (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise PeerError(PROTOCOL_ERROR, "a continuation of nothing, or a message within a message")
        if payload:
            self._control = 0
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._fragments += 1
        if self._fragments > MOST_FRAGMENTS:
            raise PeerError(POLICY_VIOLATION, "a message of too many fragments")
        self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return
        whole = payload if len(self._parts) == 1 else b"".join(self._parts)
        text = self._opcode == TEXT
        self._parts, self._size, self._fragments, self._opcode = [], 0, 0, CONTINUATION
        if text:
            _utf8(whole)
        events.append(Message(whole, text))

    def _control_frame(self, opcode: int, payload: bytes, events: list[Frame]) -> None:
        self._control += 1
        if self._control > MOST_CONTROL:
            raise PeerError(POLICY_VIOLATION, "control frames without end")
        if opcode == PING:
            events.append(Ping(payload))
            if not self.close_sent:
                self._out.append(frame_bytes(PONG, payload, self._client))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            self.close_received = True
            events.append(parse_close(payload))

    def send(self, frame: Frame) -> None:
        """Raises OurError after a Close of ours."""
        if self.close_sent:
            raise OurError("nothing may follow a Close")
        kind = type(frame)
        if kind is Message:
            message: Message = frame  # type: ignore[assignment]
            self._out.append(frame_bytes(TEXT if message.text else BINARY, message.data, self._client))
        elif kind is Close:
            close: Close = frame  # type: ignore[assignment]
            self.close_sent = True
            payload = b"" if close.code is None else close.code.to_bytes(2, "big") + _cut(close.reason, LARGEST_CONTROL - 2)
            self._out.append(frame_bytes(CLOSE, payload, self._client))
        elif kind is Ping:
            self._out.append(frame_bytes(PING, frame.data, self._client))  # type: ignore[union-attr]
        else:
            raise OurError("Pongs are sent by themselves")

    def take(self) -> bytes:
        """What to write now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data


def parse_close(payload: bytes) -> Close:
    """A Close frame's body (section 5.5.1, 7.4). Raises PeerError."""
    if not payload:
        return Close()
    code = int.from_bytes(payload[:2], "big")
    known = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    if len(payload) < 2 or not known:
        raise PeerError(PROTOCOL_ERROR, "a Close with a code that none may send")
    return Close(code, _utf8(payload[2:]))


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PeerError(INVALID_DATA, "text that is not UTF-8") from error


def _cut(text: str, most: int) -> bytes:
    return text.encode()[:most].decode(errors="ignore").encode()
