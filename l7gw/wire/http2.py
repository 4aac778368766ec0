"""HTTP/2 in both roles (RFC 9113), sans-IO: bytes in, events out; events in, bytes out.

Here are the two roles, which differ in how streams begin. `http2_connection` reads for both, `http2_frames` the frames, and
`http2_fields` the content of header blocks. Events are those of HTTP/1.1, each with the number of its stream. A read that ends in a
PeerError gives none of its events, and ends the connection.
"""

from __future__ import annotations

from l7gw.wire import http2_frames as frames
from l7gw.wire.answer_shapes import AnswerShapes
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.events import END, NO_BODY, Body, BodyParts, End, HttpEvent, Informational, Request, Reset, Response
from l7gw.wire.http2_connection import Receiver
from l7gw.wire.http2_fields import Malformed, answer_fields, head_block, line_of, parse_answer, parse_request
from l7gw.wire.http2_frames import PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED
from l7gw.wire.http2_hpack import LARGEST_KNOWN, Fields, write_block
from l7gw.wire.http2_huffman import LongStrings
from l7gw.wire.http2_limits import (
    CLIENT_STREAM_WINDOW,
    CLIENT_WINDOW,
    CLUSTER_FRAME,
    CLUSTER_STREAM_WINDOW,
    CLUSTER_WINDOW,
    MOST_STREAMS,
    STREAMS_ASSUMED,
)
from l7gw.wire.http2_side import BY_PEER, BY_US, StreamEvent
from l7gw.wire.http2_stream import BODY, CLIENT_SENDS, DONE, HEAD, SERVER_SENDS, Stream, out_of_order
from l7gw.wire.semantics import BODILESS, LARGEST_HEAD, MOST_INTERIM, OF_MEANING

# ---------------------------------------------------------------------- the server's side


