"""The two errors of `wire/`: the peer broke the protocol, or we did."""

from __future__ import annotations


class PeerError(Exception):
    """The peer sent what its protocol does not allow, or more than we take.

    `code` is the protocol's own: an HTTP status (http1, and what `semantics` says of a request whichever HTTP carries it), an error
    code of RFC 9113 section 7 (http2), a RST_STREAM or GOAWAY status (spdy), a close code (websocket). `reason` is our own words
    and holds no byte of the peer's. Where `receive` raises it, the connection is of no further use.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class OurError(Exception):
    """We asked the codec for something that its state does not allow: a bug of ours, never a peer's doing."""
