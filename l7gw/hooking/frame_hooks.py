"""Hooks for streams: the tripwires at one channel, in one direction."""

from __future__ import annotations

from collections.abc import Sequence

from l7gw import hooks
from l7gw.hooking.call_texts import Texts
from l7gw.hooking.hooked import Hooked, HookFailed
from l7gw.masking.users_hooks import Place

_Wire = tuple[Hooked, hooks.Tripwire]


class ChannelHooks:
    """The tripwires at one channel. `ended` says why the stream is to end, in words for whoever watches it; "" where it goes on."""

    __slots__ = ("ended", "_masked", "_raw", "_texts")

    def __init__(self, loaded: Sequence[Hooked], stream: hooks.Stream, raw_stream: hooks.Stream, texts: Texts) -> None:
        """`stream` is the channel as a hook without `raw: true` sees it, `raw_stream` as one with it does. `texts` masks the words
        with which a stream ends."""
        self.ended = ""
        self._texts = texts
        self._raw: list[_Wire] = []
        self._masked: list[_Wire] = []
        for hook in loaded:
            try:
                wire = hook.tripwire(raw_stream if hook.raw else stream)
            except HookFailed as error:
                self.ended = self.ended or str(error)
                continue
            if wire is not None:
                (self._raw if hook.raw else self._masked).append((hook, wire))

    @property
    def sees_masked(self) -> bool:
        """Whether `masked` has anybody to ask."""
        return bool(self._masked)

    @property
    def is_idle(self) -> bool:
        """Whether no hook looks at this channel, and none failed when it opened."""
        return not (self._raw or self._masked or self.ended)

    def raw(self, data: bytes) -> list[Place]:
        """Show the next bytes as they came to the hooks that see them so. Gives what they mask, in these bytes."""
        return self._fed(self._raw, data)

    def masked(self, data: bytes) -> list[Place]:
        """Show the next bytes, masked, to the other hooks. Gives what they mask, in these bytes."""
        return self._fed(self._masked, data)

    def _fed(self, wires: list[_Wire], data: bytes) -> list[Place]:
        found: list[Place] = []
        for hook, wire in wires:
            if self.ended or not data:
                break
            try:
                given = hook.fed(wire, data)
            except HookFailed as error:
                self.ended = str(error)
                break
            if isinstance(given, str):
                self.ended = f"hook {hook.name!r} ends this stream: {self._texts.text(given)}"
            else:
                found += [Place(start, end, hook.detector) for start, end in given]
        return found
