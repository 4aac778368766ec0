"""The cache of logins: for its owner alone, through no link, replaced as a whole, one process at a time."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.login.cache import LARGEST, Busy, Cache
from l7gw.login.failure import LoginFailed
from l7gw.login.kept import Kept
from tests.support.login_issuer import wanted


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cache(home: Path) -> Iterator[Cache]:
    found = Cache(make=True)
    yield found
    found.close()


def login(user: str = "ann") -> Kept:
    kept = Kept(wanted())
    kept.user = user
    return kept


def file_of(home: Path) -> Path:
    (found,) = (home / "l7gw" / "login").glob("*.json")
    return found


def test_a_login_is_kept_for_its_owner_alone(cache: Cache, home: Path) -> None:
    old = os.umask(0)
    try:
        cache.write(wanted(), login())
    finally:
        os.umask(old)
    read = cache.read(wanted())
    assert read is not None and read.user == "ann"
    assert cache.read(wanted(gateway="other")) is None
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home / "l7gw" / "login", file_of(home))]
    assert modes == [0o700, 0o600] and file_of(home).stat().st_size < 1000
    cache.forget(wanted())
    cache.forget(wanted())
    assert cache.read(wanted()) is None


def test_the_cache_is_where_xdg_says_or_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert Cache(make=True).path == f"{tmp_path}/.cache/l7gw/login"


def test_nothing_is_made_where_only_a_login_is_looked_for(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Cache(make=False)
    assert not home.exists()


@pytest.mark.parametrize("what, mode", [("l7gw", 0o770), ("l7gw", 0o702), ("l7gw/login", 0o750), ("l7gw/login", 0o701)])
def test_a_folder_that_others_can_use_is_refused(cache: Cache, home: Path, what: str, mode: int) -> None:
    (home / what).chmod(mode)
    with pytest.raises(LoginFailed, match=r"can be used by others.*\n.*chmod go-"):
        Cache(make=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_use_is_refused(cache: Cache, home: Path, mode: int) -> None:
    cache.write(wanted(), login())
    file_of(home).chmod(mode)
    with pytest.raises(LoginFailed, match="can be used by others"):
        cache.read(wanted())


def test_a_folder_of_somebody_else_is_refused(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(LoginFailed, match="belongs to another user"):
        Cache(make=True)


@pytest.mark.parametrize("what", ["l7gw", "l7gw/login"])
def test_no_folder_is_reached_through_a_link(cache: Cache, home: Path, what: str) -> None:
    (home / what).rename(home / "aside")
    (home / what).symlink_to(home / "aside")
    with pytest.raises(LoginFailed, match="is no folder of its own"):
        Cache(make=True)


def test_no_file_is_read_or_written_through_a_link(cache: Cache, home: Path, tmp_path: Path) -> None:
    cache.write(wanted(), login())
    file = file_of(home)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    before = elsewhere.read_bytes()
    for link in (file, file.with_name(f"{file.name}.new"), file.with_name(f"{file.name}.lock")):
        link.symlink_to(elsewhere)
    with pytest.raises(LoginFailed, match="is a link"):
        cache.read(wanted())
    with pytest.raises(LoginFailed, match="is a link"), cache.locked(wanted(), 1):
        pass
    cache.write(wanted(), login("bob"))  # takes the links' places
    assert elsewhere.read_bytes() == before and not file.is_symlink()


def test_a_pipe_a_folder_and_a_large_file_are_no_login(cache: Cache, home: Path) -> None:
    cache.write(wanted(), login())
    file = file_of(home)
    file.write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(LoginFailed, match="is no file of this program"):
        cache.read(wanted())
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(LoginFailed, match="is no file of this program"):
        cache.read(wanted())
    file.unlink()
    file.mkdir()
    with pytest.raises(LoginFailed, match="is no file of this program"):
        cache.read(wanted())


def test_a_full_disk_is_told_before_the_issuer_is_asked_and_leaves_what_was_kept(
    cache: Cache, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(wanted(), login())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for pwrite in (full, lambda *_: 4096):
        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(LoginFailed, match="No space left on device"):
            cache.prepare(wanted())
    kept = cache.read(wanted())
    assert kept is not None and kept.user == "ann" and len(list(file_of(home).parent.iterdir())) == 1


def test_a_prepared_file_takes_the_place_of_the_former_or_leaves_it(cache: Cache, home: Path) -> None:
    cache.write(wanted(), login())
    cache.prepare(wanted()).drop()
    kept = cache.read(wanted())
    assert kept is not None and kept.user == "ann"
    sheet = cache.prepare(wanted())
    cache.prepare(wanted()).keep(login("bob"))  # a process was killed before: its draft is in nobody's way
    kept = cache.read(wanted())
    assert kept is not None and kept.user == "bob"
    sheet.drop()
    assert [path.name for path in file_of(home).parent.iterdir()] == [file_of(home).name]


def test_a_lock_is_held_by_one_and_waited_for_in_words_and_bounds(cache: Cache) -> None:
    words: list[str] = []
    with cache.locked(wanted(), 1):
        with pytest.raises(Busy, match="has been at it"), cache.locked(wanted(), 0.0):
            pass
        with cache.locked(wanted(gateway="other"), 0.0):
            pass
        waiting = threading.Event()
        got: list[int] = []

        def second() -> None:
            with cache.locked(wanted(), 60, lambda: (words.append("waits"), waiting.set())[0]):
                got.append(1)

        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(60) and not got
    thread.join()
    assert got and words == ["waits"]


def test_without_a_home_nothing_is_made_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for home in ("relative", "~nobody-of-this-name"):
        monkeypatch.setenv("HOME", home)
        with pytest.raises(LoginFailed, match=r"no home folder.*\n  hint: set XDG_CACHE_HOME"):
            Cache(make=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
@pytest.mark.parametrize("call, path", [("makedirs", "cache"), ("mkdir", "cache/l7gw")])
def test_a_folder_that_cannot_be_made_is_named_in_full(
    home: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str, path: str
) -> None:
    home.mkdir()

    def refuses(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuses)
    with pytest.raises(LoginFailed) as failed:
        Cache(make=True)
    assert f": {home.parent / path} cannot be made: {os.strerror(code)}\n  hint: set XDG_CACHE_HOME" in str(failed.value)


def test_a_disk_without_locks_is_told_with_what_to_do(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(LoginFailed, match=r"No locks available\n  hint: set XDG_CACHE_HOME"), cache.locked(wanted(), 1):
        pass


@pytest.mark.parametrize("ends", ["1e300", "NaN", "Infinity", "-1", "1" + "0" * 400])
def test_a_time_that_no_clock_has_is_no_login(cache: Cache, home: Path, ends: str) -> None:
    cache.write(wanted(), login())
    file = file_of(home)
    file.write_text(file.read_text().replace('"id_ends": 0.0', f'"id_ends": {ends}'))
    assert cache.read(wanted()) is None
