"""Two gateways on one PostgreSQL server: what is asked at one is answered at the other; one that is killed sends nothing; and what
happens while the server is away."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h11
import pytest

from l7gw.demo.issuer import DemoIssuer
from l7gw.demo.pki import Authority
from tests.support.demo_issuer import issuing
from tests.support.faults import until
from tests.support.gateway_process import Gateway
from tests.support.held import POLICY, Held
from tests.support.postgres import PASSWORD, Postgres
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, identity
from tests.support.scripted_upstream import OK, Script, ScriptedUpstream, answering
from tests.support.slack_stand_in import slack

GRANTED = """
grants:
  - {group: oncall, users: [gran], clusters: [test], reviewers: {groups: [sre]}, max: 1h}
rules:
  - {name: on call, users: [gran*], groups: [oncall], effects: [read], verdict: allow}
  - {name: not on call, users: [gran*], effects: [read], verdict: deny}
"""
RACERS = 50
WITHIN = 30.0  # seconds for what takes a tenth of one


class Two:
    """Two running gateways on one database, before one cluster."""

    def __init__(self, a: Held, b: Held, upstream: ScriptedUpstream) -> None:
        self.a, self.b, self.upstream = a, b, upstream
        self._before = 0

    def begin(self) -> None:
        """Count from now on. A connection that an earlier test left idle may bring a request of this one, so none is forgotten."""
        self._before += self.sent()

    def sent(self) -> int:
        """How many requests reached the cluster since the test began."""
        return sum(bytes(visit.received).count(b"HTTP/1.1\r\n") for visit in self.upstream.visits) - self._before


@contextlib.contextmanager
def two(
    folder: Path, store: str, *, script: Script | None = None, policy: str = "", impersonate: str = "groups", **config: Any
) -> Iterator[Two]:
    """`config` are further keys of both configurations."""
    authority = Authority(folder / "issuer", "issuer CA")
    with contextlib.ExitStack() as stack:
        issuer = stack.enter_context(issuing(authority))
        upstream = stack.enter_context(ScriptedUpstream(folder / "upstream", script or answering(OK)))
        cluster = upstream.cluster(impersonate=impersonate, groups=["*"])
        a, b = (stack.enter_context(gateway(folder / name, store, issuer, authority, cluster, policy, **config)) for name in "ab")
        yield Two(Held(Scene(a, upstream, issuer)), Held(Scene(b, upstream, issuer)), upstream)


def gateway(
    folder: Path, store: str, issuer: DemoIssuer, authority: Authority, cluster: dict[str, object], policy: str = "", **config: Any
) -> Gateway:
    made = Gateway(
        folder,
        {"identity": [identity(issuer, authority)], "clusters": {"test": cluster}, "store": store, **config},
        policy or POLICY.replace("rules:", GRANTED.strip()),
    )
    made.config.chmod(0o600)  # it has a password
    return made


@pytest.fixture(scope="module")
def shared(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    postgres.does("CREATE SCHEMA two_gateways AUTHORIZATION l7gw", database="l7gw")
    with two(tmp_path_factory.mktemp("two"), postgres.url("options=-csearch_path%3Dtwo_gateways")) as running:
        yield running
        for one in (running.a, running.b):
            assert PASSWORD not in one.gateway.log


@pytest.fixture
def it(shared: Two) -> Two:
    shared.begin()
    return shared


class Waiting:
    """A call that waits at a gateway, and its answer once there is one."""

    def __init__(self, at: Held, user: str, name: str = "web-0") -> None:
        self.client = RawClient(at.gateway, timeout=90.0)
        self.client.send(at.scene.request(f"GET /api/v1/namespaces/dev/pods/{name}", token=at.token(user)))
        self.status, self.headers, self.body = 0, {}, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(h11.RemoteProtocolError):  # its gateway was killed
            self.status, self.headers, self.body = self.client.answer()

    def answered(self) -> int:
        self._thread.join(WITHIN)
        assert not self._thread.is_alive(), "it waits still"
        return self.status


def hold_of(at: Held, user: str, state: str = "pending") -> dict[str, Any]:
    """Wait until a gateway shows a hold of this user in this state."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        status, said = at.api(f"GET /l7gw/v1/holds?state={state}", at.lea)
        assert status in (200, 429, 503), said  # 429: it was asked too often
        found[:] = [one for one in said["holds"] if one["principal"]["user"] == user] if status == 200 else []
        return bool(found)

    until(there, within=WITHIN)
    return found[0]


def approve(at: Held, hold: str, token: str) -> None:
    status, said = at.api(f"POST /l7gw/v1/holds/{hold}/approve", token, {"version": 1})
    assert status == 200, said


