"""The room on the disk of the recordings: calls stop before it is full, and the log says so in time."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

MIB = 1024**2
NEARLY_FULL = 0.8  # of the disk's size: the log warns from here on, while there is time to move recordings away
AGAIN = 0.75  # below this share it can warn anew, so that a disk at the limit is not told of each second


class DiskRoom:
    """What is free on the disk of a state. `reserve` is how much must stay free, in bytes; it may be changed.

    `full` says why no call can be recorded; it is "" while there is room.
    """

    def __init__(self, state: Path, reserve: int) -> None:
        self.reserve = reserve
        self.full = ""
        self._state = state
        self._warned = False

    def look(self) -> None:
        """Look at the disk, and log what changed: that calls stop and go on, and that the disk is nearly full."""
        before = self.full
        try:
            disk = os.statvfs(self._state)
        except OSError as error:
            self.full = f"the state cannot be looked at: {error.strerror}"
            if not before:
                log.error("nothing passes any more: %s", self.full)
            return
        free = disk.f_bavail * disk.f_frsize
        least = f"{self.reserve // MIB} MiB"  # and not what is left: one command would be told of several numbers
        self.full = f"the disk of the recordings has less than {least} left (recording.reserve)" if free < self.reserve else ""
        if self.full and not before:
            words = "nothing passes any more: %s; %d MiB are free at %s; make room there, or lower recording.reserve"
            log.error(words, self.full, free // MIB, self._state)
        elif before and not self.full:
            log.warning("calls pass again: %d MiB are free at %s", free // MIB, self._state)
        self._warn(1 - free / (disk.f_blocks * disk.f_frsize or 1), free)

    def _warn(self, used: float, free: int) -> None:
        if used < AGAIN:
            self._warned = False
        elif used >= NEARLY_FULL and not self._warned:
            self._warned = True
            words = "the disk of the recordings is %d %% full: %d MiB are free at %s, and calls stop below %d MiB"
            log.warning(words, used * 100, free // MIB, self._state, self.reserve // MIB)
