"""Tunnels that read, mask, record and send frame by frame, without any of the shorter ways of the product: the twin of a
differential test. And a session that keeps what both record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from l7gw.gateway.tunnel import Sides, Tunnel
from l7gw.gateway.tunnel_spdy import SpdyInWebSocket, SpdyTunnel
from l7gw.gateway.tunnel_websocket import WebSocketTunnel
from l7gw.kube.channel_frames import ChannelFrame
from l7gw.masking.bodies.streams import StreamRules
from l7gw.obligations import Obligations
from l7gw.recording import events as e
from l7gw.recording.call_record import LARGEST_EVENT, CallRecord
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire.errors import OurError
from l7gw.wire.spdy import Connection as Spdy
from l7gw.wire.websocket import Connection as WebSocket
from tests.support.manual_clock import ManualClock


class KeptSession:
    """The events of a session as bytes, and how many there are."""

    id = "s"
    backlogged = ended = False

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.recent: deque[Any] = deque()
        self.bytes = b""
        self.events = self.content = 0

    def now(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)

    def append(self, event: e.WrittenEvent) -> int:
        return self.append_encoded(e.encode(event))

    def append_encoded(self, part: bytes) -> int:
        self.append_parts((part,), events=1)
        return len(part)

    def append_parts(self, parts: Sequence[bytes], *, events: int) -> None:
        self.bytes += b"".join(parts)
        self.events += events

    def count(self, content: int = 0, *, denied: int = 0, held: int = 0) -> None:
        self.content += content

    def closed_call(self) -> None:
        pass

    def durable(self, then: Callable[[None], None]) -> None:
        then(None)


class PlainRecord(CallRecord):
    """Each frame is an event that msgspec encodes."""

    def frame(self, channel: str, *, up: bool, stream: int, data: bytes, final: bool = False) -> None:
        self.session.count(len(data))
        if up:
            self.up += len(data)
        else:
            self.down += len(data)
        data = data if self.content else b""
        assert len(data) <= LARGEST_EVENT
        self.session.append(e.Frame(self.session.now(), self.number, channel=channel, up=up, stream=stream, data=data, final=final))

    def frames(self, channel: str, *, up: bool, stream: int, data: Sequence[bytes], final: bool = False) -> None:
        for number, one in enumerate(data, 1):
            self.frame(channel, up=up, stream=stream, data=one, final=final and number == len(data))


class PlainWebSocket(WebSocket):
    """Each message is an event of its own."""

    def receive_runs(self, data: bytes) -> Iterable[Any]:
        return self.receive(data)


class PlainSpdy(Spdy):
    """Each DATA frame is an event of its own."""

    def receive_runs(self, data: bytes) -> list[Any]:
        return self.receive(data)


class PlainSpdyInWebSocket(SpdyInWebSocket):
    def __init__(self, role: Any) -> None:
        super().__init__(role)
        self._inner = PlainSpdy(role)


class PlainBatch(Tunnel):
    """Each frame of a batch is kept with its event."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frames: list[tuple[ChannelFrame, bytes, Any]] = []

    def _pass_down(self, frame: ChannelFrame, data: list[bytes], event: Any) -> None:
        (one,) = data
        if self._frames and self._frames[-1][0].stream != frame.stream:
            self._send_batch()
            if self._over:
                return
        if frame.channel == "error" and one and not self._before_status():
            return
        self._frames.append((frame, one, event))
        if frame.final:
            self._send_batch()

    def _send_batch(self) -> None:
        frames, self._frames = self._frames, []
        if not frames:
            return
        last = frames[-1][0]
        data = frames[0][1] if len(frames) == 1 else b"".join([one for _, one, _ in frames])
        if last.final and last.channel == "stderr":
            self._tell_masked()
        shown, recorded = self._masks.feed(last, data, self._clock.monotonic())
        if recorded is data:
            for frame, one, _ in frames:
                self._record.frame(frame.channel, up=False, stream=frame.stream, data=one, final=frame.final)
        elif recorded or last.final:
            self._record.frame(last.channel, up=False, stream=last.stream, data=recorded, final=last.final)
        if shown is data:
            for _, _, event in frames:
                self._send_down(event)
        elif shown or last.final:
            self._send_down(self._event(last.stream, shown, final=last.final))
        if last.final:
            self._masks.forget(last.stream, up=False)
        self._look_at_finds()


