"""The webhook: each hold that is new or has changed is sent by a signed POST (docs/slack-and-webhook.md)."""

from __future__ import annotations

from typing import Literal

from l7gw.api.signed import sign
from l7gw.approval.messages import Hold, Message, encode
from l7gw.clock import Clock
from l7gw.config.reviews import host_of
from l7gw.config.secret_file import SecretFile
from l7gw.config.settings import WebhookReviews
from l7gw.notify.posts import NotTold, Posts
from l7gw.store.outbox import Notice

SENT_WITHIN = 10.0  # seconds for one POST with its answer
OF_ALL = frozenset((401, 403, 404, 405, 407, 408, 425, 429))  # refusals that every message would get


class HoldEvent(Message, frozen=True, kw_only=True):
    """What is sent. `event` is the same where the same change is sent again, so that its taker can drop it."""

    type: Literal["hold"] = "hold"
    event: str
    hold: Hold
    version: int = 1


class WebhookChannel:
    """Sends holds to the configured URL."""

    name = "webhook"

    def __init__(self, settings: WebhookReviews, clock: Clock) -> None:
        self.where = f"the webhook at {host_of(settings.url)}"
        self._url = settings.url
        self._secret = SecretFile(settings.secret_file)
        self._posts = Posts(settings.certificate_authority)
        self._clock = clock

    async def tell(self, hold: Hold, notice: Notice) -> str:
        """Send a hold as it is now. Gives "", as nothing remembers the place. Raises NotTold."""
        event = f"{hold.id}-{notice.changes}"
        body = encode(HoldEvent(event=event, hold=hold))
        headers = {
            "content-type": "application/json",
            "l7gw-event": event,
            "l7gw-signature": sign(self._secret.value(), int(self._clock.wall()), body),
        }
        answer = await self._posts.send(self._url, body, headers, SENT_WITHIN)
        if 200 <= answer.status < 300:
            return ""
        why = f"it answered {answer.status}" + (", and no redirect is followed" if 300 <= answer.status < 400 else "")
        raise NotTold(why, rest=answer.rest, alone=400 <= answer.status < 500 and answer.status not in OF_ALL)
