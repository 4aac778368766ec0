"""Names of clusters that move (threats I6): looked up often and by few, kept while nobody can say, and two addresses for a dial. The
resolver is a fake one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from l7gw.cluster.addresses import FRESH_FOR, LAST_GOOD_FOR, MOST_ADDRESSES, Addresses, NoAddress, dial
from l7gw.cluster.endpoint import way_to
from l7gw.demo.pki import Authority, server_context
from l7gw.timeouts import Timeouts
from tests.support.manual_clock import ManualClock

NAME = "abc.gr7.eu-west-1.eks.amazonaws.com"
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
DOWN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class Resolver:
    """Answers as `says`: with addresses, an error, or when `gate` is set."""

    def __init__(self, *addresses: str) -> None:
        self.says: list[str] | Exception = list(addresses)
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def run(play: Callable[[Addresses, Resolver, ManualClock], Awaitable[None]], *addresses: str, host: str = NAME) -> None:
    async def inside() -> None:
        resolver, clock = Resolver(*addresses), ManualClock()
        await play(Addresses(host, 443, clock, resolver), resolver, clock)

    uvloop.run(inside())


def test_a_name_is_looked_up_again_after_seconds_and_once_for_all_dials() -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        resolver.gate = asyncio.Event()
        together = [asyncio.ensure_future(addresses.two()) for _ in range(50)]
        await asyncio.sleep(0)
        resolver.gate.set()
        assert await asyncio.gather(*together) == [["10.0.0.1"]] * 50 and resolver.asked == 1
        clock.advance(FRESH_FOR - 0.1)
        await addresses.two()
        assert resolver.asked == 1
        resolver.says = ["10.0.0.2"]
        clock.advance(0.1)
        assert await addresses.two() == ["10.0.0.2"] and resolver.asked == 2

    run(play, "10.0.0.1")


@pytest.mark.parametrize(("error", "temporary"), [(GONE, False), (DOWN, True), (UnicodeError("label too long"), True)])
def test_a_name_without_an_address_is_an_error_of_its_own(error: Exception, temporary: bool) -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        for says in (error, []):
            resolver.says = says
            with pytest.raises(NoAddress) as raised:
                await addresses.two()
            assert raised.value.host == NAME and raised.value.temporary is (temporary if says else False)

    run(play)


def test_the_last_good_addresses_are_used_for_ten_minutes_while_the_resolver_is_down() -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        await addresses.two()
        resolver.says = DOWN
        clock.advance(LAST_GOOD_FOR - 1)
        assert await addresses.two() == ["10.0.0.1"]
        assert await addresses.two() == ["10.0.0.1"] and resolver.asked == 2, "a dial just after does not ask again"
        clock.advance(FRESH_FOR)
        with pytest.raises(NoAddress):
            await addresses.two()
        resolver.says = ["10.0.0.3"]
        assert await addresses.two() == ["10.0.0.3"]

    run(play, "10.0.0.1")


def test_a_name_that_is_gone_is_not_used_for_longer_because_it_was_good() -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        await addresses.two()
        resolver.says = GONE
        clock.advance(LAST_GOOD_FOR)
        with pytest.raises(NoAddress):
            await addresses.two()

    run(play, "10.0.0.1")


def test_an_address_that_failed_is_tried_after_the_others_and_the_name_is_looked_up_at_once() -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        assert await addresses.two() == ["10.0.0.1", "10.0.0.2"]
        addresses.failed("10.0.0.1")
        addresses.failed("10.0.0.2")
        assert await addresses.two() == ["10.0.0.3", "10.0.0.1"] and resolver.asked == 2
        resolver.says = ["10.0.0.1", "10.0.0.4"]
        clock.advance(FRESH_FOR)
        assert await addresses.two() == ["10.0.0.4", "10.0.0.1"]

    run(play, "10.0.0.1", "10.0.0.2", "10.0.0.3")


def test_of_a_thousand_addresses_eight_are_known_and_two_are_tried() -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        assert await addresses.two() == ["10.0.0.0", "10.0.0.1"]
        for number in range(MOST_ADDRESSES - 1):
            addresses.failed(f"10.0.0.{number}")
        assert await addresses.two() == [f"10.0.0.{MOST_ADDRESSES - 1}", "10.0.0.0"]

    run(play, *(f"10.0.0.{number}" for number in range(200)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_no_name(host: str) -> None:
    async def play(addresses: Addresses, resolver: Resolver, clock: ManualClock) -> None:
        addresses.failed(host)
        assert await addresses.two() == [host] and resolver.asked == 0

    run(play, host=host)


def test_the_system_is_asked() -> None:
    async def inside() -> None:
        assert "127.0.0.1" in await Addresses("localhost", 443, ManualClock()).two()

    uvloop.run(inside())


# ---------------------------------------------------------------------- dialling


class Over(asyncio.Protocol):
    below = None


async def _served(folder: Path, name: str) -> tuple[asyncio.Server, int, Authority]:
    authority = Authority(folder)
    server = await asyncio.start_server(
        lambda reader, writer: None, "127.0.0.1", 0, ssl=server_context(authority.server("s", name))
    )
    return server, server.sockets[0].getsockname()[1], authority


@pytest.mark.parametrize("first", ["refuses", "says nothing", "is somebody else"])
def test_a_dial_tries_a_second_address_where_the_first_one_fails(tmp_path: Path, first: str) -> None:
    async def inside() -> None:
        server, port, authority = await _served(tmp_path / "true", NAME)
        with contextlib.closing(socket.socket()) as there:
            there.bind(("127.0.0.2", port))
            if first == "says nothing":
                there.listen()
            other = None
            if first == "is somebody else":
                there.listen()
                other = await asyncio.start_server(
                    lambda reader, writer: None, sock=there, ssl=server_context(Authority(tmp_path / "other").server("s", NAME))
                )
            resolver = Resolver("127.0.0.2", "127.0.0.1")
            addresses = Addresses(NAME, port, ManualClock(), resolver)
            way = way_to(NAME, port, addresses, authority.certificate.read_text())
            for asked in (1, 2):  # the second dial begins with the one that answered
                over = await dial(addresses, Over, NAME, port, way.tls, Timeouts(dial=1.0))
                assert isinstance(over, Over) and resolver.asked == asked
                assert await addresses.two() == ["127.0.0.1", "127.0.0.2"]
            if other is not None:
                other.close()
        server.close()

    uvloop.run(inside())


def test_a_dial_of_two_dead_addresses_fails_with_the_error_of_the_last(tmp_path: Path) -> None:
    async def inside() -> None:
        authority = Authority(tmp_path)
        with contextlib.closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            addresses = Addresses(NAME, port, ManualClock(), Resolver("127.0.0.1", "127.0.0.2", "127.0.0.3"))
            way = way_to(NAME, port, addresses, authority.certificate)
            with pytest.raises(ConnectionRefusedError):
                await dial(addresses, Over, NAME, port, way.tls, Timeouts())
            assert (await addresses.two())[0] == "127.0.0.3"

    uvloop.run(inside())
