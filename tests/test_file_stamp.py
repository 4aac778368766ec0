"""A stamp tells each change of its files once."""

from __future__ import annotations

import os
from pathlib import Path

from l7gw.file_stamp import Stamp


def test_a_change_of_any_file_is_told_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("a")
    stamp = Stamp(one, two)
    assert not stamp.changed()
    for path in (one, two):
        path.write_text("ab")
        assert stamp.changed() and not stamp.changed()


def test_a_file_that_is_replaced_by_one_of_equal_size_and_time_has_changed(tmp_path: Path) -> None:
    """Secrets that Kubernetes mounts are replaced by a rename, not written anew."""
    path, other = tmp_path / "token", tmp_path / "new"
    for each in (path, other):
        each.write_text("a")
        os.utime(each, ns=(1, 1))
    stamp = Stamp(path)
    other.replace(path)
    assert stamp.changed() and not stamp.changed()


def test_a_file_that_is_removed_or_comes_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "later"
    stamp = Stamp(path)
    assert not stamp.changed()
    path.write_text("a")
    assert stamp.changed() and not stamp.changed()
    path.unlink()
    assert stamp.changed() and not stamp.changed()
