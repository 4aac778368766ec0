"""The masking key: the secret behind the tags of placeholders. It lies in the state; all gateways of a deployment have the same."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from l7gw.config.private import fault_of_state
from l7gw.file_replace import make_once
from l7gw.masking.placeholder import KEY_SIZE

FOLDER = "keys"
NAME = "masking"
FINGERPRINT_DIGITS = 16  # hex digits of the fingerprint: enough to compare two gateways by eye


def path_of(state: Path) -> Path:
    """Where the key lies in a state."""
    return state / FOLDER / NAME


def masking_key(state: Path) -> bytes:
    """The key, KEY_SIZE bytes. It is made where there is none. Raises OSError, in words for people, where it cannot be made or
    read, has another size, or can be read by others.

    Of two gateways that start at once on one state, both use the key of the first.
    """
    path = path_of(state)
    with suppress(FileNotFoundError):
        return read(state)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    make_once(path, secrets.token_bytes(KEY_SIZE))
    return read(state)


def read(state: Path) -> bytes:
    """The key of a state. Raises FileNotFoundError where there is none yet, and OSError as `masking_key`."""
    path = path_of(state)
    with path.open("rb") as file:
        fault = fault_of_state(path, os.fstat(file.fileno()))
        if fault is not None:
            raise OSError(f"{path} {fault[0]}\n  hint: {fault[1]}")
        key = file.read(KEY_SIZE + 1)
    if len(key) != KEY_SIZE:
        hint = "copy it from another gateway of the deployment; where there is none, remove the file, and a new key is made"
        raise OSError(f"{path} is no masking key: it has not {KEY_SIZE} bytes\n  hint: {hint}")
    return key


def fingerprint(key: bytes) -> str:
    """What tells two keys apart and says nothing about either: hex digits of a hash."""
    return hashlib.sha256(b"l7gw masking key\0" + key).hexdigest()[:FINGERPRINT_DIGITS]
