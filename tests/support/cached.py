"""Folders in the cache for what the tests build or install once. Each is named by a hash of everything that goes into it. The
folders are safe to delete while no test runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

UNUSED_AFTER = 14 * 86400.0  # seconds without use after which a folder is removed; each change makes another (a cluster has 230 MB)


def cache(room: str) -> Path:
    """The folder of everything that was made for one purpose."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / room


def key(*words: str, files: Iterable[Path] = ()) -> str:
    """The name of a folder: a hash of these words and of the names and contents of these files."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in files:
        data = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def made_once(room: str, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name`. Where it does not exist, `make` fills it first. Two callers never make it at once, and none sees it half
    made."""
    home = cache(room)
    place = home / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build of {room}")
            fcntl.flock(held, fcntl.LOCK_EX)
        if not place.is_dir():
            folder = Path(tempfile.mkdtemp(dir=home, prefix="new-"))
            try:
                make(folder)
                folder.rename(place)
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # it does not exist any more once it was renamed
        os.utime(place)
        for path in home.iterdir():
            if path.is_dir() and path != place and time.time() - path.stat().st_mtime > UNUSED_AFTER:
                shutil.rmtree(path, ignore_errors=True)
    return place


def say(line: str) -> None:
    print(f"l7gw: {line}", file=sys.stderr, flush=True)
