"""A granted group at a running gateway: it counts for the policy and in the cluster, from the approval to the end, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import until
from tests.support.held import Held, held
from tests.support.raw_client import RawClient
from tests.support.scripted_upstream import KEPT, Visit

POLICY = """
rules:
  - {name: engineers read, groups: [engineers], effects: [read], resources: [configmaps], verdict: allow}
  - {name: engineers act, groups: [engineers], effects: [read, impersonate], resources: [configmaps], as: {users: [jane]}, verdict: allow}
  - {name: oncall works, groups: [oncall], effects: [read, write, delete, secrets], verdict: allow}
  - {name: held, users: [held], effects: [read], verdict: hold, reviewers: {groups: [oncall]}, wait: come-back}
grants:
  - {group: oncall, groups: [engineers], reviewers: {groups: [sre]}, max: 2h}
  - {group: oncall, users: [bot], kinds: [agent], clusters: [elsewhere], reviewers: {groups: [sre]}}
  - {group: sre, groups: [engineers], reviewers: {groups: [sre]}}
"""
GRANTS = "/l7gw/v1/grants"
LAST = b"0\r\n\r\n"  # the end of a chunked body
ONCALL = {"group": "oncall", "cluster": "test", "for": 600, "reason": "INC-1: the shop is down"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    people = [{"user": "ann", "also": ["ann-too"]}]
    with held(tmp_path_factory.mktemp("granted"), POLICY, script=cluster, people=people) as made:
        yield made


reviews: list[Callable[[list[str]], bool]] = []  # what the cluster says to an access review of these groups


def cluster(visit: Visit) -> None:
    """A watch begins and stays; everything else is answered."""
    visit.socket.settimeout(60)
    before = 0
    while visit.head():
        head, before = bytes(visit.received[before : visit._read]), visit._read
        if b"watch=1" in head:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
        elif b"/subjectaccessreviews " in head:
            length = int(re.search(rb"content-length: ([0-9]+)", head, re.IGNORECASE)[1])  # type: ignore[index]
            while len(visit.received) < before + length and visit.more():
                pass
            body, visit._read = visit.received[before : before + length], before + length
            before = visit._read
            allowed = reviews[0](json.loads(body)["spec"]["groups"])
            told = json.dumps({"kind": "SubjectAccessReview", "status": {"allowed": allowed}}).encode()
            visit.send(b"HTTP/1.1 201 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
        else:
            visit.send(KEPT)


def call(running: Held, token: str, line: str = "GET /api/v1/namespaces/dev/secrets/a", *headers: str) -> tuple[int, str]:
    with RawClient(running.gateway) as client:
        client.send(running.scene.request(line, *headers, token=token))
        status, _, body = client.answer()
    return status, body.decode()


def ask(running: Held, token: str, **fields: Any) -> str:
    status, grant = running.api(f"POST {GRANTS}", token, {**ONCALL, **fields})
    assert (status, grant["state"]) == (200, "pending"), grant
    return str(grant["id"])


def say(running: Held, grant: str, verb: str, token: str | None, **said: Any) -> tuple[int, Any]:
    return running.api(f"POST {GRANTS}/{grant}/{verb}", token, said)


def test_a_group_is_asked_for_approved_by_another_person_counts_and_is_taken_back(running: Held) -> None:
    ann = running.token("ann", "engineers")
    assert call(running, ann)[0] == 403
    grant = ask(running, ann)
    assert call(running, ann)[0] == 403  # pending is nothing
    assert say(running, grant, "approve", running.token("ann-too", "sre"))[0] == 403  # himself, under another name
    status, approved = say(running, grant, "approve", running.lea, note="seen")
    assert (status, approved["state"]) == (200, "approved") and approved["ends"] > approved["starts"]
    assert call(running, ann)[0] == 200
    head = running.scene.upstream.received.lower()
    assert b"impersonate-group: l7gw:engineers\r\nimpersonate-group: l7gw:oncall" in head
    assert say(running, grant, "revoke", ann, note="done")[1]["state"] == "revoked"
    assert call(running, ann)[0] == 403
    status, told = say(running, grant, "approve", running.lea)
    assert status == 409 and "revoked" in told["error"]["message"]


def granted(running: Held, token: str, **fields: Any) -> str:
    grant = ask(running, token, **fields)
    assert say(running, grant, "approve", running.lea)[1]["state"] == "approved"
    return grant


def test_a_grant_belongs_to_exactly_the_one_who_asked(running: Held) -> None:
    grant = granted(running, running.token("eva", "engineers"))
    assert call(running, running.token("eva", "engineers"))[0] == 200
    for other in (
        running.token("eve", "engineers"),
        running.token("eva", "engineers", kind="agent", act={"sub": "bot"}),  # an agent that acts for her
        running.token("eva"),  # her token does not say the group any more by which she might ask
    ):
        assert call(running, other)[0] == 403
    say(running, grant, "revoke", running.lea)


def test_a_granted_group_counts_neither_for_reviews_nor_for_grants(running: Held) -> None:
    grants = [granted(running, running.token("max", "engineers")), granted(running, running.token("max", "engineers"), group="sre")]
    hold = running.ask("held", "web-1")  # the group oncall reviews it
    assert running.api(f"POST /l7gw/v1/holds/{hold}/approve", running.token("max", "engineers"), {})[0] in (403, 404)
    other = ask(running, running.token("otto", "engineers"))  # the group sre reviews it
    for verb in ("approve", "deny", "revoke"):
        assert say(running, other, verb, running.token("max", "engineers"))[0] in (403, 404)
    for grant in (*grants, other):
        assert say(running, grant, "revoke", running.lea)[0] == 200


def test_only_what_the_policy_lists_may_be_asked_for(running: Held) -> None:
    ann, bot = running.token("ann", "engineers"), running.token("bot", "engineers", act={"sub": "agent"})
    for token, fields, status, words in (
        (ann, {"group": "admins"}, 403, "does not let you ask for 'admins' on 'test'; you may ask for 'oncall', 'sre' there"),
        (ann, {"cluster": "nowhere"}, 404, "no cluster"),
        (ann, {"for": 7201}, 403, "for 2h at most"),
        (ann, {"reason": " "}, 400, "say why"),
        (ann, {"reason": "x" * 1001}, 400, "reason"),
        (ann, {"for": 0}, 400, "for"),
        (ann, {"more": 1}, 400, "more"),
        (bot, {}, 403, "does not let you, an agent, ask for 'oncall'"),  # an agent, and the entry is for people
        (running.token("ann", "engineers", "oncall"), {}, 409, "in the group 'oncall' already"),
    ):
        found, told = running.api(f"POST {GRANTS}", token, {**ONCALL, **fields})
        assert (found, words in told["error"]["message"]) == (status, True), told
    assert running.at_socket(f"POST {GRANTS}", None, ONCALL)[0] in (401, 403)  # root is nobody who could have a group
    assert running.api(f"POST {GRANTS}", None, ONCALL)[0] == 401


def end_of(running: Held, user: str) -> str:
    """Why the last call of this user ended, by the record."""
    session = next(one for one in running.gateway.sessions() if one["principal"]["user"] == user)
    ends = [event for event in running.gateway.events(session["id"]) if event["type"] == "end"]
    return f"{ends[-1]['outcome']}: {ends[-1]['reason']}"


def test_a_watch_that_a_grant_allowed_ends_with_words_when_it_is_revoked(running: Held) -> None:
    token = running.token("wanda", "engineers")
    grant = granted(running, token)
    with RawClient(running.gateway) as client:
        client.send(running.scene.request("GET /api/v1/namespaces/dev/secrets?watch=1", token=token))
        until_read(client, b"{}\n")
        assert say(running, grant, "revoke", running.lea, note="the shop is up")[0] == 200
        assert b"the grant of 'oncall' was revoked by lea: the shop is up" in until_read(client, LAST)  # an ERROR event
    why = f"the grant of 'oncall' was revoked by lea: the shop is up ({grant}): no rule allows it"
    assert end_of(running, "wanda") == f"cut: this stream is no longer allowed: {why}"


def test_a_stream_ends_with_the_grant_whose_group_the_cluster_was_told_also_where_the_policy_would_allow_it(running: Held) -> None:
    token = running.token("wilma", "engineers")
    path = "GET /api/v1/namespaces/dev/configmaps?watch=1"
    grant = granted(running, token)
    with RawClient(running.gateway) as told, RawClient(running.gateway) as reads:
        told.send(running.scene.request(path, token=token))
        until_read(told, b"{}\n")
        reads.send(running.scene.request(path, token=running.token("other", "engineers")))
        until_read(reads, b"{}\n")
        assert say(running, grant, "revoke", token)[0] == 200
        until_read(told, LAST)
        assert "the grant of 'oncall' was revoked by wilma" in end_of(running, "wilma")
        reads.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):  # who has no grant goes on
            reads.socket.recv(1)


def test_the_cluster_is_asked_again_about_as_where_the_grant_ended_that_it_was_told_of(running: Held) -> None:
    token = running.token("willa", "engineers")
    grant = granted(running, token)
    seen: list[bool] = []

    def review(groups: list[str]) -> bool:
        if not seen:
            assert say(running, grant, "revoke", running.lea)[0] == 200
        seen.append("l7gw:oncall" in groups)
        return seen[-1]  # the RBAC of the cluster lets that group alone act as jane

    reviews[:] = [review]
    status, words = call(running, token, "GET /api/v1/namespaces/dev/configmaps/a", "Impersonate-User: jane")
    assert (status, seen) == (403, [True, False]) and "RBAC does not let l7gw (group l7gw:engineers)" in words


def test_a_stream_that_the_cluster_let_in_without_the_ended_grant_goes_on(running: Held) -> None:
    token, other = running.token("willy", "engineers"), running.token("wim", "engineers")
    grant = granted(running, token)
    seen: list[bool] = []

    def review(groups: list[str]) -> bool:
        if not seen:
            assert say(running, grant, "revoke", running.lea)[0] == 200
        seen.append("l7gw:oncall" in groups)
        return True

    reviews[:] = [review]
    with RawClient(running.gateway) as stays, RawClient(running.gateway) as ends:
        stays.send(running.scene.request("GET /api/v1/namespaces/dev/configmaps?watch=1", "Impersonate-User: jane", token=token))
        until_read(stays, b"{}\n")
        assert seen == [True, False]
        marker = granted(running, other)
        ends.send(running.scene.request("GET /api/v1/namespaces/dev/secrets?watch=1", token=other))
        until_read(ends, b"{}\n")
        assert say(running, marker, "revoke", running.lea)[0] == 200
        until_read(ends, LAST)  # all streams were judged again
        stays.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stays.socket.recv(1)


def test_a_stream_ends_when_the_time_of_its_grant_is_over(running: Held) -> None:
    token = running.token("wolf", "engineers")
    grant = granted(running, token, **{"for": 1})
    with RawClient(running.gateway) as client:
        client.send(running.scene.request("GET /api/v1/namespaces/dev/secrets?watch=1", token=token))
        until_read(client, LAST)
    assert "the grant of 'oncall' ended at 20" in end_of(running, "wolf")
    until(lambda: running.api(f"GET {GRANTS}/{grant}", token)[1]["state"] == "ended")
    assert call(running, token)[0] == 403


def until_read(client: RawClient, wanted: bytes) -> bytes:
    read = b""
    while wanted not in read:
        read += client.socket.recv(65536)
    return read


def test_the_journal_alone_tells_who_had_what_and_who_said_so(running: Held) -> None:
    token = running.token("jo", "engineers")
    grant = granted(running, token)
    call(running, token)
    say(running, grant, "revoke", running.lea, note="done")
    sessions = [one for one in running.gateway.sessions() if one["principal"]["user"] == "jo"]
    events = [event for session in sessions for event in running.gateway.events(session["id"])]
    told = [(one["did"], one["state"], one["user"], one["note"]) for one in events if one["type"] == "grant"]
    assert told == [
        ("request", "pending", "jo", "INC-1: the shop is down"), ("approve", "approved", "lea", ""), ("revoke", "revoked", "lea", "done"),
    ]  # fmt: skip
    assert any(one["type"] == "verdict" and f"(oncall by grant {grant})" in one["reason"] for one in events)
    for words in (f"grant {grant}: request by 'jo'", f"grant {grant}: approve by 'lea'", f"grant {grant}: revoke by 'lea'"):
        assert words in running.gateway.log


def test_what_the_policy_lists_no_more_counts_no_more(running: Held) -> None:
    token = running.token("pia", "engineers")
    grant, pending = granted(running, token), ask(running, token, group="sre")
    try:
        change(running, POLICY.partition("grants:")[0])
        assert call(running, token)[0] == 403
        status, told = say(running, pending, "approve", running.lea)
        assert status == 409 and "the policy says something else of this grant now" in told["error"]["message"]
    finally:
        change(running, POLICY)
    assert call(running, token)[0] == 200
    for one in (grant, pending):
        say(running, one, "revoke", token)


def change(running: Held, policy: str) -> None:
    before = running.gateway.log.count("policy read again")
    running.gateway.policy.write_text(policy)
    until(lambda: running.gateway.log.count("policy read again") > before)


def test_nobody_sees_the_grants_of_others(running: Held) -> None:
    grant = ask(running, running.token("sam", "engineers"))
    for line in (f"GET {GRANTS}/{grant}", f"POST {GRANTS}/{grant}/revoke"):
        status, told = running.api(line, running.token("eve", "engineers"), None if line.startswith("GET") else {})
        assert status == 404
        status, missing = running.api(
            line.replace(grant, "0" * 36), running.token("eve", "engineers"), None if line.startswith("GET") else {}
        )
        assert status == 404 and missing["error"]["message"].replace("0" * 36, grant) == told["error"]["message"]
    assert running.api(f"GET {GRANTS}", running.token("eve", "engineers"))[1]["grants"] == []
    assert grant in [one["id"] for one in running.api(f"GET {GRANTS}", running.lea)[1]["grants"]]
    assert say(running, grant[:30], "revoke", running.token("sam", "engineers"))[0] == 200


@pytest.mark.long  # the desk's own test of it is short
def test_a_killed_gateway_keeps_what_was_granted_and_what_was_taken_back(tmp_path: Path) -> None:
    with held(tmp_path, POLICY) as running:
        token = running.token("ann", "engineers")
        grant, back = granted(running, token), granted(running, running.token("bea", "engineers"))
        pending = ask(running, running.token("cia", "engineers"))
        say(running, back, "revoke", running.lea)
        running.gateway.kill()
        running.gateway.start()
        assert call(running, token)[0] == 200  # the very first call
        assert call(running, running.token("bea", "engineers"))[0] == 403
        assert running.api(f"GET {GRANTS}/{pending}", running.lea)[1]["state"] == "pending"
        assert say(running, grant, "revoke", running.lea)[0] == 200
        assert call(running, token)[0] == 403
        json.dumps(running.gateway.sessions())