def test_a_call_that_waits_at_one_gateway_goes_on_when_it_is_approved_at_the_other(it: Two) -> None:
    call = Waiting(it.a, "wait-one")
    hold = hold_of(it.b, "wait-one")
    assert it.sent() == 0
    approve(it.b, hold["id"], it.b.lea)
    approve(it.a, hold["id"], it.a.rob)  # two are needed, each at another gateway
    assert call.answered() == 200 and it.sent() == 1
    assert it.b.api(f"GET /l7gw/v1/holds/{hold['id']}", it.b.lea)[1]["state"] == "consumed"


def test_a_call_that_waits_is_ended_by_a_denial_at_the_other_gateway(it: Two) -> None:
    call = Waiting(it.b, "wait-denied")
    hold = hold_of(it.a, "wait-denied")
    status, _ = it.a.api(f"POST /l7gw/v1/holds/{hold['id']}/deny", it.a.lea, {"version": 1, "note": "no"})
    assert status == 200 and call.answered() == 403 and it.sent() == 0


def test_a_call_that_comes_back_may_come_back_to_the_other_gateway(it: Two) -> None:
    hold = it.a.ask("back-one")
    assert it.b.ask("back-one") == hold
    approve(it.b, hold, it.b.lea)
    call = Waiting(it.b, "back-one")
    assert call.answered() == 200 and it.sent() == 1
    assert it.a.ask("back-one") != hold


def test_a_watch_at_one_gateway_sees_what_happens_at_the_other(it: Two) -> None:
    with watched(it.a) as lines:
        hold = it.b.ask("back-watched")
        _next_of(lines, hold, "pending")
        approve(it.b, hold, it.b.lea)
        _next_of(lines, hold, "approved")


def test_a_group_that_is_granted_at_one_gateway_counts_at_the_other_until_it_is_taken_back(it: Two) -> None:
    ask = {"group": "oncall", "cluster": "test", "for": 600, "reason": "disk full"}
    status, grant = it.a.api("POST /l7gw/v1/grants", it.a.token("gran"), ask)
    assert status in (200, 201), grant
    assert Waiting(it.a, "gran").answered() == 403
    status, said = it.b.api(f"POST /l7gw/v1/grants/{grant['id']}/approve", it.b.lea, {"version": 1})
    assert status == 200, said
    until(lambda: Waiting(it.a, "gran").answered() == 200, within=WITHIN)
    status, said = it.b.api(f"POST /l7gw/v1/grants/{grant['id']}/revoke", it.b.lea, {"version": 1})
    assert status == 200, said
    until(lambda: Waiting(it.a, "gran").answered() == 403, within=WITHIN)


def test_of_fifty_that_race_for_one_approval_at_two_gateways_one_goes_on(it: Two) -> None:
    hold = it.a.ask("back-race")
    approve(it.a, hold, it.a.lea)
    calls = [Waiting(it.a if number % 2 else it.b, "back-race") for number in range(RACERS)]
    answers = [call.answered() for call in calls]
    assert answers.count(200) == 1 == it.sent() and {*answers} <= {200, 403, 409}  # 409: it was used by another this moment
    assert len({_hold_of(call.body) for call in calls if call.status == 403} - {hold}) == 1  # who came after: one new hold


def test_twenty_holds_are_the_most_of_a_principal_over_both_gateways(it: Two) -> None:
    calls = [Waiting(it.a if number % 2 else it.b, "back-many", f"web-{number}") for number in range(24)]
    assert sorted(call.answered() for call in calls) == [403] * 20 + [429] * 4


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_gateway_that_is_killed_sends_nothing_and_what_came_back_to_it_is_used_at_the_other(
    tmp_path: Path, postgres: Postgres
) -> None:
    postgres.does("CREATE SCHEMA killed AUTHORIZATION l7gw", database="l7gw")
    with two(tmp_path, postgres.url("options=-csearch_path%3Dkilled")) as it:
        Waiting(it.a, "wait-pending"), Waiting(it.a, "wait-approved")
        pending, approved = hold_of(it.b, "wait-pending"), hold_of(it.b, "wait-approved")
        back, later = it.a.ask("back-approved"), it.a.ask("back-pending")
        approve(it.b, approved["id"], it.b.lea)
        approve(it.b, back, it.b.lea)
        it.a.gateway.process.send_signal(signal.SIGSTOP)  # it hears of no approval any more
        approve(it.b, approved["id"], it.b.rob)
        it.a.gateway.kill()
        assert it.sent() == 0
        with watched(it.b, timeout=90.0) as lines:
            _next_of(lines, approved["id"], "void")
        for hold in (pending, approved):
            found = it.b.api(f"GET /l7gw/v1/holds/{hold['id']}", it.b.lea)[1]
            assert (found["state"], found["why"]) == ("void", "the gateway at which the call waited is gone; nothing was sent")
        assert it.sent() == 0
        assert Waiting(it.b, "back-approved").answered() == 200 and it.sent() == 1
        assert it.b.ask("back-pending") == later


