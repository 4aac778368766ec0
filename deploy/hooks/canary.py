"""A tripwire: ends an exec, attach or followed log whose output holds a canary.

    hooks:
      - {name: canary, object: "canary:Canary", path: hooks, raw: true, for: [frame]}

A canary is a text that nobody has a reason to print. The texts stand in `canaries.txt` beside this file. `raw: true` lets the hook
see the output before masking: a canary that looks like a credential, as many do, is else masked before the hook sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from l7gw.hooks import End, Mask, Stream, Tripwire

LEAST = 8  # characters of a canary; a shorter text would be found by chance


class Canary:
    def __init__(self) -> None:
        lines = Path(__file__).with_name("canaries.txt").read_text().splitlines()
        self._canaries = tuple(line.strip().encode() for line in lines if line.strip() and not line.startswith("#"))
        if not self._canaries or min(map(len, self._canaries)) < LEAST:
            raise ValueError(f"canaries.txt needs one text or more, each of at least {LEAST} characters")

    def frames(self, stream: Stream) -> Tripwire | None:
        return None if stream.up else Watch(self._canaries)


class Watch:
    """Looks for canaries in the bytes of one channel, also where frames part them."""

    def __init__(self, canaries: tuple[bytes, ...]) -> None:
        self._canaries = canaries
        self._kept = max(map(len, canaries)) - 1  # bytes of a canary that may already have passed
        self._last = b""

    def feed(self, data: bytes) -> Iterable[Mask | End]:
        seen = self._last + data
        self._last = seen[-self._kept :]
        if any(canary in seen for canary in self._canaries):
            return [End("the output holds a canary")]
        return []
