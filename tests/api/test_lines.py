"""The lines of a watch: their order, what is left out, and a watcher who does not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from l7gw.api.lines import ALIVE_EVERY, MOST_UNREAD, Lines
from l7gw.api.watches import Watches, slim
from l7gw.approval.messages import Hold, Shown
from tests.support.api_room import Caller, Room, in_room


def lines(room: Room, reader: Caller, sees: Any = lambda _: True) -> Lines:
    return Lines(Watches(), reader, sees, room.clock.monotonic)


def told(reader: Caller) -> list[tuple[str, str]]:
    return [(one["id"], one["state"]) for one in reader.lines]


def as_(hold: Hold, **fields: Any) -> Hold:
    return msgspec.structs.replace(hold, **fields)


def test_what_is_there_and_what_changes_is_told_without_what_a_reviewer_is_shown(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold, reader = await room.hold(shown=Shown(diff="x")), Caller()
        made = lines(room, reader)
        made.tell([as_(hold, id="b"), as_(hold, id="a")])
        made.changed(slim(as_(hold, id="a", state="denied")))
        assert told(reader) == [("b", "pending"), ("a", "pending"), ("a", "denied")]
        assert all(one["shown"] == {} for one in reader.lines)

    in_room(test, tmp_path)


def test_what_the_caller_may_not_see_is_left_out(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold, reader = await room.hold(), Caller()
        made = lines(room, reader, lambda one: one.id == "mine")
        made.tell([as_(hold, id="mine"), hold])
        made.changed(hold)
        assert told(reader) == [("mine", "pending")]

    in_room(test, tmp_path)


def test_who_reads_again_hears_how_each_hold_is_now_in_the_order_of_the_first_change(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold, reader = await room.hold(), Caller()
        made = lines(room, reader)
        reader.writable = False
        for one in (as_(hold, id="a"), as_(hold, id="b"), as_(hold, id="a", state="approved"), as_(hold, id="a", state="consumed")):
            assert made.changed(one)
        assert reader.lines == []
        reader.writable = True
        made.write()
        assert told(reader) == [("a", "consumed"), ("b", "pending")]

    in_room(test, tmp_path)


def test_no_more_holds_wait_for_a_watcher_than_the_limit(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold, reader = await room.hold(), Caller()
        made = lines(room, reader)
        reader.writable = False
        assert [made.changed(as_(hold, id=str(number))) for number in range(MOST_UNREAD + 1)] == [True] * MOST_UNREAD + [False]

    in_room(test, tmp_path)


def test_a_watcher_is_unread_only_while_something_waits_for_him(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold, reader = await room.hold(), Caller()
        made = lines(room, reader)
        room.clock.advance(100)
        assert not made.is_unread(60)
        reader.writable = False
        made.changed(hold)
        assert not made.is_unread(60)
        room.clock.advance(61)
        assert made.is_unread(60)
        made.keep_alive()
        assert reader.body == b""
        reader.writable = True
        made.write()
        assert not made.is_unread(60)
        room.clock.advance(ALIVE_EVERY)
        made.keep_alive()
        assert reader.body.endswith(b"\n\n")

    in_room(test, tmp_path)
