"""The paths of the API over a real desk and its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from l7gw.api.callers import Peer
from l7gw.api.messages import LARGEST_PAGE, LARGEST_SAID
from l7gw.api.requests import MOST_LISTED
from l7gw.approval.messages import LONGEST_NOTE, MOST_CALLS, Requester, Shown
from l7gw.hold_terms import Reviewers
from tests.support.api_room import Caller, Room, in_room
from tests.support.desks import terms

ROOT = Peer(1, 0, 0)
HOLDS = "GET /l7gw/v1/holds"
BOB = Requester(user="bob", groups=("dev",))


def test_the_list_has_what_the_caller_could_review_or_asked_for_newest_first(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        first = await room.hold("a")
        second = await room.hold("b", principal=BOB, person="bob", intent="i-b2")
        other = await room.hold("c", principal=BOB, person="bob", terms=terms(("r", Reviewers(groups=("dba",))), wait="come-back"))
        listed = {}
        for user, group in (("lea", "sre"), ("ann", "dev"), ("bob", "dev"), ("eve", "dev"), ("dan", "dba")):
            status, page = await room.ask(HOLDS, room.token(user, group))
            assert status == 200
            listed[user] = [hold["id"] for hold in page["holds"]]
        assert listed == {
            "lea": [second.id, first.id],
            "ann": [first.id],
            "bob": [other.id, second.id],
            "eve": [],
            "dan": [other.id],
        }
        status, page = await room.ask(HOLDS, peer=ROOT)
        assert [hold["id"] for hold in page["holds"]] == [other.id, second.id, first.id]

    in_room(test, tmp_path)


def test_the_list_goes_by_state_and_in_parts(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        held = [await room.hold(str(number)) for number in range(5)]
        await room.ask(f"POST /l7gw/v1/holds/{held[0].id}/deny", room.token(), {})
        for query, expected in (
            ("state=pending", held[:0:-1]),
            ("state=denied", held[:1]),
            ("state=pending,denied", held[::-1]),
            ("state=pending&state=denied", held[::-1]),
            ("state=expired", []),
        ):
            status, page = await room.ask(f"{HOLDS}?{query}", room.token())
            assert (status, [one["id"] for one in page["holds"]], page["before"]) == (200, [one.id for one in expected], "")
        seen: list[str] = []
        before = ""
        for _ in range(3):
            status, page = await room.ask(f"{HOLDS}?limit=2" + (f"&before={before}" if before else ""), room.token())
            seen += [one["id"] for one in page["holds"]]
            before = page["before"]
        assert seen == [one.id for one in held[::-1]]
        assert before == ""

    in_room(test, tmp_path)


def test_a_part_of_the_list_has_no_more_bytes_than_an_answer_may_have(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        long = "x" * 400_000
        held = [
            await room.hold(str(number), command=long, principal=Requester(user=f"u{number // 15}"), person=f"u{number // 15}")
            for number in range(30)
        ]
        seen: list[str] = []
        before, parts = "", 0
        while parts == 0 or before:
            _, page = await room.ask(HOLDS + (f"?before={before}" if before else ""), room.token())
            assert sum(len(one["command"]) for one in page["holds"]) <= LARGEST_PAGE
            seen += [one["id"] for one in page["holds"]]
            parts, before = parts + 1, page["before"]
        assert (sorted(seen, reverse=True), parts) == (sorted((one.id for one in held), reverse=True), 2)

    in_room(test, tmp_path)


NOT_KNOWN = [
    "state=asleep", "limit=0", f"limit={MOST_LISTED + 1}", "limit=x", "limit=1&limit=2", "limit=%D9%A1", "colour=red", "watch=maybe",
    "before=" + "a" * 37, "=", "a", "state=%FF", "x" * 3000,
]  # fmt: skip


def test_a_query_that_says_nothing_known_is_a_400(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        for query in NOT_KNOWN:
            status, answer = await room.ask(f"{HOLDS}?{query}", room.token())
            assert (query, status, answer["error"]["reason"]) == (query, 400, "BadRequest")

    in_room(test, tmp_path)


def test_a_hold_is_found_by_any_beginning_of_its_id(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold(shown=Shown(diff="-a\n+b\n"))
        for prefix in (hold.id, hold.id[:9], hold.id[:4].upper()):
            status, found = await room.ask(f"{HOLDS}/{prefix}", room.token())
            assert (status, found["id"], found["shown"]) == (200, hold.id, {"diff": "-a\n+b\n"})
        await room.hold("b")
        status, answer = await room.ask(f"{HOLDS}/{hold.id[:2]}", room.token())
        assert (status, answer["error"]["reason"]) == (409, "Conflict")

    in_room(test, tmp_path)


def test_who_may_not_see_a_hold_is_told_the_same_as_of_one_that_is_not_there(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        eve = room.token("eve", "dev")
        missing = hold.id[:-4] + ("0000" if not hold.id.endswith("0000") else "1111")
        for line in ("GET /l7gw/v1/holds/{}", "POST /l7gw/v1/holds/{}/approve", "POST /l7gw/v1/holds/{}/deny"):
            said = {} if line.startswith("POST") else None
            told = [await room.ask(line.format(one), eve, said) for one in (hold.id, missing)]
            assert [status for status, _ in told] == [404, 404]
            messages = [
                answer["error"]["message"].replace(one, "ID") for (_, answer), one in zip(told, (hold.id, missing), strict=True)
            ]
            assert messages[0] == messages[1]
        assert (await room.chair.now(hold)).state == "pending"

    in_room(test, tmp_path)


def test_a_beginning_that_only_others_holds_share_is_no_hint_of_them(tmp_path: Path) -> None:
    """Two holds of others begin so: neither a 409 nor a page tells of them, and one's own is found among them."""

    async def test(room: Room) -> None:
        others = [await room.hold(str(number)) for number in range(3)]
        own = await room.hold("b", principal=BOB, person="bob", terms=terms(("r", Reviewers(groups=("dba",))), wait="come-back"))
        last = await room.hold("z")
        eve, bob = room.token("eve", "dev"), room.token("bob", "dev")
        status, told = await room.ask("GET /l7gw/v1/holds/0", eve)
        assert status == 404 and (await room.ask("GET /l7gw/v1/holds/f", eve))[1]["error"]["message"] == (
            told["error"]["message"].replace("'0'", "'f'")
        )
        assert (await room.ask("GET /l7gw/v1/holds/0", bob))[1]["id"] == own.id
        assert (await room.ask("GET /l7gw/v1/holds/0", room.token()))[0] == 409
        for limit in (1, 2, 500):
            for before in ("", last.id, own.id, others[0].id):
                query = f"{HOLDS}?limit={limit}" + (f"&before={before}" if before else "")
                status, page = await room.ask(query, eve)
                assert (page["holds"], page["before"]) == ([], "")
        status, page = await room.ask(f"{HOLDS}?limit=1", bob)
        assert ([one["id"] for one in page["holds"]], page["before"]) == ([own.id], "")

    in_room(test, tmp_path)


