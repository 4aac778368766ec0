"""l7gw without masks, for the bench alone: what masking costs is the difference to it. It takes the arguments of `l7gw`."""

from __future__ import annotations

from typing import Any

from l7gw.cli.main import main
from l7gw.gateway import answer_relay, call, channel_masks
from l7gw.kube.channel_frames import ChannelFrame
from l7gw.masking.bodies.answers import AS_IT_CAME, Choice
from l7gw.masking.sent.sent_masks import SentMasks


def _as_it_came(*_: Any, **__: Any) -> Choice:
    return AS_IT_CAME


def _passed(_: Any, __: ChannelFrame, data: bytes, ___: float) -> tuple[bytes, bytes]:
    return data, data


def _never(*_: Any) -> bool:
    return False


def _always(*_: Any) -> bool:
    return True


answer_relay.choice = _as_it_came  # type: ignore[attr-defined]
channel_masks.ChannelMasks.feed = _passed  # type: ignore[method-assign]
channel_masks.ChannelMasks.passes = _always  # type: ignore[method-assign, assignment]
channel_masks.ChannelMasks.holds_placeholder = _never  # type: ignore[method-assign, assignment]
SentMasks.needed = _never  # type: ignore[method-assign, assignment]
assert call  # it asks SentMasks.needed of each request

if __name__ == "__main__":
    main()
