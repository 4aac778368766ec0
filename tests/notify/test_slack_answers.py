"""A button that somebody pressed in Slack is his review, where it is signed, fresh, new, and he is among the reviewers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from l7gw.api.requests import Answer
from l7gw.approval.desk import Desk
from l7gw.approval.messages import Hold
from l7gw.clock import Clock
from l7gw.config.settings import Mapped
from l7gw.errors import Refusal
from l7gw.hold_terms import Reviewers
from l7gw.notify.slack import SlackChannel
from l7gw.notify.slack_answers import MOST_TELLING, SlackAnswers
from l7gw.store.database import Store
from tests.support.desks import Seat, answer, asked, run, terms
from tests.support.posted import slack_signature
from tests.support.slack_stand_in import Slack, settings_of, slack

USERS = {"U0LEA": Mapped("lea", ("sre",)), "U0ANN": Mapped("ann", ("sre",)), "U0BOB": Mapped("bob", ())}
COMES = terms(wait="come-back")
FORM = "application/x-www-form-urlencoded"


class Pressed:
    """The answers over a real desk, and Slack."""

    def __init__(self, seat: Seat, it: Slack, folder: Path) -> None:
        self.seat = seat
        self.slack = it
        self.opened: tuple[Desk, Store, Clock] | None = (seat.desk, seat.store, seat.clock)
        settings = settings_of(it.url, folder, users=USERS)
        self.answers = SlackAnswers(settings, SlackChannel(settings), seat.clock, self)

    async def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status that Slack is answered with. Whoever is told something has been told it then."""
        try:
            press = self.answers.read({name.lower(): value for name, value in headers.items()}, body)
            found = await answer(lambda then: self.answers.take(press, then))
        except Refusal as refusal:
            return refusal.code
        for _ in range(3):
            await self.seat.settled()
        await asyncio.gather(*self.answers._telling)
        return found.status if isinstance(found, Answer) else found.code  # type: ignore[union-attr]

    async def press(self, button: str, hold: Hold, who: str = "U0LEA", **more: Any) -> int:
        return await self.take(*self.slack.press(button, hold.id, who, **{"when": int(self.seat.clock.wall())} | more))

    @property
    def told(self) -> list[str]:
        return [said["text"] for said in self.slack.told]


def pressed(test: Callable[[Pressed], Coroutine[Any, Any, None]], folder: Path) -> None:
    with slack() as it:
        run(lambda seat: test(Pressed(seat, it, folder)), folder)


