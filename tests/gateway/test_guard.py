"""A bug of ours in one call ends that call, and none of its neighbours on the same connections, on either side.

Each fault is a RuntimeError within one step of one call. The call is a watch beside 99 others. All share one connection of HTTP/2
to the gateway, and the gateway's shared connections to the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from l7gw.demo.calls import Answer, Call
from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority, server_context
from l7gw.demo.server import Server
from l7gw.errors import Refusal
from l7gw.gateway.exchange import Exchange
from l7gw.gateway.guard import entry
from l7gw.wire.events import Request
from tests.support.demo_issuer import issuing
from tests.support.faults import program
from tests.support.gateway_process import EVERYTHING, Gateway
from tests.support.h2_client import H2Client, H2Stream, connected
from tests.support.manual_clock import ManualClock
from tests.support.scene import identity

NEIGHBOURS = 99
WITHIN = 60.0  # seconds for the whole test

# The steps that raise, in the call whose target names the step: class, method, and how to get the call from the method's object.
STEPS = [
    *(("l7gw.gateway.exchange:Exchange", step, "self") for step in ("route", "identify", "classify", "judge", "gather", "record")),
    *(("l7gw.gateway.exchange:Exchange", step, "self") for step in ("forward", "_send", "own_identity", "wait_for_disk", "_cut")),
    *(("l7gw.gateway.exchange:Exchange", step, "self") for step in ("recall", "_record_known")),
    *(("l7gw.gateway.call:Call", step, "self") for step in ("_begin_record", "_tell", "end", "_drop_upstream", "finish", "fail")),
    *(("l7gw.gateway.answer_relay:AnswerRelay", step, "self._call") for step in ("take", "_head")),
    ("l7gw.gateway.downstream_http2:Http2Stream", "send", "self.exchange"),
    ("l7gw.gateway.downstream_http2:Http2Stream", "flush", "self.exchange"),
    ("l7gw.cluster.upstream_http2:UpstreamStream", "send_whole", "self.call"),
    ("l7gw.cluster.upstream_http2:UpstreamStream", "begin", "call"),
    ("l7gw.cluster.upstream_http1:UpstreamConnection", "begin", "call"),
]
BREAK = """
import functools
def broken(place, method, where):
    import importlib
    module, _, name = place.partition(":")
    owner = getattr(importlib.import_module(module), name)
    inside = getattr(owner, method)
    @functools.wraps(inside)
    def maybe(self, *arguments, **named):
        call = arguments[0] if where == "call" else eval(where, {"self": self})
        if call is not None and f"victim-{name}-{method}-".lower() in (call.request.target or call.act.path):
            raise RuntimeError("a fault of the test")
        return inside(self, *arguments, **named)
    setattr(owner, method, maybe)
for place, method, where in STEPS:
    broken(place, method, where)
"""


class Cluster:
    """A cluster whose watches get an event at each `tell`. A watch whose target ends in `-ends` ends, one in `-cut` is cut. Other
    calls are answered at once."""

    def __init__(self) -> None:
        self._told = asyncio.Condition()
        self._count = 0
        self.watching = 0

    async def tell(self) -> None:
        async with self._told:
            self._count += 1
            self._told.notify_all()

    async def handle(self, call: Call) -> Answer:
        if not call.flag("watch"):
            return Answer(body=b'{"kind":"PodList"}')
        return Answer(pieces=self._pieces(call))

    async def _pieces(self, call: Call) -> AsyncIterator[bytes]:  # type: ignore[misc]
        self.watching += 1
        try:
            yield b'{"type":"BOOKMARK"}\n'
            while True:
                async with self._told:
                    await self._told.wait()
                yield b'{"type":"ADDED"}\n'
                if call.path.split("/")[-2].endswith("-ends"):
                    return
        finally:
            self.watching -= 1


@contextlib.asynccontextmanager
async def scene(folder: Path, issuer: DemoIssuer, authority: Authority) -> AsyncIterator[tuple[Gateway, Cluster, H2Client]]:
    cluster = Cluster()
    server = Server(cluster.handle)
    client = authority.client("client", "gateway")
    await server.start(server_context(authority.server("server", "127.0.0.1"), clients=authority.certificate))
    settings = {
        "identity": [identity(issuer, authority)],
        "clusters": {
            "test": {
                "server": f"https://127.0.0.1:{server.port}",
                "certificate-authority": str(authority.certificate),
                "credential": {"client-certificate": str(client[0]), "client-key": str(client[1])},
            }
        },
    }
    gateway = Gateway(folder / "gateway", settings, EVERYTHING)
    await asyncio.to_thread(gateway.start)
    try:
        async with connected(gateway.port, gateway.authority, client) as talker:
            yield gateway, cluster, talker
    finally:
        await asyncio.to_thread(gateway.stop)
        server.stop()


def victim(place: str, method: str, kind: str) -> str:
    return f"/api/v1/namespaces/victim-{place.partition(':')[2]}-{method}-{kind}/pods".lower()


async def everybody_hears(cluster: Cluster, neighbours: list[H2Stream], count: int) -> None:
    """Send an event, and wait until each neighbour's watch has got it."""
    await cluster.tell()
    for neighbour in neighbours:
        await neighbour.until(20 + 17 * count)


