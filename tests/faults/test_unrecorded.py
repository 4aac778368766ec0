"""Nothing passes unrecorded, no token is ever written, and the files are the gateway's alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from l7gw.wire.websocket_events import Message
from tests.support.faults import EXEC, Load, ask, exec_client, failure, messages, outcomes, running, serve_for_ever, trouble, until
from tests.support.http_callers import POD
from tests.support.raw_client import RawClient, upgrade
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit


@pytest.mark.parametrize("reserve", ["1MiB", "8MiB"])
def test_calls_are_refused_while_the_disk_is_full_and_pass_afterwards(tmp_path: Path, small_disk: Path, reserve: str) -> None:
    def script(visit: Visit) -> None:
        if b"/exec" in visit.head():
            visit._read = 0
            running(visit)
        else:
            visit._read = 0
            serve_for_ever(visit)

    with scene(tmp_path / "scene", script, state=str(small_disk / "state"), recording={"reserve": reserve}) as it:
        shell, leg = exec_client(it)
        with shell:
            messages(shell, leg, bool)
            filler = small_disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(65536)):
                    pass
            refused = until(lambda: (answer := ask(it, it.request(f"GET {POD}")))[0] == 503 and answer)
            assert "cannot be recorded" in json.loads(refused[2])["message"]
            assert "retry-after" not in refused[1]
            before = it.upstream.received.count(b"GET ")
            assert {ask(it, it.request(f"DELETE {POD}"), "DELETE")[0] for _ in range(5)} == {503}
            assert it.upstream.received.count(b"GET ") == before and b"DELETE" not in it.upstream.received
            leg.send(Message(b"\x00" + os.urandom(8000), False))
            shell.send(leg.take())
            assert "recorded" in failure(messages(shell, leg))
        filler.unlink()
        until(lambda: ask(it, it.request(f"DELETE {POD}"), "DELETE")[0] == 200)
        it.gateway.stop()
        it.gateway.l7gw("verify")
        assert not trouble(it)


def test_no_byte_of_any_token_is_on_the_disk_or_in_the_log(own: Scene) -> None:
    other = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.CANARYCANARYCANARY"
    for token in (own.token, other):
        encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        everywhere = "".join(f"%{byte:02X}" for byte in token.encode())
        for data in (
            own.request(f"GET {POD}?fieldManager={token}", token=token),
            own.request(f"GET {POD}?fieldManager={quote(token)}", f"Cookie: a={token}", f"User-Agent: {token}", token=token),
            own.request(f"GET {POD}?fieldManager={everywhere}", f"Kubectl-Command: {token}", token=token),
            own.request(f"GET {EXEC}", *upgrade(f"base64url.bearer.authorization.k8s.io.{encoded}")),
            own.request(f"GET {POD}", f"Kubectl-Session: {token}", f"Content-Type: {token}", token=token),
            f"GET {POD} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {token} x\r\n\r\n".encode(),
            f"GET {POD} HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer {token}\r\n X: y\r\n\r\n".encode(),
        ):
            with RawClient(own.gateway) as client:
                client.send(data)
                client.socket.recv(65536)
    own.gateway.stop()
    written = json.dumps([own.gateway.events(s["id"]) for s in own.gateway.sessions()]) + own.gateway.log
    assert "request" in written
    for token in (own.token, other):
        for part in token.split(".")[1:]:
            assert part[:20] not in written
            assert base64.urlsafe_b64encode(token.encode()).decode()[40:80] not in written
            assert "".join(f"%{byte:02X}" for byte in part[:20].encode()) not in written


def test_every_call_that_reached_the_cluster_is_in_the_record(own: Scene) -> None:
    """Reads are in the record too, though no call waits for their record: what had gone up when the gateway ended is there."""
    own.upstream.script = serve_for_ever
    with Load(own, 3) as load:
        load.more(200)
    own.gateway.stop()
    reached = own.upstream.received.count(b" HTTP/1.1\r\n")
    recorded = outcomes(own, POD)
    assert len(recorded) == reached
    own.gateway.l7gw("verify")


def test_files_of_the_state_are_the_gateways_alone(it: Scene) -> None:
    for path in [it.gateway.state, *it.gateway.state.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
