"""A tunnel: what an exchange becomes after its 101. It has two legs of one protocol, and one vocabulary of channels for the record.

    client  <->  leg  <->  events, judged and recorded  <->  leg  <->  cluster

A leg turns bytes into events and back: WebSocket messages, SPDY frames, or SPDY frames inside WebSocket messages. The cluster gets
the protocol that the client chose; nothing is translated. A half-closed direction stays half-closed. Where the connection ends
before the protocol has shown the end of the stream, the client gets a failure Status first: a bare cut of SPDY, or a Close 1000
alone, looks like success to kubectl (kubernetes-wire 4.4, 5.5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from l7gw.gateway.alarm import Alarm
from l7gw.gateway.backpressure import DISK_BEHIND, WRITE_BLOCKED
from l7gw.gateway.channel_masks import PLACEHOLDER_SENT, ChannelMasks, Given
from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND, Newest, Pace, Silence
from l7gw.gateway.tunnel_sides import Sides
from l7gw.kube.channel_frames import ChannelFrame
from l7gw.kube.channels import NOT_PASSED, check_kept_back
from l7gw.kube.status import failure
from l7gw.recording.events import Outcome
from l7gw.wire.errors import PeerError


class Tunnel(ABC):
    """What both kinds of tunnel share: the two connections, and how the tunnel ends."""

    _sizes: Newest[Any]  # sizes of the client's terminal that wait to travel

    def __init__(self, sides: Sides) -> None:
        self._call = sides.call
        self._client = sides.client
        self._cluster = sides.cluster
        self._record = sides.record
        self._masks = ChannelMasks(sides.masks, sides.record)
        self._alarm = Alarm(sides.clock, sides.call.held_bytes_due)
        self._batch: list[bytes] = []  # the data of frames of one stream of the cluster that go down next
        self._batch_of: ChannelFrame | None = None  # the last of these frames; None where there are none
        self._batch_events: list[Any] = []  # the events that they came in
        self._clock = sides.clock
        self._timeouts = sides.timeouts
        self._control = Pace(sides.clock, CLIENT_CONTROL_A_SECOND)
        now = sides.clock.monotonic()
        self._to_client = Silence(now, sides.timeouts.client_ping_after)
        self._to_cluster = Silence(now, sides.timeouts.cluster_ping_after)
        self._cluster_writable = True
        self._over = False
        self._told = False  # whether stderr has the line about what was masked

    def begin(self) -> None:
        """Take over the client's connection. Called after the 101 was written."""
        self._client.switch_to_tunnel(self)

    def cluster_writable(self, writable: bool) -> None:
        """The cluster takes bytes again, or takes no more: read the client again, or pause it."""
        self._cluster_writable = writable
        self._client.read(wanted=writable, why=WRITE_BLOCKED)

    def disk_caught_up(self) -> None:
        self._client.read(wanted=True, why=DISK_BEHIND)

    def from_client(self, data: bytes) -> None:
        """Judge, record and send up bytes of the client. Bytes that break its protocol end the tunnel. A slow disk pauses the
        client."""
        if self._over:
            return
        try:
            self._up(data)
        except PeerError as error:
            self._broken(error)
            return
        if self._over:
            return
        self._flush()
        self._watch()
        if self._record.session.backlogged:
            self._client.read(wanted=False, why=DISK_BEHIND)
            self._call.wait_for_disk()

    def _broken(self, error: PeerError) -> None:
        self._call.client_broke(error)
        self.end(f"the stream is not what its protocol allows: {error}")

    def _keep_back(self, frame: ChannelFrame) -> None:
        """Record a frame that is not passed on. Raises PeerError where the client sends too many of them, or bytes for a stdin that
        the call did not ask for."""
        _, recorded = self._masks.feed(frame, frame.data, self._clock.monotonic())
        if recorded or frame.final or not frame.data:
            self._record.frame(frame.channel + NOT_PASSED, up=frame.up, stream=frame.stream, data=recorded, final=frame.final)
        if frame.up:
            check_kept_back(frame)
            self._control.count()

    def from_cluster(self, data: bytes) -> None:
        """Record and send down bytes of the cluster. Bytes that break its protocol end the tunnel; the client gets a failure."""
        if self._over:
            return
        try:
            self._down(data)
            self._send_batch()
        except PeerError as error:
            self._call.cluster_broke(error)
            self.end(f"the cluster's stream is not what its protocol allows: {error}", "cut")
            return
        if not self._over:
            self._flush()
            self._watch()

    def cluster_ended(self) -> None:
        """The cluster's connection ended. The tunnel is complete only where its protocol has shown the end of the stream."""
        if self._over:
            return
        if self._complete():
            self._settle()
            self._client.write(self._farewell())
            self._finish(*self._as_ended())
        else:
            self.end("the cluster ended the connection before the stream was complete", "cut")

    cluster_lost = cluster_ended

    def client_ended(self, why: str) -> None:
        """The client is gone. Tell the cluster at once, so that its process does not run on. `why` goes to the record."""
        if not self._over:
            self._settle(unheard=True)
            self._over = True
            self._cluster.write(self._goodbye())
            self._cluster.close()
            self._sizes.end()
            self._alarm.end()
            self._call.ended(*self._by_client(why))

    def _by_client(self, why: str) -> tuple[Outcome, str]:
        """Outcome and reason where the client ends the tunnel."""
        return self._as_ended() if self._complete() else ("aborted", f"{why}, before the stream was complete")

    def _as_ended(self) -> tuple[Outcome, str]:
        """Outcome and reason where the protocol has shown the end of the stream."""
        return "complete", ""

    def end(self, why: str, outcome: Outcome = "cut") -> None:
        """End the stream as failed: the client is told `why` and cannot take the end for success."""
        if self._over:
            return
        self._over = True  # what is settled now may be another reason to end
        self._settle()
        self._client.write(self._failure(failure(why)))
        self._cluster.write(self._goodbye())
        self._finish(outcome, why)

    def _finish(self, outcome: Outcome, reason: str) -> None:
        self._over = True
        self._cluster.close()
        self._sizes.end()
        self._alarm.end()
        self._call.ended(outcome, reason)
        self._client.linger()

    def tick(self, now: float) -> None:
        """Once a second: write what waited for the client to read, and ping a side that we have sent nothing for long.

        A side that does not read is not pinged: the ping would only wait behind the other bytes. Pings are not recorded, because
        the record has the bytes of the client and the cluster alone.
        """
        self._flush()
        if self._to_client.is_due(now) and self._client.writable:
            self._to_client.awaited = self._ping_client()
        if self._to_cluster.is_due(now) and self._cluster_writable:
            self._to_cluster.awaited = self._ping_cluster()
        self._flush()

    def _flush(self) -> None:
        """Write what the legs have ready."""
        if data := self._for_cluster():
            self._to_cluster.wrote = True
            self._cluster.write(data)
        if data := self._for_client():
            self._to_client.wrote = True
            self._client.write(data)

    # -- masks

    def _record_up(self, frame: ChannelFrame) -> bool:
        """Record a frame of the client, masked. False where the tunnel was ended instead, because a placeholder stands in stdin."""
        if frame.data and self._masks.holds_placeholder(frame):
            self._settle(up=True, stream=frame.stream)  # what went up before is recorded apart from what does not
            _, recorded = self._masks.feed(frame, frame.data, self._clock.monotonic())
            recorded += b"".join(one.recorded for one in self._masks.settle(up=True, stream=frame.stream))
            self._record.frame(frame.channel + NOT_PASSED, up=True, stream=frame.stream, data=recorded)
            self.end(PLACEHOLDER_SENT)
            return False
        _, recorded = self._masks.feed(frame, frame.data, self._clock.monotonic())
        if recorded or frame.final or not frame.data:
            self._record.frame(frame.channel, up=True, stream=frame.stream, data=recorded, final=frame.final)
        if why := self._masks.ends:
            self.end(why)
        return not self._over

    def _record_up_run(self, frame: ChannelFrame | None, data: list[bytes]) -> bool:
        """Record frames of the client that came together, each as it came; `frame` stands for all of them. False where each has to
        be looked at by itself: something in them may be masked or held, or they are of no usual channel (None)."""
        if frame is None or len(data) < 2 or not self._masks.passes(frame, data):
            return False
        self._record.frames(frame.channel, up=True, stream=frame.stream, data=data)
        return True

    def _pass_down(self, frame: ChannelFrame, data: list[bytes], event: Any) -> None:
        """Take frames of the cluster, and the event that they came in. `frame` stands for all of them, `data` has the bytes of
        each. Frames of one stream that follow each other are masked as one piece: a command that prints much writes hundreds a
        read."""
        before = self._batch_of
        if before is not None and before.stream != frame.stream:
            self._send_batch()
            if self._over:  # by what was found in it
                return
        if frame.channel == "error" and frame.data and not self._before_status():
            return
        self._batch_of = frame
        self._batch += data
        self._batch_events.append(event)
        if frame.final:
            self._send_batch()

    def _send_batch(self) -> None:
        """Record and send down the frames that were taken. Where nothing in them is masked or held, they go as they came."""
        last, batch, events = self._batch_of, self._batch, self._batch_events
        if last is None:
            return
        self._batch_of, self._batch, self._batch_events = None, [], []
        data = batch[0] if len(batch) == 1 else b"".join(batch)
        if last.final and last.channel == "stderr":
            self._tell_masked()
        shown, recorded = self._masks.feed(last, data, self._clock.monotonic())
        record = self._record
        if recorded is data:
            record.frames(last.channel, up=False, stream=last.stream, data=batch, final=last.final)
        elif recorded or last.final:
            record.frame(last.channel, up=False, stream=last.stream, data=recorded, final=last.final)
        if shown is data:
            for event in events:
                self._send_down(event)
        elif shown or last.final:
            self._send_down(self._event(last.stream, shown, final=last.final))
        if last.final:
            self._masks.forget(last.stream, up=False)
        self._look_at_finds()

    def _look_at_finds(self) -> None:
        if number := self._masks.guessing:
            self._call.guessing(number)
        if not self._over and (why := self._masks.ends):
            self.end(why)

    def _settle(self, *, up: bool | None = None, stream: int | None = None, unheard: bool = False) -> None:
        """Record and send down what is held, of one direction or stream or of all, because nothing may follow. `unheard`: the
        client takes no more of it."""
        self._send_batch()
        self._give(self._masks.settle(up=up, stream=stream), unheard=unheard)

    def release(self) -> None:
        """Record and send down what was held for as long as it may be."""
        if not self._over:
            self._give(self._masks.flush(self._clock.monotonic()))
            self._look_at_finds()
        if not self._over:
            self._flush()
            self._watch()

    def _give(self, given: Iterable[Given], *, unheard: bool = False) -> None:
        for one in given:
            if one.recorded:
                self._record.frame(one.channel, up=one.up, stream=one.stream, data=one.recorded)
            if one.passes and not one.up and not unheard:
                self._send_down(self._event(one.stream, one.passes, final=False))

    def _watch(self) -> None:
        if due := self._masks.due:
            self._alarm.set(due)

    def _before_status(self) -> bool:
        """Send what goes before the end of an exec: held bytes, a word about what was masked. False where the tunnel was ended."""
        self._settle(up=False)
        self._look_at_finds()
        if not self._over:
            self._tell_masked()
        return not self._over

    def _tell_masked(self) -> None:
        """Tell on stderr, once, that something was masked in a stream that may be kept as a file."""
        if not self._told and (words := self._masks.words) and (stream := self._stderr()) is not None:
            self._told = True
            self._send_down(self._event(stream, words, final=False))

    # -- what each kind of tunnel implements

    @abstractmethod
    def _send_down(self, event: Any) -> None:
        """Put an event into the client's leg."""

    @abstractmethod
    def _event(self, stream: int, data: bytes, *, final: bool) -> Any:
        """The event that carries these bytes of a channel to the client."""

    @abstractmethod
    def _stderr(self) -> int | None:
        """The stream that takes bytes for the client's stderr; None where it has none, or it is closed."""

    @abstractmethod
    def _up(self, data: bytes) -> None:
        """Record bytes of the client, and put them into the cluster's leg. Raises PeerError."""

    @abstractmethod
    def _down(self, data: bytes) -> None:
        """Record bytes of the cluster, and put them into the client's leg. Raises PeerError."""

    @abstractmethod
    def _for_cluster(self) -> bytes:
        """The bytes to write to the cluster now."""

    @abstractmethod
    def _for_client(self) -> bytes:
        """The bytes to write to the client now."""

    @abstractmethod
    def _ping_client(self) -> object:
        """Put a ping into the leg. Returns the event that will answer it; None where the leg takes no more."""

    @abstractmethod
    def _ping_cluster(self) -> object: ...

    @abstractmethod
    def _complete(self) -> bool:
        """Whether the protocol has shown the end of the stream."""

    @abstractmethod
    def _failure(self, status: bytes) -> bytes:
        """The last bytes for a client whose stream failed; `status` is a Status as JSON."""

    @abstractmethod
    def _farewell(self) -> bytes:
        """The last bytes for a client whose stream is complete."""

    @abstractmethod
    def _goodbye(self) -> bytes:
        """The last bytes for the cluster, which tell it that the client has left."""
