"""Who watches the holds: how many, and what each change costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.api.watches import FOR_OTHERS, MOST_WATCHING, OF_ONE, Watches
from l7gw.approval.messages import Hold, decode_hold
from l7gw.errors import Refusal
from tests.support.api_room import Room, in_room


class Counter:
    def __init__(self) -> None:
        self.told: list[str] = []

    def hold_changed(self, hold: Hold) -> None:
        self.told.append(hold.state)


def test_the_watcher_beyond_the_limit_is_a_429_until_another_ends() -> None:
    found = Watches()
    ends = [found.add(Counter(), str(number)) for number in range(MOST_WATCHING)]
    with pytest.raises(Refusal) as refused:
        found.add(Counter(), "one more")
    assert refused.value.code == 429
    ends[0]()
    found.add(Counter(), "one more")


def test_one_caller_leaves_others_room_to_watch() -> None:
    """An agent that watches as often as it may keeps no reviewer from it."""
    found = Watches()
    ends = [found.add(Counter(), "agent") for _ in range(MOST_WATCHING - FOR_OTHERS)]
    with pytest.raises(Refusal) as refused:
        found.add(Counter(), "agent")
    assert refused.value.code == 429
    others = [found.add(Counter(), "lea") for _ in range(OF_ONE)]
    with pytest.raises(Refusal):
        found.add(Counter(), "lea")
    found.add(Counter(), "rob")
    for end in (*ends, *others):
        end()
        end()
    for _ in range(OF_ONE + 1):
        found.add(Counter(), "agent")


def test_a_change_is_encoded_once_for_all_who_watch(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        found = Watches()
        first = found.line(hold)
        assert decode_hold(first).id == hold.id
        assert all(found.line(hold) is first for _ in range(200))

    in_room(test, tmp_path)


def test_the_desk_is_followed_once(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        found, one = Watches(), Counter()
        found.add(one, "lea")
        found.follow(None)
        for _ in range(3):
            found.follow(room.desk_if_any)
        await room.hold()
        assert one.told == ["pending"]

    in_room(test, tmp_path)
