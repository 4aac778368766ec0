"""WebSocket framing in both roles (RFC 6455), sans-IO. No extension is ever negotiated, so RSV bits are always an error.

    FIN (1) | RSV (3) | opcode (4) | MASK (1) | length (7, or 7 + 16, or 7 + 64) | masking key (32, if MASK) | payload

Messages are put together from their fragments, up to a bound. Each message of ours is sent as one unfragmented frame, since the API
server takes a continuation for a message of its own (kubernetes-wire 5.2).

A PeerError comes behind the events of all frames that were whole before the fault, however the bytes were cut into reads: a message
stands for itself. The other codecs give no event of the read that brought a fault, which in HTTP may be half of a smuggled request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from codecs import utf_8_decode
from collections.abc import Iterable, Iterator
from typing import Literal

from websockets.speedups import apply_mask

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import event

# ---------------------------------------------------------------------- numbers (section 5.2, 7.4.1)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, MASK = 0x80, 0x80
WHOLE = FIN | BINARY  # the first byte of a binary message in one frame
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY_VIOLATION, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
ABNORMAL = 1006  # never sent: the connection ended without a Close

NO_TEXT = "text that is not UTF-8"

# ---------------------------------------------------------------------- limits

LARGEST_MESSAGE = 1024 * 1024  # bytes; kubectl sends 32,769 at most, the API server a message for each write (threats C10)
LARGEST_CONTROL = 125  # bytes of a control frame's payload (section 5.5)
# Fragments that any message may have; and the bytes that each further one must bring, as small ones cost us (threats C10, B8).
FRAGMENTS_FREE, SMALLEST_AVERAGE = 1000, 64  # Autobahn's smallest: 4 MiB in 65,536 fragments of 64 bytes, and an empty one
# Control frames in a row without data in either direction. kubectl pings every 5 s while its exec is silent, other clients every
# second. The API server ends a silent stream after 4 h, which are 14,400 such pings. The caller bounds their rate (threats C10).
MOST_CONTROL = 20_000
MOST_PONGS = 16  # Pongs that wait for the next `take`; each has 127 bytes at most. A peer that reads nothing cannot make more wait

# ---------------------------------------------------------------------- events


@event
class Message:
    """A whole message. With `text` the data is UTF-8. The codec checks that of the peer's messages, and not of ours."""

    data: bytes
    text: bool = False


@event
class Ping:
    """Received, it is reported only: `take` writes the Pong. `data` has 125 bytes at most."""

    data: bytes = b""


@event
class Pong:
    """Received only: `take` writes the Pongs of ours. A Pong without a Ping is allowed (section 5.5.3)."""

    data: bytes = b""


@event
class Close:
    """`code` (1000 to 4999, section 7.4) is None where the peer gave none. A `reason` of ours is cut to the 123 bytes that fit."""

    code: int | None = None
    reason: str = ""


Frame = Message | Ping | Pong | Close

