"""The socket's file: its rights, whose it is, and what stands in its place."""

from __future__ import annotations

import asyncio
import grp
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from l7gw.api.unix_socket import AGAIN, ApiSocket
from tests.api.test_connection import LAST
from tests.support.api_at_socket import Served, at_socket, statuses

NOBODY = 65534
CONNECT = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
try:
    one.connect(sys.argv[1])
except PermissionError:
    print("no permission")
    sys.exit()
one.sendall(b"GET /l7gw/v1/holds HTTP/1.1\\r\\nHost: l7gw\\r\\nConnection: close\\r\\n\\r\\n")
print(one.recv(12).decode())
"""


def folder(tmp_path: Path) -> Path:
    found = tmp_path / "run"
    found.mkdir(mode=0o755)
    return found


def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        about = served.path.stat()
        assert (stat.S_IMODE(about.st_mode), about.st_uid) == (0o600, os.geteuid())
        assert [one.name for one in served.path.parent.iterdir() if "sock" in one.name] == ["l7gw.sock"]

    at_socket(test, tmp_path)


def test_the_socket_is_gone_with_the_gateway(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        served.socket.close()
        assert not served.path.exists()

    at_socket(test, tmp_path)


def test_the_file_of_a_dead_gateway_is_replaced(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        path = folder(tmp_path) / "l7gw.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        one = ApiSocket(served.room.api, path)
        await one.open()
        served.path = path
        assert statuses(await served.said(LAST)) == [200]
        one.close()

    at_socket(test, tmp_path)


def test_the_socket_of_a_running_gateway_is_left_to_it_and_taken_over_after_its_end(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        inode = served.path.stat().st_ino
        other = ApiSocket(served.room.api, served.path)
        await other.open()
        other.tick(served.room.clock.monotonic())
        assert served.path.stat().st_ino == inode
        assert statuses(await served.said(LAST)) == [200]
        served.socket.close()
        other.tick(served.room.clock.monotonic() + AGAIN)
        await asyncio.sleep(0)
        assert statuses(await served.said(LAST)) == [200]
        other.close()
        assert not served.path.exists()

    at_socket(test, tmp_path)


def test_a_gateway_that_ends_leaves_the_socket_of_its_successor(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        served.path.unlink()
        successor = ApiSocket(served.room.api, served.path)
        await successor.open()
        served.socket.close()
        assert statuses(await served.said(LAST)) == [200]
        successor.close()

    at_socket(test, tmp_path)


def test_what_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        path = folder(tmp_path) / "l7gw.sock"
        path.write_text("mine")
        with pytest.raises(OSError, match="no socket stands there"):
            await ApiSocket(served.room.api, path).open()
        path.unlink()
        path.symlink_to(served.path)
        with pytest.raises(OSError, match="no socket stands there"):
            await ApiSocket(served.room.api, path).open()
        assert served.path.exists()

    at_socket(test, tmp_path)


def test_a_folder_that_is_missing_or_open_to_others_is_refused_in_words(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        with pytest.raises(OSError, match="make its folder"):
            await ApiSocket(served.room.api, tmp_path / "nowhere" / "l7gw.sock").open()
        place = folder(tmp_path)
        for mode in (0o775, 0o757, 0o1777):
            place.chmod(mode)
            with pytest.raises(OSError, match="others can write to its folder"):
                await ApiSocket(served.room.api, place / "l7gw.sock").open()

    at_socket(test, tmp_path)


def test_a_path_longer_than_a_sockets_address_is_used(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        path = tmp_path / ("a" * 100) / ("b" * 100) / "l7gw.sock"
        path.parent.mkdir(parents=True, mode=0o700)
        path.parent.chmod(0o700)
        one = ApiSocket(served.room.api, path)
        await one.open()
        assert stat.S_ISSOCK(path.stat().st_mode)
        descriptor = os.open(path.parent, os.O_PATH)
        served.path = Path(f"/proc/self/fd/{descriptor}/l7gw.sock")
        assert statuses(await served.said(LAST)) == [200]
        os.close(descriptor)
        one.close()
        assert not path.exists()

    at_socket(test, tmp_path)


def test_a_group_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    async def test(served: Served) -> None:
        with pytest.raises(OSError, match="no group 'nobody-has-this'"):
            await ApiSocket(served.room.api, folder(tmp_path) / "l7gw.sock", "nobody-has-this").open()

    at_socket(test, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_another_user_gets_in_only_by_the_group_and_is_answered_only_with_a_token(tmp_path: Path) -> None:
    for one in (tmp_path, *tmp_path.parents):
        if one.stat().st_uid == os.geteuid() and one != Path("/"):
            one.chmod(one.stat().st_mode | 0o011)
    group = next(found for found in grp.getgrall() if found.gr_gid not in (0, NOBODY))

    async def by(path: Path, gid: int) -> str:
        command = (
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={gid}",
            "--clear-groups",
            "--no-new-privs",
            sys.executable,
            "-c",
            CONNECT,
            path,
        )
        running = await asyncio.create_subprocess_exec(*map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        out, error = await running.communicate()
        return (out or error).decode().strip()

    async def test(served: Served) -> None:
        place = folder(tmp_path)
        alone, shared = ApiSocket(served.room.api, place / "alone"), ApiSocket(served.room.api, place / "shared", group.gr_name)
        await alone.open()
        await shared.open()
        assert stat.S_IMODE((place / "shared").stat().st_mode) == 0o660
        assert await by(place / "alone", group.gr_gid) == "no permission"
        assert await by(place / "shared", NOBODY) == "no permission"
        assert await by(place / "shared", group.gr_gid) == "HTTP/1.1 401"
        alone.close()
        shared.close()

    at_socket(test, tmp_path)
