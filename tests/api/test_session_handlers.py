"""The paths of the API below `sessions`: what is under way, and ending it."""

from __future__ import annotations

from pathlib import Path

from l7gw.api.callers import Peer
from l7gw.api.running import LONGEST_REASON
from l7gw.api.session_handlers import MOST_LISTED
from l7gw.approval.messages import Requester
from tests.support.api_room import Room, in_room
from tests.support.endable_calls import Call

ROOT = Peer(1, 0, 0)
LIST = "GET /l7gw/v1/sessions?running=1"
ANN, BOB = Requester(user="ann"), Requester(user="bob")
FIRST, SECOND = "01a21f00-0000-7000-8000-000000000000", "01a21fff-0000-7000-8000-000000000000"


def test_the_calls_under_way_are_listed_newest_first_to_who_may_end_them(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.running = [Call(ANN, session=FIRST, exchange=1), Call(BOB, session=SECOND, exchange=2), Call(ANN, session="")]
        seen = {}
        for user in ("ann", "bob", "eve"):
            status, said = await room.ask(LIST, room.token(user, "dev"))
            assert (status, said["version"]) == (200, 1)
            seen[user] = [(call["session"], call["exchange"]) for call in said["calls"]]
        assert seen == {"ann": [(FIRST, 1)], "bob": [(SECOND, 2)], "eve": []}
        _, said = await room.ask(LIST, peer=ROOT)
        assert [call["exchange"] for call in said["calls"]] == [2, 1]
        assert set(said["calls"][0]) == {"session", "exchange", "cluster", "principal", "command", "started", "stream"}
        room.running = [Call(ANN, session=FIRST) for _ in range(MOST_LISTED + 5)]
        assert len((await room.ask(LIST, peer=ROOT))[1]["calls"]) == MOST_LISTED

    in_room(test, tmp_path)


def test_a_kill_ends_the_calls_of_one_session_that_the_caller_may_end(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        mine, other, late = Call(ANN, session=FIRST), Call(BOB, session=FIRST, exchange=2), Call(ANN, session=FIRST, exchange=3)
        room.running = [mine, other, late]
        status, said = await room.ask(
            f"POST /l7gw/v1/sessions/{FIRST[:8].upper()}/kill", room.token("ann", "dev"), {"reason": "why"}
        )
        assert (status, [call["exchange"] for call in said["calls"]]) == (200, [1, 3])
        assert (mine.killed, other.killed, late.killed) == ([("ann", "why", False)], [], [("ann", "why", False)])
        status, said = await room.ask(f"POST /l7gw/v1/sessions/{FIRST}/kill", None, {"exchange": 2}, peer=ROOT)
        assert (status, other.killed, len(mine.killed)) == (200, [("local:root", "", True)], 1)

    in_room(test, tmp_path)


def test_each_no_is_told_and_ends_nothing(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        call, other = Call(ANN, session=FIRST), Call(ANN, session=SECOND)
        room.running = [call, other]
        ann, eve, agent = room.token("ann", "dev"), room.token("eve", "dev"), room.token("ann", "dev", kind="workload")
        kill = f"POST /l7gw/v1/sessions/{FIRST}/kill"
        for line, token, said, status, words in (
            (kill, eve, {}, 404, "no call that you may end is under way here in a session"),
            (kill, agent, {}, 403, "agents, workloads and who proves himself by AWS end no calls"),
            (kill, None, {}, 401, ""),
            (LIST, agent, None, 403, "end no calls"),
            ("POST /l7gw/v1/sessions/ffff/kill", ann, {}, 404, "under way here in a session 'ffff'"),
            ("POST /l7gw/v1/sessions/01a21f/kill", ann, {}, 409, "2 sessions begin with '01a21f'"),
            ("POST /l7gw/v1/sessions/zz/kill", ann, {}, 400, "is no id of a session"),
            (kill, ann, {"exchange": 7}, 404, "no call 7 that you may end is under way"),
            (kill, ann, {"exchange": 0}, 400, "cannot be read"),
            (kill, ann, {"exchnage": 1}, 400, "cannot be read"),
            (kill, ann, {"reason": "x" * (LONGEST_REASON + 1)}, 400, "cannot be read"),
            (kill, ann, b"{", 400, "cannot be read"),
            (f"GET /l7gw/v1/sessions/{FIRST}/kill", ann, None, 405, "takes POST alone"),
            ("GET /l7gw/v1/sessions", ann, None, 400, "running=1"),
            ("GET /l7gw/v1/sessions?running=1&x=1", ann, None, 400, "there is no parameter 'x'"),
            (f"GET /l7gw/v1/sessions/{FIRST}", ann, None, 404, "the API has no"),
        ):
            found, answer = await room.ask(line, token, said)
            assert (found, words in answer["error"]["message"]) == (status, True), (line, said, answer)
        status, answer = await room.ask(kill, ann, b"{}", kind="text/plain")
        assert status == 415
        assert call.killed == other.killed == []

    in_room(test, tmp_path)


def test_a_kill_that_could_not_be_recorded_says_so_though_the_call_is_ended(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        call = Call(ANN, session=FIRST)
        call.error = OSError("full")
        room.running = [call]
        status, answer = await room.ask(f"POST /l7gw/v1/sessions/{FIRST}/kill", room.token("ann", "dev"), {})
        assert (status, len(call.killed)) == (503, 1)
        assert answer["error"]["message"] == "the calls were ended, but that could not be recorded"

    in_room(test, tmp_path)
