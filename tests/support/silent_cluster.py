"""A cluster that falls silent, in a network of its own: `unshare --net python -m tests.support.silent_cluster FOLDER`, outcomes as
JSON on stdout.

The cluster is at the far end of a veth pair, in a third network. It falls silent when its end loses its address: packets to it are
then dropped without an error.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import h11

from tests.faults.test_idle import before
from tests.support.faults import ask, exec_client
from tests.support.http_callers import POD, WATCH
from tests.support.raw_client import RawClient
from tests.support.scene import Scene

NEAR, FAR, LINK = "10.77.0.1", "10.77.0.2", "02:00:00:00:00:02"


def _ip(*arguments: str, inside: int = 0) -> None:
    subprocess.run([*(("nsenter", "-t", str(inside), "-n") if inside else ()), "ip", *arguments], check=True)


def main() -> None:
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])  # keeps the far network alive
    try:
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        _ip("link", "set", "far", "netns", str(holder.pid))
        _ip("addr", "add", f"{NEAR}/24", "dev", "near")
        _ip("link", "set", "near", "up")
        _ip("link", "set", "far", "address", LINK, "up", inside=holder.pid)
        _ip("addr", "add", f"{FAR}/24", "dev", "far", inside=holder.pid)
        _ip("neigh", "replace", FAR, "lladdr", LINK, "dev", "near", "nud", "permanent")  # without it, ARP would notice the silence
        with before(Path(sys.argv[1]), FAR, ("nsenter", "-t", str(holder.pid), "-n")) as (gateway, _, token):
            it: Any = Scene.__new__(Scene)
            it.gateway, it.token = gateway, token
            print(json.dumps(_observe(it, holder.pid)))
    finally:
        holder.kill()
        holder.wait()


def _observe(it: Scene, far: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with RawClient(it.gateway, timeout=100) as watch, RawClient(it.gateway, timeout=100) as call, exec_client(it)[0] as shell:
        assert b"ready" in shell.socket.recv(65536)
        shell.socket.settimeout(100)
        watch.send(it.request(f"GET {WATCH}"))
        while b"BOOKMARK" not in watch.socket.recv(65536):
            pass
        call.send(it.request(f"GET {POD}"))  # so that a connection to the cluster is open and is used again
        call.answer()
        _ip("addr", "del", f"{FAR}/24", "dev", "far", inside=far)
        silent = time.monotonic()

        def until_the_end(name: str, client: RawClient) -> None:
            with contextlib.suppress(OSError):
                while client.socket.recv(65536):
                    pass
            found[name] = round(time.monotonic() - silent, 1)

        waiting = [threading.Thread(target=until_the_end, args=one) for one in (("watch", watch), ("exec", shell))]
        for thread in waiting:
            thread.start()
        call.send(it.request(f"GET {POD}"))
        try:
            found["status"] = call.answer()[0]
        except h11.RemoteProtocolError:
            found["status"] = 0
        found["call"] = round(time.monotonic() - silent, 1)
        for thread in waiting:
            thread.join()
    _ip("addr", "add", f"{FAR}/24", "dev", "far", inside=far)
    found["again"] = ask(it, it.request(f"GET {POD}"))[0]
    return found


if __name__ == "__main__":
    main()