@pytest.mark.interpreted
def test_a_fault_in_any_step_of_a_call_ends_that_call_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, f"STEPS = {STEPS!r}", BREAK)
    authority = Authority(tmp_path / "pki", "CA")

    async def test(issuer: DemoIssuer) -> None:
        headers = {"authorization": f"Bearer {issuer.token('ann@example.com', ['engineers'])}"}
        async with asyncio.timeout(WITHIN), scene(tmp_path, issuer, authority) as (gateway, cluster, client):
            watches = [(await client.open("GET", "/api/v1/pods?watch=true", **headers))[1] for _ in range(NEIGHBOURS)]
            for watch in watches:
                await watch.until(20)
            for number in range(3):
                await client.ask("GET", f"/api/v1/namespaces/known-{number}/pods", **headers)
            heard = 0
            for place, method, _ in STEPS:
                for kind, query in (("list", ""), ("ends", "?watch=true"), ("left", "?watch=true")):
                    # In words of its own, as a call whose header fields came before takes other steps
                    victims = headers if method in KNOWN else {**headers, "user-agent": f"victim-{heard}"}
                    number, exchange = await client.open("GET", victim(place, method, kind) + query, **victims)
                    if query:
                        with contextlib.suppress(ConnectionError):
                            await asyncio.wait_for(exchange.until(20), 5)
                    if kind == "left" and not exchange.ended.is_set():
                        client.reset(number)
                        exchange.ended.set()
                    heard += 1
                    await everybody_hears(cluster, watches, heard)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(exchange.ended.wait(), 5)
                    assert exchange.ended.is_set(), f"broken in {method}, the call ({kind}) never ends\n{gateway.log[-3000:]}"
                    assert exchange.reset is not None or kind == "left" or exchange.headers, (place, method, kind)
                    whole = exchange.reset is None and exchange.headers.get(":status") == "200"
                    untouched = (
                        method in UNTOUCHED
                        or (method in KNOWN and kind != "list")
                        or ("upstream_http2" in place and kind == "list")
                        or ("upstream_http1" in place and kind != "list")
                    )
                    assert not whole or kind == "left" or untouched, f"{method} was not broken in {kind}"
            assert client.terminated is None
            assert not any(watch.ended.is_set() for watch in watches)
            assert "a fault of the test" in gateway.log
            healthy = await client.ask("GET", "/api/v1/namespaces/default/pods", **headers)
            assert healthy.status == 200

    with issuing(authority) as issuer:
        asyncio.run(test(issuer))


# Steps that a successful call does not take, or takes after its answer. A bug in one of them leaves the answer whole.
KNOWN = ("recall", "_record_known")  # steps of a call that is known, as no stream is
UNTOUCHED = ("wait_for_disk", "_cut", "_tell", "fail", "_drop_upstream", "end", "finish", "flush")


class Silent:
    """A client that accepts everything, and notes whether its connection was cut."""

    address, certificates, server_name, run_id, websocket_key, writable = "192.0.2.1", (), "", "", "", True

    def __init__(self) -> None:
        self.aborted = False

    def flush(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


def over(client: Silent) -> Exchange:
    """A call that has ended while it waited for something."""
    call = Exchange(SimpleNamespace(clock=ManualClock()), client, Request("GET", "/api", ()))  # type: ignore[arg-type]
    call.over = True
    return call


@pytest.mark.parametrize("late", ["_identified", "_connected", "_recorded", "on_upstream", "on_upstream_lost", "tick", "cut"])
def test_a_late_event_for_a_call_that_is_over_does_not_cut_its_clients_connection(late: str) -> None:
    """The client may have gone on to its next call on the same connection."""
    client = Silent()
    arguments = {"on_upstream": [[]], "tick": [1e9], "cut": ["why"], "_recorded": [None], "on_upstream_lost": [OSError()]}
    getattr(over(client), late)(*arguments.get(late, [Refusal(502, "BadGateway", "late")]))
    assert not client.aborted


def test_a_fault_in_a_call_that_is_over_cuts_its_clients_connection() -> None:
    client = Silent()
    call = over(client)

    @entry
    def broken(call: Exchange) -> None:
        raise RuntimeError("a fault of the test")

    broken(call)
    assert client.aborted
