"""A file is replaced whole, and keeps its mode and its owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from l7gw.file_replace import replace_file


def test_a_file_that_is_there_keeps_its_mode_and_owner_and_a_new_one_has_those_that_are_said(tmp_path: Path) -> None:
    path, mine = tmp_path / "file", (os.geteuid(), os.getegid())
    owner = (4321, 4322) if os.geteuid() == 0 else mine
    replace_file(path, b"one", mode=0o640, owner=owner)
    about = path.stat()
    assert (path.read_bytes(), about.st_mode & 0o7777, (about.st_uid, about.st_gid)) == (b"one", 0o640, owner)
    replace_file(path, b"two", mode=0o600, owner=mine)
    now = path.stat()
    assert (path.read_bytes(), now.st_mode, now.st_uid, now.st_gid) == (b"two", about.st_mode, about.st_uid, about.st_gid)
    assert now.st_ino != about.st_ino and list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"two")
    assert path.read_bytes() == b"one" and list(tmp_path.iterdir()) == [path]
