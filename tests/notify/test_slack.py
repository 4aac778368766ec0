"""One message in Slack for each hold, changed when the hold does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.approval.messages import Hold
from l7gw.config.reviews import SLACK_API
from l7gw.notify.posts import NotTold
from l7gw.notify.slack import SlackChannel
from l7gw.store.outbox import Notice
from tests.support.desks import asked, hold_of
from tests.support.posted import Said
from tests.support.slack_stand_in import CHANNEL, Slack, settings_of, slack

NOTICE = Notice("slack", "hold", "h", changes=1, tries=0, place="", taken=0)


@pytest.fixture
def it() -> Iterator[Slack]:
    with slack() as found:
        yield found


def tell(channel: SlackChannel, hold: Hold, place: str = "") -> str:
    return asyncio.run(channel.tell(hold, NOTICE._replace(place=place)))


def test_a_message_is_sent_once_and_changed_at_its_place(it: Slack, tmp_path: Path) -> None:
    channel, hold = SlackChannel(settings_of(it.url, tmp_path)), hold_of(asked())
    place = tell(channel, hold)
    assert place.startswith(f"{CHANNEL}/")
    assert tell(channel, hold_of(asked(), id=hold.id, state="denied", ended="2026-01-01T00:00:00.000000Z"), place) == place
    assert it.calls == ["chat.postMessage", "chat.update"] and len(it.messages) == 1
    assert "Denied" in it.message(hold.id)["text"]


def test_what_was_over_before_anybody_was_told_is_not_sent(it: Slack, tmp_path: Path) -> None:
    over = hold_of(asked(), state="expired", ended="2026-01-01T00:00:00.000000Z")
    assert tell(SlackChannel(settings_of(it.url, tmp_path)), over) == "" and it.calls == []


def test_a_message_that_somebody_removed_is_let_go(it: Slack, tmp_path: Path) -> None:
    assert tell(SlackChannel(settings_of(it.url, tmp_path)), hold_of(asked()), f"{CHANNEL}/9.9") == f"{CHANNEL}/9.9"


def test_a_changed_token_is_used(it: Slack, tmp_path: Path) -> None:
    channel = SlackChannel(settings_of(it.url, tmp_path))
    (tmp_path / "slack.token").write_text("xoxb-a-wrong-one-of-somebody")
    with pytest.raises(NotTold, match="'invalid_auth'") as refused:
        tell(channel, hold_of(asked()))
    assert not refused.value.alone and "xoxb" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "words", "rest", "alone"),
    [
        (Said(429, b"", (("retry-after", "30"),)), "answered 429", 30.0, False),
        (Said(500), "answered 500", 0.0, False),
        (Said(302, b"", (("location", "/elsewhere"),)), "answered 302", 0.0, False),
        (Said(200, b"<html>"), "no JSON", 0.0, False),
        (Said(200, b"[]"), "no object", 0.0, False),
        (Said(200, b'{"ok": false, "error": "channel_not_found"}'), "'channel_not_found'", 0.0, False),
        (Said(200, b'{"ok": false, "error": "invalid_blocks"}'), "'invalid_blocks'", 0.0, True),
        (Said(200, b'{"ok": false, "error": "\\u001b[31m"}'), r"'\\x1b\[31m'", 0.0, False),
        (Said(200, b'{"ok": true}'), "does not say where", 0.0, True),
    ],
)
def test_what_slack_refuses_is_told_in_words(it: Slack, tmp_path: Path, said: Said, words: str, rest: float, alone: bool) -> None:
    it.away = said
    with pytest.raises(NotTold, match=words) as refused:
        tell(SlackChannel(settings_of(it.url, tmp_path)), hold_of(asked()))
    assert (refused.value.rest, refused.value.alone) == (rest, alone)


def test_one_person_is_told_at_the_response_url(it: Slack, tmp_path: Path) -> None:
    channel = SlackChannel(settings_of(it.url, tmp_path))
    asyncio.run(channel.tell_alone(f"{it.side.url}/actions/T0/1/abc", "not among the reviewers"))
    assert it.told[0]["text"] == "l7gw: not among the reviewers"
    it.away = Said(404)
    with pytest.raises(NotTold, match="answered 404"):
        asyncio.run(channel.tell_alone(f"{it.side.url}/actions/T0/1/abc", "no"))


@pytest.mark.parametrize(
    ("endpoint", "url", "taken"),
    [
        (SLACK_API, "https://hooks.slack.com/actions/T0/1/abc", 1),
        (SLACK_API, "https://slack.com/actions/T0", 1),
        (SLACK_API, "http://hooks.slack.com/actions", 0),
        (SLACK_API, "https://hooks.slack.com:8443/actions", 0),
        (SLACK_API, "https://hooks.slack.com.evil.example/", 0),
        (SLACK_API, "https://evil.example/hooks.slack.com", 0),
        (SLACK_API, "https://hooks.slack.com@evil.example/", 0),
        (SLACK_API, "https://evil.example\\@hooks.slack.com/", 0),
        (SLACK_API, "https://evil.example#@hooks.slack.com/", 0),
        (SLACK_API, "https://169.254.169.254/latest/meta-data", 0),
        (SLACK_API, "http://127.0.0.1:9080/", 0),
        (SLACK_API, "file:///etc/passwd", 0),
        (SLACK_API, "https://hooks.slack.com/" + "x" * 500, 0),
        (SLACK_API, "https://[::1", 0),
        (SLACK_API, "", 0),
        ("https://slack-gov.com/api", "https://hooks.slack-gov.com/actions", 1),
        ("https://slack-gov.com/api", "https://hooks.slack.com/actions", 0),
    ],
)
def test_a_response_url_leads_to_slack_alone(tmp_path: Path, endpoint: str, url: str, taken: int) -> None:
    assert SlackChannel(settings_of(endpoint, tmp_path))._is_slacks(url) is bool(taken)
    if not taken:
        with pytest.raises(NotTold, match="and not to Slack"):
            asyncio.run(SlackChannel(settings_of(endpoint, tmp_path)).tell_alone(url, "x"))
