"""Plays Slack: its Web API, strict about what its pages say of messages, and the presses of buttons that it sends, signed.

https://docs.slack.dev/reference/block-kit, .../messaging/formatting-message-text, .../reference/interaction-payloads
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from l7gw.config.settings import SlackReviews
from l7gw.demo.pki import write_private
from tests.support.posted import SECRET, Said, Sent, Side, side, slack_signature

TOKEN = "xoxb-of-this-test-only"
CHANNEL = "C0APPROVALS"
TEXT, FIELD = 3000, 2000
ESCAPES = re.compile(r"&(?!amp;|lt;|gt;)")
DATE = re.compile(r"<!date\^[0-9]+\^[^|<>]*\|[^|<>]*>")
NEVER = re.compile(r"<[!@#]|@(?:here|channel|everyone)\b", re.IGNORECASE)


class Refused(Exception):
    """What Slack answers as `error`."""


class Slack:
    def __init__(self, other: Side) -> None:
        self.side = other
        self.url = f"{other.url}/api"
        self.messages: dict[str, dict[str, Any]] = {}  # by their time, as they are now
        self.told: list[dict[str, Any]] = []  # what single people were told
        self.calls: list[str] = []
        self.away: Said | None = None  # what is answered instead
        other.answer = self._answer

    # ------------------------------------------------------------------ the Web API

    def _answer(self, sent: Sent) -> Said:
        if self.away is not None:
            return self.away
        if sent.path.startswith("/actions/"):
            said = sent.json
            _check_text(said["text"], TEXT, mrkdwn=True)
            self.told.append(said)
            return Said(200, b"ok")
        method = sent.path.removeprefix("/api/")
        self.calls.append(method)
        try:
            return Said(200, json.dumps({"ok": True, **self._call(method, sent)}).encode())
        except Refused as why:
            return Said(200, json.dumps({"ok": False, "error": str(why)}).encode())

    def _call(self, method: str, sent: Sent) -> dict[str, Any]:
        if sent.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused("invalid_auth")
        if not sent.headers["content-type"].startswith("application/json"):
            raise Refused("invalid_form_data")
        fields = sent.json
        try:
            check(fields)
        except AssertionError as why:
            raise Refused(f"invalid_blocks {why}") from why
        if method == "chat.postMessage":
            if fields["channel"] not in (CHANNEL, "#approvals"):
                raise Refused("channel_not_found")
            at = f"{1_700_000_000 + len(self.calls)}.{len(self.messages):06}"
        elif method == "chat.update":
            if fields["channel"] != CHANNEL or fields["ts"] not in self.messages:
                raise Refused("message_not_found")
            at = fields["ts"]
        else:
            raise Refused("unknown_method")
        self.messages[at] = fields
        return {"channel": CHANNEL, "ts": at, "message": fields}

    # ------------------------------------------------------------------ what people do

    def message(self, hold: str) -> dict[str, Any]:
        """The message of a hold as it is now."""
        (found,) = [message for message in self.messages.values() if hold in json.dumps(message["blocks"])]
        return found

    def press(
        self, button: str, hold: str, who: str = "U0LEA", *, when: int | None = None, secret: str = SECRET, **more: Any
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of what is sent when somebody presses a button, `approve` or `deny`."""
        payload = {
            "type": "block_actions",
            "user": {"id": who, "username": "anything", "team_id": "T0"},
            "api_app_id": "A0",
            "container": {"type": "message", "message_ts": "1.0", "channel_id": CHANNEL},
            "trigger_id": "1.2.abc",
            "team": {"id": "T0", "domain": "acme"},
            "enterprise": None,
            "channel": {"id": CHANNEL, "name": "approvals"},
            "message": {"type": "message", "text": "shown"},
            "response_url": f"{self.side.url}/actions/T0/1/abc",
            "actions": [
                {"action_id": f"l7gw-{button}", "block_id": "l7gw", "value": hold, "type": "button", "action_ts": str(time.time())}
            ],
        } | more  # fmt: skip
        body = f"payload={quote_plus(json.dumps(payload))}".encode()
        at = int(time.time()) if when is None else when
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": slack_signature(body, at, secret),
        }, body

    @staticmethod
    def port_of(log: str) -> int:
        """Where a gateway takes presses, by its log."""
        return int(re.findall(r"taken at http://127\.0\.0\.1:([0-9]+)/slack/interactions", log)[-1])

    @staticmethod
    def send(port: int, headers: dict[str, str], body: bytes) -> int:
        """Send what `press` gives to a gateway; the status of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/slack/interactions", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def reviews(self, folder: Path, **more: Any) -> dict[str, Any]:
        """`reviews` in l7gw.yaml, with the secrets in files in the folder."""
        for name, secret in (("slack.token", TOKEN), ("slack.secret", SECRET)):
            write_private(folder / name, secret.encode())
        users = {"U0LEA": {"user": "lea", "groups": ["sre"]}, "U0ROB": {"user": "rob", "groups": ["sre"]}}
        keys = {"token-file": str(folder / "slack.token"), "signing-secret-file": str(folder / "slack.secret")}
        keys |= {"listen": "127.0.0.1:0", "channel": "#approvals", "endpoint-url": self.url}
        return {"slack": {**keys, "users": users}, **more}


@contextmanager
def slack() -> Iterator[Slack]:
    with side() as other:
        yield Slack(other)


def settings_of(endpoint: str, folder: Path, **more: Any) -> SlackReviews:
    """Settings with the secrets of this side, in files in the folder."""
    for name, secret in (("slack.token", TOKEN), ("slack.secret", SECRET)):
        (folder / name).write_text(secret)
    about: dict[str, Any] = {
        "listen": ("127.0.0.1", 0), "token_file": folder / "slack.token", "signing_secret_file": folder / "slack.secret",
        "channel": "#approvals", "users": {}, "show": "summary", "endpoint": endpoint, "certificate_authority": None,
    }  # fmt: skip
    return SlackReviews(**about | more)


# ---------------------------------------------------------------------- what Slack takes


def check(fields: dict[str, Any]) -> None:
    """Fails where Slack would refuse a message, or show something that its writer did not mean."""
    assert fields.get("parse") == "none" and not fields.get("link_names")
    _check_text(fields["text"], 4000, mrkdwn=True)
    blocks = fields["blocks"]
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        {"section": _section, "actions": _actions, "context": _context}[block["type"]](block)
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(set(ids)) == len(ids)


def _section(block: dict[str, Any]) -> None:
    assert set(block) <= {"type", "text", "fields", "block_id"} and ("text" in block or "fields" in block)
    if "text" in block:
        _object(block["text"], TEXT)
    if "fields" in block:
        assert 1 <= len(block["fields"]) <= 10
        for field in block["fields"]:
            _object(field, FIELD)


def _context(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 10
    for element in block["elements"]:
        _object(element, TEXT)


def _actions(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 25 and len(block["block_id"]) <= 255
    assert len({element["action_id"] for element in block["elements"]}) == len(block["elements"])
    for element in block["elements"]:
        assert element["type"] == "button" and len(element["action_id"]) <= 255 and len(element["value"]) <= 2000
        assert element["style"] in ("primary", "danger")
        _object(element["text"], 75, "plain_text")
        for part, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            _object(element["confirm"][part], most, "plain_text")


def _object(text: dict[str, Any], most: int, kind: str = "mrkdwn") -> None:
    assert text["type"] == kind and set(text) <= {"type", "text", "verbatim" if kind == "mrkdwn" else "emoji"}
    assert kind == "plain_text" or text["verbatim"] is True
    _check_text(text["text"], most, mrkdwn=kind == "mrkdwn")


def _check_text(text: str, most: int, *, mrkdwn: bool) -> None:
    length = len(text.encode("utf-16-le")) // 2
    assert 1 <= length <= most, f"a text of {length} characters, {most} at most"
    if not mrkdwn:
        return
    bare = DATE.sub("", text)
    assert not set("<>") & set(bare) and not ESCAPES.search(bare), f"not escaped: {bare}"
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", bare, flags=re.DOTALL)
    assert "`" not in outside, f"code that does not end: {bare}"
    assert not NEVER.search(outside), f"somebody is mentioned: {outside}"
