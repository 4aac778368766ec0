"""Whether files have changed on the disk, for what is read again while the gateway runs."""

from __future__ import annotations

from pathlib import Path


class Stamp:
    """Tells whether any of some files changed, by modification time, size and inode."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_identity(path) for path in self._paths)

    def changed(self) -> bool:
        """Whether a file changed since the last call, or since this object was made."""
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        return True


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