# ---------------------------------------------------------------------- handshake (section 4)


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def new_key() -> str:
    """A `Sec-WebSocket-Key` (section 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def valid_key(key: str) -> bool:
    """Whether a `Sec-WebSocket-Key` is sixteen bytes in base64 (section 4.2.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


# ---------------------------------------------------------------------- frames (sections 5.2, 5.3)


def _long_length(data: bytes) -> int:
    """A length of two or eight bytes (section 5.2). Refused in a longer form than needed, and with its highest bit set."""
    length = int.from_bytes(data, "big")
    if length < (126 if len(data) == 2 else 65536) or length >> 63:
        raise PeerError(PROTOCOL_ERROR, "a length that is not in its shortest form, or of 2^63 and more")
    return length


def frame_bytes(opcode: int, data: bytes, masked: bool) -> bytes:
    """One unfragmented frame (section 5.2), with a new random mask where it is `masked`, as a client's must be."""
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


# ---------------------------------------------------------------------- connection


class Connection:
    """One side of a WebSocket after its handshake.

    `receive` gives Message, Ping, Pong, Close. The next `take` answers Pings. `send` takes Message, Ping, Close. A PeerError has
    the close code to send (never 1006). After one, and after a Close both ways, close the connection. `limit` is in bytes.
    """

    __slots__ = (
        "_checked", "_client", "_control", "_failed", "_fragments", "_limit", "_message", "_opcode", "_out", "_pings", "_rune",
        "_text_at", "_waiting", "_wanted", "close_received", "close_sent",
    )  # fmt: skip

    def __init__(self, role: Literal["client", "server"], *, limit: int = LARGEST_MESSAGE) -> None:
        self._client = role == "client"
        self._limit = limit
        self._waiting = bytearray()  # the bytes of a frame that is not whole
        self._wanted = 0  # bytes that `_waiting` must have before it is looked at again; 0: its head is not whole yet
        self._text_at = 0  # where in `_waiting` the payload of a text frame begins; 0: it is no text frame
        self._checked = 0  # bytes of that payload that were found to be UTF-8
        self._rune = b""  # the beginning of a character at the end of the text that was checked
        self._out: list[bytes] = []
        self._pings: list[bytes] = []  # the payloads of received Pings that are not answered yet
        self._message = bytearray()  # the fragments so far of a message
        self._opcode = CONTINUATION  # the opcode of that message; CONTINUATION: no fragments are waiting
        self._fragments = 0
        self._control = 0
        self._failed = False
        self.close_received = False
        self.close_sent = False

    # ------------------------------------------------------------------ receiving

    def receive(self, data: bytes) -> Iterable[Frame]:
        """The events of more bytes of the peer; b"" is their end. Raises PeerError; 1006 for an end without a Close.

        Where whole frames came before a fault, their events are given first, and their iterator then raises the PeerError. After a
        fault, as after a Close (section 5.5.1), all bytes are ignored.
        """
        if self.close_received or self._failed:
            return []
        if not data:
            self._failed = True
            raise PeerError(ABNORMAL, "the connection ended without a Close")
        waiting = self._waiting
        events: list[Frame] = []
        try:
            if waiting:
                waiting += data  # so a large frame that comes in small reads is copied once, and not at each read
                if len(waiting) < self._wanted:
                    if self._text_at:
                        self._text_begun()
                    return events
                data = bytes(waiting)
                waiting.clear()
            at = self._frames(data, events)
            if at < len(data) and not self.close_received:
                waiting += data[at:]
                if self._text_at:
                    self._text_begun()
        except PeerError as fault:
            self._failed = True
            if not events:
                raise
            return _and_then(events, fault)
        return events

    def _frames(self, buffer: bytes, events: list[Frame]) -> int:
        """Read every whole frame of the buffer. Gives how many bytes they had. A wrong head is refused at once."""
        at, end, gathering = 0, len(buffer), self._opcode
        expect_mask = 0 if self._client else MASK
        room = self._limit - len(self._message)
        self._wanted = self._text_at = 0
        # One loop over the whole read. One core reads 2.7 M frames of 64 bytes a second without a mask, 1.9 M with one.
        while end - at >= 2:
            first, second = buffer[at], buffer[at + 1]
            length = second & 0x7F
            start = at + 2
            if first & 0x70 or (second & MASK) != expect_mask:
                raise PeerError(PROTOCOL_ERROR, "a reserved bit, or a mask where none belongs or none where one does")
            opcode = first & 0x0F
            if opcode > BINARY:
                if opcode < CLOSE or opcode > PONG or not first & FIN or length > LARGEST_CONTROL:
                    raise PeerError(PROTOCOL_ERROR, "an unknown opcode, or a fragmented or oversized control frame")
            elif (opcode == CONTINUATION) is (gathering == CONTINUATION):
                raise PeerError(PROTOCOL_ERROR, "a continuation of nothing, or a message within a message")
            elif length >= 126:
                start = at + (4 if length == 126 else 10)
                if start > end:
                    break
                length = _long_length(buffer[at + 2 : start])
            if length > room and opcode <= BINARY:
                raise PeerError(TOO_BIG, f"a message larger than {self._limit} bytes")
            if expect_mask:
                start += 4
            stop = start + length
            if stop > end:
                self._wanted = stop - at
                if (opcode or gathering) == TEXT:
                    self._text_at = start - at
                break
            payload = buffer[start:stop]
            if expect_mask and length:
                payload = apply_mask(payload, buffer[start - 4 : start])
            at = stop
            if first == WHOLE:  # as nearly all frames are
                self._control = 0
                events.append(Message(payload))
            elif opcode <= BINARY:
                self._data(opcode, bool(first & FIN), payload, events)
                gathering = self._opcode
                room = self._limit - len(self._message)
            else:
                self._control_frame(opcode, payload, events)
                if self.close_received:
                    break
        return at

    def _data(self, opcode: int, final: bool, payload: bytes, events: list[Frame]) -> None:
        """Read a text message, or a fragment of a message."""
        if payload:
            self._control = 0
        if opcode != CONTINUATION:
            self._opcode = opcode
        text = self._opcode == TEXT
        if text:
            self._text(payload[self._checked :], final=final)
            self._checked = 0
        if final and opcode != CONTINUATION:
            self._opcode = CONTINUATION
            events.append(Message(payload, text))
            return
        message = self._message
        message += payload
        self._fragments += 1
        if self._fragments > FRAGMENTS_FREE + len(message) // SMALLEST_AVERAGE:
            raise PeerError(POLICY_VIOLATION, "a message of too many small fragments")
        if final:
            events.append(Message(bytes(message), text))
            self._message, self._fragments, self._opcode = bytearray(), 0, CONTINUATION

    def _text(self, data: bytes, *, final: bool) -> None:
        """Check more of a text message. It is refused as soon as it cannot be UTF-8, and where it
        ends within a character (section 8.1)."""
        data = self._rune + data
        try:
            _, used = utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as error:
            raise PeerError(INVALID_DATA, NO_TEXT) from error
        self._rune = data[used:]

    def _text_begun(self) -> None:
        """Check what has come of a text frame that is not whole yet."""
        start, known = self._text_at, self._checked
        data = bytes(self._waiting[start + known :])
        if not data:
            return
        if not self._client:
            mask, turn = self._waiting[start - 4 : start], known & 3
            data = apply_mask(data, bytes(mask[turn:] + mask[:turn]))
        self._checked += len(data)
        self._text(data, final=False)

    def _control_frame(self, opcode: int, payload: bytes, events: list[Frame]) -> None:
        """Section 5.5."""
        self._control += 1
        if self._control > MOST_CONTROL:
            raise PeerError(POLICY_VIOLATION, "control frames without end")
        if opcode == PING:
            events.append(Ping(payload))
            if len(self._pings) == MOST_PONGS:
                self._pings.pop()  # section 5.5.3: the Pong of the latest Ping may answer earlier ones too
            self._pings.append(payload)
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            self.close_received = True
            events.append(parse_close(payload))

    # ------------------------------------------------------------------ sending

    def send(self, frame: Frame) -> None:
        """Queue a Message, Ping or Close. Raises OurError after a Close of ours, and for a frame that may not be sent."""
        if self.close_sent:
            raise OurError("nothing may follow a Close")
        if isinstance(frame, Message):
            self._control = 0
            self._out.append(frame_bytes(TEXT if frame.text else BINARY, frame.data, self._client))
        elif isinstance(frame, Close):
            payload = close_bytes(frame)
            self._answer_pings()
            self.close_sent = True
            self._out.append(frame_bytes(CLOSE, payload, self._client))
        elif isinstance(frame, Ping):
            if len(frame.data) > LARGEST_CONTROL:
                raise OurError("a Ping larger than any")
            self._out.append(frame_bytes(PING, frame.data, self._client))
        else:
            raise OurError("Pongs are sent by themselves")

    def take(self, answer: bool = True) -> bytes:
        """The bytes to write now, Pongs first. They are given once. With `answer` false, for a peer that does not read, Pings are
        not answered now, and only the last of them later."""
        if self._pings:
            if answer:
                self._answer_pings()
            else:
                del self._pings[:-1]
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def _answer_pings(self) -> None:
        """Queue a Pong for each Ping (section 5.5.2), but none after our Close."""
        if not self.close_sent:
            self._out[:0] = [frame_bytes(PONG, data, self._client) for data in self._pings]
        self._pings.clear()


def _and_then(events: list[Frame], fault: PeerError) -> Iterator[Frame]:
    """Gives the events, and then raises the fault."""
    yield from events
    raise fault
