"""Faults while others work: no descriptors left, a new certificate, the end of the gateway, an answer that is cut at any byte."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from tests.support.ahead import ahead
from tests.support.faults import CHUNKED, Load, outcomes, program, serve_for_ever, trouble, until
from tests.support.figures import figure
from tests.support.http_callers import CALLERS, POD, WATCH, Caller, Cut
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import KEPT, Visit

DESCRIPTORS = 64
EVENT = b'{"type":"ADDED"}'


def few_descriptors(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Give the gateways that start from now on a low limit of open files."""
    program(folder, patch, "import resource", f"resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))")


@pytest.fixture
def poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A gateway with a low limit of open files."""
    few_descriptors(tmp_path, monkeypatch)
    with scene(tmp_path / "scene") as running:
        yield running


# ---------------------------------------------------------------------- descriptors (threats I3)


class Watched:
    """A cluster whose watches all get an event at each call of `event`."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []

    def __call__(self, visit: Visit) -> None:
        while head := visit.head():
            if b"watch=true" not in head.rpartition(b" HTTP/1.1")[0][-60:]:
                visit.send(KEPT)
                continue
            visit.send(CHUNKED + b"2\r\n{}\r\n")
            self.visits.append(visit)
            visit.socket.settimeout(60)
            visit.more()
            return

    def event(self) -> None:
        for visit in self.visits:
            with contextlib.suppress(OSError):
                visit.send(b"%x\r\n%s\r\n" % (len(EVENT), EVENT))


def _watch(it: Scene, protocol: str) -> Caller | None:
    """A watch that has begun, or None where the gateway turned the client away."""
    try:
        caller = CALLERS[protocol](it)
        caller.hear(b"{}")
    except (OSError, Cut):
        return None
    return caller


@pytest.mark.parametrize("protocol", CALLERS)
def test_more_clients_than_descriptors_are_refused_and_the_admitted_served(poor: Scene, protocol: str) -> None:
    poor.upstream.script = cluster = Watched()
    tries = [_watch(poor, protocol) for _ in range(DESCRIPTORS)]
    admitted = [client for client in tries if client is not None]
    assert DESCRIPTORS // 5 < len(admitted) < DESCRIPTORS // 2
    assert tries.index(None) == len(admitted), "somebody was refused while there was room"
    cluster.event()
    for client in admitted:
        client.hear(EVENT)
    until(lambda: "descriptors" in poor.gateway.log)
    told = [line for line in poor.gateway.log.splitlines() if '"room":"access"' not in line]
    assert len(told) < 20, "each refusal is a line, and a flood of them a full disk"  # the start has a few
    for client in admitted:
        client.close()
    until(lambda: _answers(poor, protocol))
    figure(
        "I3", f"{DESCRIPTORS} watches, {DESCRIPTORS} descriptors, {protocol}", "says so, and recovers",
        f"{len(admitted)} admitted, who all heard an event; {poor.gateway.log.count('descriptors')} lines in the log; served again",
    )  # fmt: skip
    assert not trouble(poor)
    poor.gateway.stop()
    poor.gateway.l7gw("verify")
    assert len(outcomes(poor, WATCH)) == len(admitted)


def _answers(it: Scene, protocol: str) -> bool:
    """Whether a new client is served."""
    with contextlib.suppress(OSError, Cut), contextlib.closing(CALLERS[protocol](it)) as caller:
        return caller.call()[0] == 200
    return False


@pytest.fixture(scope="module")
def flooded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[None]]:
    """The floods of the selected tests. They wait for the time of a handshake, all at once."""
    folder = tmp_path_factory.mktemp("flooded")
    with pytest.MonkeyPatch.context() as patch:
        few_descriptors(folder, patch)
        with ahead(request, lambda protocol: _flood(folder / protocol.replace("/", "-"), protocol)) as begun:
            wait(begun.values())
    return begun


@pytest.mark.parametrize("protocol", CALLERS)
def test_handshakes_that_never_come_take_no_descriptor_from_those_who_were_admitted(
    protocol: str, flooded: dict[str, Future[None]], request: pytest.FixtureRequest
) -> None:
    """A connection counts from its first packet, not from the end of its handshake. After the handshake's time new clients are
    served."""
    flooded[request.node.name].result()


def _flood(folder: Path, protocol: str) -> None:
    cluster = Watched()
    with scene(folder, cluster) as poor:
        watch = _watch(poor, protocol)
        assert watch is not None
        with contextlib.closing(watch), Load(poor, 1, pause=0.01, protocol=protocol) as neighbour, contextlib.ExitStack() as stack:
            neighbour.more(10)
            for _ in range(3 * DESCRIPTORS):
                stack.enter_context(socket.create_connection(("127.0.0.1", poor.gateway.port), 10))
            neighbour.more(50)
            cluster.event()
            watch.hear(EVENT)
            until(lambda: "descriptors" in poor.gateway.log)
            until(lambda: _answers(poor, protocol), 20)
            assert not neighbour.faults
        poor.gateway.l7gw("verify")
        assert not trouble(poor)


