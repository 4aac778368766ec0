"""Answers of a webhook's other side: signed, fresh, taken once, and of somebody whom the configuration names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from l7gw.api.replies import PATH, Webhook
from l7gw.approval.messages import Hold, Requester
from l7gw.config.settings import Mapped
from l7gw.hold_terms import Reviewers
from tests.support.api_room import Caller, Room, in_room
from tests.support.desks import terms
from tests.support.posted import SECRET, webhook_signature

USERS = {
    "U1": Mapped("lea", ("sre",)), "U2": Mapped("bob", ()), "U3": Mapped("ann", ("sre",)), "U4": Mapped("rob", ("sre",)),
}  # fmt: skip


def webhook(folder: Path) -> Webhook:
    path = folder / "hook.secret"
    path.write_text(SECRET)
    return Webhook(path, USERS)


class Sender:
    """The other side."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room = room
        room.webhook = webhook(folder)

    async def post(self, body: bytes, *, late: float = 0.0, signature: str | None = None, kind: str = "application/json") -> Any:
        when = int(self.room.clock.wall() - late)
        headers = (("l7gw-signature", webhook_signature(body, when) if signature is None else signature),)
        client = Caller()
        await client.call(self.room.api, f"POST {PATH}", None, body, headers=headers, kind=kind)
        await client.done.wait()
        return client.status, client.document

    async def say(self, hold: Hold, user: str = "U1", verdict: str = "approve", **more: Any) -> Any:
        return await self.post(reply(hold, user, verdict, **more))


def reply(hold: Hold, user: str = "U1", verdict: str = "approve", **more: Any) -> bytes:
    return msgspec.json.encode({"type": "review", "hold": hold.id, "verdict": verdict, "user": user, **more})


def test_a_signed_reply_of_somebody_named_is_his_review(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        sender = Sender(room, tmp_path)
        status, document = await sender.say(await room.hold(), note="seen")
        assert (status, document["state"]) == (200, "approved")
        (said,) = document["reviews"]
        assert (said["user"], said["groups"], said["issuer"], said["note"]) == ("lea", ["sre"], "webhook", "seen")
        status, document = await sender.say(await room.hold("b"), verdict="deny")
        assert (status, document["state"]) == (200, "denied")

    in_room(test, tmp_path)


def test_one_person_is_one_approval_by_whatever_way(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        sender = Sender(room, tmp_path)
        two = terms(("r", Reviewers(groups=("sre",), minimum=2)), wait="come-back")
        hold = await room.hold(terms=two)
        assert (await sender.say(hold))[1]["state"] == "pending"
        status, document = await room.ask(f"POST /l7gw/v1/holds/{hold.id}/approve", room.token("lea"), {})
        assert status == 409 and "said so already" in document["error"]["message"]
        assert (await sender.say(hold, "U4"))[1]["state"] == "approved"

    in_room(test, tmp_path)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("U9", "'U9' is not named in `reviews.webhook.users`, and so is no reviewer"),
        ("lea", "'lea' is not named in"),
        ("U2", "'bob' is not among the reviewers: rule 'writes' asks groups sre"),
        ("U3", "nobody approves his own call"),
    ],
)
def test_who_is_no_reviewer_is_told_so(tmp_path: Path, user: str, said: str) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        status, document = await Sender(room, tmp_path).say(hold, user)
        assert status == 403 and said in document["error"]["message"]
        assert (await room.chair.now(hold)).state == "pending"

    in_room(test, tmp_path)


def test_the_owner_of_an_agent_logs_in_for_it_and_does_not_use_the_webhook(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        owned = terms(("r", Reviewers(owner=True)), wait="come-back")
        who = Requester(user="lea", actor="coder", kind="agent")
        status, document = await Sender(room, tmp_path).say(await room.hold(principal=who, person="lea", terms=owned))
        assert status == 403 and "auth_time" in document["error"]["message"]

    in_room(test, tmp_path)


def test_a_reply_counts_once_also_where_it_was_refused(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        sender = Sender(room, tmp_path)
        for body in (reply(await room.hold()), reply(await room.hold("b"), "U9")):
            first, _ = await sender.post(body)
            status, document = await sender.post(body)
            assert (first in (200, 403), status) == (True, 409) and "taken before" in document["error"]["message"]

    in_room(test, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda at: {"signature": ""}, "not signed"),
        (lambda at: {"signature": "t=1,v1=" + "0" * 64}, "not that of the secret"),
        (lambda at: {"late": 301.0}, "301 s old"),
        (lambda at: {"late": -302.0}, "ahead of this clock"),
    ],
)
def test_a_reply_with_a_wrong_signature_or_an_old_one_changes_nothing(
    tmp_path: Path, change: Callable[[float], dict[str, Any]], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        status, document = await Sender(room, tmp_path).post(reply(hold), **change(room.clock.wall()))
        assert status == 401 and said in document["error"]["message"]
        assert (await room.chair.now(hold)).state == "pending"

    with caplog.at_level(logging.WARNING):
        in_room(test, tmp_path)
    assert "192.0.2.7: the API refused" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"type": "hold"}',
        b'{"type": "review", "hold": "01a2", "verdict": "approve", "user": "U1"}',
        b'{"type": "review", "hold": "HOLD", "hold": "HOLD", "verdict": "approve", "user": "U1"}',
        b'{"type": "review", "hold": "HOLD", "verdict": "approve", "user": "U1", "force": true}',
        b'{"type": "review", "hold": "HOLD", "verdict": "maybe", "user": "U1"}',
        b'{"hold": "HOLD", "verdict": "approve", "user": "U1"}',
    ],
)  # fmt: skip
def test_a_reply_that_cannot_be_read_is_a_400(tmp_path: Path, body: bytes) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        status, document = await Sender(room, tmp_path).post(body.replace(b"HOLD", hold.id.encode()))
        assert status == 400 and "the reply cannot be read" in document["error"]["message"]

    in_room(test, tmp_path)


def test_what_this_gateway_signs_is_no_reply(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        hold = await room.hold()
        event = msgspec.json.encode({"type": "hold", "event": f"{hold.id}-1", "hold": hold, "version": 1})
        assert (await Sender(room, tmp_path).post(event))[0] == 400

    in_room(test, tmp_path)


def test_a_reply_that_comes_too_late_is_told_what_the_hold_is(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        sender, hold = Sender(room, tmp_path), await room.hold()
        await sender.say(hold, verdict="deny")
        status, document = await sender.say(hold, "U4")
        assert (status, document["error"]["state"]) == (409, "denied")
        status, document = await sender.post(reply(hold).replace(hold.id.encode(), b"0" * 36))
        assert status == 404

    in_room(test, tmp_path)


def test_without_a_webhook_or_by_another_method_there_is_none(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        assert (await room.ask(f"POST {PATH}", None, {}))[0] == 404
        sender = Sender(room, tmp_path)
        assert (await room.ask(f"GET {PATH}"))[0] == 405
        assert (await sender.post(reply(await room.hold()), kind="text/plain"))[0] == 415
        room.desk_if_any = None
        assert (await room.ask(f"POST {PATH}", None, {}))[0] == 404

    in_room(test, tmp_path)


def test_somebody_without_a_signature_is_slowed_by_his_address(tmp_path: Path) -> None:
    async def test(room: Room) -> None:
        sender, hold = Sender(room, tmp_path), await room.hold()
        found = {(await sender.post(reply(hold), signature=""))[0] for _ in range(200)}
        assert found == {401, 429}

    in_room(test, tmp_path)
