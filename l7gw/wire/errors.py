"""The two errors of `wire/`: the peer broke the protocol, or we did."""

from __future__ import annotations


class PeerError(Exception):
    """The peer sent what its protocol does not allow, or more than we take.

    `code` is the protocol's own: an HTTP status (http1 and semantics), an error code of RFC 9113 section 7 (http2), a status of
    RST_STREAM or GOAWAY (spdy), or a close code (websocket). `reason` holds only our own words, and no byte of the peer's. Once
    `receive` has raised it, the connection can no longer be read.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class OurError(Exception):
    """The gateway asked a codec for something that its state does not allow. It is a bug of
    the gateway, and no peer can cause it."""
