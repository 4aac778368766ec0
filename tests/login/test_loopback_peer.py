"""Whose connection came to loopback: this user's is taken, another's never, and nobody is shut out where the machine does not say."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.login.loopback_peer import ESTABLISHED, LISTENS, is_own, own_users, read_tables

ME, OTHER = os.geteuid(), os.geteuid() + 1
OURS, THEIRS = ("127.0.0.1", 40000), ("127.0.0.1", 50000)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def line(ours: str, theirs: str, state: str, user: int) -> str:
    return f"   7: {ours} {theirs} {state} 00000000:00000000 00:00000000 00000000 {user:5}        0 12345 1 0000 20 4 30 10 -1"


def table(
    peer: int | None = 1000, ours: str = ESTABLISHED, theirs: str = ESTABLISHED, prefix: str = "", *, listens: bool = True
) -> list[str]:
    """The kernel's words, as a machine writes them that has its bytes in this one's order."""
    here, there = socket.inet_aton("127.0.0.1"), "9C40"
    # `prefix` is what stands before an address of IPv4 in the table of IPv6.
    word = f"{int.from_bytes(here, sys.byteorder):08X}"
    found = [HEAD, line(f"{word}:{there}", f"{word}:C350", ours, ME)] if ours else [HEAD]
    if listens:
        found.append(line(f"{word}:{there}", "00000000:0000", LISTENS, ME))
    if peer is not None:
        found.append(line(f"{prefix}{word}:C350", f"{prefix}{word}:{there}", theirs, peer))
    return found


MAPPED = "0000000000000000FFFF0000"


@pytest.mark.parametrize(
    "lines, own",
    [
        (table(1000), True),
        (table(1001), False),
        (table(1000, prefix=MAPPED), True),
        (table(1001, prefix=MAPPED), False),
        (table(0, theirs="05"), False),  # closed by its process: the kernel says root's
        (table(1000, ours="08"), False),
        (table(None, ours=""), False),  # it was reset
        (table(None), True),  # no socket of this machine
        (table(1001, listens=False), True),  # a table that has not even the listener
        ([], True),
    ],
)
def test_a_connection_is_judged_by_the_owner_of_its_other_end(lines: list[str], own: object) -> None:
    assert is_own(OURS, THEIRS, frozenset({1000, 0}), lambda: lines) is own


@contextlib.contextmanager
def connected(family: int, host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        client.connect((host, server.getsockname()[1]))
        with server.accept()[0] as accepted:
            yield accepted, client


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_the_kernel_names_the_user_of_a_real_connection(family: int, host: str) -> None:
    with connected(family, host) as (accepted, client):
        ends = accepted.getsockname(), accepted.getpeername()
        assert is_own(*ends, frozenset({ME})) and not is_own(*ends, frozenset({OTHER}))
        client.close()
        assert not is_own(*ends, frozenset({ME, 0, OTHER}))


def test_who_called_sudo_is_one_of_the_own_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, more in (("1234", {1234}), ("x", set()), ("\u0663", set()), ("", set())):
        monkeypatch.setenv("SUDO_UID", value)
        assert own_users() == {0, ME} | more


def test_a_machine_without_tables_says_nothing(tmp_path: Path) -> None:
    assert not list(read_tables([tmp_path / "tcp"]))
