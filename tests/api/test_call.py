"""A call of the API: who may ask at all, what is bounded, and how a watch lives and ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from l7gw.api.call import PROVE_EVERY, TOLD_AT_ONCE, Api, ApiCall
from l7gw.api.callers import Peer
from l7gw.api.lines import ALIVE_EVERY
from l7gw.api.messages import LARGEST_SAID
from l7gw.api.pace import AT_ONCE
from l7gw.approval.desk import Desk
from l7gw.approval.messages import Shown
from l7gw.identity.chain import IdentityChain
from l7gw.wire.events import CHUNKED, Request
from tests.support.api_room import Caller, Room, in_room
from tests.support.desks import asked, terms
from tests.support.token_issuer import entry

HOLDS = "GET /l7gw/v1/holds"


# ---------------------------------------------------------------------- who may ask


def test_a_token_that_proves_nothing_is_a_401_whatever_is_asked(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        good = room.token()
        tokens = {
            "no token": None,
            "another audience": room.token(aud="kubernetes"),
            "another issuer": room.token(iss="https://elsewhere.example.com"),
            "over": room.token(exp=int(room.clock.wall()) - 3600, iat=int(room.clock.wall()) - 7200),
            "another signature": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
            "of AWS": "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eQ",
        }
        for what, token in tokens.items():
            for line, said in ((HOLDS, None), (f"POST /l7gw/v1/holds/{hold.id}/approve", {})):
                status, answer = await room.ask(line, token, said)
                assert (what, status, answer["error"]["reason"]) == (what, 401, "Unauthorized")
        assert (await room.chair.now(hold)).state == "pending"

    in_room(test, tmp_path)


def test_a_call_is_told_to_the_log_once_with_its_caller_and_no_word_of_his_own(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        await room.ask(f"POST /l7gw/v1/holds/{hold.id}/approve", room.token(), {"note": "S3CR3T"})
        await room.ask("GET /l7gw/v1/holds/S3CR3T_x/S3CR3T", room.token())
        await room.ask(HOLDS, "junk")
        told = [(one.event, one.principal.user, one.method, one.path, one.status, bool(one.reason)) for one in room.told]
        assert told == [
            ("call", "lea", "post", f"/l7gw/v1/holds/{hold.id}/approve", 200, False),
            ("call", "lea", "get", "/l7gw/v1/holds/-/-", 404, True),
        ]

    in_room(test, tmp_path)


def test_agents_workloads_and_who_acts_for_somebody_never_approve(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"POST /l7gw/v1/holds/{hold.id}/approve"
        tokens = {
            "agent": room.token("bot", kind="agent"),
            "of no kind": room.token("bot", kind=...),
            "workload": room.token("job", kind="workload"),
            "actor": room.token("lea", act={"sub": "coder"}),
        }
        for what, token in tokens.items():
            assert (what, (await room.ask(line, token, {}))[0]) == (what, 404)  # they review nothing, so they see nothing
        assert (await room.ask(line, room.token("ann", act={"sub": "coder"}, kind="agent"), {}))[0] == 404
        assert (await room.ask(line, room.token("ann", kind="agent"), {}))[0] == 403  # ann's own: seen, and not approved
        assert (await room.chair.now(hold)).state == "pending"

    in_room(test, tmp_path)


def test_a_cookie_is_no_credential_and_neither_is_basic(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        for header in (("cookie", f"token={room.token()}"), ("authorization", "Basic bGVhOmxlYQ==")):
            assert (await room.ask(HOLDS, headers=(header,)))[0] == 401

    in_room(test, tmp_path)


def test_a_refused_token_at_the_socket_stays_refused_for_root(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert (await room.ask(HOLDS, "rubbish", peer=Peer(1, 0, 0)))[0] == 401

    in_room(test, tmp_path)


def test_a_token_in_a_second_place_is_a_400(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        token = room.token()
        assert (await room.ask(f"{HOLDS}?before={token}", token))[0] == 400

    in_room(test, tmp_path)


def test_the_answer_waits_for_the_issuers_keys_where_they_must_be_fetched(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.identity = IdentityChain([entry()], room.clock, room.issuer.fetch)
        assert (await room.ask(HOLDS, room.token()))[0] == 200

    in_room(test, tmp_path)


# ---------------------------------------------------------------------- what is bounded


def test_a_body_is_refused_by_its_length_before_it_comes_or_when_it_grows_beyond(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        headers = (("authorization", f"Bearer {room.token()}"), ("content-type", "application/json"))
        for length in (LARGEST_SAID + 1, CHUNKED):
            client = Caller()
            call = ApiCall(room.api, client, Request("POST", "/l7gw/v1/holds/01/deny", headers, length))
            call.begin()
            if length == CHUNKED:
                for _ in range(LARGEST_SAID // 1024):
                    call.on_body(b" " * 1024)
                assert not client.events
                call.on_body(b" ")
            assert client.status == 413

    in_room(test, tmp_path)


def test_a_get_with_a_body_and_an_upgrade_are_400s(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert (await room.ask(HOLDS, room.token(), {}))[0] == 400
        client = Caller()
        ApiCall(room.api, client, Request("GET", "/l7gw/v1/holds", (), upgrade="websocket")).begin()
        assert client.status == 400

    in_room(test, tmp_path)


def test_who_asks_too_often_is_a_429_without_retry_after_and_others_are_answered(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        lea = room.token()
        statuses = [(await room.ask(HOLDS, lea))[0] for _ in range(int(AT_ONCE) + 1)]
        assert statuses == [200] * int(AT_ONCE) + [429]
        assert (await room.ask(HOLDS, room.token("rob")))[0] == 200
        room.clock.advance(1.0)
        assert (await room.ask(HOLDS, lea))[0] == 200

    in_room(test, tmp_path)


@pytest.mark.parametrize("claims", [{"act": {"sub": "coder"}}, {"kind": "bot"}])
def test_an_agent_that_asks_too_often_keeps_its_person_from_no_answer(tmp_path: Path, claims: dict[str, Any]) -> None:
    """Nor do two agents of one person share: he must be able to deny what one of them asks for, whatever it does."""

    async def test(room: Room) -> None:
        agent = room.token("lea", **claims)
        statuses = [(await room.ask(HOLDS, agent))[0] for _ in range(int(AT_ONCE) + 1)]
        assert statuses[-2:] == [200, 429]
        assert (await room.ask(HOLDS, room.token("lea")))[0] == 200
        assert (await room.ask(HOLDS, room.token("lea", act={"sub": "other"})))[0] == 200

    in_room(test, tmp_path)


def test_a_bug_ends_one_call_alone(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        desk, room.desk_if_any = room.desk_if_any, cast(Desk, "no desk at all")
        client = Caller()
        await client.call(room.api, HOLDS, room.token())
        assert client.aborted
        room.desk_if_any = desk
        assert (await room.ask(HOLDS, room.token()))[0] == 200

    in_room(test, tmp_path)


# ---------------------------------------------------------------------- watching


async def watching(room: Room, token: str | None = None, **more: object) -> Caller:
    client = Caller()
    await client.call(room.api, f"{HOLDS}?watch=1", token or room.token())
    await room.chair.settled()
    return client


def test_a_watch_begins_with_what_is_open_and_tells_each_change(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        over, old = await room.hold("a"), await room.hold("b", shown=Shown(diff="x"))
        await room.ask(f"POST /l7gw/v1/holds/{over.id}/deny", room.token(), {})
        client = await watching(room)
        new = await room.hold("c")
        await room.ask(f"POST /l7gw/v1/holds/{new.id}/approve", room.token("rob"), {})
        told = [(one["id"], one["state"]) for one in client.lines]
        assert told[0] == (old.id, "pending")
        assert told[1] == (new.id, "pending") and told[-1] == (new.id, "approved")
        assert client.lines[0]["shown"] == {}  # up to 64 KiB, which GET has
        assert not client.whole

    in_room(test, tmp_path)


def test_a_watch_tells_nothing_that_its_caller_may_not_see(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.hold("a")
        client = await watching(room, room.token("eve", "dev"))
        await room.hold("b")
        assert client.lines == []

    in_room(test, tmp_path)


def test_a_quiet_watch_is_kept_alive_by_empty_lines(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = await watching(room)
        room.clock.advance(ALIVE_EVERY)
        client.one.tick(room.clock.monotonic())
        client.one.tick(room.clock.monotonic())
        assert client.body == b"\n"

    in_room(test, tmp_path)


def test_a_watch_ends_with_words_when_its_token_does(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = await watching(room, room.token(exp=int(room.clock.wall()) + 60))
        for _ in range(10):
            room.clock.advance(PROVE_EVERY)
            client.one.tick(room.clock.monotonic())
        assert (client.lines[-1]["error"]["code"], client.whole) == (401, True)

    in_room(test, tmp_path)


def test_a_watch_ends_with_words_when_the_gateway_does(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = await watching(room)
        room.api.drain("the gateway is being restarted")
        assert (client.lines[-1]["error"]["message"], client.whole) == ("the gateway is being restarted", True)
        await room.hold()
        assert len(client.lines) == 1

    in_room(test, tmp_path)


def test_who_does_not_read_hears_of_each_hold_how_it_is_and_is_cut_in_time(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = await watching(room)
        client.writable = False
        hold = await room.hold()
        await room.ask(f"POST /l7gw/v1/holds/{hold.id}/approve", room.token("rob"), {})
        assert client.lines == []
        client.writable = True
        client.one.on_client_writable(writable=True)
        assert [one["state"] for one in client.lines] == ["approved"]
        client.writable = False
        await room.hold("b")
        room.clock.advance(room.timeouts.answer_unread + 1)
        client.one.tick(room.clock.monotonic())
        assert client.aborted

    in_room(test, tmp_path)


def test_a_watcher_is_told_what_is_there_only_as_far_as_he_reads(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        made = [await room.hold(str(number), person=f"p{number // 15}") for number in range(TOLD_AT_ONCE + 7)]
        client = Caller()
        client.writable = False
        await client.call(room.api, f"{HOLDS}?watch=1", room.token())
        await room.chair.settled()
        assert client.lines == []
        await room.ask(f"POST /l7gw/v1/holds/{made[0].id}/deny", room.token("rob"), {})
        client.writable = True
        client.one.on_client_writable(writable=True)
        assert len(client.lines) == TOLD_AT_ONCE + 1
        await room.chair.settled()
        last = {one["id"]: one["state"] for one in client.lines}
        assert last == {hold.id: "pending" for hold in made} | {made[0].id: "denied"}

    in_room(test, tmp_path)


def test_a_watcher_that_leaves_is_told_nothing_more(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = await watching(room)
        client.one.client_gone("left")
        await room.hold()
        assert client.lines == []
        assert not room.api.watches._watchers

    in_room(test, tmp_path)


def test_a_watch_that_began_before_anything_was_held_hears_of_the_first_hold(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        desk, room.desk_if_any = room.desk_if_any, None
        room.api = Api(room)
        client = await watching(room)
        room.desk_if_any = desk
        room.api.tick()
        await room.chair.held(asked("z", terms=terms(wait="come-back")))
        assert [one["state"] for one in client.lines] == ["pending"]

    in_room(test, tmp_path)


def test_a_call_whose_client_left_is_answered_no_more(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        client = Caller()
        call = await client.call(room.api, HOLDS, room.token())
        call.client_gone("left")
        await room.chair.settled()
        await asyncio.sleep(0)
        assert client.events == []

    in_room(test, tmp_path)
