"""HTTP/1.1, the client's side (RFC 9112): requests out, answers in. The states and their names are in `http1`."""

from __future__ import annotations

from l7gw.wire.answer_shapes import AnswerShapes
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import END, NO_BODY, Body, BodyParts, Closed, End, HttpEvent, Informational, Raw, Request, Response
from l7gw.wire.http1 import BODY, HEAD, IDLE, OVER, TUNNEL, Side, State
from l7gw.wire.http1_body import BodyReader
from l7gw.wire.http1_message import parse_response
from l7gw.wire.http1_writing import write_head
from l7gw.wire.semantics import BODIED, MOST_INTERIM

# What may be sent in which state, and the state that follows (see `http1`).
CLIENT_SENDS: dict[tuple[State, type[HttpEvent]], State] = {
    (IDLE, Request): BODY,
    (BODY, Body): BODY,
    (BODY, BodyParts): BODY,
    (BODY, End): IDLE,
    (TUNNEL, Raw): TUNNEL,
}


class ClientConnection(Side):
    """One connection to a server.

    `send` takes Request, Body..., End. `receive` gives Informational..., Response, Body..., End; behind a 101 it gives Raw.
    `reusable` says whether the next request may be sent. After a PeerError (502) close the connection. The `shapes` are those of
    the cluster that the connection goes to; without them each answer's head is parsed.
    """

    __slots__ = ("_interim", "_method", "_shapes", "_sound", "_upgrade")

    def __init__(self, shapes: AnswerShapes | None = None) -> None:
        super().__init__(IDLE)
        self._shapes = shapes
        self._method = "GET"
        self._upgrade = ""
        self._interim = 0
        self._sound = True  # false once another request can no longer be sent safely

    @property
    def reusable(self) -> bool:
        """Whether request and answer are complete, and another request may be sent on this connection (threats A17)."""
        return self.reading == IDLE and self.writing == IDLE and self._sound and not self._buffer

    # ------------------------------------------------------------------ writing

    def send(self, event: HttpEvent) -> None:
        """Send a request: Request, Body..., End; Raw behind a 101. Raises OurError for any other order."""
        kind = type(event)
        if (self.writing, kind) not in CLIENT_SENDS:
            raise OurError(f"a client cannot send {kind.__name__} in state {self.writing}")
        if isinstance(event, Request):
            self._begin(event)
        elif isinstance(event, Body):
            self._write_body((event.data,), len(event.data))
        elif isinstance(event, BodyParts):
            self._write_body(event.parts, event.size)
        elif isinstance(event, End):
            self._write_end()
            self.writing = IDLE
        elif isinstance(event, Raw):
            self._out.append(event.data)

    def send_whole(self, request: Request) -> bytes:
        """The bytes of a request without a body, to be written now. It is `send` of the Request and of its End, and `take`."""
        if request.length != NO_BODY or request.method in BODIED or request.upgrade or not request.keep_alive or not self.reusable:
            self.send(request)
            self.send(END)
            return self.take()
        write_head(self._out, request, NO_BODY)
        self._method, self._upgrade, self._interim = request.method, "", 0
        self._length = NO_BODY
        self._left = 0
        self.reading = HEAD
        return self.take()

    def _begin(self, request: Request) -> None:
        if not self.reusable:
            raise OurError("the former exchange is not complete")
        length = request.length
        if length == NO_BODY and request.method in BODIED:
            length = 0
        connection = "Upgrade" if request.upgrade else "" if request.keep_alive else "close"
        write_head(self._out, request, length, connection, request.upgrade)
        self._method, self._upgrade, self._interim = request.method, request.upgrade, 0
        self._sound = request.keep_alive and not request.upgrade
        self._begin_body(length)
        self.reading = HEAD

    # ------------------------------------------------------------------ reading

    def in_parts(self) -> None:
        """From the next read on, give the body of the answer that is being read as BodyParts where it is large."""
        if self._reader is not None:
            self._reader.in_parts = True

    def receive(self, data: bytes | memoryview) -> list[HttpEvent]:
        """The events of more bytes of the server; b"" is their end. BodyParts are views of `data`. Raises PeerError 502."""
        if self.reading == OVER:
            return []
        if not data:
            return self._ended()
        reader = self._reader
        if reader is None and self.reading != HEAD:
            return self._unasked(bytes(data))
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            return self._read(bytes(data)) if reader is None else self._read_body(data, reader, [])
        except PeerError:
            self.reading = OVER
            raise

    def _unasked(self, data: bytes) -> list[HttpEvent]:
        """Bytes where no answer is being read."""
        if self.reading == TUNNEL:
            return [Raw(data)]
        self.reading = OVER
        raise PeerError(502, "bytes that answer nothing")

    def _ended(self) -> list[HttpEvent]:
        within = self.reading == HEAD or self.reading == BODY
        self.reading = OVER
        if within:
            raise PeerError(502, "the connection ended within the answer")  # a cut list must not look whole (threats I8)
        return [Closed()]

    def _read(self, data: bytes) -> list[HttpEvent]:
        events: list[HttpEvent] = []
        while self.reading == HEAD and data:
            end = self._find_head(data, 502, 502)
            if end < 0:
                break
            answer = self._parsed(data[:end])
            data = data[end + 4 :]
            if type(answer) is Response and answer.length == len(data) and self._is_simple(answer):
                self.reading = IDLE
                return [*events, answer, Body(data), END]
            events.append(answer)
            if isinstance(answer, Response):
                self._answered(answer, events)
            else:
                self._interim += 1
                if self._interim > MOST_INTERIM:
                    raise PeerError(502, f"more than {MOST_INTERIM} interim answers")
        if self.reading == TUNNEL:
            if data:  # the new protocol begins right behind the 101
                events.append(Raw(data))
            return events
        if self._reader is not None:
            return self._read_body(data, self._reader, events)
        self._buffer = data  # a part of a head, or surplus, after which `reusable` is false
        return events

    def _is_simple(self, answer: Response) -> bool:
        """Whether an answer whose announced body has come with its head needs no reader of that."""
        status = answer.status
        plain = answer.length > 0 and status >= 200 and status != 204 and status != 304 and answer.keep_alive
        return plain and self._method != "HEAD" and self.writing == IDLE

    def _read_body(self, data: bytes | memoryview, reader: BodyReader, events: list[HttpEvent]) -> list[HttpEvent]:
        taken = reader.read(data, events)
        left = data[taken:]
        if reader.complete:
            self._finished(events)
        self._buffer = bytes(left)  # a part of a chunk's line, or surplus
        return events

    def _parsed(self, head: bytes) -> Response | Informational:
        """The answer in a head. One whose shape is known takes 1.2 us, and parsing it 5.1."""
        shapes = self._shapes
        known = shapes.read(head) if shapes is not None else None
        if known is not None:
            return known
        answer = parse_response(head, self._method, self._upgrade)
        return shapes.remember(head, answer) if shapes is not None and isinstance(answer, Response) else answer

    def _answered(self, answer: Response, events: list[HttpEvent]) -> None:
        if answer.status == 101:
            self.reading = self.writing = TUNNEL
            return
        if not answer.keep_alive or self.writing != IDLE:
            self._sound = False  # the answer came before the request's end: how the server reads what follows is in doubt
        if self._method == "HEAD" or answer.status == 204 or answer.status == 304 or answer.length in (0, NO_BODY):
            self._finished(events)
        else:
            self._reader = BodyReader(answer.length, answer=True)
            self.reading = BODY

    def _finished(self, events: list[HttpEvent]) -> None:
        self._reader = None
        self.reading = IDLE
        events.append(END)
