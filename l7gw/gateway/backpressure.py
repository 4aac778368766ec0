"""The reasons why a client is not read, as bits. The client is read again when no reason is left. Each reason comes and goes by
itself and never takes another one away."""

from __future__ import annotations

HELD_BYTES = 1  # enough bytes of the client wait here, behind the request that is being answered
NO_ROOM = 2  # the cluster's connection takes no more bytes now
UNWRITTEN = 4  # the disk is behind
OPENING = 8  # a stream is being opened: its verdict is not on the disk yet
ANY = HELD_BYTES | NO_ROOM | UNWRITTEN | OPENING
