"""Where logins are kept: `${XDG_CACHE_HOME:-~/.cache}/l7gw/login`, a folder for its owner alone, with one file for each login.

Nothing is read through a link, nor from a file or folder that somebody else owns or can look into (threats J5). A file is replaced
as a whole. Its lock lies beside it and is never removed, as two processes would else hold two locks of one name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator

from l7gw.login.failure import LoginFailed
from l7gw.login.kept import Kept, read
from l7gw.login.wanted import Wanted

LARGEST = 256 * 1024  # bytes of a file: three tokens of 16 KiB, as the gateway takes them, and names
LONGEST_WORDS = 4096  # bytes of a failure's words, of which a few hundred are usual
BETWEEN_TRIES = 0.05  # seconds between two looks at a lock that another process holds
ELSEWHERE = "set XDG_CACHE_HOME to a folder of your own"
# A disk that is full or read-only, and one of the network without locks
ELSEWHERE_HELPS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_HERE = os.O_NOFOLLOW | os.O_CLOEXEC


class Busy(LoginFailed):
    """Another process holds the login for longer than this one may wait."""


class Cache:
    """The folder, opened. Raises LoginFailed where it is not safe, FileNotFoundError where it is not there and not to be made."""

    def __init__(self, *, make: bool) -> None:
        home = os.environ.get("XDG_CACHE_HOME", "")
        base = home if home.startswith("/") else os.path.expanduser("~/.cache")  # XDG: a relative path is to be ignored
        if not base.startswith("/"):  # a user whom nobody knows, without HOME: `~` would be made where the command runs
            raise LoginFailed("there is no home folder for the cache of logins (HOME)", ELSEWHERE)
        self.path = f"{base}/l7gw/login"
        if make:
            try:
                os.makedirs(base, 0o700, exist_ok=True)
            except OSError as error:
                raise _not_made(base, error) from None
        at = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for path, name, others in ((f"{base}/l7gw", "l7gw", 0o022), (self.path, "login", 0o077)):
            above = at
            try:
                at = self._opened(above, name, path, others, make=make)
            finally:
                os.close(above)
        self._folder = at

    @staticmethod
    def _opened(above: int, name: str, path: str, others: int, *, make: bool) -> int:
        if make:
            try:
                os.mkdir(name, 0o700, dir_fd=above)
            except FileExistsError:
                pass
            except OSError as error:
                raise _not_made(path, error) from None
        try:
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _HERE, dir_fd=above)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise LoginFailed(f"{path} is no folder of its own, but a link or a file", f"rm {path}") from None
            raise
        try:
            _check(os.fstat(folder), path, others)
        except LoginFailed:
            os.close(folder)
            raise
        return folder

    def close(self) -> None:
        os.close(self._folder)

    def read(self, wanted: Wanted) -> Kept | None:
        """The login that is kept; None where there is none. Raises LoginFailed for a file that is not safe."""
        name = _name(wanted)
        try:
            # Without O_NONBLOCK a named pipe of that name would be waited for.
            file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _HERE, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unfit(name, error) from None
        try:
            about = os.fstat(file)
            path = f"{self.path}/{name}"
            if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
                raise LoginFailed(f"{path} is no file of this program", f"rm {path}")
            _check(about, path, 0o077)
            return read(os.read(file, LARGEST), wanted)
        finally:
            os.close(file)

    def prepare(self, wanted: Wanted) -> Sheet:
        """An empty file with its room on the disk, so that what it is for can be written down for certain. Raises LoginFailed."""
        name = _name(wanted)
        draft = f"{name}.new"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=self._folder)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _HERE, 0o600, dir_fd=self._folder)
        except OSError as error:
            raise self._unfit(draft, error) from None
        sheet = Sheet(self._folder, file, draft, name)
        try:
            if os.pwrite(file, bytes(LARGEST), 0) < LARGEST:  # macOS has no posix_fallocate
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            sheet.drop()
            raise self._unfit(draft, error) from None
        return sheet

    def write(self, wanted: Wanted, kept: Kept) -> None:
        """Keep a login. Raises LoginFailed."""
        self.finish(self.prepare(wanted), wanted, kept)

    def finish(self, sheet: Sheet, wanted: Wanted, kept: Kept) -> None:
        """Keep a login in a file that was prepared. Raises LoginFailed."""
        try:
            sheet.keep(kept)
        except OSError as error:
            raise self._unfit(_name(wanted), error) from None

    def forget(self, wanted: Wanted) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_name(wanted), dir_fd=self._folder)

    @contextlib.contextmanager
    def locked(
        self, wanted: Wanted, within: float, waits: Callable[[], None] | None = None
    ) -> Iterator[Callable[[LoginFailed], None]]:
        """Hold a login alone among all processes. `within` is in seconds. `waits` is called once where another process holds it.

        Gives a function that tells a failure to those who wait: they fail in the same words, as fifty processes that ask an issuer
        one after another, which answers none, would take a quarter of an hour. Raises Busy, LoginFailed.
        """
        name = f"{_name(wanted)}.lock"
        try:
            file = os.open(name, os.O_RDWR | os.O_CREAT | _HERE, 0o600, dir_fd=self._folder)
        except OSError as error:
            raise self._unfit(name, error) from None
        try:
            began = time.time_ns()
            if self._lock(file, name, time.monotonic() + within, waits):
                _raise_told(file, began)
            yield lambda failure: _tell(file, failure)
        finally:
            os.close(file)

    def _lock(self, file: int, name: str, until: float, waits: Callable[[], None] | None) -> bool:
        """Take the lock, and say whether it was waited for."""
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waits is not None and not told:
                    waits()
                told = True
                if time.monotonic() >= until:
                    what = "another l7gw login has been at it for long, perhaps before a browser"
                    raise Busy(what, "finish it, end it, or try again", passing=True) from None
                time.sleep(BETWEEN_TRIES)
            except OSError as error:
                raise self._unfit(name, error) from None
            else:
                return told

    def _unfit(self, name: str, error: OSError) -> LoginFailed:
        if error.errno == errno.ELOOP:
            return LoginFailed(f"{self.path}/{name} is a link, which is not followed", f"rm {self.path}/{name}")
        hint = ELSEWHERE if error.errno in ELSEWHERE_HELPS else ""
        return LoginFailed(f"{self.path}/{name} cannot be used: {error.strerror}", hint, passing=True)


def _not_made(path: str, error: OSError) -> LoginFailed:
    return LoginFailed(f"the cache of logins cannot be used: {path} cannot be made: {error.strerror}", ELSEWHERE)


class Sheet:
    """A file that is to take the place of a login's."""

    def __init__(self, folder: int, file: int, draft: str, name: str) -> None:
        self._folder, self._file, self._draft, self._name = folder, file, draft, name

    def keep(self, kept: Kept) -> None:
        """Write the login down, on the disk, in its place. Raises OSError."""
        data = kept.written()
        try:
            if len(data) > LARGEST:  # of options of such a length: tokens are bounded where they are read
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            os.pwrite(self._file, data, 0)
            os.ftruncate(self._file, len(data))
            os.fsync(self._file)
            os.rename(self._draft, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)
        finally:
            os.close(self._file)

    def drop(self) -> None:
        """Leave what is there in its place."""
        os.close(self._file)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._draft, dir_fd=self._folder)


