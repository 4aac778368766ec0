"""What `l7gw check` says of Slack and the webhook: who is told of holds, and who may answer. No secret, and no path of a URL."""

from __future__ import annotations

from typing import Any

from l7gw.config.reviews import SLACK_API, host_of
from l7gw.config.settings import Mapped, Settings, listened_on
from l7gw.loopback import is_loopback
from l7gw.quantities import many


def lines(settings: Settings) -> list[str]:
    """A sentence for each channel that is told of holds."""
    found = []
    if (slack := settings.slack) is not None:
        host, port = slack.listen
        where = f"{'http' if is_loopback(host) else 'https'}://{f'[{host}]' if ':' in host else host}:{port}/slack/interactions"
        at = "" if slack.endpoint == SLACK_API else f" of {host_of(slack.endpoint)}"
        answers = f"answers at {where}; {_people(slack.users)} may answer"
        found.append(f"Slack{at} is told in {slack.channel} ({slack.show}), and {answers}")
    if (webhook := settings.webhook) is not None:
        found.append(f"the webhook at {host_of(webhook.url)} is told, and {_people(webhook.users)} may answer by it")
    return found


def document(settings: Settings) -> dict[str, Any]:
    """The same as fields of JSON."""
    found: dict[str, Any] = {}
    if (slack := settings.slack) is not None:
        listen = listened_on(*slack.listen)
        found["slack"] = {"channel": slack.channel, "show": slack.show, "listen": listen, "users": _users(slack.users)}
    if (webhook := settings.webhook) is not None:
        found["webhook"] = {"host": host_of(webhook.url), "users": _users(webhook.users)}
    return found


def _people(users: dict[str, Mapped]) -> str:
    return many(len(users), "person", "people") if users else "nobody"


def _users(users: dict[str, Mapped]) -> dict[str, Any]:
    return {name: {"user": who.user, "groups": list(who.groups)} for name, who in users.items()}
