"""A running gateway that tells Slack and a webhook of its holds, and is answered by both; also over a kill."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from l7gw.demo.pki import write_private
from l7gw.store.outbox import TAKEN
from tests.support.faults import until
from tests.support.held import Held, held
from tests.support.posted import SECRET, Said, Side, is_signed, side, webhook_signature
from tests.support.raw_client import RawClient
from tests.support.slack_stand_in import TOKEN, Slack, slack

USERS = {"U0LEA": {"user": "lea", "groups": ["sre"]}, "U0ROB": {"user": "rob", "groups": ["sre"]}}


class Told(Held):
    def __init__(self, running: Held, other: Slack, hook: Side) -> None:
        super().__init__(running.scene)
        self.slack, self.hook = other, hook

    def press(self, button: str, hold: str, who: str = "U0LEA") -> int:
        """Press a button in Slack; gives the status of the answer to Slack."""
        return self.slack.send(self.slack.port_of(self.gateway.log), *self.slack.press(button, hold, who))

    def reply(self, hold: str, user: str, verdict: str = "approve") -> tuple[int, Any]:
        body = json.dumps({"type": "review", "hold": hold, "verdict": verdict, "user": user}).encode()
        signed = webhook_signature(body, int(time.time()))
        return self.api("POST /l7gw/v1/webhook", None, body, f"L7GW-Signature: {signed}")

    def state(self, hold: str) -> str:
        return str(self.at_socket(f"GET /l7gw/v1/holds/{hold}", self.lea)[1]["state"])


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    write_private(folder / "hook", SECRET.encode())
    with slack() as other, side() as hook:
        webhook = {"url": f"{hook.url}/l7gw", "secret-file": str(folder / "hook"), "users": copy.deepcopy(USERS)}
        reviews = other.reviews(folder, webhook=webhook)
        with held(folder / "gateway", reviews=reviews) as running:
            yield Told(running, other, hook)


def test_a_hold_is_told_to_both_answered_in_slack_and_its_message_says_how_it_ended(it: Told) -> None:
    hold = it.ask("back-1", "one")
    until(lambda: it.slack.messages)
    assert "Approval needed" in it.slack.message(hold)["text"]
    (sent,) = it.hook.wait(lambda sent: len(sent) == 1)
    assert is_signed(sent) and (sent.json["hold"]["id"], sent.json["hold"]["state"]) == (hold, "pending")
    assert it.press("approve", hold, "U0EVE") == 200
    until(lambda: it.slack.told)
    assert "is no reviewer" in it.slack.told[0]["text"] and it.state(hold) == "pending"
    assert it.press("approve", hold) == 200
    until(lambda: "Approved" in it.slack.message(hold)["text"])
    assert it.state(hold) == "approved"
    done = it.l7gw("show", hold, token=it.lea)
    assert "lea approved (by slack)" in done.stdout
    it.hook.wait(lambda sent: sent[-1].json["hold"]["state"] == "approved")


def test_a_signed_reply_of_the_webhook_is_a_review_and_counts_once(it: Told) -> None:
    hold = it.ask("back-2", "two")
    body = json.dumps({"type": "review", "hold": hold, "verdict": "deny", "user": "U0ROB", "note": "not now"}).encode()
    signed = f"L7GW-Signature: {webhook_signature(body, int(time.time()))}"
    status, document = it.api("POST /l7gw/v1/webhook", None, body, signed)
    assert (status, document["state"], document["reviews"][0]["issuer"]) == (200, "denied", "webhook")
    assert it.api("POST /l7gw/v1/webhook", None, body, signed)[0] == 409
    assert it.api("POST /l7gw/v1/webhook", None, body)[0] == 401
    until(lambda: "Denied" in it.slack.message(hold)["text"])
    assert "by slack" not in it.l7gw("show", hold, token=it.lea).stdout
    assert "the API refused somebody" in it.gateway.log or "the API refused 'the webhook" in it.gateway.log


def test_a_call_that_waits_goes_on_after_one_approval_in_slack_and_one_by_the_webhook(it: Told) -> None:
    with RawClient(it.gateway) as client:
        client.send(it.scene.request("GET /api/v1/namespaces/dev/pods/five", token=it.token("wait-1")))
        until(lambda: any("five" in one["text"] for one in it.slack.messages.values()))
        (message,) = [one for one in it.slack.messages.values() if "five" in one["text"]]
        assert "0 of 2 given" in message["text"]
        (hold,) = [button["value"] for block in message["blocks"] for button in block.get("elements", [])[:1] if "value" in button]
        assert it.press("approve", hold) == 200
        until(lambda: "1 of 2 given" in it.slack.message(hold)["text"])
        status, document = it.reply(hold, "U0ROB")
        assert (status, document["state"]) == (200, "approved")
        status, headers, _ = client.answer()
        assert status == 200 and "approved by lea, rob" in dict(headers).get("warning", "")
    until(lambda: "the call went on" in it.slack.message(hold)["text"])


def test_what_was_not_told_before_a_kill_is_told_after_it_and_a_message_that_stands_is_changed(it: Told) -> None:
    stands = it.ask("back-3", "three")
    until(lambda: any(stands in json.dumps(one) for one in it.slack.messages.values()))
    it.slack.away = Said(503)
    before = len(it.hook.sent)
    new = it.ask("back-3", "four")
    assert it.at_socket(f"POST /l7gw/v1/holds/{stands}/deny", it.rob, {})[0] == 200
    it.hook.wait(lambda sent: len(sent) >= before + 2)
    until(lambda: "Slack: cannot be told" in it.gateway.log)
    it.gateway.kill()
    it.slack.away = None
    it.gateway.start()
    freed = TAKEN / 1_000_000 + 30.0  # what was being told at the moment of the kill is another's a minute later
    until(lambda: any(new in json.dumps(one) for one in it.slack.messages.values()), freed)
    until(lambda: "Denied" in it.slack.message(stands)["text"], freed)
    assert it.press("approve", new) == 200
    until(lambda: "Approved" in it.slack.message(new)["text"])
    assert TOKEN not in it.gateway.log and SECRET not in it.gateway.log
