"""Files that are put into the place of others at once: whoever reads sees the former or the new one, whole."""

from __future__ import annotations

import os
from pathlib import Path

Owner = tuple[int, int]  # ids of user and group


def replace_file(path: Path, octets: bytes, *, mode: int = 0o600, owner: Owner | None = None) -> None:
    """Put these bytes at a path. A file that is there keeps its mode and its owner; a new one has `mode` and `owner` (None: the
    user who runs this). Raises OSError, and then leaves what was there."""
    try:
        about = path.stat()
        mode, owner = about.st_mode & 0o7777, (about.st_uid, about.st_gid)
    except FileNotFoundError:
        pass
    new = path.with_name(f".{path.name}.l7gw-{os.getpid()}")
    file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(file, *owner)
            os.fchmod(file, mode)
            stream.write(octets)
            stream.flush()
            os.fsync(file)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
