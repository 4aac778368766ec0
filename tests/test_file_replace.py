"""A file is replaced whole, and keeps its mode and its owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from l7gw.file_replace import ACL, make_once, replace_file


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


def test_what_a_process_of_the_same_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.with_name(f".file.l7gw-{os.getpid()}").write_bytes(b"half")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_group_in_a_folder_that_gives_its_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    group = path.stat().st_gid
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, 4322)
    tmp_path.chmod(0o2700)
    replace_file(path, b"two")
    assert path.stat().st_gid == group
    replace_file(tmp_path / "new", b"one", owner=(os.geteuid(), group))
    assert (tmp_path / "new").stat().st_gid == group


def test_an_access_list_is_kept_since_without_it_the_mode_would_let_the_group_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, given = tmp_path / "file", list[tuple[str, bytes]]()
    path.write_bytes(b"one")
    monkeypatch.setattr(os, "getxattr", lambda _, name: b"list of " + name.encode())
    monkeypatch.setattr(os, "setxattr", lambda _, name, value: given.append((name, value)))
    replace_file(path, b"two")
    assert given == [(ACL, b"list of " + ACL.encode())]
    replace_file(path, b"three", mode=0o600, keeps_mode=False)
    assert len(given) == 1

    def refuses(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuses)
    with pytest.raises(OSError, match="not supported"):
        replace_file(path, b"four")
    assert path.read_bytes() == b"three" and list(tmp_path.iterdir()) == [path]


def test_a_mode_that_lets_others_in_is_not_kept_where_it_must_not_be(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"one")
    path.chmod(0o644)
    replace_file(path, b"two", mode=0o600, keeps_mode=False)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_made_once_is_private_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "id"
    make_once(path, b"first")
    make_once(path, b"second")
    assert path.read_bytes() == b"first" and path.stat().st_mode & 0o7777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
