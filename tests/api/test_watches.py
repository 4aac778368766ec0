"""Who watches the holds: how many, and what each change costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.api.watches import MOST_WATCHING, Watches
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
    ends = [found.add(Counter()) for _ in range(MOST_WATCHING)]
    with pytest.raises(Refusal) as refused:
        found.add(Counter())
    assert refused.value.code == 429
    ends[0]()
    found.add(Counter())


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
        found.add(one)
        found.follow(None)
        for _ in range(3):
            found.follow(room.desk_if_any)
        await room.hold()
        assert one.told == ["pending"]

    in_room(test, tmp_path)
