"""A call whose rule has a budget, as the gateway counts it: what passes, what is told beyond it, and what does not count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.gateway.test_holding import CONFIG_MAP, GO, JSON, PATCH, Cluster
from tests.support.faults import until
from tests.support.h2_client import H2Stream, connected
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.reviewing_hand import Hand
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

POD = "/api/v1/namespaces/shop/pods/web-0"
POLICY = """
guardrails:
  - {name: looked at, users: ["guarded*"], effects: [delete], verdict: hold, reviewers: {groups: [sre]}, wait: wait}
rules:
  - {name: later, users: ["later*"], effects: [delete], verdict: hold, reviewers: {groups: [sre]}, wait: wait}
  - name: few deletes
    users: ["stop*"]
    effects: [read, write, delete, execute]
    budget: {deletes: 5, executes: 1, per: 2h}
    verdict: allow
  - name: then a look
    users: ["look*", "guarded*"]
    effects: [read, write, delete]
    budget: {deletes: 1, writes: 1, per: 2h}
    reviewers: {groups: [sre]}
    wait: wait
    message: slow down
    verdict: allow
  - {name: few looks, users: ["silent*"], effects: [read], record: none, budget: {calls: 1, per: 2h}, verdict: allow}
  - {name: all, effects: ["*"], verdict: allow}
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    people = [{"user": "stop-ann", "also": ["stop-ann-again"]}]
    with scene(tmp_path_factory.mktemp("counted"), policy=POLICY, people=people) as it:
        yield it


@pytest.fixture
def cluster(counted: Scene) -> Iterator[Cluster]:
    counted.upstream.script = cluster = Cluster()
    yield cluster
    cluster.ended.set()


@pytest.fixture
def hand(counted: Scene) -> Iterator[Hand]:
    hand = Hand(counted.gateway.state)
    yield hand
    hand.close()


