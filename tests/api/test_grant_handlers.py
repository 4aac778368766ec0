"""The paths below `grants`: what is read and refused before the desk is asked, and who sees what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.api.callers import Peer
from tests.support.api_room import Caller, Room, in_room

GRANTS = "/l7gw/v1/grants"
ASKED = {"group": "oncall", "cluster": "prod", "for": 1800, "reason": "INC-1"}
ROOT, OWN = Peer(1, 0, 0), Peer(1, 4242, 4242)


async def asks(room: Room, user: str = "ann", **fields: Any) -> str:
    status, grant = await room.ask(f"POST {GRANTS}", room.token(user, "dev"), {**ASKED, **fields})
    assert status == 200, grant
    return str(grant["id"])


def test_a_grant_is_asked_for_seen_by_both_sides_approved_and_taken_back(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        grant = await asks(room)
        ann, lea = room.token("ann", "dev"), room.token("lea")
        for token in (ann, lea):
            status, shown = await room.ask(f"GET {GRANTS}/{grant[:20]}", token)
            assert (status, shown["id"], shown["state"], shown["for"], shown["reason"]) == (200, grant, "pending", 1800, "INC-1")
            assert [one["id"] for one in (await room.ask(f"GET {GRANTS}?state=pending", token))[1]["grants"]] == [grant]
        assert (await room.ask(f"GET {GRANTS}?state=approved,ended", lea))[1] == {"grants": [], "before": "", "version": 1}
        status, approved = await room.ask(f"POST {GRANTS}/{grant}/approve", lea, {"note": "seen"})
        assert (status, approved["state"], approved["reviews"][0]["user"]) == (200, "approved", "lea")
        for verb, words in (("approve", "it is approved already"), ("deny", "l7gw grants revoke takes it back")):
            status, told = await room.ask(f"POST {GRANTS}/{grant}/{verb}", lea, {})
            assert (status, words in told["error"]["message"]) == (409, True)
        status, over = await room.ask(f"POST {GRANTS}/{grant}/revoke", lea, {"note": "done"})
        assert (status, over["state"], over["why"]) == (200, "revoked", "revoked by lea: done")
        status, told = await room.ask(f"POST {GRANTS}/{grant}/revoke", lea, {})
        assert status == 409 and "it is revoked since" in told["error"]["message"]

    in_room(test, tmp_path)


BAD: dict[str, tuple[Any, int, str]] = {
    "no body": (b"", 400, "group"),
    "no JSON": (b"{", 400, "cannot be read"),
    "unknown": ({**ASKED, "note": "x"}, 400, "note"),
    "version": ({**ASKED, "version": 2}, 400, "version"),
    "too long": ({**ASKED, "for": 86401}, 400, "for"),
    "too short": ({**ASKED, "for": 0}, 400, "for"),
    "no reason": ({**ASKED, "reason": ""}, 400, "reason"),
    "blank reason": ({**ASKED, "reason": " \n"}, 400, "say why"),
    "long reason": ({**ASKED, "reason": "x" * 1001}, 400, "reason"),
    "long group": ({**ASKED, "group": "x" * 257}, 400, "group"),
    "beyond the policy": ({**ASKED, "for": 7201}, 403, "for 2h at most"),
    "not listed": ({**ASKED, "group": "admins"}, 403, "you may ask for 'oncall', 'two' there"),
    "elsewhere": ({**ASKED, "cluster": "nowhere"}, 403, "on 'nowhere'; you may ask for 'two' there"),
    "no cluster": ({**ASKED, "cluster": "far"}, 404, "there is no cluster 'far'"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_asked_for_is_refused_in_words(tmp_path: Path, name: str) -> None:
    said, code, words = BAD[name]

    async def test(room: Room) -> None:
        status, told = await room.ask(f"POST {GRANTS}", room.token("ann", "dev"), said)
        assert (status, words in told["error"]["message"]) == (code, True), told
        assert (await room.ask(f"GET {GRANTS}", room.token("lea")))[1]["grants"] == []

    in_room(test, tmp_path)


def test_paths_methods_and_parameters_that_there_are_not(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        grant, lea = await asks(room), room.token("lea")
        for line, code in (
            (f"DELETE {GRANTS}", 405),
            (f"DELETE {GRANTS}/{grant}", 405),
            (f"GET {GRANTS}/{grant}/approve", 405),
            (f"GET {GRANTS}/", 404),
            (f"POST {GRANTS}/{grant}/forget", 404),
            (f"GET {GRANTS}/{grant}/approve/x", 404),
            (f"GET {GRANTS}?state=consumed", 400),
            (f"GET {GRANTS}?watch=1", 400),
            (f"GET {GRANTS}?limit=501", 400),
            (f"GET {GRANTS}/{grant}?x=1", 400),
        ):
            assert (await room.ask(line, lea, {} if line.startswith("POST") else None))[0] == code, line
        assert (await room.ask(f"POST {GRANTS}/{grant}/approve", lea, {}, kind="text/plain"))[0] == 415
        for said in ({"force": True, "reason": "x"}, {"reason": "x"}):
            status, told = await room.ask(f"POST {GRANTS}/{grant}/revoke", lea, said)
            assert status == 400 and "are for an approval" in told["error"]["message"]
        assert (await room.ask(f"POST {GRANTS}/{grant}/approve", lea, {"rest_of_run": 1}))[0] == 400

    in_room(test, tmp_path)


def test_nobody_learns_of_a_grant_that_is_none_of_his_business(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        grant = await asks(room)
        eve = room.token("eve", "dev")
        for line in (f"GET {GRANTS}/{grant}", f"POST {GRANTS}/{grant}/approve", f"POST {GRANTS}/{grant}/revoke"):
            said = {} if line.startswith("POST") else None
            found = await room.ask(line, eve, said)
            missing = await room.ask(line.replace(grant, "f" * 36), eve, said)
            assert found[0] == missing[0] == 404
            assert found[1]["error"]["message"] == missing[1]["error"]["message"].replace("f" * 36, grant)
        assert (await room.ask(f"GET {GRANTS}", eve))[1]["grants"] == []
        assert (await room.ask(f"GET {GRANTS}/{grant[:1]}", room.token("lea")))[0] == 200  # others' do not count as several
        assert (await room.ask(f"GET {GRANTS}"))[0] == 401

    in_room(test, tmp_path)


def test_agents_ask_where_the_entry_says_so_and_their_owner_approves(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        agent = room.token("ann", "dev", act={"sub": "bot"})
        wish = {**ASKED, "group": "agents-plus"}
        assert (await room.ask(f"POST {GRANTS}", room.token("ann", "dev"), wish))[0] == 403
        assert (await room.ask(f"POST {GRANTS}", agent, ASKED))[0] == 403
        status, grant = await room.ask(f"POST {GRANTS}", agent, wish)
        assert (status, grant["principal"]["actor"], grant["reviewers"]["owner"]) == (200, "bot", True)
        approve = f"POST {GRANTS}/{grant['id']}/approve"
        assert (await room.ask(approve, agent, {}))[0] == 403
        assert (await room.ask(approve, room.token("ann", "dev"), {}))[0] == 403  # nobody knows when she logged in
        fresh = room.token("ann", "dev", auth_time=int(room.clock.wall()))
        assert (await room.ask(approve, fresh, {}))[1]["state"] == "approved"

    in_room(test, tmp_path)


def test_two_and_an_emergency(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        grant = await asks(room, group="two")
        assert (await room.ask(f"POST {GRANTS}/{grant}/approve", room.token("lea"), {}))[1]["approvals"] == 1
        night = room.token("max", "night")
        status, told = await room.ask(f"POST {GRANTS}/{grant}/approve", night, {"force": True})
        assert status == 400 and "a forced approval needs a reason" in told["error"]["message"]
        status, forced = await room.ask(f"POST {GRANTS}/{grant}/approve", night, {"force": True, "reason": "the shop is down"})
        assert (status, forced["state"]) == (200, "approved")

    in_room(test, tmp_path)


def test_at_the_socket_root_and_the_gateways_user_look_and_root_takes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: OWN.uid)

    async def test(room: Room) -> None:
        async def by(peer: Peer, line: str, said: object = None) -> tuple[int, Any]:
            client = Caller()
            await client.call(room.api, line, None, said, peer=peer)
            await client.done.wait()
            return client.status, client.document

        grant = await asks(room)
        for peer in (ROOT, OWN):
            assert (await by(peer, f"GET {GRANTS}/{grant}"))[0] == 200
            assert (await by(peer, f"POST {GRANTS}", ASKED))[0] == 403
            assert (await by(peer, f"POST {GRANTS}/{grant}/approve", {}))[0] == 403
        assert (await by(OWN, f"POST {GRANTS}/{grant}/revoke", {}))[0] == 403
        assert (await by(ROOT, f"POST {GRANTS}/{grant}/revoke", {}))[1]["state"] == "revoked"

    in_room(test, tmp_path)


def test_without_a_desk_there_are_none(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.grants_if_any = None
        lea = room.token("lea", "dev")
        assert (await room.ask(f"GET {GRANTS}", lea))[1]["grants"] == []
        assert (await room.ask(f"GET {GRANTS}/0", lea))[0] == 404
        assert (await room.ask(f"POST {GRANTS}", lea, ASKED))[0] == 403

    in_room(test, tmp_path)
