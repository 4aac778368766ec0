"""What l7gw.yaml says at `reviews`: who may answer holds beside the API, by Slack and by a signed webhook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import yaml

from l7gw import name_rules
from l7gw.config.document import Reader, shown
from l7gw.config.fields import address_of, authority_of, check_private, url_of
from l7gw.config.secret_file import SecretFile
from l7gw.config.settings import Mapped, SlackReviews, SlackShow, WebhookReviews
from l7gw.loopback import is_loopback

REVIEWS_KEYS = ("local", "slack", "webhook")
SLACK_KEYS = (
    *("listen", "token-file", "signing-secret-file", "channel", "users", "show"),
    *("endpoint-url", "certificate-authority"),
)
WEBHOOK_KEYS = ("url", "secret-file", "users", "certificate-authority")
MAPPED_KEYS = ("user", "groups")

USUAL_SHOW: SlackShow = "summary"
SLACK_API = "https://slack.com/api"
SLACK_USER = re.compile("[UW][A-Z0-9]{2,31}")  # an id of Slack's, and no name: names can be changed by who has them
CHANNEL = re.compile(r"#?[^\s#@<>]{1,80}")
MOST_MAPPED = 1000  # people of a map; nobody has more reviewers


def reviews_of(top: Reader) -> tuple[bool, SlackReviews | None, WebhookReviews | None]:
    """Whether root at the socket may approve without a credential; how Slack is asked, and how the webhook, None where it is not.
    Every mistake is reported to the document."""
    reviews = top.inner("reviews", REVIEWS_KEYS)
    return reviews.flag("local"), _slack(reviews), _webhook(reviews)


def _slack(reviews: Reader) -> SlackReviews | None:
    if not reviews.has("slack"):
        return None
    slack = reviews.inner("slack", SLACK_KEYS)
    token, secret = _secret(slack, "token-file"), _secret(slack, "signing-secret-file")
    channel = slack.text("channel", required=True)
    if channel and not CHANNEL.fullmatch(channel):
        slack.wrong("channel", f"`channel`: {shown(channel)} is no channel", 'such as "#approvals", or an id such as C0123456789')
    listen = slack.text("listen", required=True)
    address = address_of(listen) if listen else None
    if listen and address is None:
        slack.wrong("listen", f"`listen`: {shown(listen)} is no address", "HOST:PORT, such as 127.0.0.1:8444")
    users = _users(slack)
    for user, node in ((user, node) for user, node, _ in slack.entries("users") if not SLACK_USER.fullmatch(user)):
        slack.document.wrong(node, f"`users`: {shown(user)} is no id of Slack's", "such as U0123456789: profile, ⋮, Copy member ID")
    endpoint = _url(slack, "endpoint-url", SLACK_API)
    authority = authority_of(slack, required=False)
    show = slack.choice("show", USUAL_SHOW, get_args(SlackShow))
    if token is None or secret is None or address is None:
        return None
    return SlackReviews(
        listen=address,
        token_file=token,
        signing_secret_file=secret,
        channel=channel,
        users=users,
        show=show,
        endpoint=endpoint.rstrip("/"),
        certificate_authority=authority,
    )


def _webhook(reviews: Reader) -> WebhookReviews | None:
    if not reviews.has("webhook"):
        return None
    webhook = reviews.inner("webhook", WEBHOOK_KEYS)
    secret = _secret(webhook, "secret-file")
    url = _url(webhook, "url", "")
    if not webhook.has("url"):
        webhook.missing("url", 'url: "https://hooks.example.com/l7gw"')
    users = _users(webhook) if webhook.has("users") else {}
    authority = authority_of(webhook, required=False)
    return WebhookReviews(url=url, secret_file=secret, users=users, certificate_authority=authority) if url and secret else None


def _secret(reader: Reader, key: str) -> Path | None:
    """The file of a secret. None, and a report that tells nothing of what it holds, where it cannot be used."""
    path = reader.file(key, required=True)
    if path is None:
        return None
    check_private(reader, key, path)
    try:
        SecretFile(path)
    except OSError as error:
        reader.wrong(key, f"`{key}`: {error}")
        return None
    return path


def _users(reader: Reader) -> dict[str, Mapped]:
    """Who answers, by the name that the other side gives him."""
    if not reader.has("users"):
        reader.missing("users", "users: {U0123456789: {user: lea, groups: [sre]}}; whom it does not name is no reviewer")
    found: dict[str, Mapped] = {}
    entries = reader.entries("users")
    if len(entries) > MOST_MAPPED:
        reader.wrong("users", f"`users` has more than {MOST_MAPPED} entries")
    for name, node, value in entries[:MOST_MAPPED]:
        if fault := name_rules.fault(name):
            reader.document.wrong(node, f"`users`: {shown(name)} {fault}")
        found[name] = _mapped(reader, name, node, value)
    return found


def _mapped(reader: Reader, name: str, node: yaml.Node, value: yaml.Node) -> Mapped:
    entry = Reader(reader.document, value, f"`users.{name}`", MAPPED_KEYS, place=node)
    user = entry.text("user", required=True)
    groups = entry.texts("groups", one=True) or ()
    for key, text in (("user", user), *(("groups", group) for group in groups)):
        if text and (fault := name_rules.fault(text)):
            entry.wrong(key, f"`{key}`: {shown(text)} {fault}")
    return Mapped(user, groups)


def _url(reader: Reader, key: str, default: str) -> str:
    """An https URL; http is taken to this machine alone, as secrets travel there."""
    text = reader.text(key, default)
    if not text:
        return ""
    secure = text if not text.startswith("http://") else "https://" + text.removeprefix("http://")
    parts, _ = url_of(secure)
    if parts is None or parts.fragment or (secure != text and not is_loopback(parts.hostname or "")):
        reader.wrong(
            key, f"`{key}`: {shown(text)} is no https URL", "no user, no fragment; http only to 127.0.0.1, [::1] or localhost"
        )
        return ""
    return text


def host_of(url: str) -> str:
    """The host and port of a URL that was read here: what may be told of it, as its path may be a secret."""
    return urlsplit(url).netloc