class PlainWebSocketTunnel(PlainBatch, WebSocketTunnel):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client_leg, self._cluster_leg = PlainWebSocket("server"), PlainWebSocket("client")


class PlainSpdyTunnel(PlainBatch, SpdyTunnel):
    pass


def _of(frame: e.Frame) -> tuple[Any, ...]:
    return frame.time, frame.channel, frame.up, frame.stream


class Driven:
    """A tunnel with what was done by it: the bytes for each side, the recording, its finds and its end."""

    def __init__(
        self, make: Callable[[Sides], Tunnel], record: type[CallRecord], rules: StreamRules, obligations: Obligations
    ) -> None:
        self.clock = ManualClock()
        self.session = KeptSession(self.clock)
        self.record = record(self.session, number=3, run=0, run_id="r", content=True)
        self.told: list[Any] = []
        self.client: list[bytes] = []
        self.cluster: list[bytes] = []
        note = self.told.append
        downstream = SimpleNamespace(
            writable=True, write=self.client.append, read=lambda **why: note(("read", why)), linger=lambda: note("linger")
        )
        upstream = SimpleNamespace(write=self.cluster.append, close=lambda: note("close"))
        call = SimpleNamespace(
            may_forward=lambda port: port != 81, wait_for_disk=lambda: note("disk"), client_broke=lambda error: note(str(error)),
            cluster_broke=lambda error: note(str(error)), held_bytes_due=lambda: self.tunnel.release(),
            guessing=lambda values: note(("guessing", values)), ended=lambda outcome, reason: note((outcome, reason)),
        )  # fmt: skip
        masks = SimpleNamespace(
            streams=lambda: rules, call_hooks=lambda: None, obligations=obligations, act=SimpleNamespace(tty=rules.tty),
            ends=lambda *found: "a value was masked" if obligations.ends_on_mask else "",
        )  # fmt: skip
        sides = Sides(call, downstream, upstream, self.record, masks, self.clock, USUAL_TIMEOUTS)  # type: ignore[arg-type]
        self.tunnel = make(sides)
        self.tunnel._alarm = SimpleNamespace(set=lambda at: note(("alarm", at)), end=lambda: note("no alarm"))  # type: ignore[assignment]

    def does(self, step: tuple[str, Any]) -> None:
        """One step: bytes of a side, the end of one, or time. A mistake of ours ends the call in the product (`gateway/guard`)."""
        try:
            self._does(step)
        except OurError as mistake:
            self.told.append(str(mistake))

    def _does(self, step: tuple[str, Any]) -> None:
        match step:
            case "client", data:
                self.tunnel.from_client(data)
            case "cluster", data:
                self.tunnel.from_cluster(data)
            case "wait", seconds:
                self.clock.advance(seconds)
                self.tunnel.release()
                self.tunnel.tick(self.clock.monotonic())
            case "client-ended", _:
                self.tunnel.client_ended("the client left")
            case "cluster-ended", _:
                self.tunnel.cluster_ended()

    def _recorded(self) -> list[Any]:
        """The events. What the client sent at one time is one event here: frame by frame, where one ends as a value could begin, its
        end is recorded with the next one; together they are recorded as they came where they show that no value began."""
        session, found = self.session, []
        head = b"\xdd" + session.events.to_bytes(4, "big")  # of an array of so many elements
        for event in msgspec.msgpack.decode(head + session.bytes, type=list[e.WrittenEvent]):
            last = found[-1] if found else None
            if isinstance(event, e.Frame) and isinstance(last, e.Frame) and event.up and _of(event) == _of(last) and not last.final:
                found[-1] = msgspec.structs.replace(last, data=last.data + event.data, final=event.final)
            else:
                found.append(event)
        return found

    @property
    def state(self) -> dict[str, Any]:
        """All that must be alike after each step. Writes are compared as they were made: one a read and side."""
        return {
            "client": self.client,
            "cluster": self.cluster,
            "recorded": self._recorded(),
            "content": self.session.content,
            "sizes": (self.record.up, self.record.down),
            "told": self.told,
            "due": self.tunnel._masks.due,
        }
