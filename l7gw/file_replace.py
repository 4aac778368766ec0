"""Files that come to their place at once: whoever reads sees the former or the new one, whole; or none and then one."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

Owner = tuple[int, int]  # ids of user and group


ACL = "system.posix_acl_access"  # Linux's list of other users and groups; with one, the group's bits of the mode are its mask


def replace_file(path: Path, octets: bytes, *, mode: int = 0o600, owner: Owner | None = None, keeps_mode: bool = True) -> None:
    """Put these bytes at a path. A file that is there keeps its owner and, unless `keeps_mode` is false, its mode and its access
    list; a new one has `mode` and `owner` (None: the user who runs this). Raises OSError, and then leaves what was there."""
    acl = None
    with suppress(FileNotFoundError):
        about = path.stat()
        owner = about.st_uid, about.st_gid
        if keeps_mode:
            mode, acl = stat.S_IMODE(about.st_mode), _acl(path)
    new = path.with_name(f".{path.name}.l7gw-{os.getpid()}")
    new.unlink(missing_ok=True)  # of a process of this number that was killed: in a container each has the same
    file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            made = os.fstat(file)  # whose group may be the folder's
            if owner is not None and owner != (made.st_uid, made.st_gid):
                os.fchown(file, *owner)
            os.fchmod(file, mode)
            if acl is not None:
                os.setxattr(file, ACL, acl)
            stream.write(octets)
            stream.flush()
            os.fsync(file)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def make_once(path: Path, octets: bytes) -> None:
    """Put these bytes at a path where nothing is, with mode 0600. Where something is, it stays: of two processes that do so at once
    the first one's file stands. The file is written and synced beside its place and linked into it, so that a crash leaves a whole
    file or none. Raises OSError."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _acl(path: Path) -> bytes | None:
    """The access list of a file; None where it has none, as on systems and disks that know none."""
    with suppress(OSError, AttributeError):
        return os.getxattr(path, ACL)
    return None
