"""HTTP/2 for the demo cluster, by h2. Each connection and each of its streams has a task.

After a GOAWAY h2 takes the connection for closed, though streams under way may go on (RFC 9113, 6.8; h2's issue 1181). So h2 never
sees the client's GOAWAY, and the server writes its own GOAWAY without h2.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

from l7gw.demo.calls import LARGEST_BODY, Answer, Call, Handler
from l7gw.demo.websocket import READ

PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
FRAME_HEAD = 9  # bytes: length (3), type, flags, stream (4)
TOO_LARGE = Answer(413, f"Request entity too large: limit is {LARGEST_BODY}".encode(), "text/plain")


async def _too_large(call: Call) -> Answer:
    return TOO_LARGE


class Http2Connection:
    """One client's connection, from its preface to its end. It allows 100 streams at once, as the real API server does."""

    def __init__(self, handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._handler = handler
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self._frames = _Frames()
        self._calls: dict[int, Call] = {}  # stream -> what has come of its request
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Event()  # set when the client sent anything: its windows may have grown
        self._last = 0  # the number of the highest stream that was served

    async def run(self) -> None:
        """Serve until the client leaves or the task is cancelled. Answers under way then end, too."""
        try:
            self._h2.initiate_connection()
            await self._flush()
            while data := await self._reader.read(READ):
                for event in self._h2.receive_data(self._frames.without_goaway(data)):
                    self._take(event)
                self._room.set()
                await self._flush()
                if self._left():
                    return
        except ProtocolError:
            self._writer.write(self._h2.data_to_send())  # a GOAWAY that names the client's fault
        except asyncio.CancelledError:
            self._writer.write(GoAwayFrame(last_stream_id=self._last, error_code=ErrorCodes.NO_ERROR).serialize())
            raise
        finally:
            answers = list(self._answers.values())
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)

    # ------------------------------------------------------------------ requests

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._last = event.stream_id
            self._request(event)
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            call = self._calls.get(event.stream_id)
            if call is not None:
                call.body += event.data
                if len(call.body) > LARGEST_BODY:
                    self._start(event.stream_id, _too_large)
        elif isinstance(event, StreamEnded):
            if event.stream_id in self._calls:
                self._start(event.stream_id, self._handler)
        elif isinstance(event, StreamReset):
            self._calls.pop(event.stream_id, None)
            answer = self._answers.get(event.stream_id)
            if answer is not None:
                answer.cancel()

    def _request(self, event: RequestReceived) -> None:
        fields = [(str(name), str(value)) for name, value in event.headers]
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        if ":path" not in pseudo:  # CONNECT, which this server does not support
            self._reset(event.stream_id, ErrorCodes.HTTP_1_1_REQUIRED)
            return
        lines = [(name, value) for name, value in fields if not name.startswith(":")]
        if ":authority" in pseudo:
            lines.insert(0, ("host", pseudo[":authority"]))
        self._calls[event.stream_id] = Call.of("h2", pseudo[":method"], pseudo[":path"], lines)

    def _start(self, stream: int, handler: Handler) -> None:
        answer = asyncio.create_task(self._answer(stream, handler, self._calls.pop(stream)))
        self._answers[stream] = answer
        answer.add_done_callback(partial(self._answered, stream))

    def _answered(self, stream: int, answer: asyncio.Task[None]) -> None:
        del self._answers[stream]
        if self._left():
            self._writer.close()  # so that `run` stops reading

    def _left(self) -> bool:
        """Whether the client sent a GOAWAY and has got its last answer."""
        return self._frames.goaway and not self._calls and not self._answers

    # ------------------------------------------------------------------ answers

    async def _answer(self, stream: int, handler: Handler, call: Call) -> None:
        """Answer one call. Where the client resets the stream, this task is cancelled, so that nothing is sent on it any more."""
        try:
            answer = await handler(call)
            assert answer.websocket is None, "h2 refuses requests with `upgrade`"
            head = [(":status", str(answer.status)), *answer.head(call)]
            bodyless = call.method == "HEAD"
            self._h2.send_headers(stream, head, end_stream=bodyless)
            await self._flush()  # a watch's head goes out before its first event
            if answer.pieces is not None:
                async with contextlib.aclosing(answer.pieces) as pieces:
                    if not bodyless:
                        async for piece in pieces:
                            await self._send(stream, piece)
            elif not bodyless:
                await self._send(stream, answer.body)
            if not bodyless:
                self._h2.end_stream(stream)
            if handler is _too_large:
                self._reset(stream, ErrorCodes.NO_ERROR)  # the rest of the request is not wanted (RFC 9113, 8.1)
            await self._flush()
        except ConnectionError:
            pass  # the client is gone
        except Exception:
            self._reset(stream, ErrorCodes.INTERNAL_ERROR)
            await self._flush()
            raise

    async def _send(self, stream: int, data: bytes) -> None:
        """Send `data` in DATA frames, as fast as the client's windows allow."""
        rest = memoryview(data)
        while rest:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._h2.send_data(stream, bytes(rest[:room]))
            rest = rest[room:]
            await self._flush()

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        with contextlib.suppress(ProtocolError):  # the stream is already closed
            self._h2.reset_stream(stream, code)

    async def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._writer.write(data)
            await self._writer.drain()


class _Frames:
    """Cuts the client's bytes into frames, so that a GOAWAY can be taken out."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._preface = PREFACE  # the bytes of the preface that have not come yet
        self.goaway = False

    def without_goaway(self, data: bytes) -> bytes:
        """The whole frames among the bytes so far, without GOAWAY. `goaway` is set where one was there."""
        passed = bytearray(data[: self._preface])
        self._held += data[self._preface :]
        self._preface -= len(passed)
        while len(self._held) >= FRAME_HEAD:
            end = FRAME_HEAD + int.from_bytes(self._held[:3], "big")
            if len(self._held) < end:
                break
            if self._held[3] == GoAwayFrame.type:
                self.goaway = True
            else:
                passed += self._held[:end]
            del self._held[:end]
        return bytes(passed)
