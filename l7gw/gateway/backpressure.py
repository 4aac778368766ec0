"""Why a client is not read just now. It is read again when no reason is left: each reason ends for itself, and never another."""

from __future__ import annotations

HELD_BYTES = 1  # enough waits here, behind the request that is being answered
NO_ROOM = 2  # the cluster's connection takes no more
UNWRITTEN = 4  # the disk is behind
OPENING = 8  # a stream is being opened: its verdict is not on the disk yet
ANY = HELD_BYTES | NO_ROOM | UNWRITTEN | OPENING
