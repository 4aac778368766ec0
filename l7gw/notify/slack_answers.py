"""What Slack sends when somebody presses a button of a message: who he is by the configuration's map, and what his review does.

The request is answered at once, as Slack waits three seconds. A review shows in the message, which the outbox changes; a refusal is
told to the person alone, at the `response_url` that Slack sends along.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs

from l7gw import plainjson
from l7gw.api import handlers, replies, signed
from l7gw.api.handlers import Watch
from l7gw.api.messages import Said
from l7gw.api.pace import Pace
from l7gw.api.requests import Answer
from l7gw.approval.desk import Desk
from l7gw.approval.messages import ReviewVerdict
from l7gw.clock import Clock
from l7gw.config.secret_file import SecretFile
from l7gw.config.settings import SlackReviews
from l7gw.errors import Refusal
from l7gw.log import CountedLog
from l7gw.name_rules import quoted, visible
from l7gw.notify.posts import NotTold
from l7gw.notify.slack import SlackChannel
from l7gw.notify.slack_message import APPROVE, DENY
from l7gw.store.database import Store

log = logging.getLogger(__name__)

FORM = "application/x-www-form-urlencoded"
MOST_TELLING = 32  # people who are told a refusal at a time; the next are not, and see that nothing changed
ID_LENGTH = 36
VERDICTS: dict[str, ReviewVerdict] = {APPROVE: "approve", DENY: "deny"}


class Holding(Protocol):
    @property
    def opened(self) -> tuple[Desk, Store, Clock] | None:
        """The desk, its database and the clock of that; None as long as nothing was ever held."""


class Press(NamedTuple):
    """A button that somebody pressed. `mark` tells this message of Slack's from all others."""

    mark: str
    user: str  # an id of Slack's
    verdict: ReviewVerdict
    hold: str
    response_url: str


class SlackAnswers:
    """Takes what Slack sends."""

    def __init__(self, settings: SlackReviews, channel: SlackChannel, clock: Clock, holding: Holding) -> None:
        self._users = settings.users
        self._secret = SecretFile(settings.signing_secret_file)
        self._channel = channel
        self._clock = clock
        self._holding = holding
        self._pace = Pace()
        self._said = CountedLog(log, clock.monotonic)
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def desk_if_any(self) -> Desk | None:
        opened = self._holding.opened
        return opened[0] if opened is not None else None

    def read(self, headers: Mapping[str, str], body: bytes) -> Press:
        """What a request says. Raises Refusal 401 where it proves nothing, 400 where it cannot be read, 403 for who is of another
        workspace, and 429."""
        when, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        mark = signed.check_slack(self._secret.value(), when, signature, body, self._clock.wall())
        press = _press(mark, headers.get("content-type", ""), body)
        if not self._pace.takes(press.user, self._clock.monotonic()):
            raise Refusal(429, "TooManyRequests", "you press too often; wait a moment")
        return press

    def take(self, press: Press, then: handlers.Then) -> None:
        """Take a press. `then` is called with a Refusal where it was taken before or cannot be; else the review goes on, and what
        becomes of it is told in Slack."""
        desk = self.desk_if_any
        if desk is None:
            raise Refusal(404, "NotFound", "nothing was ever held here")

        def taken(found: bool | Refusal) -> None:
            if isinstance(found, Refusal) or not found:
                then(found if isinstance(found, Refusal) else signed.replayed())
                return
            then(Answer(status=200, body=b""))
            self._review(press)

        desk.take_once(press.mark, signed.REMEMBERED, taken)

    def tick(self) -> None:
        """Once a second."""
        self._said.tick()

    def close(self) -> None:
        for task in self._telling:
            task.cancel()

    def _review(self, press: Press) -> None:
        try:
            caller = replies.mapped(self._users, press.user, "slack", "reviews.slack.users")
            handlers.review(self, press.hold, press.verdict, Said(), caller, lambda found: self._reviewed(press, found))
        except Refusal as refusal:
            self._reviewed(press, refusal)

    def _reviewed(self, press: Press, found: Answer | Watch | Refusal) -> None:
        who = f"Slack's {visible(press.user)}"
        if isinstance(found, Answer):
            log.info("%s: %s", who, found.about)
        elif isinstance(found, Refusal):
            self._said.warning(who, "was refused: %s", found.message)
            if len(self._telling) < MOST_TELLING:
                task = asyncio.get_running_loop().create_task(self._tell(press, found.message))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def _tell(self, press: Press, words: str) -> None:
        try:
            await self._channel.tell_alone(press.response_url, words)
        except NotTold as why:
            self._said.warning("Slack", "somebody was not told why he was refused: %s", why)


def _press(mark: str, content_type: str, body: bytes) -> Press:
    """The press in a payload of type block_actions (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload)."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise _bad("it is no form")
    try:
        (payload,) = parse_qs(body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=8)["payload"]
        said: Any = plainjson.read(payload.encode())
        user, team, (action,) = said["user"], said.get("team") or {}, said["actions"]
        press = Press(mark, user["id"], VERDICTS[action["action_id"]], action["value"], said.get("response_url", ""))
        fits = said["type"] == "block_actions" and all(type(text) is str for text in (press.user, press.hold, press.response_url))
        homes, home = (team.get("id"), team.get("enterprise_id")), user.get("team_id")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad("it is no press of a button of this gateway's messages") from error
    if not fits or len(press.hold) != ID_LENGTH:
        raise _bad("it is no press of a button of this gateway's messages")
    if home is not None and home not in homes:  # a channel that is shared: an id counts within its own workspace
        raise Refusal(403, "Forbidden", f"{quoted(press.user)} is of another workspace, and so is no reviewer")
    return press


def _bad(why: str) -> Refusal:
    return Refusal(400, "BadRequest", f"the message cannot be read: {why}")