def test_a_press_is_the_review_of_the_one_whom_the_map_names(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        yes, no = await it.seat.held(asked("y", terms=COMES)), await it.seat.held(asked("n", terms=COMES))
        assert await it.press("approve", yes) == 200 and await it.press("deny", no) == 200
        now = await it.seat.now(yes)
        (said,) = now.reviews
        assert (now.state, said.user, said.groups, said.issuer, said.local) == ("approved", "lea", ("sre",), "slack", False)
        assert (await it.seat.now(no)).state == "denied" and it.told == []
        assert (yes.id, "lea: approve") in it.seat.record.events

    pressed(test, tmp_path)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("U0EVE", "'U0EVE' is not named in 'reviews.slack.users', and so is no reviewer"),
        ("U0BOB", "'bob' is not among the reviewers: rule 'writes' asks groups sre"),
        ("U0ANN", "nobody approves his own call, under whatever name"),
    ],
)
def test_who_is_no_reviewer_is_told_so_alone_and_the_log_says_it(
    tmp_path: Path, user: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        assert await it.press("approve", hold, user) == 200
        assert it.told == [f"l7gw: {words}"] and (await it.seat.now(hold)).state == "pending"

    with caplog.at_level(logging.WARNING):
        pressed(test, tmp_path)
    assert f"Slack's {user}: was refused" in caplog.text


def test_the_owner_of_an_agent_cannot_approve_by_slack(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        from l7gw.approval.messages import Requester

        who = Requester(user="lea", actor="coder", kind="agent")
        owned = terms(("r", Reviewers(owner=True, groups=("sre",))), wait="come-back")
        hold = await it.seat.held(asked(who=who, terms=owned))
        assert await it.press("approve", hold) == 200
        assert "auth_time" in it.told[0] and (await it.seat.now(hold)).state == "pending"

    pressed(test, tmp_path)


def test_a_press_counts_once_and_a_second_one_of_the_same_person_says_so(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        two = terms(("r", Reviewers(groups=("sre",), minimum=2)), wait="come-back")
        hold = await it.seat.held(asked(terms=two))
        message = it.slack.press("approve", hold.id, when=int(it.seat.clock.wall()))
        assert [await it.take(*message), await it.take(*message)] == [200, 409]
        it.seat.clock.advance(1)
        assert await it.press("approve", hold) == 200
        assert ["said so already" in text for text in it.told] == [True]

    pressed(test, tmp_path)


def test_a_press_that_comes_too_late_is_told_what_the_hold_is(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        await it.press("deny", hold)
        await it.press("approve", hold)
        assert "it is denied already, by 'lea'" in it.told[0]

    pressed(test, tmp_path)


def test_a_wrong_signature_an_old_one_and_none_change_nothing(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        now = int(it.seat.clock.wall())
        assert await it.press("approve", hold, secret="another-secret-of-somebody") == 401
        assert await it.press("approve", hold, when=now - 301) == 401
        assert await it.press("approve", hold, when=now + 302) == 401
        headers, body = it.slack.press("approve", hold.id, when=now)
        assert await it.take({**headers, "X-Slack-Signature": ""}, body) == 401
        assert await it.take(headers, body.replace(b"U0LEA", b"U0ANN")) == 401
        assert (await it.seat.now(hold)).state == "pending" and it.told == []

    pressed(test, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "view_submission"}, {"actions": []}, {"actions": None}, {"user": None}, {"user": {"id": 7}}, {"response_url": 7},
        {"actions": [{"action_id": "l7gw-approve", "value": "01a2"}]}, {"actions": [{"action_id": "other", "value": "x" * 36}]},
        {"actions": [{"action_id": "l7gw-approve", "value": "x" * 36}] * 2}, {"team": "T0"},
    ],
)  # fmt: skip
def test_what_is_no_press_of_such_a_button_is_a_400(tmp_path: Path, change: dict[str, Any]) -> None:
    async def test(it: Pressed) -> None:
        assert await it.press("approve", await it.seat.held(asked(terms=COMES)), **change) == 400

    pressed(test, tmp_path)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b""), (FORM, b"payload"), (FORM, b"payload=[]"), (FORM, b"payload={"), (FORM, b"payload=%ff"), (FORM, b"\xff=1"),
        (FORM, b"payload={}&payload={}"), (FORM, b"&".join([b"a=1"] * 9)), ("application/json", b"{}"),
        (FORM, b"payload=" + quote_plus('{"type": "block_actions", "type": "block_actions"}').encode()),
        (FORM, b"payload=" + quote_plus("[" * 5000).encode()),
    ],
)  # fmt: skip
def test_a_signed_body_that_cannot_be_read_is_a_400(tmp_path: Path, kind: str, body: bytes) -> None:
    async def test(it: Pressed) -> None:
        when = int(it.seat.clock.wall())
        headers = {"content-type": kind, "x-slack-request-timestamp": str(when), "x-slack-signature": slack_signature(body, when)}
        assert await it.take(headers, body) == 400

    pressed(test, tmp_path)


def test_somebody_of_another_workspace_is_no_reviewer_and_an_organisation_is_one_home(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        assert await it.press("approve", hold, team={"id": "T0"}, user={"id": "U0LEA", "team_id": "T1"}) == 403
        assert (await it.seat.now(hold)).state == "pending"
        grid = {"team": {"id": "T0", "enterprise_id": "E0"}, "user": {"id": "U0LEA", "team_id": "E0"}}
        headers, body = it.slack.press("approve", hold.id, when=int(it.seat.clock.wall()), **grid)
        assert await it.take(headers, body) == 200 and (await it.seat.now(hold)).state == "approved"

    pressed(test, tmp_path)


def test_a_response_url_that_is_not_slacks_is_asked_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        assert await it.press("approve", hold, "U0BOB", response_url="https://169.254.169.254/latest") == 200
        assert it.told == []

    with caplog.at_level(logging.WARNING):
        pressed(test, tmp_path)
    assert "and not to Slack" in caplog.text


def test_who_presses_without_end_is_slowed_and_few_are_told_at_a_time(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        headers, body = it.slack.press("approve", hold.id, "U0EVE", when=int(it.seat.clock.wall()))
        for _ in range(60):
            it.answers.read({name.lower(): value for name, value in headers.items()}, body)
        assert await it.take(headers, body) == 429 and await it.press("approve", hold, "U0BOB") == 200
        it.answers._telling = {asyncio.ensure_future(asyncio.sleep(0)) for _ in range(MOST_TELLING)}
        before = len(it.told)
        await it.press("deny", hold, "U0BOB")
        assert len(it.told) == before == 1

    pressed(test, tmp_path)


def test_where_nothing_was_ever_held_or_the_database_is_away_slack_is_told(tmp_path: Path) -> None:
    async def test(it: Pressed) -> None:
        hold = await it.seat.held(asked(terms=COMES))
        it.opened = None
        assert await it.press("approve", hold) == 404
        it.opened = (it.seat.desk, it.seat.store, it.seat.clock)
        it.seat.store._engine.dispose()
        (tmp_path / "state" / "metadata.sqlite").write_bytes(b"no database" * 500)
        for name in ("metadata.sqlite-wal", "metadata.sqlite-shm"):
            (tmp_path / "state" / name).unlink(missing_ok=True)
        assert await it.press("approve", hold) == 503
        it.answers.tick()
        it.answers.close()

    pressed(test, tmp_path)
