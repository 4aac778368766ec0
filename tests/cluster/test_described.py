"""The endpoint of a cluster of EKS is followed: it may move and change its CA, DescribeCluster may fail, and nobody else is trusted. The
servers are real ones over TLS; what EKS says is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from l7gw.cluster.addresses import Lookup
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed
from l7gw.cluster.described import AGAIN_AFTER, DescribedEndpoint
from l7gw.demo.pki import Authority, server_context
from l7gw.errors import Refusal
from l7gw.timeouts import Timeouts
from tests.support.manual_clock import ManualClock
from tests.support.scripted_broker import ScriptedBroker

TIMEOUTS = Timeouts()
EVERY = TIMEOUTS.described_again
NAME = "abc.gr7.eu-west-1.eks.amazonaws.com"
DENIED = Failed(502, "BadGateway", "DescribeCluster of prod is refused: allow eks:DescribeCluster to the role")


class Over(asyncio.Protocol):
    below = None


async def local(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


class Stage:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.broker = ScriptedBroker(at_once=False)
        self.endpoint = self.made()
        self.servers: list[asyncio.Server] = []
        self.told: list[Refusal | None] = []

    def made(self, former: DescribedEndpoint | None = None, lookup: Lookup = local) -> DescribedEndpoint:
        return DescribedEndpoint("prod", self.broker, self.clock, TIMEOUTS, former=former, lookup=lookup)

    async def serve(self, name: str, authority: Authority | None = None, port: int = 0) -> Described:
        """A server of this authority, a new one without, as EKS would describe it."""
        authority = authority or Authority(self.folder / name)
        context = server_context(authority.server(f"server-{name}", NAME))
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port, ssl=context)
        self.servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return Described(f"https://{NAME}:{port}", authority.certificate.read_text(), "1.33", "arn:aws:eks:...")

    def say(self, said: Described | Failed) -> None:
        if isinstance(said, Failed):
            self.broker.answer(said)
        else:
            self.broker.described = said
            self.broker.answer()

    def wait(self) -> None:
        self.endpoint.wait(self.told.append)

    def tick(self, seconds: float = 1.0) -> bool:
        self.clock.advance(seconds)
        return self.endpoint.refresh(self.clock.monotonic())

    async def dial(self) -> Over:
        over = await self.endpoint.dial(Over, TIMEOUTS, shared=False)
        assert isinstance(over, Over)
        return over

    async def dial_told(self, said: Described | Failed) -> None:
        """Dial, and have the question answered that comes meanwhile."""
        dialling = asyncio.ensure_future(self.dial())
        while not self.broker.waiting and not dialling.done():
            await asyncio.sleep(0.01)
        self.say(said)
        await dialling

    @property
    def asked(self) -> int:
        assert all(one == DescribeWanted("prod") for one in self.broker.asked)
        return len(self.broker.asked)


def staged(folder: Path, play: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage(folder)
        await play(stage)
        for server in stage.servers:
            server.close()

    uvloop.run(run())


def test_calls_wait_for_the_first_answer_and_then_for_none(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        assert not stage.endpoint.ready()
        for _ in range(3):
            stage.wait()
        assert stage.asked == 1 and not stage.told
        stage.say(said)
        assert stage.told == [None] * 3 and stage.endpoint.ready()
        stage.wait()
        assert stage.told == [None] * 4 and stage.asked == 1
        await stage.dial()
        assert stage.endpoint.authority == said.endpoint.removeprefix("https://")
        assert not stage.tick(), "there is no connection of before"

    staged(tmp_path, play)


def test_it_is_asked_at_the_start_and_every_minute(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        for minute in range(1, 4):
            assert not stage.tick()
            assert stage.asked == minute
            stage.say(said)
            for _ in range(int(EVERY) - 1):
                assert not stage.tick()
            assert stage.asked == minute

    staged(tmp_path, play)


def test_without_any_answer_calls_are_told_the_step_that_failed(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.wait()
        stage.say(DENIED)
        (refusal,) = stage.told
        assert refusal is not None and (refusal.code, refusal.message) == (502, DENIED.message)
        for _ in range(int(TIMEOUTS.credential) + 1):
            stage.tick()
            if stage.clock.monotonic() % 2:
                stage.wait()  # who asks again asks EKS again, and waits no longer than the others
        late = stage.told[1]
        assert late is not None and late.code == 503 and "DescribeCluster for cluster prod" in late.message

    staged(tmp_path, play)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://abc.example",
        "https://",
        "https://abc.example/path",
        "https://u@abc.example",
        "https://abc.example:x",
        "abc.example",
    ],
)
def test_an_endpoint_that_is_none_is_told_in_words(tmp_path: Path, endpoint: str) -> None:
    async def play(stage: Stage) -> None:
        stage.wait()
        stage.say(Described(endpoint, Authority(tmp_path).certificate.read_text(), "1.33", ""))
        (refusal,) = stage.told
        assert (
            refusal is not None
            and refusal.code == 503
            and "cluster prod: DescribeCluster says what cannot be used" in refusal.message
        )

    staged(tmp_path, play)


@pytest.mark.parametrize("authority", ["", "not a PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_ca_that_is_none_leaves_the_former_one_in_force(tmp_path: Path, authority: str) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        stage.tick()
        stage.say(said)
        stage.tick(EVERY)
        stage.say(Described(said.endpoint, authority, "1.33", ""))
        assert not stage.tick() and stage.endpoint.ready()
        await stage.dial()

    staged(tmp_path, play)


def test_while_describe_cluster_fails_its_last_answer_stays_in_force(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        stage.tick()
        stage.say(said)
        for _ in range(5):
            stage.tick(EVERY)
            stage.say(DENIED)
            stage.wait()
            await stage.dial()
        assert stage.told == [None] * 5 and stage.asked == 6

    staged(tmp_path, play)


def test_the_log_says_each_reason_once_and_a_new_one_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    no_role = Failed(503, "ServiceUnavailable", "cluster prod: AssumeRole of arn:aws:iam::111122223333:role/l7gw: access denied")
    denied = Failed(503, "ServiceUnavailable", "cluster prod: DescribeCluster of prod in eu-west-1: access denied")

    async def play(stage: Stage) -> None:
        for said in (no_role, no_role, denied, denied, no_role):
            stage.tick(EVERY)
            stage.say(said)

    staged(tmp_path, play)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"{said.message}; calls get a 503" for said in (no_role, denied, no_role)]


def test_another_ca_in_mid_flight_is_taken_over_by_the_dial_that_meets_it_and_ends_the_connections_of_before(
    tmp_path: Path,
) -> None:
    async def play(stage: Stage) -> None:
        before = await stage.serve("before")
        stage.tick()
        stage.say(before)
        await stage.dial()
        stage.servers.pop().close()
        await stage.dial_told(await stage.serve("after", port=int(before.endpoint.rpartition(":")[2])))
        assert stage.asked == 2 and stage.tick() and not stage.tick()
        await stage.dial()
        assert stage.asked == 2

    staged(tmp_path, play)


def test_a_cluster_that_moved_is_found_by_the_dial_that_misses_it(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.tick()
        stage.say(await stage.serve("before"))
        stage.servers.pop().close()
        await stage.dial_told(await stage.serve("after"))
        assert stage.asked == 2 and stage.tick()

    staged(tmp_path, play)


def test_a_server_of_another_ca_than_the_one_described_is_refused_in_words(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        stranger = await stage.serve("stranger")
        described = Described(stranger.endpoint, said.certificate_authority, "1.33", "")
        stage.tick()
        stage.say(described)
        with pytest.raises(OSError) as raised:
            await stage.dial_told(described)
        refusal = stage.endpoint.unreachable(raised.value)
        assert refusal.code == 503 and "another CA or name than EKS describes" in refusal.message and NAME in refusal.message
        with pytest.raises(OSError):
            await stage.dial()  # a flood of such dials asks EKS every five seconds
        assert stage.asked == 2
        stage.clock.advance(AGAIN_AFTER)
        with pytest.raises(OSError):
            await stage.dial_told(described)
        assert stage.asked == 3

    staged(tmp_path, play)


@pytest.mark.long
def test_a_dial_that_fails_waits_for_eks_for_seconds_and_no_longer(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        stage.tick()
        stage.say(said)
        stage.servers.pop().close()
        with pytest.raises(OSError):
            await stage.dial()
        assert stage.asked == 2 and len(stage.broker.waiting) == 1, "EKS is still silent"

    staged(tmp_path, play)


def test_an_endpoint_name_with_no_address_is_told_and_asked_about(tmp_path: Path) -> None:
    async def nobody(host: str, port: int) -> list[str]:
        return []

    async def play(stage: Stage) -> None:
        stage.endpoint = stage.made(lookup=nobody)
        said = await stage.serve("eks")
        stage.tick()
        stage.say(said)
        with pytest.raises(OSError) as raised:
            await stage.dial_told(said)
        refusal = stage.endpoint.unreachable(raised.value)
        assert refusal.code == 503 and f"its name {NAME} has no address here" in refusal.message
        assert stage.asked == 2

    staged(tmp_path, play)


def test_a_reload_begins_with_what_was_described_before(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        said = await stage.serve("eks")
        stage.tick()
        stage.say(said)
        stage.endpoint = stage.made(former=stage.endpoint)
        assert stage.endpoint.ready()
        await stage.dial()
        stage.tick()
        stage.say(said)
        assert stage.asked == 2 and not stage.tick()

    staged(tmp_path, play)
