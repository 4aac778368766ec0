"""The id of a gateway: a UUID in its state, by which it knows again what a former process of it made elsewhere. Another gateway has
another one, also where both share a database."""

from __future__ import annotations

import uuid
from pathlib import Path

from l7gw.file_replace import make_once

NAME = "gateway-id"


def gateway_id(state: Path) -> str:
    """The id, which is made where there is none. Raises OSError where it cannot be made or read, or is none."""
    path = state / NAME
    try:
        text = path.read_text()
    except FileNotFoundError:
        make_once(path, str(uuid.uuid4()).encode())
        text = path.read_text()
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        raise OSError(f"{path} holds no id\n  hint: remove the file, and a new one is made") from None