# ---------------------------------------------------------------------- a new certificate (threats I7, J3)


def _serial(it: Scene) -> str:
    with RawClient(it.gateway) as client:
        certificate = client.socket.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


@pytest.mark.parametrize("protocol", CALLERS)
def test_certificates_change_under_load_without_one_failed_call(own: Scene, protocol: str) -> None:
    own.upstream.script = serve_for_ever
    with Load(own, 2, protocol=protocol) as kept, Load(own, 2, fresh=True, protocol=protocol) as fresh:
        fresh.more(20)
        for _ in range(3):
            before = _serial(own)
            own.gateway.authority.server("server", "localhost", "127.0.0.1")
            until(lambda before=before: _serial(own) != before)  # type: ignore[misc]
            fresh.more(20)
        key = own.gateway.folder / "pki" / "server.key"
        whole = key.read_bytes()
        key.write_bytes(whole[:100])  # while a file is half copied, the former pair serves
        until(lambda: "is not used" in own.gateway.log)
        fresh.more(20)
        key.write_bytes(whole)
        kept.more(20)
    calls = len(kept.statuses) + len(fresh.statuses)
    failed = len(kept.faults) + len(fresh.faults)
    figure("I7", f"three new certificates and a broken one under load, {protocol}", "no failed call", f"{failed} of {calls} failed")
    for load in (kept, fresh):
        assert not load.faults
        assert not load.turned_away
        assert set(load.statuses) == {200}
    assert not trouble(own)


# ---------------------------------------------------------------------- the gateway's end (threats I11)


@pytest.mark.parametrize("protocol", CALLERS)
def test_the_gateway_ends_under_load_without_one_failed_call(own: Scene, protocol: str) -> None:
    """Every client that was let in is answered. A client that came too late was never let in."""
    own.upstream.script = serve_for_ever
    process = own.gateway.process
    assert process is not None
    with Load(own, 4, fresh=True, protocol=protocol) as fresh, Load(own, 4, pause=0.05, protocol=protocol) as kept:
        fresh.more(100)
        kept.more(20)
        process.send_signal(signal.SIGTERM)
        until(lambda: fresh.turned_away + kept.turned_away == 8 or fresh.faults or kept.faults)
        assert process.wait(10) == 0
    calls = len(kept.statuses) + len(fresh.statuses)
    failed = len(kept.faults) + len(fresh.faults)
    figure("I11", f"SIGTERM under load, {protocol}", "no failed call", f"{failed} of {calls} failed")
    assert not fresh.faults
    assert not kept.faults
    assert set(fresh.statuses + kept.statuses) == {200}
    assert not trouble(own)
    own.gateway.l7gw("verify")
    assert outcomes(own, POD) == ["complete"] * len(fresh.statuses + kept.statuses)


# ---------------------------------------------------------------------- an answer that is cut (threats I8)

WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + b'{"kind":"List","items":[]}\n',
    "chunks": CHUNKED + b'f\r\n{"kind":"List",\r\nc\r\n"items":[]}\n\r\n0\r\n\r\n',
}
PASSED = "/api"  # its answers go on as they come; those about POD are masked whole before their head goes out


def _end(visit: Visit, how: str) -> None:
    if how == "tls":
        with contextlib.suppress(OSError):
            visit.socket.unwrap()
    elif how == "reset":
        visit.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize(
    ("framing", "target", "how"),
    [*((framing, PASSED, how) for framing in ("length", "chunks") for how in ("tls", "tcp", "reset")), ("chunks", POD, "tcp")],
)
def test_an_answer_that_is_cut_at_any_byte_is_no_clean_end(own: Scene, framing: str, target: str, how: str, protocol: str) -> None:
    whole = WHOLE[framing]
    length = [0]

    def script(visit: Visit) -> None:
        visit.head()
        visit.send(whole[: length[0]])
        _end(visit, how)

    own.upstream.script = script
    body = whole.partition(b"\r\n\r\n")[2]
    refused = cut = 0
    for length[0] in range(len(whole)):
        with contextlib.closing(CALLERS[protocol](own)) as caller:
            try:
                status, _ = caller.call(target)
                assert status == 502, f"cut behind byte {length[0]}"
                refused += 1
            except Cut:
                cut += 1
    figure(
        "I8", f"an answer with {framing} to {target} cut at each byte by {how}, {protocol}", "never a clean end",
        f"{refused} times a 502, {cut} times a cut, of {len(whole)}",
    )  # fmt: skip
    assert refused >= len(whole) - len(body)
    if target == POD:
        assert not cut
    else:
        assert how == "reset" or cut > 10, "not one answer was cut within its body"
    if how != "reset":
        length[0] = len(whole)
        with contextlib.closing(CALLERS[protocol](own)) as caller:
            assert caller.call(target) == (200, b'{"kind":"List","items":[]}\n')
    assert outcomes(own, target).count("complete") == (how != "reset")
    assert not trouble(own)