class ServerConnection(Receiver):
    """One client's connection.

    `receive` gives Request, Body..., End on each stream. Refused in the place of one of them is the last event of a
    request that is not served. Reset says that a stream ended early. Answer each request with `send` (Informational...,
    Response, Body..., End), or `reset` its stream. `remembered` is how many bytes of header blocks, and
    as many of their fields, are kept with their meaning. `long` are long strings that other connections had.
    """

    def __init__(self, remembered: int = LARGEST_KNOWN // 2, long: LongStrings | None = None) -> None:
        settings = {
            frames.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
            frames.INITIAL_WINDOW_SIZE: CLIENT_STREAM_WINDOW,
            frames.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
        }
        super().__init__(settings, CLIENT_WINDOW, 2 * remembered, long)
        self._opened = False  # the client's preface has come
        self._remembered = remembered
        self._alike: dict[tuple[object, ...], Request] = {}  # a request's fields without its line, to a request that has them
        self._alike_size = 0

    @property
    def asked(self) -> bool:
        """Whether a request has come on this connection."""
        return self._highest != 0

    def _begin(self, data: bytes) -> int:
        if self._opened:
            return 0
        if not data.startswith(frames.PREFACE):
            if not frames.PREFACE.startswith(data):
                raise PeerError(PROTOCOL_ERROR, "a connection that does not begin as HTTP/2")
            return -1
        self._opened = True
        return len(frames.PREFACE)

    def _gone_away(self, last: int, code: int, events: list[StreamEvent]) -> None:
        """The open streams go on. Nothing is to be done, as only a client's streams could be refused."""

    def _streams_allowed(self, most: int) -> None:
        """The setting bounds the streams that we open, and a server opens none."""

    def _check_headers(self, stream_id: int) -> None:
        if stream_id in self._streams:
            return
        if stream_id % 2 == 0:
            raise PeerError(PROTOCOL_ERROR, "a stream of a number that clients do not have")
        if stream_id <= self._highest:
            ended = self._recent.get(stream_id)
            if ended != BY_US:
                raise PeerError(STREAM_CLOSED if ended else PROTOCOL_ERROR, "HEADERS on a stream that is no more")

    def _head(self, stream_id: int, stream: Stream | None, block: bytes, events: list[StreamEvent]) -> None:
        ends = self._block_ends
        known = self._reader.known(block)
        fields = self._reader.read(block) if known is None or known[0] != ends else None
        if stream_id <= self._highest:
            self._spend_control()  # the frame is late: we have ended its stream
            return
        self._highest = stream_id
        if len(self._streams) >= MOST_STREAMS or stream_id > self._last_taken:  # sections 5.1.2, 6.8
            self._reset(stream_id, REFUSED_STREAM, "too many streams", events)
            return
        stream = Stream(stream_id, self._sender.first_window, self._stream_window)
        self._streams[stream_id] = stream
        stream.receiving = DONE if ends else BODY
        try:
            if fields is None:
                assert known is not None
                request = known[1]
            else:
                request = self._parsed(fields, stream)
                self._reader.remember(block, (ends, request))
            stream.method = request.method
            if self._block_faulty:
                raise Malformed("a stream that depends on itself")
        except Malformed as fault:
            self._reset(stream_id, PROTOCOL_ERROR, str(fault), events)
            return
        except PeerError as error:
            if error.code < 400:
                raise
            self._refuse(stream, error.code, error.reason, events)
            return
        events.append((stream_id, request))
        if ends:
            events.append((stream_id, END))
        else:
            # With GET or HEAD only an empty body may come: some servers read such a body, others do not (threats A18).
            stream.left = 0 if request.method in BODILESS else request.length

    def _parsed(self, fields: Fields, stream: Stream) -> Request:
        """The request in these fields. All but its line often came before: of 8 fields, that takes 1.3 us, and parsing them 6.3."""
        line = line_of(fields) if self._block_ends else None
        if line is not None:
            method, target, told = line
            like = self._alike.get(told)
            if like is not None:
                return Request(method, target, like.headers, whole=True)
        try:
            request = parse_request(fields, end=self._block_ends)
        except (Malformed, PeerError):
            stream.method = dict(fields).get(":method", "")
            raise
        if line is not None and request.length == NO_BODY:
            size = self._reader.unpacked
            if 0 < size <= self._remembered // 4:
                self._alike_size += size + OF_MEANING
                if self._alike_size > self._remembered:
                    self._alike.clear()
                    self._alike_size = size + OF_MEANING
                self._alike[line[2]] = request
        return request

    def send(self, stream_id: int, event: HttpEvent) -> None:
        """Send an answer, event by event. Raises OurError for another order. On a stream that is gone, nothing is sent."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        kind = type(event)
        if stream.ending or SERVER_SENDS.get(kind) != stream.sending:
            raise out_of_order(stream, event)
        if isinstance(event, Body):
            self._sender.body(stream, event.data)
        elif kind is End:
            self._sender.end(stream)
        elif isinstance(event, BodyParts):
            for part in event.parts:
                self._sender.body(stream, part)
        elif isinstance(event, Informational):
            if not 100 <= event.status < 200 or event.status == 101:
                raise OurError("an interim answer is a 1xx, and no 101")
            self._sender.head(stream, write_block(answer_fields(event)), end=False)
        elif isinstance(event, Response):
            if event.status < 200:
                raise OurError("an answer is no 1xx")
            stream.silent = stream.method == "HEAD" or event.status in (204, 304) or event.length == 0 or event.length == NO_BODY
            stream.left_out = event.length
            self._sender.head(stream, head_block(event), end=stream.silent)
            stream.sending = BODY

    def send_whole(self, stream_id: int, response: Response, body: Body) -> None:
        """Send an answer, its body and its end. It is `send` of the three, for less where nothing is to be weighed."""
        stream, size = self._streams.get(stream_id), len(body.data)
        if stream is None:
            return
        plain = response.length == size > 0 and 200 <= response.status < 300 and response.status != 204
        if not plain or stream.sending != HEAD or stream.ending or stream.method == "HEAD":
            self.send(stream_id, response)
            self.send(stream_id, body)
            self.send(stream_id, END)
            return
        stream.sending = BODY
        self._sender.whole(stream, head_block(response), body.data)


# ---------------------------------------------------------------------- the client's side


class ClientConnection(Receiver):
    """One connection to a server.

    `open` gives the number of a new stream, if `free` is true. `send` takes its Request, Body..., End. `receive` gives
    Informational..., Response, Body..., End, or Reset where the stream ended early. The `shapes` are those of the cluster that the
    connection goes to; without them each answer's fields are parsed.
    """

    _client = True  # `_highest` is the last stream that we opened
    _preface = frames.PREFACE

    def __init__(self, shapes: AnswerShapes | None = None) -> None:
        self._shapes = shapes
        self._most = STREAMS_ASSUMED  # streams at once; the server's SETTINGS may say another number
        settings = {
            frames.ENABLE_PUSH: 0,
            frames.INITIAL_WINDOW_SIZE: CLUSTER_STREAM_WINDOW,
            frames.MAX_FRAME_SIZE: CLUSTER_FRAME,
            frames.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
        }
        super().__init__(settings, CLUSTER_WINDOW, 0)

    def _streams_allowed(self, most: int) -> None:
        self._most = most

    @property
    def settled(self) -> bool:
        """Whether the server's first SETTINGS have come, which say how many streams it allows."""
        return self._settled

    @property
    def allowed(self) -> int:
        """How many streams may be open at once."""
        return self._most

    @property
    def free(self) -> bool:
        return not self._going and not self.over and len(self._streams) < self._most and self._highest < frames.STREAM_IDS - 2

    def open(self) -> int:
        """The number of a new stream. Send its request before the next stream is opened, as the numbers on the connection must grow
        (section 5.1.1). Raises OurError where `free` is false."""
        if not self.free:
            raise OurError("no stream is free")
        number = self._highest + 2 if self._highest else 1
        self._highest = number
        stream = Stream(number, self._sender.first_window, self._stream_window)
        self._streams[number] = stream
        return number

    def send(self, stream_id: int, event: HttpEvent) -> None:
        """Send a request, event by event. Raises OurError for another order. On a stream that is gone, nothing is sent."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        kind = type(event)
        if stream.ending or CLIENT_SENDS.get(kind) != stream.sending:
            raise out_of_order(stream, event)
        if isinstance(event, Body):
            self._sender.body(stream, event.data)
        elif kind is End:
            self._sender.end(stream)
        elif isinstance(event, BodyParts):
            for part in event.parts:
                self._sender.body(stream, part)
        elif isinstance(event, Request):
            if event.upgrade:
                raise OurError("an upgrade cannot go over HTTP/2")
            stream.method = event.method
            stream.silent = event.length == 0 or event.length == NO_BODY
            stream.left_out = event.length
            self._sender.head(stream, head_block(event), end=stream.silent)
            stream.sending = BODY

    def _check_headers(self, stream_id: int) -> None:
        if stream_id not in self._streams:
            self._check_not_idle(stream_id)

    def _head(self, stream_id: int, stream: Stream | None, block: bytes, events: list[StreamEvent]) -> None:
        fields = self._reader.read(block)
        if stream is None:
            return  # the frame is late: its stream has ended
        try:
            answer = self._parsed(fields, stream.method)
            if isinstance(answer, Informational):
                stream.interim += 1
                if stream.interim > MOST_INTERIM:
                    raise Malformed(f"more than {MOST_INTERIM} interim answers")
        except Malformed as error:
            self._reset(stream_id, PROTOCOL_ERROR, str(error), events)
            return
        if isinstance(answer, Response):
            stream.receiving = BODY
            bodiless = stream.method == "HEAD" or answer.status in (204, 304)
            stream.left = 0 if bodiless else answer.length
            if stream.left == 0 and not self._block_ends:
                stream.owed = answer  # the event waits for the End, so that both come in one read
                return
        events.append((stream_id, answer))
        if isinstance(answer, Response) and self._block_ends:
            self._received_end(stream, events)

    def _parsed(self, fields: Fields, method: str) -> Response | Informational:
        """The answer in these fields. Raises Malformed."""
        shapes = self._shapes
        if shapes is None or self._block_ends or method == "HEAD":
            return parse_answer(fields, method, end=self._block_ends)
        known = shapes.read_fields(fields)
        if known is not None:
            return known
        answer = parse_answer(fields, method, end=False)
        return shapes.remember_fields(fields, answer) if isinstance(answer, Response) else answer

    def _gone_away(self, last: int, code: int, events: list[StreamEvent]) -> None:
        for number, stream in [pair for pair in self._streams.items() if pair[0] > last]:
            unread = stream.receiving == HEAD  # a request that was answered in part was acted upon, whatever the server says
            self._close(number, BY_PEER)
            events.append((number, Reset(REFUSED_STREAM, "the cluster is going away", unread)))
