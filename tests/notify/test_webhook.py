"""The webhook is sent each hold, signed as its page says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from l7gw.approval.messages import Hold, decode_hold, encode
from l7gw.config.settings import WebhookReviews
from l7gw.notify.posts import NotTold
from l7gw.notify.webhook import OF_ALL, WebhookChannel
from l7gw.store.outbox import Notice
from tests.support.desks import asked, hold_of
from tests.support.manual_clock import ManualClock
from tests.support.posted import SECRET, Said, Side, is_signed, side

NOTICE = Notice("webhook", "hold", "h", changes=3, tries=0, place="", taken=0)


@pytest.fixture
def hold() -> Hold:
    return hold_of(asked())


@pytest.fixture
def other() -> Iterator[Side]:
    with side() as found:
        yield found


def channel(other: Side, folder: Path, path: str = "/l7gw/tres-secret") -> WebhookChannel:
    (folder / "secret").write_text(SECRET)
    settings = WebhookReviews(url=other.url + path, secret_file=folder / "secret", users={}, certificate_authority=None)
    return WebhookChannel(settings, ManualClock())


def test_a_hold_is_sent_whole_and_signed_and_each_change_has_its_event(other: Side, tmp_path: Path, hold: Hold) -> None:
    one = channel(other, tmp_path)
    for changes in (3, 3, 4):
        assert asyncio.run(one.tell(hold, NOTICE._replace(changes=changes))) == ""
    first, again, next_one = other.sent
    assert (first.path, first.headers["content-type"]) == ("/l7gw/tres-secret", "application/json") and is_signed(first)
    assert (first.json["type"], first.json["version"]) == ("hold", 1)
    assert decode_hold(encode(first.json["hold"])) == hold
    assert first.json["event"] == again.json["event"] == first.headers["l7gw-event"] != next_one.json["event"]


def test_a_changed_secret_signs_the_next_message(other: Side, tmp_path: Path, hold: Hold) -> None:
    one = channel(other, tmp_path)
    (tmp_path / "secret").write_text(SECRET + "-the-next")
    asyncio.run(one.tell(hold, NOTICE))
    assert is_signed(other.sent[0], SECRET + "-the-next")


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 422, 429, 500, 503])
def test_everything_but_yes_is_a_no_that_is_told_without_the_url(other: Side, tmp_path: Path, hold: Hold, status: int) -> None:
    other.answer = lambda _sent: Said(status, b"", (("location", "/x"), ("retry-after", "5")))
    one = channel(other, tmp_path)
    with pytest.raises(NotTold, match=f"it answered {status}") as refused:
        asyncio.run(one.tell(hold, NOTICE))
    assert refused.value.rest == 5.0 and refused.value.alone is (400 <= status < 500 and status not in OF_ALL)
    assert "tres-secret" not in f"{refused.value} {one.where}"
