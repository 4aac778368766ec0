"""WebSocket: what a connection reports, and what can be sent on it (RFC 6455 sections 5.5 and 5.6)."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """A whole message. With `text` the data is UTF-8. The codec checks that of the peer's messages, and not of ours."""

    data: bytes
    text: bool = False


class Ping(msgspec.Struct, frozen=True, gc=False):
    """Received, it is reported only: `take` writes the Pong. `data` has 125 bytes at most."""

    data: bytes = b""


class Pong(msgspec.Struct, frozen=True, gc=False):
    """Received only: `take` writes the Pongs of ours. A Pong without a Ping is allowed (section 5.5.3)."""

    data: bytes = b""


class Close(msgspec.Struct, frozen=True, gc=False):
    """`code` (1000 to 4999, section 7.4) is None where the peer gave none. A `reason` of ours is cut to the 123 bytes that fit."""

    code: int | None = None
    reason: str = ""


Frame = Message | Ping | Pong | Close


class Run(msgspec.Struct, frozen=True, gc=False):
    """Binary messages that follow each other, each in one frame, whose first byte is the same. In Kubernetes' protocols of channels
    it is the channel. `rests` are what stands behind it; `frames` are the frames as they came, b"" where these were masked."""

    first: int
    rests: list[bytes]
    frames: bytes

    @property
    def messages(self) -> list[Message]:
        first = bytes((self.first,))
        return [Message(first + rest) for rest in self.rests]
