"""The keys of a WebSocket's handshake (RFC 6455 section 4)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def new_key() -> str:
    """A `Sec-WebSocket-Key` (section 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def valid_key(key: str) -> bool:
    """Whether a `Sec-WebSocket-Key` is sixteen bytes in base64 (section 4.2.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
