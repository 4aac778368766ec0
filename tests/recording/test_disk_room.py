"""The log says of the disk of the recordings when it is nearly full, when calls stop, and when they go on."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from l7gw.recording.disk_room import MIB, DiskRoom

SIZE = 1000  # blocks of 1 MiB


class _Disk:
    """A disk whose free blocks the test sets; None for one that cannot be looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | None = SIZE
        monkeypatch.setattr(os, "statvfs", self._statvfs)

    def _statvfs(self, _: object) -> object:
        if self.free is None:
            raise OSError(5, "Input/output error")
        return SimpleNamespace(f_bavail=self.free, f_blocks=SIZE, f_frsize=MIB)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> _Disk:
    return _Disk(monkeypatch)


def said(room: DiskRoom, disk: _Disk, caplog: pytest.LogCaptureFixture, free: int | None) -> list[tuple[str, str]]:
    caplog.clear()
    disk.free = free
    room.look()
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_each_change_is_logged_once_and_no_state_twice(disk: _Disk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    room = DiskRoom(Path("/state"), 50 * MIB)
    assert said(room, disk, caplog, 900) == [] and room.full == ""
    [(level, words)] = said(room, disk, caplog, 200)
    assert level == "WARNING" and words == (
        "the disk of the recordings is 80 % full: 200 MiB are free at /state, and calls stop below 50 MiB"
    )
    assert said(room, disk, caplog, 190) == said(room, disk, caplog, 210) == []
    [(level, words)] = said(room, disk, caplog, 49)
    out = "make room there, or lower recording.reserve"
    assert (level, words) == ("ERROR", f"nothing passes any more: {room.full}; 49 MiB are free at /state; {out}")
    assert room.full == "the disk of the recordings has less than 50 MiB left (recording.reserve)"
    assert said(room, disk, caplog, 10) == []
    assert said(room, disk, caplog, 51) == [("WARNING", "calls pass again: 51 MiB are free at /state")]
    assert said(room, disk, caplog, 300) == []
    assert len(said(room, disk, caplog, 100)) == 1  # it was below 75 % meanwhile


def test_a_disk_that_cannot_be_looked_at_stops_calls_and_is_told_once(disk: _Disk, caplog: pytest.LogCaptureFixture) -> None:
    room = DiskRoom(Path("/state"), 50 * MIB)
    assert said(room, disk, caplog, None) == [
        ("ERROR", "nothing passes any more: the state cannot be looked at: Input/output error")
    ]
    assert said(room, disk, caplog, None) == [] and room.full
    assert said(room, disk, caplog, 900) == [("WARNING", "calls pass again: 900 MiB are free at /state")]
