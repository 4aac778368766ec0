"""STS is asked once for each token, seldom, and by turns of the clients' addresses (threats F14)."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.identity.aws_proofs import MOST_A_SECOND, MOST_QUEUED, REFUSED_FOR, Asking, Proof, Proofs, TokenKey, _place
from l7gw.identity.aws_sts import StsRefused, StsUnavailable
from l7gw.identity.aws_tokens import Presigned
from l7gw.limits import Limits
from tests.support.manual_clock import ManualClock
from tests.support.scripted_sts import ScriptedSts

HOST = "sts.eu-west-1.amazonaws.com"
HOSTS = frozenset({HOST})


class Room:
    """Proofs, a clock that stands still, and STS as the test wants it."""

    def __init__(self, **limits: int) -> None:
        self.clock = ManualClock()
        self.sts = ScriptedSts()
        self.proofs = Proofs(self.sts, self.clock, Limits(**limits))
        self.ended: list[str] = []

    def begin(self, name: str, address: str = "192.0.2.1") -> Asking:
        """Ask about a token of this name; `ended` has the name once there is an outcome."""
        asking = self.proofs.begin(key(name), Presigned(HOST, f"/?{name}", self.clock.wall()), address)
        self.proofs.wait(asking, lambda: self.ended.append(name))
        return asking

    def known(self, name: str) -> Proof | None:
        return self.proofs.known(key(name), HOSTS)


def key(name: str, cluster: str = "prod") -> TokenKey:
    return TokenKey(name, cluster)


async def turns() -> None:
    """Let the loop do what is ready."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def ran() -> None:
        asyncio.run(test())

    ran.__name__, ran.__doc__ = test.__name__, test.__doc__
    return ran


