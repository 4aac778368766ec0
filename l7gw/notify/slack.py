"""Slack's API: one message for each hold, which is changed when the hold does (docs/slack-and-webhook.md).

Where a message stands is kept in the outbox, so that it is changed and not sent again. A gateway that dies between Slack's answer
and that leaves a second message; the buttons of both lead to the same hold.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from l7gw import plainjson
from l7gw.approval.messages import Hold
from l7gw.config.secret_file import SecretFile
from l7gw.config.settings import SlackReviews
from l7gw.loopback import is_loopback
from l7gw.name_rules import quoted
from l7gw.notify.posts import NotTold, Posts
from l7gw.notify.slack_message import message, told
from l7gw.store.outbox import Notice

SENT_WITHIN = 10.0  # seconds for one call with its answer
LONGEST_URL = 500  # characters of a response_url; Slack's have 90
# What Slack answers where the message itself is at fault, and where the one that stands can be changed no more
OF_THIS = frozenset(("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text"))
GONE = frozenset(("message_not_found", "cant_update_message", "edit_window_closed"))

_encode = msgspec.json.Encoder().encode


class SlackChannel:
    """Sends holds to a channel of Slack."""

    name = "slack"
    where = "Slack"

    def __init__(self, settings: SlackReviews) -> None:
        self._settings = settings
        self._token = SecretFile(settings.token_file)
        self._posts = Posts(settings.certificate_authority)

    async def tell(self, hold: Hold, notice: Notice) -> str:
        """Send a hold, or change the message that tells of it. Gives where it stands, `CHANNEL/TIME`. Raises NotTold."""
        content = message(hold, self._settings.show)
        channel, _, time = notice.place.partition("/")
        if not time:
            return "" if hold.ended is not None else await self._post(content)  # that something is over concerns who saw it begin
        with suppress(_Gone):  # somebody has removed it
            await self._call("chat.update", {"channel": channel, "ts": time, "parse": "none", **content})
        return notice.place

    async def tell_alone(self, response_url: str, text: str) -> None:
        """Tell the person who pressed a button, and nobody else. Raises NotTold."""
        if not self._is_slacks(response_url):
            raise NotTold(f"the response_url leads to {quoted(response_url)}, and not to Slack", alone=True)
        answer = await self._posts.send(response_url, _encode(told(text)), {"content-type": "application/json"}, SENT_WITHIN)
        if answer.status != 200:
            raise NotTold(f"the response_url answered {answer.status}", rest=answer.rest, alone=True)

    async def _post(self, content: dict[str, Any]) -> str:
        fields = {
            "channel": self._settings.channel,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        answer = await self._call("chat.postMessage", {**fields, **content})
        channel, time = answer.get("channel"), answer.get("ts")
        if not isinstance(channel, str) or not isinstance(time, str) or len(channel + time) > 100:
            raise NotTold("its answer does not say where the message stands", alone=True)
        return f"{channel}/{time}"

    async def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token.value()}", "content-type": "application/json; charset=utf-8"}
        answer = await self._posts.send(f"{self._settings.endpoint}/{method}", _encode(fields), headers, SENT_WITHIN)
        if answer.status != 200:
            raise NotTold(f"{method} answered {answer.status}", rest=answer.rest)
        try:
            said = plainjson.read(answer.body)
        except ValueError as error:
            raise NotTold(f"{method} answered with no JSON: {error}") from error
        if not isinstance(said, dict):
            raise NotTold(f"{method} answered with no object")
        if said.get("ok") is True:
            return said
        fault = str(said.get("error", "no reason"))
        if fault in GONE and method == "chat.update":
            raise _Gone(fault)
        raise NotTold(f"{method} says {quoted(fault)}", rest=answer.rest, alone=fault in OF_THIS)

    def _is_slacks(self, url: str) -> bool:
        """Whether a response_url is Slack's: `hooks.` before the host of the API, or its own host (threats G7)."""
        api = urlsplit(self._settings.endpoint)
        try:
            found = urlsplit(url)
            plain = len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and not set("\\@# ") & set(url)
        except ValueError:
            return False
        if is_loopback(api.hostname or ""):
            return plain and (found.scheme, found.netloc) == (api.scheme, api.netloc)
        return plain and found.scheme == "https" and found.netloc in (f"hooks.{api.hostname}", api.netloc)


class _Gone(Exception):
    """The message that was to be changed is there no more, or may not be changed."""
