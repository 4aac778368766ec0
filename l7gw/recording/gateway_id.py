"""The id of a gateway: a UUID in its state, by which it knows again what a former process of it made elsewhere. Another gateway has
another one, also where both share a database."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

NAME = "gateway-id"


def gateway_id(state: Path) -> str:
    """The id, which is made where there is none. Raises OSError where it cannot be made or read, or is none."""
    path = state / NAME
    try:
        text = path.read_text()
    except FileNotFoundError:
        fresh = path.with_name(f".{NAME}-{uuid.uuid4()}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(str(uuid.uuid4()))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        text = path.read_text()
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        raise OSError(f"{path} holds no id\n  hint: remove the file, and a new one is made") from None