def test_a_denial_takes_back_the_rest_of_a_run_whose_approval_is_used(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        status, found = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/approve", room.token(), {"rest_of_run": 3, "for": 60})
        assert (found["rest"]["calls"], found["rest"]["until"][:10]) == (3, found["created"][:10])
        assert await room.chair.claim(hold, "i-a")
        status, told = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/deny", room.token("eve", "dev"), {})
        assert status == 404
        status, found = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/deny", room.token(), {"note": "enough"})
        assert (status, found["state"], found["rest"]) == (200, "consumed", None)
        assert [(one["user"], one["verdict"], one["note"]) for one in found["reviews"]][-1] == ("lea", "deny", "enough")
        status, told = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/deny", room.token(), {})
        assert (status, told["error"]["state"]) == (409, "consumed")

    in_room(test, tmp_path)


def test_a_review_is_written_down_with_its_note_and_its_groups(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        said = {"note": "seen with Lea", "rest_of_run": 3, "for": 60}
        status, found = await room.ask(f"POST /l7gw/v1/holds/{hold.id[:8]}/approve", room.token(), said)
        assert (status, found["state"]) == (200, "approved")
        (review,) = found["reviews"]
        assert (review["user"], review["note"], review["rest_of_run"], review["groups"]) == ("lea", "seen with Lea", 3, ["sre"])
        assert (hold.id, "approved") in room.chair.record.events or (hold.id, "lea: approve") in room.chair.record.events

    in_room(test, tmp_path)


def test_of_two_approvals_that_are_needed_the_first_leaves_it_pending(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold(terms=terms(("r", Reviewers(groups=("sre",), minimum=2)), wait="come-back"))
        line = f"POST /l7gw/v1/holds/{hold.id}/approve"
        assert (await room.ask(line, room.token("lea"), {}))[1]["state"] == "pending"
        status, again = await room.ask(line, room.token("lea"), {})
        assert (status, "said so already" in again["error"]["message"]) == (409, True)
        assert (await room.ask(line, room.token("rob"), {}))[1]["state"] == "approved"

    in_room(test, tmp_path)


def test_a_review_that_comes_too_late_is_told_who_decided_and_when(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"/l7gw/v1/holds/{hold.id}"
        await room.ask(f"POST {line}/deny", room.token("rob"), {"note": "not today"})
        status, answer = await room.ask(f"POST {line}/approve", room.token("lea"), {})
        fault = answer["error"]
        assert (status, fault["reason"], fault["state"], fault["hold"]) == (409, "Conflict", "denied", hold.id)
        assert "denied already, by 'rob' at 20" in fault["message"] and "'not today'" in fault["message"]

    in_room(test, tmp_path)


def test_an_approval_that_was_not_used_can_be_taken_back(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"/l7gw/v1/holds/{hold.id}"
        await room.ask(f"POST {line}/approve", room.token("rob"), {})
        assert (
            "approved already, by 'rob'" in (await room.ask(f"POST {line}/approve", room.token("lea"), {}))[1]["error"]["message"]
        )
        status, found = await room.ask(f"POST {line}/deny", room.token("lea"), {"note": "changed my mind"})
        assert (status, found["state"]) == (200, "denied")

    in_room(test, tmp_path)


def test_nobody_approves_his_own_call_and_he_is_told_so(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        status, answer = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/approve", room.token("ann", "sre"), {})
        assert (status, "own call" in answer["error"]["message"]) == (403, True)

    in_room(test, tmp_path)


def test_root_without_a_token_approves_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"POST /l7gw/v1/holds/{hold.id}/approve"
        assert (await room.ask(line, None, {}, peer=ROOT))[0] == 403
        room.chair.desk.configure(local=True)
        status, found = await room.ask(line, None, {}, peer=ROOT)
        assert (status, found["state"], found["reviews"][0]["local"]) == (200, "approved", True)

    in_room(test, tmp_path)


UNREADABLE: list[Any] = [
    b"{", b"[]", b'"yes"', {"note": "x" * (LONGEST_NOTE + 1)}, {"note": 1}, {"verdict": "approve"}, {"rest_of_run": MOST_CALLS + 1},
    {"rest_of_run": -1}, {"for": 0}, {"for": 1801}, {"for_seconds": 5}, {"version": 2}, b'{"note": "\xff"}',
]  # fmt: skip


def test_a_review_that_cannot_be_read_is_a_400_and_changes_nothing(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"POST /l7gw/v1/holds/{hold.id}/approve"
        for said in UNREADABLE:
            assert (said, (await room.ask(line, room.token(), said))[0]) == (said, 400)
        assert (await room.chair.now(hold)).state == "pending"
        assert (await room.ask(line, room.token(), b""))[0] == 200  # nothing need be said beside the verdict

    in_room(test, tmp_path)


def test_a_review_of_another_content_type_is_a_415(tmp_path: Path) -> None:
    """A web page of somebody else could let a browser send these types with a client certificate, without asking us first."""

    async def test(room: Room) -> None:
        hold = await room.hold()
        line = f"POST /l7gw/v1/holds/{hold.id}/approve"
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json-patch+json", ""):
            assert (await room.ask(line, room.token(), {}, kind=kind))[0] == 415
        assert (await room.ask(line, room.token(), {}, kind="Application/JSON; charset=utf-8"))[0] == 200

    in_room(test, tmp_path)


NOT_THERE = [
    ("GET /l7gw/v1/", 404),
    ("GET /l7gw/v1", 404),
    ("GET /l7gw/v2/holds", 404),
    ("GET /l7gw/v1/holds/", 404),
    ("GET /l7gw/v1//holds", 404),
    ("GET /l7gw/v1/holds/x/approve/y", 404),
    ("GET /l7gw/v1/holds/01/revoke", 404),
    ("GET /l7gw/v1/holds/%30", 404),
    ("GET /l7gw/v1/holds/_", 404),
    ("GET /l7gw/v1/holds/%", 404),
    ("DELETE /l7gw/v1/holds", 405),
    ("OPTIONS /l7gw/v1/holds", 405),
    ("POST /l7gw/v1/holds", 405),
    ("GET /l7gw/v1/holds/01/approve", 405),
    ("PUT /l7gw/v1/holds/01/approve", 405),
    ("GET /l7gw/v1/holds/01?x=1", 400),
]


def test_what_the_api_does_not_have_is_refused(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        await room.hold()
        for line, status in NOT_THERE:
            assert (line, (await room.ask(line, room.token()))[0]) == (line, status)
        head = Caller()
        await head.call(room.api, "HEAD /l7gw/v1/holds", room.token())
        assert (head.status, head.body) == (405, b"")

    in_room(test, tmp_path)


def test_as_long_as_nothing_was_ever_held_the_list_is_empty(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        room.desk_if_any = None
        assert await room.ask(HOLDS, room.token()) == (200, {"holds": [], "before": "", "version": 1})
        assert (await room.ask(f"{HOLDS}/01", room.token()))[0] == 404
        assert (await room.ask("POST /l7gw/v1/holds/01/deny", room.token(), {}))[0] == 404

    in_room(test, tmp_path)


def test_a_review_that_is_as_large_as_one_may_be_is_read(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        note = '"' + "\\u202e" * LONGEST_NOTE + '"'
        said = b'{"note": %s, "reason": %s' % (note.encode(), note.encode())
        said += b" " * (LARGEST_SAID - len(said) - 1) + b"}"
        line = f"POST /l7gw/v1/holds/{hold.id}/deny"
        assert (await room.ask(line, room.token(), said + b" "))[0] == 413
        assert (await room.ask(line, room.token(), said))[0] == 200

    in_room(test, tmp_path)
