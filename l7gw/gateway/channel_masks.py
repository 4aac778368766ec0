"""The masks of a tunnel's channels: which bytes are masked, what was found in them, and when held bytes are due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from l7gw.kube.channel_frames import ChannelFrame
from l7gw.kube.channels import NOT_PASSED
from l7gw.masking.bodies.forwarded import holds_other_than_text, looks_like_text
from l7gw.masking.bodies.streams import MOST_GUESSES, StreamMask
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.placeholder_search import PlaceholderSearch
from l7gw.quantities import many
from l7gw.recording.call_record import CallRecord

LOOKED_AT = ("stdin", "stdout", "stderr")  # channels that hooks are shown, beside forwarded connections
UNMASKED = "-unmasked"  # ends the name of a channel in an empty frame: nobody can look into what the stream carries
PLACEHOLDER_SENT = "stdin holds the placeholder of a masked value; write the real value, or leave it out"


class Given(msgspec.Struct, frozen=True, gc=False):
    """Bytes that were held."""

    channel: str
    stream: int
    up: bool
    passes: bytes  # for the client; b"" where they went up long ago
    recorded: bytes


class ChannelMasks:
    """The masks of one tunnel. Each stream has one in each direction, made when its first bytes come."""

    __slots__ = (
        "masked", "_call", "_detectors", "_forwarded", "_guessed", "_hooks", "_late", "_masks", "_record", "_search", "_stopped",
        "_values",
    )  # fmt: skip

    def __init__(self, call: CallMasks, record: CallRecord) -> None:
        self.masked = 0  # values that the client was not shown
        self._call = call
        self._hooks = call.call_hooks()
        self._record = record
        self._masks: dict[tuple[int, bool], StreamMask | None] = {}  # by stream and direction; None: it cannot be looked into
        self._forwarded: set[tuple[int, bool]] = set()  # streams of forwarded connections that have had nothing but text so far
        self._search = PlaceholderSearch()
        self._detectors: dict[str, None] = {}  # that found those values, in their order
        self._late = 0  # values of which the client saw the beginning
        self._values: set[int] = set()
        self._guessed = False
        self._stopped = ""  # why a hook ends the tunnel

    # ------------------------------------------------------------------ bytes

    def feed(self, frame: ChannelFrame, data: bytes, now: float) -> tuple[bytes, bytes]:
        """Mask the next bytes of the frame's stream, at `now` (monotonic seconds). Gives what passes and what is recorded: the same
        object `data` where nothing was masked or held. Where the frame is final, all that was held is given."""
        key = frame.stream, frame.up
        mask = self._masks.get(key)
        if mask is None and (key in self._masks or not data or not self._opened(frame, data)):
            return data, data
        mask = self._masks[key]
        assert mask is not None
        if self._forwarded and key in self._forwarded and holds_other_than_text(data):
            self._forwarded.discard(key)
            self._unmasked(frame)
        out = mask.feed(data, now)
        if frame.final and not mask.ended:
            rest = mask.end()
            out = out if rest == (b"", b"") else (out[0] + rest[0], out[1] + rest[1])
        if mask.finds:
            self._tell(mask, up=frame.up)
        self._stopped = self._stopped or mask.ended
        return out

    def passes(self, frame: ChannelFrame, parts: Sequence[bytes]) -> bool:
        """Whether the bytes of several frames of the client go up and are recorded as they came: they are taken then, for one
        search of them all, where each `feed` costs 50,000 instructions. Else nothing is taken."""
        key = frame.stream, frame.up
        mask = self._masks.get(key)
        if mask is None or key in self._forwarded:
            return False
        typed = b"".join(parts) if frame.channel == "stdin" else b""
        if not self._search.passes(typed) or mask.glance(parts, whole=True) is None:
            return False
        self._search.take(typed)
        return True

    def _opened(self, frame: ChannelFrame, data: bytes) -> bool:
        """Make the mask of a stream of which these are the first bytes. False where it cannot be looked into."""
        forwarded = frame.channel.startswith("port-")
        mask = None
        if not forwarded or looks_like_text(data):
            name = frame.channel if frame.passed else frame.channel + NOT_PASSED
            looked_at = frame.passed and (forwarded or frame.channel in LOOKED_AT)
            watch = self._hooks.channel(name, up=frame.up) if self._hooks is not None and looked_at else None
            mask = StreamMask(self._call.streams(), name, sent=frame.up, watch=watch)
            if forwarded:
                self._forwarded.add((frame.stream, frame.up))
        else:
            self._unmasked(frame)
        self._masks[frame.stream, frame.up] = mask
        return mask is not None

    def _unmasked(self, frame: ChannelFrame) -> None:
        """Record that nobody can look into this stream, or into a part of it."""
        self._record.frame(frame.channel + UNMASKED, up=frame.up, stream=frame.stream, data=b"")

    def holds_placeholder(self, frame: ChannelFrame) -> bool:
        """Whether these bytes of stdin end a placeholder: such a stream must end before they go up (threats E7)."""
        return frame.channel == "stdin" and self._search.feed(frame.data)

    # ------------------------------------------------------------------ time and ends

    @property
    def due(self) -> float:
        """When held bytes are due next, in monotonic seconds; 0 where none are held."""
        return min((due for mask in self._masks.values() if mask is not None and (due := mask.due)), default=0.0)

    def flush(self, now: float) -> Iterable[Given]:
        """Give what was held for too long."""
        return self._given("flush", now, list(self._masks))

    def settle(self, *, up: bool | None = None, stream: int | None = None) -> Iterable[Given]:
        """Give all that is held, of one direction or stream or of all, because nothing may follow."""
        keys = [key for key in self._masks if up in (None, key[1]) and stream in (None, key[0])]
        return self._given("end", 0.0, keys)

    def _given(self, how: Literal["flush", "end"], now: float, keys: list[tuple[int, bool]]) -> Iterable[Given]:
        for key in keys:
            mask = self._masks.get(key)
            if mask is None or not mask.due or (how == "flush" and mask.due > now):
                continue
            shown, recorded = mask.flush(now) if how == "flush" else mask.end()
            if mask.finds:
                self._tell(mask, up=key[1])
            self._stopped = self._stopped or mask.ended
            yield Given(mask.name + NOT_PASSED if how == "end" and mask.ended else mask.name, *key, shown, recorded)

    def forget(self, stream: int, *, up: bool) -> None:
        """A stream has ended in this direction."""
        self._masks.pop((stream, up), None)
        self._forwarded.discard((stream, up))

    # ------------------------------------------------------------------ what was found

    def _tell(self, mask: StreamMask, *, up: bool) -> None:
        for find in mask.finds:
            self._record.mask(find, up=up)
            if not up and (hidden := self._call.obligations.hidden(find.names)):
                self.masked += 1
                self._late += find.late
                self._detectors.update(dict.fromkeys(hidden))
        mask.finds.clear()
        self._values |= mask.values

    @property
    def guessing(self) -> int:
        """How many different registered values were found, once, when they are more than anybody prints by chance; else 0."""
        if self._guessed or len(self._values) <= MOST_GUESSES:
            return 0
        self._guessed = True
        return len(self._values)

    @property
    def ends(self) -> str:
        """Why the tunnel ends: a hook ends it, or a value was masked and the rule ends such a stream; "" where it goes on."""
        if self._stopped:
            return self._stopped
        return self._call.ends(*self._detectors) if self.masked else ""

    @property
    def words(self) -> bytes:
        """What stands on stderr at the end of a stream without a terminal in which something was masked; b"" for other streams."""
        if not self.masked or self._call.act.tty:
            return b""
        late = f", {self._late} of them after its beginning was shown" if self._late else ""
        values = many(self.masked, "value")
        return f"l7gw: {values} masked ({', '.join(self._detectors)}){late}; this copy is not the original\n".encode()
