"""What `l7gw check` says of Slack and the webhook: who is told of holds, and who may answer. No secret, and no path of a URL."""

from __future__ import annotations

from typing import Any

from l7gw.config.reviews import SLACK_API, host_of
from l7gw.config.settings import Mapped, Settings
from l7gw.loopback import is_loopback

MOST_NAMED = 8  # users of a doubt


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
        listen = f"{slack.listen[0]}:{slack.listen[1]}"
        found["slack"] = {"channel": slack.channel, "show": slack.show, "listen": listen, "users": _users(slack.users)}
    if (webhook := settings.webhook) is not None:
        found["webhook"] = {"host": host_of(webhook.url), "users": _users(webhook.users)}
    return found


def doubts(settings: Settings) -> list[str]:
    """A sentence where Slack or the webhook name somebody as no issuer does: under that name he asks for nothing, so he could
    approve the calls that he makes under his own, and count twice."""
    known = {name for one in settings.people for name in (one.user, *one.also)}
    prefixes = tuple(one.prefix for one in settings.identity)
    strange = dict.fromkeys(one.user for one in settings.mapped if one.user not in known and not one.user.startswith(prefixes))
    if not strange:
        return []
    named = ", ".join([*strange][:MOST_NAMED]) + (f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else "")
    return [
        f"`reviews` maps to users whom no issuer of `identity` names: {named}; they could approve calls that they make under "
        "another name: write the user as a token names him, with its prefix, or put both names into `people`"
    ]


def _people(users: dict[str, Mapped]) -> str:
    return "nobody" if not users else "1 person" if len(users) == 1 else f"{len(users)} people"


def _users(users: dict[str, Mapped]) -> dict[str, Any]:
    return {name: {"user": who.user, "groups": list(who.groups)} for name, who in users.items()}
