"""WebSocket framing in both roles (RFC 6455), sans-IO. No extension is ever negotiated, so RSV bits are always an error.
Numbers, events and the frames as bytes are in `websocket_frames`.

Messages are put together from their fragments, up to a bound. Each message of ours is sent as one unfragmented frame, since the API
server takes a continuation for a message of its own (kubernetes-wire 5.2).

A PeerError comes behind the events of all frames that were whole before the fault, however the bytes were cut into reads: a message
stands for itself. The other codecs give no event of the read that brought a fault, which in HTTP may be half of a smuggled request.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Iterable, Iterator
from typing import Literal, cast

from websockets.speedups import apply_mask

from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.websocket_events import Close, Frame, Message, Ping, Pong, Run
from l7gw.wire.websocket_frames import (
    ABNORMAL,
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    INVALID_DATA,
    LARGEST_CONTROL,
    MASK,
    NO_TEXT,
    PING,
    POLICY_VIOLATION,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    WHOLE,
    close_bytes,
    frame_bytes,
    long_length,
    parse_close,
    run_bytes,
)

# ---------------------------------------------------------------------- limits

LARGEST_MESSAGE = 1024 * 1024  # bytes; kubectl sends 32,769 at most, the API server a message for each write (threats C10)
# Fragments that any message may have; and the bytes that each further one must bring, as small ones cost us (threats C10, B8).
FRAGMENTS_FREE, SMALLEST_AVERAGE = 1000, 64  # Autobahn's smallest: 4 MiB in 65,536 fragments of 64 bytes, and an empty one
# Control frames in a row without data in either direction. kubectl pings every 5 s while its exec is silent, other clients every
# second. The API server ends a silent stream after 4 h, which are 14,400 such pings. The caller bounds their rate (threats C10).
MOST_CONTROL = 20_000
MOST_PONGS = 16  # Pongs that wait for the next `take`; each has 127 bytes at most. A peer that reads nothing cannot make more wait

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
        return cast("Iterable[Frame]", self._receive(data, runs=False))

    def receive_runs(self, data: bytes) -> Iterable[Frame | Run]:
        """As `receive`, but binary messages come in runs: in nearly all of them an event stands for many."""
        return self._receive(data, runs=True)

    def _receive(self, data: bytes, *, runs: bool) -> Iterable[Frame | Run]:
        if self.close_received or self._failed:
            return []
        if not data:
            self._failed = True
            raise PeerError(ABNORMAL, "the connection ended without a Close")
        waiting = self._waiting
        events: list[Frame | Run] = []
        try:
            if waiting:
                if len(waiting) + len(data) < self._wanted:
                    waiting += data  # so a large frame that comes in small reads is copied twice, and not at each read
                    if self._text_at:
                        self._text_begun()
                    return events
                data = b"".join((waiting, data))
                waiting.clear()
            at = self._frames(data, events, runs=runs)
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

    def _frames(self, buffer: bytes, events: list[Frame | Run], *, runs: bool) -> int:
        """Read every whole frame of the buffer. Gives how many bytes they had. A wrong head is refused at once."""
        at, end, gathering = 0, len(buffer), self._opcode
        expect_mask = 0 if self._client else MASK
        room = self._limit - len(self._message)
        self._wanted = self._text_at = 0
        read_run = self._masked_run if expect_mask else self._run
        while end - at >= 2:
            first, second = buffer[at], buffer[at + 1]
            if first == WHOLE and runs and gathering == CONTINUATION and (then := read_run(buffer, at, events)) > at:
                at = then
                continue
            length, start = second & 0x7F, at + 2
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
                length = long_length(buffer[at + 2 : start])
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
            if opcode <= BINARY:
                self._data(opcode, bool(first & FIN), payload, events)
                gathering = self._opcode
                room = self._limit - len(self._message)
            else:
                self._control_frame(opcode, payload, events)
                if self.close_received:
                    break
        return at

    def _run(self, buffer: bytes, at: int, events: list[Frame | Run]) -> int:
        """Read whole binary messages from `at` that begin with the same byte, as nearly all do. Gives where the first frame begins
        that is no such message. What is wrong with it, if anything, is for `_frames` to say.

        One loop over the whole read, and no object for a message but its bytes: 2,900 instructions for one of 64 bytes, where an
        event for each would cost 8,400.
        """
        began, end, limit = at, len(buffer), self._limit
        first, start, size, last = -1, 0, 0, b""
        rests: list[bytes] = []
        append = rests.append
        while end - at > 2:
            head = buffer[at : at + 3]
            if head != last:  # else it is as long as the one before, and of the same channel
                length, start = head[1], 2
                if head[0] != WHOLE or length > 127:
                    break
                if length >= 126:
                    start = 4 if length == 126 else 10
                    length = int.from_bytes(buffer[at + 2 : at + start], "big")
                    if length < (126 if start == 4 else 65536):
                        break
                if at + start >= end or not 0 < length <= limit or (rests and buffer[at + start] != first):
                    break
                first = buffer[at + start]
                last = head if start == 2 else b""
                size = start + length
            stop = at + size
            if stop > end:
                break
            append(buffer[at + start + 1 : stop])
            at = stop
        if rests:
            self._control = 0
            events.append(Run(first, rests, buffer[began:at]))
        return at

    def _masked_run(self, buffer: bytes, at: int, events: list[Frame | Run]) -> int:
        """As `_run`, of a client's frames."""
        end, limit, first = len(buffer), self._limit, -1
        rests: list[bytes] = []
        while end - at > 6 and buffer[at] == WHOLE:
            length, start = buffer[at + 1] - MASK, at + 6
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(buffer[at + 2 : start - 4], "big")
                if length < (126 if start == at + 8 else 65536):
                    break
            stop = start + length
            if stop > end or not 0 < length <= limit:
                break
            payload = apply_mask(buffer[start:stop], buffer[start - 4 : start])
            if payload[0] != first:
                if rests:
                    break
                first = payload[0]
            rests.append(payload[1:])
            at = stop
        if rests:
            self._control = 0
            events.append(Run(first, rests, b""))
        return at

    def _data(self, opcode: int, final: bool, payload: bytes, events: list[Frame | Run]) -> None:
        """Read a message that is in no run, or a fragment of one."""
        if payload or (opcode == BINARY and final):
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

    def _control_frame(self, opcode: int, payload: bytes, events: list[Frame | Run]) -> None:
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

    def send(self, frame: Frame | Run) -> None:
        """Queue a Message, Run, Ping or Close. Raises OurError after a Close of ours, and for a frame that may not be sent. The
        frames of a run go on as they came where neither side masks: that is what they would be written as."""
        if self.close_sent:
            raise OurError("nothing may follow a Close")
        if isinstance(frame, Message):
            self._control = 0
            self._out.append(frame_bytes(TEXT if frame.text else BINARY, frame.data, self._client))
        elif isinstance(frame, Run):
            self._control = 0
            if frame.frames and not self._client:
                self._out.append(frame.frames)
            else:
                self._out.append(run_bytes(frame, self._client))
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


def _and_then(events: list[Frame | Run], fault: PeerError) -> Iterator[Frame | Run]:
    """Gives the events, and then raises the fault."""
    yield from events
    raise fault
