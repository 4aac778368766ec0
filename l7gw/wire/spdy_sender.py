"""SPDY/3.1: the sending half of a connection. Frames are queued by `send` as bytes, and handed over by `take`."""

from __future__ import annotations

import struct
from typing import assert_never

from l7gw.wire.errors import OurError
from l7gw.wire.spdy_block import Blocks
from l7gw.wire.spdy_events import Data, GoAway, Ping, Reset, Run, SpdyFrame, SynReply, SynStream
from l7gw.wire.spdy_frames import (
    FLAG_FIN,
    FLAG_UNIDIRECTIONAL,
    GOAWAY,
    PING,
    RST_STREAM,
    STREAM_MASK,
    SYN_REPLY,
    SYN_STREAM,
    TWO_WORDS,
    control_bytes,
)
from l7gw.wire.spdy_streams import AWAITED, BARE, OURS, OWED, PEER, Streams

LARGEST_SENT_DATA = 1024 * 1024  # bytes of one DATA frame of ours; larger data is sent in several


class Sender:
    """Turns frames into bytes, each where its stream's state allows it.

    Once the peer has broken the protocol, a frame that its stream's state does not allow is dropped without an error. The caller
    cannot know that state, as it never gets the events of the read that failed. So is a frame of a stream that was reset: the reset
    may stand in the read whose first events the caller looks at.
    """

    __slots__ = ("_blocks", "_out", "streams")

    def __init__(self, *, client: bool) -> None:
        self.streams = Streams(client=client)
        self._blocks = Blocks()
        self._out: list[bytes] = []

    def send(self, found: SpdyFrame) -> None:
        """Queue a frame. Raises OurError where the stream's state does not allow it, or a number does not fit its field."""
        if isinstance(found, Data):
            self._send_data(found)
            return
        if isinstance(found, Run):
            self._send_run(found)
            return
        try:
            self._send_control(found)
        except struct.error as error:
            raise OurError(f"a number that does not fit its field: {error}") from error

    def take(self) -> bytes:
        """The bytes to write now. They are given once."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # -- control frames

    def _send_control(self, found: SynStream | SynReply | Reset | Ping | GoAway) -> None:
        match found:
            case SynStream():
                self._send_syn_stream(found)
            case SynReply():
                self._send_reply(found)
            case Reset(stream, status):
                if not status:
                    raise OurError("a reset without a status")
                frame = control_bytes(RST_STREAM, 0, TWO_WORDS.pack(stream, status))
                if stream in self.streams.open:
                    self.streams.reset(stream)
                    self._out.append(frame)
            case Ping(number):
                self._out.append(control_bytes(PING, 0, struct.pack(">I", number)))
            case GoAway(last, status):
                self.streams.going = self.streams.went_away = True
                self._out.append(control_bytes(GOAWAY, 0, TWO_WORDS.pack(last, status)))
            case _:
                assert_never(found)

    def _usable(self, stream: int, bits: int) -> bool:
        """Whether the stream has these bits. Raises OurError where it has not, was not reset, and the peer has not broken the
        protocol."""
        if self.streams.open.get(stream, 0) & bits == bits:
            return True
        if self.streams.failed or stream in self.streams.resets:
            return False
        raise OurError(f"stream {stream} is {self.streams.state(stream)} and not open for this from us")

    def _send_syn_stream(self, found: SynStream) -> None:
        streams, stream = self.streams, found.stream
        if not streams.last_opened < stream <= STREAM_MASK or not streams.is_ours(stream) or streams.went_away:
            raise OurError("a stream id that is used, falling, or of the other side; or a stream after GOAWAY")
        head = struct.pack(">IIBB", stream, 0, 0, 0)  # section 2.6.1: no associated stream, the highest priority, slot 0
        flags = (FLAG_FIN if found.final else 0) | (FLAG_UNIDIRECTIONAL if found.unidirectional else 0)
        self._out.append(control_bytes(SYN_STREAM, flags, head + self._blocks.write(found.headers)))
        streams.last_opened = stream
        streams.add(stream, (0 if found.final else OURS) | (0 if found.unidirectional else PEER | AWAITED))

    def _send_reply(self, found: SynReply) -> None:
        stream = found.stream
        if self.streams.open.get(stream, 0) & BARE:  # a reply was already sent, ahead of data
            if found.headers:
                raise OurError("headers of a SYN_REPLY that went without them, ahead of data")
            self.streams.close(stream, BARE)
            if found.final:
                self._send_data(Data(stream, b"", final=True))
        elif self._usable(stream, OURS | OWED):
            self._write_reply(found)
            self.streams.close(stream, OWED | (OURS if found.final else 0))

    def _write_reply(self, found: SynReply) -> None:
        payload = struct.pack(">I", found.stream) + self._blocks.write(found.headers)
        self._out.append(control_bytes(SYN_REPLY, FLAG_FIN if found.final else 0, payload))

    # -- DATA

    def _send_data(self, found: Data) -> None:
        stream, data, out = found.stream, found.data, self._out
        if not self._usable(stream, OURS):
            return
        if self.streams.open[stream] & OWED:
            self._reply_first(stream)
        while len(data) > LARGEST_SENT_DATA:
            out += (TWO_WORDS.pack(stream, LARGEST_SENT_DATA), data[:LARGEST_SENT_DATA])
            data = data[LARGEST_SENT_DATA:]
        out.append(TWO_WORDS.pack(stream, (FLAG_FIN << 24 if found.final else 0) | len(data)))
        if data:
            out.append(data)
        if found.final:
            self.streams.close(stream, OURS)

    def _send_run(self, found: Run) -> None:
        """Queue frames as they came: that is what they would be written as, as none is larger than LARGEST_SENT_DATA."""
        if self._usable(found.stream, OURS):
            if self.streams.open[found.stream] & OWED:
                self._reply_first(found.stream)
            self._out.append(found.frames)

    def _reply_first(self, stream: int) -> None:
        """Queue a SYN_REPLY that is still owed, without headers, as kubectl drops data that
        come before it (kubernetes-wire 4.3)."""
        self._write_reply(SynReply(stream))
        self.streams.open[stream] = self.streams.open[stream] & ~OWED | BARE
