"""Our HTTP/2 and that of the h2 library behind the same methods: what a conversation needs, in the events of our vocabulary."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import h2.stream
import h2.windows
from h2.settings import SettingCodes

from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, HttpEvent, Informational, Request, Reset, Response
from l7gw.wire.http2 import ClientConnection, ServerConnection
from l7gw.wire.http2_fields import answer_fields, request_fields
from l7gw.wire.http2_side import StreamEvent
from l7gw.wire.semantics import UNTOLD
from tests.fuzz.wire_http2 import request_of


class Windows(h2.windows.WindowManager):
    """A window of h2 that SETTINGS may have made less than nothing (RFC 9113 section 6.9.2). h2 alone then takes an empty frame for
    more than the window has, by which any stream may end (section 6.9.1)."""

    def window_consumed(self, size: int) -> None:
        if size:
            super().window_consumed(size)


h2.stream.WindowManager = Windows  # type: ignore[attr-defined]


class Ours:
    """Our server, or our client."""

    def __init__(self, *, client: bool) -> None:
        self.connection: ClientConnection | ServerConnection = ClientConnection() if client else ServerConnection()
        self.gone: set[int] = set()

    def open(self) -> int:
        assert isinstance(self.connection, ClientConnection)
        return self.connection.open()

    def send(self, stream: int, event: HttpEvent) -> None:
        self.connection.send(stream, event)

    def reset(self, stream: int) -> None:
        self.gone.add(stream)
        self.connection.reset(stream)

    def hold(self, stream: int, held: bool) -> None:
        self.connection.hold(stream, held=held)

    def ping(self) -> None:
        self.connection.ping()

    def read(self, data: bytes) -> list[StreamEvent]:
        came = self.connection.receive(data)
        self.gone |= {stream for stream, event in came if isinstance(event, Reset)}
        return came

    def write(self) -> bytes:
        return self.connection.take(20_000)

    def let_go(self) -> None:
        for stream in list(self.connection._streams):
            self.connection.hold(stream, held=False)

    @property
    def idle(self) -> bool:
        return self.connection.streams == 0 and not self.connection.unfinished


class Theirs:
    """h2, with a queue for the bytes that its peer's windows do not allow yet. h2 itself has none."""

    def __init__(self, *, client: bool, largest_frame: int) -> None:
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding=False))
        self.connection.initiate_connection()
        # Set at once: frames that come in one read with an acknowledgement are measured by h2 with the value before it.
        self.connection.update_settings({SettingCodes.MAX_FRAME_SIZE: largest_frame})
        self.waiting: dict[int, bytes] = {}
        self.ending: set[int] = set()
        self.gone: set[int] = set()
        self.held: set[int] = set()
        self.owed: list[tuple[int, int]] = []  # (bytes, stream) of data that is not acknowledged yet
        self.unsettled = 2
        self.last_word = False

    def open(self) -> int:
        return self.connection.get_next_available_stream_id()

    def send(self, stream: int, event: HttpEvent) -> None:
        if stream in self.gone:
            return
        if isinstance(event, Body):
            self.waiting[stream] += event.data
        elif isinstance(event, End):
            self.ending.add(stream)
        elif isinstance(event, Request):
            alone = event.length == NO_BODY
            self.connection.send_headers(stream, request_fields(event), end_stream=alone)
            if not alone:
                self.waiting[stream] = b""
        elif isinstance(event, Informational | Response):
            self.waiting[stream] = b""
            self.connection.send_headers(stream, answer_fields(event))

    def trailers(self, stream: int) -> None:
        """End a stream, on which nothing waits, with a trailer field."""
        if stream not in self.gone and not self.waiting.get(stream, b"x"):
            del self.waiting[stream]
            self.connection.send_headers(stream, [("x-trailer", "1")], end_stream=True)

    def reset(self, stream: int) -> None:
        if stream not in self.gone and stream in self.connection.streams and self.connection.streams[stream].open:
            self.connection.reset_stream(stream, 8)
            self.gone.add(stream)

    def hold(self, stream: int, held: bool) -> None:
        (self.held.add if held else self.held.discard)(stream)

    def ping(self) -> None:
        self.connection.ping(b"12345678")

    def tune(self, first_window: int, table: int) -> None:
        if self.unsettled:
            return  # h2 would take the first acknowledgement for that of all settings
        self.unsettled = 1
        self.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: first_window, SettingCodes.HEADER_TABLE_SIZE: table})

    def let_go(self) -> None:
        self.held.clear()
        self.last_word = True
        self.connection.increment_flow_control_window(1 << 24)

    def read(self, data: bytes) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        for event in self.connection.receive_data(data):
            found += in_our_words(event)
            if isinstance(event, h2.events.DataReceived):
                self.owed.append((event.flow_controlled_length or 0, event.stream_id or 0))
            if isinstance(event, h2.events.SettingsAcknowledged):
                self.unsettled -= 1
            if isinstance(event, h2.events.StreamReset):
                self.gone.add(event.stream_id or 0)
        return found

    def write(self) -> bytes:
        if self.last_word and not self.unsettled:
            self.last_word = False
            self.tune(1 << 20, 4096)
        for amount, stream in [one for one in self.owed if one[1] not in self.held]:
            self.owed.remove((amount, stream))
            if amount:
                self.connection.acknowledge_received_data(amount, stream)
        for stream, data in list(self.waiting.items()):
            if stream in self.gone:
                del self.waiting[stream]
                continue
            size = min(len(data), self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            last = stream in self.ending and size == len(data)
            if size > 0 or last:
                self.connection.send_data(stream, data[:size], end_stream=last)
                self.waiting[stream] = data[size:]
            if last:
                del self.waiting[stream]
        return self.connection.data_to_send()

    @property
    def idle(self) -> bool:
        return not self.connection.open_inbound_streams and not self.connection.open_outbound_streams


def in_our_words(event: h2.events.Event) -> list[StreamEvent]:
    """An event of h2 in our vocabulary. Events that a connection's user has no use for are left out."""
    stream: int = getattr(event, "stream_id", None) or 0
    if isinstance(event, h2.events.RequestReceived):
        return [(stream, request_of(event.headers or (), event.stream_ended is not None))]
    if isinstance(event, h2.events.ResponseReceived):
        return [(stream, answer_of(event.headers or (), event.stream_ended is not None))]
    if isinstance(event, h2.events.InformationalResponseReceived):
        return [(stream, Informational(int(dict(event.headers or ())[b":status"])))]
    if isinstance(event, h2.events.DataReceived):
        return [(stream, Body(event.data))] if event.data else []
    if isinstance(event, h2.events.StreamEnded):
        return [(stream, End())]
    if isinstance(event, h2.events.StreamReset):
        return [(stream, Reset(int(event.error_code or 0)))]
    return []


def answer_of(headers: list[tuple[bytes, bytes]] | tuple[()], ended: bool) -> Response:
    fields = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
    told = dict(fields)
    length = int(told["content-length"]) if "content-length" in told else NO_BODY if ended else CHUNKED
    kept = [(name, value) for name, value in fields if name[0] != ":" and name not in UNTOLD]
    return Response(int(told[":status"]), tuple(kept), length)