def ask(counted: Scene, user: str, line: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
    """The answer to one request, on a connection and with a token of its own."""
    with RawClient(counted.gateway) as client:
        client.send(counted.request(line, *headers, body=body, token=counted.issuer.token(user, ["engineers"])))
        status, headers_, answer = client.answer(line.split()[0])
        return status, headers_, json.loads(answer)


def deletes(cluster: Cluster) -> int:
    return sum(line.startswith("DELETE") and "dryRun" not in line for line in cluster.lines())


def test_of_fifty_racing_deletes_of_one_person_five_pass(counted: Scene, cluster: Cluster) -> None:
    """Over two connections of HTTP/2, under two names of the person, with tokens of their own, in runs of their own."""

    gateway, pair = counted.gateway, counted.upstream.client  # a certificate for which the gateway does not ask

    async def race() -> list[int]:
        async with (
            connected(gateway.port, gateway.authority, pair) as first,
            connected(gateway.port, gateway.authority, pair) as second,
        ):

            def one(number: int) -> Coroutine[Any, Any, H2Stream]:
                token = counted.issuer.token("stop-ann" if number % 3 else "stop-ann-again", [f"g{number}"])
                run = f"00000000-0000-4000-8000-0000000000{number:02}"
                client = first if number % 2 else second
                return client.ask("DELETE", POD, authorization=f"Bearer {token}", kubectl_session=run)

            streams = await asyncio.gather(*(one(number) for number in range(50)))
            told = next(stream.json()["message"] for stream in streams if stream.status == 403)
            assert "l7gw: denied by rule 'few deletes': the budget of 5 deletes per 2h is used up until " in told
            return [stream.status for stream in streams]

    found = asyncio.run(race())
    assert (found.count(200), found.count(403)) == (5, 45)
    assert deletes(cluster) == 5


def test_what_is_beyond_a_budget_that_nobody_reviews_is_denied_in_words_and_reads_go_on(counted: Scene, cluster: Cluster) -> None:
    for _ in range(5):
        assert ask(counted, "stop-1", f"DELETE {POD}")[0] == 200
    status, headers, told = ask(counted, "stop-1", f"DELETE {POD}")
    assert (
        status == 403 and "retry-after" not in headers and "Z. Nothing was done; the call is delete pods web-0" in told["message"]
    )
    causes = {cause["reason"]: cause["message"] for cause in told["details"]["causes"]}
    assert causes["L7GWRule"] == "few deletes" and "L7GWHold" not in causes
    assert deletes(cluster) == 5
    assert ask(counted, "stop-1", f"GET {POD}")[0] == 200
    assert ask(counted, "stop-1", f"PATCH {CONFIG_MAP}", JSON, body=PATCH)[0] == 200
    counted.gateway.stop()
    counted.gateway.start()  # it is counted in the database
    assert ask(counted, "stop-1", f"DELETE {POD}")[0] == 403
    assert ask(counted, "stop-2", f"DELETE {POD}")[0] == 200


def test_a_dry_run_of_the_clients_own_does_not_count_where_it_is_one(counted: Scene, cluster: Cluster) -> None:
    options = b'{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}'
    for _ in range(6):
        assert ask(counted, "stop-3", f"DELETE {POD}", "Content-Type: application/json", body=options)[0] == 200
        assert ask(counted, "stop-3", f"DELETE {POD}?dryRun=All")[0] == 200
    real = b'{"kind":"DeleteOptions","apiVersion":"v1"}'  # beside a body the query says nothing
    found = [ask(counted, "stop-3", f"DELETE {POD}?dryRun=All", "Content-Type: application/json", body=real)[0] for _ in range(6)]
    assert found == [200] * 5 + [403]


def test_a_deletecollection_exceeds_any_budget(counted: Scene, cluster: Cluster) -> None:
    status, _, told = ask(counted, "stop-4", "DELETE /api/v1/namespaces/shop/pods")
    assert status == 403 and "a deletecollection exceeds any budget" in told["message"] and cluster.asked == []


def test_a_call_beyond_its_budget_is_held_says_why_and_goes_on_after_its_approval(
    counted: Scene, cluster: Cluster, hand: Hand
) -> None:
    assert ask(counted, "look-1", f"DELETE {POD}")[0] == 200
    with RawClient(counted.gateway) as client:
        client.send(counted.request(f"DELETE {POD}", GO, token=counted.issuer.token("look-1", ["engineers"])))
        hold = hand.pending("look-1")
        assert hold.rule == "then a look" and deletes(cluster) == 1
        assert hold.message.startswith("the budget of 1 delete per 2h is used up until ") and hold.message.endswith("Z. slow down")
        hand.approve(hold)
        status, headers, _ = client.answer("DELETE")
        assert status == 200 and "approved by lea" in headers["warning"]
    assert deletes(cluster) == 2 and hand.of(hold).state == "consumed"
    assert ask(counted, "look-1", f"PATCH {CONFIG_MAP}", JSON, body=PATCH)[0] == 200  # writes are counted apart

    def recorded() -> list[dict[str, Any]]:
        (session,) = [one for one in counted.gateway.sessions() if one["principal"]["user"] == "look-1"]
        return [event for event in counted.gateway.events(session["id"]) if event.get("exchange") == hold.exchange]

    events = until(lambda: found if (found := recorded())[-1]["type"] == "end" else None)
    said = [(event["verdict"], event["reason"]) for event in events if event["type"] == "verdict"]
    assert said[0] == ("allow", "allowed by rule 'then a look'") and said[1][0] == "hold"
    assert said[1][1].startswith("held by rule 'then a look': the budget of 1 delete per 2h is used up")


@pytest.mark.long
def test_a_denied_call_beyond_its_budget_does_not_count(counted: Scene, cluster: Cluster, hand: Hand) -> None:
    assert ask(counted, "look-2", f"DELETE {POD}")[0] == 200
    with RawClient(counted.gateway) as client:
        client.send(counted.request(f"DELETE {POD}", GO, token=counted.issuer.token("look-2", ["engineers"])))
        hand.deny(hand.pending("look-2"))
        assert client.answer("DELETE")[0] == 403
    assert deletes(cluster) == 1


def test_a_guardrail_and_a_budget_are_one_hold(counted: Scene, cluster: Cluster, hand: Hand) -> None:
    """A call that a guardrail holds is counted when it goes on; beyond the budget its one hold names both rules."""
    token = counted.issuer.token("guarded-1", ["engineers"])
    rules = []
    for _ in range(2):
        with RawClient(counted.gateway) as client:
            client.send(counted.request(f"DELETE {POD}", GO, token=token))
            hold = hand.pending("guarded-1")
            rules.append([one.rule for one in hold.rules])
            hand.approve(hold)
            assert client.answer("DELETE")[0] == 200
    assert rules == [["looked at"], ["looked at", "then a look"]]
    assert len([hold for hold in hand.holds() if hold.principal.user == "guarded-1"]) == 2


@pytest.mark.long
def test_a_budget_that_is_used_up_while_a_guardrail_holds_is_asked_about_before_the_call_goes_on(
    counted: Scene, cluster: Cluster, hand: Hand
) -> None:
    token = counted.issuer.token("guarded-2", ["engineers"])
    with RawClient(counted.gateway) as first, RawClient(counted.gateway) as second:
        first.send(counted.request(f"DELETE {POD}", GO, token=token))
        one = hand.pending("guarded-2")
        second.send(counted.request(f"DELETE {POD}?x=y", GO, token=token))
        two = hand.pending("guarded-2", one)
        hand.approve(one)
        assert first.answer("DELETE")[0] == 200
        hand.approve(two)
        three = hand.pending("guarded-2", one, two)
        assert [each.rule for each in three.rules] == ["looked at", "then a look"] and deletes(cluster) == 1
        hand.approve(three)
        assert second.answer("DELETE")[0] == 200


@pytest.mark.long
def test_a_call_that_a_new_policy_lets_pass_while_it_waits_is_counted_by_that(counted: Scene, cluster: Cluster, hand: Hand) -> None:
    token = counted.issuer.token("later-1", ["engineers"])
    with RawClient(counted.gateway) as first, RawClient(counted.gateway) as second:
        first.send(counted.request(f"DELETE {POD}", GO, token=token))
        one = hand.pending("later-1")
        second.send(counted.request(f"DELETE {POD}?x=y", GO, token=token))
        two = hand.pending("later-1", one)
        before = counted.gateway.log.count("policy read again")
        counts = "verdict: allow, budget: {deletes: 1, per: 2h}}"
        counted.gateway.policy.write_text(
            POLICY.replace("verdict: hold, reviewers: {groups: [sre]}, wait: wait}\n  - name: few", f"{counts}\n  - name: few")
        )
        try:
            until(lambda: counted.gateway.log.count("policy read again") > before)
            hand.approve(one)
            assert first.answer("DELETE")[0] == 200
            hand.approve(two)
            assert second.answer("DELETE")[0] == 403
        finally:
            counted.gateway.policy.write_text(POLICY)
    assert deletes(cluster) == 1


def test_an_exec_whose_upgrade_the_cluster_refuses_counts_no_more(counted: Scene, cluster: Cluster) -> None:
    """kubectl makes it again over SPDY."""

    def refuses(visit: Visit) -> None:
        visit.head()
        visit.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        visit.socket.close()

    def status(script: Any) -> int:
        counted.upstream.script = script
        with RawClient(counted.gateway) as client:
            token = counted.issuer.token("stop-5", ["engineers"])
            client.send(counted.request(f"GET {POD}/exec?command=ls&stdout=true", *WEBSOCKET, token=token))
            return client.answer()[0]

    assert [status(refuses), status(refuses)] == [400, 400]


def test_a_call_that_never_goes_up_counts_no_more(counted: Scene, cluster: Cluster) -> None:
    """Its cluster takes no connection; one that goes up, and whose answer does not come, counts."""
    counted.upstream.away = True
    try:
        assert [ask(counted, "stop-6", f"DELETE {POD}")[0] for _ in range(6)] == [502] * 6
    finally:
        counted.upstream.away = False
    assert [ask(counted, "stop-6", f"DELETE {POD}")[0] for _ in range(6)] == [200] * 5 + [403]


@pytest.mark.long
def test_calls_without_a_budget_ask_no_database(counted: Scene, cluster: Cluster, hand: Hand) -> None:
    """The database is held by somebody else: what is counted waits for it, and what is not goes on."""
    with hand.blocking(), RawClient(counted.gateway) as client:
        client.send(counted.request(f"DELETE {POD}", token=counted.issuer.token("stop-7", ["engineers"])))
        assert ask(counted, "other", f"DELETE {POD}")[0] == 200
        assert deletes(cluster) == 1
        status, _, told = client.answer("DELETE")
        assert status == 503 and b"this call has a budget, and nobody can count it now, so nothing was done" in told
    assert deletes(cluster) == 1


def test_what_a_budget_denies_is_recorded_also_where_its_rule_records_nothing(counted: Scene, cluster: Cluster) -> None:
    assert [ask(counted, "silent-1", f"GET {POD}?n={number}")[0] for number in range(2)] == [200, 403]
    (session,) = [one for one in counted.gateway.sessions() if one["principal"]["user"] == "silent-1"]
    events = counted.gateway.events(session["id"])
    assert [event["target"] for event in events if event["type"] == "request"] == [f"{POD}?n=1"]
    assert [event["verdict"] for event in events if event["type"] == "verdict"] == ["allow", "deny"] and session["denied"] == 1