def refusal(look: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        look()
    return refused.value


@run
async def test_what_sts_said_of_a_token_holds_for_its_cluster_until_its_end() -> None:
    room = Room()
    asking = room.begin("a")
    await turns()
    assert room.sts.asked == [(HOST, "prod")] and room.ended == ["a"]
    assert room.known("a") == asking.proof() and asking.proof().by.who.session == "ann@example.com"
    assert room.proofs.known(key("a", "dev"), HOSTS) is None, "of another cluster it says nothing"
    assert room.proofs.known(key("a"), frozenset({"sts.us-west-2.amazonaws.com"})) is None, "its region is not listed any more"
    room.clock.advance(899)
    assert room.known("a") is not None
    room.clock.advance(1)
    assert room.known("a") is None


@run
async def test_many_calls_with_one_token_are_one_question() -> None:
    room = Room()
    room.sts.hold()
    first = room.begin("a")
    assert room.proofs.asking(key("a")) is first
    for _ in range(5):
        room.proofs.wait(first, lambda: room.ended.append("more"))
    await turns()
    room.sts.go_on()
    await turns()
    assert room.ended == ["a", *["more"] * 5] and len(room.sts.asked) == 1
    assert room.proofs.asking(key("a")) is None


@run
async def test_a_refusal_of_sts_is_a_401_in_words_and_is_remembered_for_a_minute() -> None:
    room = Room()
    for code, word in (("ExpiredToken", "log in at AWS again"), ("SignatureDoesNotMatch", "this cluster"), ("Strange", "Strange")):
        room.sts.error = StsRefused(code)
        asking = room.begin(code)
        await turns()
        found = refusal(asking.proof)
        assert found.code == 401 and word in found.message
        assert refusal(lambda code=code: room.proofs.check_refused(key(code))).message == found.message  # type: ignore[misc]
    room.clock.advance(REFUSED_FOR)
    room.proofs.check_refused(key("ExpiredToken"))


@run
async def test_sts_that_is_away_or_talks_nonsense_is_a_503_that_is_not_remembered() -> None:
    room = Room()
    for error in (StsUnavailable("https://secret.internal"), ValueError("X-Amz-Signature=canary")):
        room.sts.error = error
        asking = room.begin("a")
        await turns()
        found = refusal(asking.proof)
        assert found.code == 503 and "secret" not in found.message and "canary" not in found.message
        room.proofs.check_refused(key("a"))
    room.sts.error = None
    room.begin("a")
    await turns()
    assert room.known("a") is not None


def test_an_outage_is_one_line_of_the_log_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @run
    async def outage() -> None:
        room = Room()
        room.sts.error = StsUnavailable("no route\nto host")
        for name in ("a", "b", "c"):
            room.begin(name)
            await turns()
        room.sts.error = ValueError("X-Amz-Signature=canary")
        room.begin("d")
        await turns()
        room.sts.error = StsRefused("ExpiredToken")  # which is an answer
        room.begin("e")
        await turns()

    outage()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and "no route?to host" in lines[0] and "answers" in lines[1]
    assert "canary" not in caplog.text


@run
async def test_no_second_has_more_than_twenty_questions() -> None:
    room = Room()
    for number in range(50):
        room.begin(str(number))
    await turns()
    assert len(room.sts.asked) == MOST_A_SECOND
    room.clock.advance(0.99)
    room.proofs._again()
    await turns()
    assert len(room.sts.asked) == MOST_A_SECOND
    room.clock.advance(0.01)
    room.proofs._again()
    await turns()
    assert len(room.sts.asked) == 2 * MOST_A_SECOND
    room.clock.advance(1)
    room.proofs._again()
    await turns()
    assert len(room.sts.asked) == 50 and len(room.ended) == 50


@run
async def test_whoever_floods_waits_behind_himself_and_his_neighbour_is_next() -> None:
    room = Room()
    for number in range(150):
        room.begin(f"junk {number}", "198.51.100.1")
    await turns()
    room.begin("honest", "192.0.2.7")
    room.clock.advance(1)
    room.proofs._again()
    await turns()
    assert "honest" in room.ended


@run
async def test_a_full_line_turns_away_the_last_of_who_has_most_in_it() -> None:
    room = Room()
    for number in range(MOST_A_SECOND + MOST_QUEUED):
        room.begin(f"junk {number}", "198.51.100.1")
    assert refusal(lambda: room.begin("one more", "198.51.100.1")).code == 503
    assert refusal(lambda: room.proofs.check_room("198.51.100.1")).code == 503
    room.proofs.check_room("192.0.2.7")
    await turns()
    before = len(room.ended)
    asking = room.begin("honest", "192.0.2.7")
    assert room.ended[before:] == [f"junk {MOST_A_SECOND + MOST_QUEUED - 1}"], "it is told at once"
    assert asking.outcome is None
    room.clock.advance(1)
    room.proofs._again()
    await turns()
    assert room.known("honest") is not None


@run
async def test_what_waited_too_long_is_turned_away_and_sts_is_not_asked() -> None:
    room = Room()
    late = [room.begin(str(number)) for number in range(MOST_A_SECOND + 1)][-1]
    room.clock.advance(11)
    room.proofs._again()
    await turns()
    assert refusal(late.proof).code == 503 and len(room.sts.asked) == MOST_A_SECOND


@run
async def test_too_many_calls_that_wait_are_refused() -> None:
    room = Room(calls_waiting_for_keys=2)
    asking = room.begin("a")
    room.proofs.wait(asking, lambda: None)
    assert refusal(lambda: room.proofs.wait(asking, lambda: None)).code == 503
    await turns()
    room.begin("b")  # they were told, so there is room again
    await turns()


@run
async def test_where_too_many_calls_wait_those_of_who_has_most_are_turned_away() -> None:
    room = Room(calls_waiting_for_keys=6)
    room.sts.hold()
    junk = room.begin("junk", "198.51.100.1")
    refused: list[int] = []
    for _ in range(5):
        room.proofs.wait(junk, lambda: refused.append(refusal(junk.proof).code))
    await turns()
    assert refusal(lambda: room.proofs.wait(junk, lambda: None)).code == 503, "whoever floods turns nobody else away"
    honest = room.begin("honest", "192.0.2.7")
    assert refused == [503] * 5 and room.ended == ["junk"], "they are told at once"
    room.proofs.wait(honest, lambda: room.ended.append("honest too"))
    room.proofs.wait(junk, lambda: room.ended.append("junk again"))
    assert junk.outcome is None, "STS is still being asked about it"
    await turns()
    room.sts.go_on()
    await turns()
    assert sorted(room.ended) == ["honest", "honest too", "junk", "junk again"]
    assert room.proofs._waiting == 0


@run
async def test_a_call_that_fails_when_it_is_told_keeps_nobody_else_from_the_answer() -> None:
    room = Room()
    asking = room.begin("a")
    room.proofs.wait(asking, lambda: 1 // 0)
    room.proofs.wait(asking, lambda: room.ended.append("behind"))
    await turns()
    assert room.ended == ["a", "behind"]


@run
async def test_the_memory_of_answers_and_of_refusals_is_bounded() -> None:
    room = Room(proven_credentials=3)
    for name in "abcd":
        room.begin(name)
        await turns()
    assert [name for name in "abcd" if room.known(name)] == ["b", "c", "d"]


@run
async def test_nothing_of_a_token_is_kept_once_sts_has_answered() -> None:
    room = Room()
    room.begin("a")
    await turns()
    gc.collect()
    held = [one for one in gc.get_objects() if isinstance(one, Presigned)]
    assert held == []


@run
async def test_after_a_reload_the_same_sts_is_asked_about_nobody_anew_and_no_more_often() -> None:
    room = Room()
    for number in range(MOST_A_SECOND):
        room.begin(str(number))
    await turns()
    later = Proofs(room.sts, room.clock, Limits(), room.proofs)
    assert later.known(key("0"), HOSTS) is not None
    later.begin(key("new"), Presigned(HOST, "/?new", room.clock.wall()), "192.0.2.1")
    await turns()
    assert len(room.sts.asked) == MOST_A_SECOND


def test_a_loop_that_stops_leaves_no_call_waiting() -> None:
    room: list[Room] = []

    async def stops() -> None:
        room.append(Room())
        room[0].sts.hold()
        room[0].begin("a")
        await turns()

    asyncio.run(stops())
    assert room[0].ended == ["a"]


def test_addresses_of_one_network_of_ipv6_are_one_line() -> None:
    assert _place("2001:db8::1") == _place("2001:db8::ffff:1") != _place("2001:db8:0:1::1")
    assert _place("192.0.2.1") != _place("192.0.2.2") and _place("") == ""
