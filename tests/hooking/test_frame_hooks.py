"""The tripwires at a channel: who sees what, what ends the stream, and whose masks count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from l7gw.hooking.call_texts import AsSent
from l7gw.hooking.frame_hooks import ChannelHooks
from l7gw.hooking.hooked import Hooked
from l7gw.hooks import End, Mask, Stream
from l7gw.masking.users_hooks import Place
from tests.test_hooks import ACT

STREAM = Stream(ACT, "stdout", False)
RAW = Stream(ACT, "stdout", False)


class Opens:
    def __init__(self, does: Callable[[bytes], Any], frames: Callable[[Stream], Any] | None = None) -> None:
        self.feed = does
        self.frames = frames or (lambda stream: self)


def hooked(name: str, does: Callable[[bytes], Any], frames: Callable[[Stream], Any] | None = None, *, raw: bool = False) -> Hooked:
    return Hooked(name, Opens(does, frames), ("frame",), folder=Path(__file__).parent, raw=raw)


class Masked(AsSent):
    def text(self, text: str) -> str:
        return text.replace("hunter2", "(masked)")


def channel(*loaded: Hooked) -> ChannelHooks:
    return ChannelHooks(loaded, STREAM, RAW, Masked())


def test_each_hook_is_shown_its_view_of_the_bytes_and_its_masks_carry_its_name() -> None:
    it = channel(hooked("a", lambda data: [Mask(0, 1)]), hooked("b", lambda data: [Mask(1, 2)], raw=True))
    assert it.raw(b"xyz") == [Place(1, 2, "hook-b")]
    assert it.masked(b"xyz") == [Place(0, 1, "hook-a")]
    assert it.sees_masked and not it.is_idle and it.ended == ""


def test_each_hook_is_shown_its_view_of_the_call() -> None:
    seen: list[Stream] = []

    def frames(stream: Stream) -> None:
        seen.append(stream)

    it = channel(hooked("a", bool, frames), hooked("b", bool, frames, raw=True))
    assert seen[0] is STREAM and seen[1] is RAW
    assert it.is_idle and not it.sees_masked


def test_an_end_is_told_with_the_hook_that_gave_it_and_nobody_is_asked_any_more() -> None:
    asked: list[bytes] = []

    def looks(data: bytes) -> list[Mask]:
        asked.append(data)
        return []

    it = channel(hooked("a", lambda data: [End("a canary")] if b"!" in data else []), hooked("b", looks))
    assert it.masked(b"fine") == [] and it.ended == ""
    assert it.masked(b"not!") == [] and it.ended == "hook 'a' ends this stream: a canary"
    assert it.masked(b"more") == [] and asked == [b"fine"]


def test_the_words_of_an_end_are_masked() -> None:
    it = channel(hooked("a", lambda data: [End("it says hunter2")], raw=True))
    it.raw(b"x")
    assert it.ended == "hook 'a' ends this stream: it says (masked)"


def test_a_hook_that_fails_ends_the_stream() -> None:
    it = channel(hooked("a", lambda data: 1 / 0))
    it.masked(b"x")
    assert it.ended == "the hook a failed, and nothing passes without it; tell whoever runs l7gw"


def test_a_hook_that_fails_when_the_channel_opens_ends_the_stream() -> None:
    it = channel(hooked("a", bool, lambda stream: 1 / 0))
    assert it.ended and not it.is_idle


def test_hooks_are_not_shown_nothing() -> None:
    it = channel(hooked("a", lambda data: 1 / 0))
    assert it.masked(b"") == [] and it.ended == ""
