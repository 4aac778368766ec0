"""The reasons why a client is not read, as bits. The client is read again when no reason is left. Each reason comes and goes by
itself and never takes another one away."""

from __future__ import annotations

INPUT_HELD = 1  # enough bytes of the client wait here, behind the request that is being answered
WRITE_BLOCKED = 2  # a connection, the client's own or the cluster's, takes no more bytes now
DISK_BEHIND = 4  # the disk is behind
OPENING = 8  # a stream is being opened: its verdict is not on the disk yet
ENDING = 16  # the connection is ending: nothing more of the client is read
ANY = INPUT_HELD | WRITE_BLOCKED | DISK_BEHIND | OPENING | ENDING