def _tell(lock: int, failure: LoginFailed) -> None:
    """Leave a failure's words, which hold nothing secret, in the lock's file. Its time says when that was."""
    with contextlib.suppress(OSError):  # then those who wait try for themselves
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(failure).encode("utf-8", "replace")[:LONGEST_WORDS], 0)
        now = time.time_ns()
        os.utime(lock, ns=(now, now))  # the kernel's own stamp is up to 10 ms behind


def _raise_told(lock: int, since: int) -> None:
    """Raises LoginFailed with what was told after `since`, in nanoseconds since 1970."""
    about = os.fstat(lock)
    if about.st_size and about.st_mtime_ns >= since:
        raise LoginFailed(os.pread(lock, LONGEST_WORDS, 0).decode("utf-8", "replace"), passing=True)


def _name(wanted: Wanted) -> str:
    return hashlib.sha256(f"{wanted.issuer}\0{wanted.client_id}\0{wanted.gateway}".encode()).hexdigest()[:32] + ".json"


def _check(about: os.stat_result, path: str, others: int) -> None:
    """Raises LoginFailed where somebody else owns a file or folder, or has one of the rights `others`."""
    if about.st_uid != os.geteuid():
        raise LoginFailed(f"{path} belongs to another user", ELSEWHERE)
    mode = stat.S_IMODE(about.st_mode)
    if mode & others:
        rights = "go-rwx" if others & 0o044 else "go-w"
        raise LoginFailed(f"{path} can be used by others (mode {mode:04o})", f"chmod {rights} {path}")
