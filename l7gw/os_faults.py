"""What the operating system refused, in words, and what to do about it. Nobody is shown an errno.

`str()` of an OSError begins with `[Errno 2]`, and of an SSLError with `[SSL: ...]` and ends with a line of C. An error that this
package raises with a sentence of its own keeps that sentence, its hint included.
"""

from __future__ import annotations

import errno
import re

# What a message of Python, httpx or OpenSSL carries for programmers: the number, the library's own name, a place in C
FOR_PROGRAMMERS = re.compile(r"\[(Errno -?[0-9]+|SSL|X509|[A-Z0-9]+: [A-Z0-9_]+)\] ?| ?\(_ssl\.c:[0-9]+\)")
LONGEST_NAME = 255  # bytes of one part of a path on Linux's file systems

HINTS = {
    errno.ENOENT: "look at the path: a part of it does not exist",
    errno.ENOTDIR: "look at the path: a part of it is a file, where a folder must be",
    errno.EISDIR: "that is a folder; name a file in it",
    errno.EACCES: "run this as the user whom the file belongs to (the gateway's), or as root",
    errno.EPERM: "run this as the user whom the file belongs to (the gateway's), or as root",
    errno.ELOOP: "a link leads to itself; name the file that is meant",
    errno.ENAMETOOLONG: f"a part of a path has {LONGEST_NAME} bytes at most; is it a file's content, and not its name?",
    errno.ENOSPC: "make room on that disk, then try again",
    errno.EDQUOT: "make room within this user's quota, then try again",
    errno.EROFS: "that disk is mounted read-only; name a place elsewhere",
    errno.EIO: "the disk cannot read it, or it is no ordinary file; dmesg may say why",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many files open; end what opens them",
    errno.ENOMEM: "the machine has no memory left",
    errno.ECONNREFUSED: "nothing listens there; look at the address, and whether it runs",
    errno.ETIMEDOUT: "nothing answers there; look at the address and at firewalls",
    errno.EHOSTUNREACH: "no network leads there; look at the address and at routes",
    errno.ENETUNREACH: "no network leads there; look at the address and at routes",
    errno.EADDRNOTAVAIL: "this machine has no such address; `ip address` lists those that it has",
}
OF_OUTPUT = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EBADF)  # what writing says, and reading never
OTHERWISE = "try again; L7GW_TRACEBACK=1 shows where it was"


def os_error_of(error: BaseException) -> OSError | None:
    """The error of the operating system that is behind this one; None where there is none."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, OSError):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return None


def in_words(error: BaseException, *, named: bool = False) -> str:
    """What went wrong, as half a sentence without an errno. `named` puts the file before it that the error names."""
    found = os_error_of(error) or error
    words = str(error)
    if isinstance(found, OSError) and found.strerror and found.errno is not None:
        words = str(found.strerror)
        if named and isinstance(found.filename, str | bytes):
            words = f"{_text(found.filename)}: {words}"
    return FOR_PROGRAMMERS.sub("", words).strip() or type(error).__name__


def remedy(error: BaseException) -> str:
    """What to type or to look at. "" where the error's own sentence says so."""
    found = os_error_of(error)
    if "\n  hint: " in str(error) or found is None or found.errno is None:
        return ""
    return HINTS.get(found.errno, "")


def told(error: BaseException, *, named: bool = False, otherwise: str = "") -> str:
    """`in_words`, and on a line of its own the `remedy`, or `otherwise` where none is known."""
    hint = remedy(error) or ("" if "\n  hint: " in str(error) else otherwise)
    return in_words(error, named=named) + (f"\n  hint: {hint}" if hint else "")


def address_fault(error: OSError, host: str, port: int) -> str:
    """Why a server cannot listen on this address, and what to type."""
    number = error.errno
    if number == errno.EADDRINUSE:
        why, hint = (
            "something listens there already",
            f"`ss -ltnp sport = :{port}`, as root, says what; end it, or choose another port",
        )
    elif number in (errno.EACCES, errno.EPERM):
        why = f"port {port} needs root, or the capability to bind it" if port < 1024 else "this user may not"
        hint = "choose a port from 1024 on, or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE (systemd)"
    elif number == errno.EADDRNOTAVAIL:
        why, hint = "this machine has no such address", "0.0.0.0 is every address of it; `ip address` lists them"
    elif number is not None and number < 0:  # getaddrinfo has numbers of its own
        why, hint = f"{host} is no name that is known here", "name an address, such as 0.0.0.0"
    else:
        why, hint = in_words(error), remedy(error) or OTHERWISE
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{shown} cannot be listened on: {why}\n  hint: {hint}"


def _text(filename: str | bytes) -> str:
    return filename if isinstance(filename, str) else filename.decode("utf-8", "backslashreplace")