@pytest.mark.long
@pytest.mark.timeout(180)
def test_while_the_server_is_away_calls_wait_or_are_refused_with_words_and_go_on_when_it_is_back(tmp_path: Path) -> None:
    with Postgres() as server, two(tmp_path, server.url()) as it:
        call = Waiting(it.a, "wait-long")
        hold = hold_of(it.b, "wait-long")
        approve(it.b, hold["id"], it.b.lea)
        server.stop(signal.SIGQUIT)
        refused = Waiting(it.a, "back-away")
        assert refused.answered() == 503
        assert "cannot be asked for or given: the database of the holds cannot be used" in json.loads(refused.body)["message"]
        for at in (it.a, it.b):
            free = Waiting(at, "ann")
            assert free.answered() == 200
            assert at.api("GET /l7gw/v1/holds", at.lea)[0] == 503
        sent = it.sent()
        it.b.gateway.stop()
        it.b.gateway.start()  # while the server is away
        assert Waiting(it.b, "ann").answered() == 200
        assert not call.status
        server.start()
        until(lambda: it.b.api("GET /l7gw/v1/holds", it.b.lea)[0] == 200, within=WITHIN)
        approve(it.b, hold["id"], it.b.rob)
        assert call.answered() == 200 and it.sent() == sent + 2
        assert PASSWORD not in it.a.gateway.log + it.b.gateway.log
        assert it.a.gateway.log.count("the database of the holds is back") == 1


def _hold_of(body: bytes) -> str:
    return str(next(cause["message"] for cause in json.loads(body)["details"]["causes"] if cause["reason"] == "L7GWHold"))


def _lines(client: RawClient) -> Iterator[bytes]:
    """The lines of an answer that goes on, as they come: what is no JSON (the head, the sizes of chunks) is an empty one."""
    left = b""
    while data := client.socket.recv(65536):
        *whole, left = (left + data).split(b"\n")
        yield b""
        yield from (line for line in whole if line.startswith(b"{"))


def _next_of(lines: Iterator[bytes], hold: str, state: str) -> None:
    """Wait until a watch says that this hold is in this state."""
    assert any(line and (found := json.loads(line))["id"] == hold and found["state"] == state for line in lines), (
        "the watch has ended"
    )


@contextlib.contextmanager
def watched(at: Held, timeout: float = WITHIN) -> Iterator[Iterator[bytes]]:
    """The lines of a watch, each within `timeout` seconds of the one before."""
    with RawClient(at.gateway, timeout=timeout) as watcher:
        watcher.send(at.scene.request("GET /l7gw/v1/holds?watch=1", token=at.lea))
        lines = _lines(watcher)
        next(lines)
        yield lines


@pytest.mark.long
@pytest.mark.timeout(180)
def test_two_gateways_tell_slack_of_each_hold_once_and_a_button_counts_once_at_either(tmp_path: Path, postgres: Postgres) -> None:
    postgres.does("CREATE SCHEMA told AUTHORIZATION l7gw", database="l7gw")
    with (
        slack() as it_slack,
        two(tmp_path, postgres.url("options=-csearch_path%3Dtold"), reviews=it_slack.reviews(tmp_path)) as it,
    ):
        holds = [(it.a if number % 2 else it.b).ask(f"back-{number}") for number in range(16)]
        until(lambda: len(it_slack.messages) >= len(holds), within=WITHIN)
        first, second, *others = holds
        press = it_slack.press("approve", first)
        answers = {it_slack.send(it_slack.port_of(at.gateway.log), *press) for at in (it.b, it.a)}
        assert answers == {200, 409}  # who comes second hears that it was taken
        assert it_slack.send(it_slack.port_of(it.a.gateway.log), *it_slack.press("deny", second)) == 200
        for other in others:
            approve(it.a, other, it.a.lea)
        until(lambda: all("Approved" in it_slack.message(hold)["text"] for hold in (first, *others)), within=WITHIN)
        until(lambda: "Denied" in it_slack.message(second)["text"], within=WITHIN)
        assert it_slack.calls.count("chat.postMessage") == len(holds) == len(it_slack.messages)
