"""Holds are read as they were written, listed newest first, and found by the beginning of their id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from l7gw.approval import rows
from l7gw.approval.messages import Claimed, Hold, Shown, decode_hold, encode
from l7gw.approval.parts import MOST_LISTED
from l7gw.approval.rows import Page
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from l7gw.identifiers import uuid7
from tests.support.desks import NO, Seat, Waits, answer, asked, reviewer, run, terms

pytestmark = pytest.mark.usefixtures("each_database")

PROMISED = [  # what programs may rely on
    *("id", "state", "session", "run", "exchange", "principal", "cluster", "command", "verb", "group", "resource", "subresource"),
    *("namespace", "name", "argv", "rule", "message", "wait", "created", "expires", "needed", "reviewers", "reviews", "shown"),
]


def test_the_json_of_a_hold_has_what_was_promised_and_is_read_again(tmp_path: Path) -> None:
    async def told(seat: Seat) -> None:
        both = terms(
            ("a", Reviewers(users=("rob",))),
            ("b", Reviewers(groups=("sre",), minimum=2, emergency=("oncall",))),
            message="ask in #ops",
        )
        call = asked(
            terms=both,
            claimed=Claimed(command="kubectl get pods\x1b[2J", user_agent="kubectl/v1.33"),
            shown=Shown(diff="+a"),
            argv=("sh", "-c"),
        )
        hold = await seat.held(call, Waits())
        await seat.review(hold, reviewer())
        found = await seat.now(hold)
        document = json.loads(encode(found))
        assert [key for key in PROMISED if key not in document] == []
        assert document["principal"] == {
            "user": "ann",
            "groups": ["dev"],
            "kind": "human",
            "issuer": "",
            "actor": "",
            "address": "",
        }
        assert document["reviewers"] == {"users": ["rob"], "groups": ["sre"], "owner": False, "minimum": 2, "emergency": ["oncall"]}
        assert (document["rule"], document["needed"], document["message"], document["shown"]) == (
            "a",
            2,
            "ask in #ops",
            {"diff": "+a"},
        )
        assert {key: document["reviews"][0][key] for key in ("user", "verdict", "note", "time")} == {
            "user": "rob", "verdict": "approve", "note": "", "time": "2023-11-14T22:13:20.000000Z",
        }  # fmt: skip
        assert document["claimed"]["command"] == "kubectl get pods\x1b[2J"  # as it came: whoever shows it escapes it
        assert decode_hold(encode(found)) == found

    run(told, tmp_path)


def test_holds_are_listed_newest_first_by_state_and_page_by_page(tmp_path: Path) -> None:
    async def listed(seat: Seat) -> None:
        held = [await seat.held(asked(f"{number}"), Waits()) for number in range(4)]
        await seat.review(held[1], reviewer(), NO)

        async def ids(*states: str, **how: object) -> list[int]:
            found = await answer(lambda then: seat.desk.list(states, then, **how))  # type: ignore[arg-type]
            assert isinstance(found, list)
            return [next(number for number, hold in enumerate(held) if hold.id == one.id) for one in found]

        newest_first = sorted(range(4), key=lambda number: held[number].id, reverse=True)
        assert await ids() == newest_first
        assert await ids("pending") == [number for number in newest_first if number != 1]
        assert await ids("denied") == [1] and await ids("void") == []
        assert await ids(most=2) == newest_first[:2]
        assert await ids(before=held[newest_first[1]].id) == newest_first[2:]

    run(listed, tmp_path)


def test_a_page_has_what_is_seen_and_leads_on_without_the_id_of_what_is_not(tmp_path: Path) -> None:
    """Every hold that is seen is on one page, however many there are that are not; a page ends behind MOST_UNSEEN of those."""

    async def paged(seat: Seat) -> None:
        def written(connection: sa.Connection) -> list[str]:
            calls = [asked(f"{number}") for number in range(MOST_LISTED + 40)]
            return [rows.insert(connection, call, hold=uuid7(), gateway="g", now=0).id for call in calls]

        held = sorted(await answer(lambda then: seat.store.do(written, then)))
        own = {held[3], held[20], held[MOST_LISTED + 30]}
        for most in (1, 2, 500):
            found: list[str] = []
            before, pages = "", 0
            while pages == 0 or before:
                page = await answer(
                    lambda then: seat.desk.page((), lambda hold: hold.id in own, then, most=most, before=before)  # noqa: B023
                )
                assert isinstance(page, Page) and len(page.holds) <= most
                found += [hold.id for hold in page.holds]
                before, pages = page.before, pages + 1
                assert before in own or before not in held
            assert found == sorted(own, reverse=True) and pages <= 8

    run(paged, tmp_path)


@pytest.mark.parametrize(("prefix", "code"), [("f", 404), ("%", 404), ("", 404), ("0_", 404), ("x" * 99, 404), ("0", 409)])
def test_a_prefix_that_names_no_hold_or_several_is_told(prefix: str, code: int, tmp_path: Path) -> None:
    async def found(seat: Seat) -> None:
        hold = await seat.held(asked(), Waits())
        assert await answer(lambda then: seat.desk.get(hold.id[:30].upper(), then)) == hold
        await seat.held(asked("b"), Waits())
        refusal = await answer(lambda then: seat.desk.get(prefix, then))
        assert isinstance(refusal, Refusal) and refusal.code == code

    run(found, tmp_path)


def test_a_view_that_is_too_large_to_keep_is_left_out_and_said_so(tmp_path: Path) -> None:
    async def large(seat: Seat) -> None:
        hold: Hold = await seat.held(asked(shown=Shown(sent="x" * 600_000)), Waits())
        assert hold.shown == Shown(dry_run="what it would change is too large to be shown")

    run(large, tmp_path)
