"""docs/slack-and-webhook.md: what it shows can be typed."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from l7gw.api import replies, signed
from l7gw.config import reviews
from l7gw.demo.pki import write_private
from l7gw.notify.slack_listener import PATH
from tests.support.cited_sources import DOCS
from tests.support.written_configuration import Written

PAGE = (DOCS / "slack-and-webhook.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def test_the_configuration_that_the_page_shows_can_be_used(tmp_path: Path) -> None:
    written = Written(tmp_path)
    for name in ("slack.token", "slack.secret", "webhook.secret"):
        write_private(tmp_path / name, b"of-this-test-only-0123456789")
    for text in blocks("yaml")[1:]:
        written.top |= yaml.safe_load(text)
        assert written.load().channels
    assert len(blocks("yaml")) == 3


def test_the_manifest_leads_to_the_path_and_asks_for_one_right() -> None:
    manifest: Any = yaml.safe_load(blocks("yaml")[0])
    assert manifest["settings"]["interactivity"]["request_url"].endswith(f"example.com{PATH}")
    assert manifest["oauth_config"] == {"scopes": {"bot": ["chat:write"]}}


def test_the_signature_that_the_page_computes_is_taken_and_its_reply_can_be_read() -> None:
    names: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(blocks("python")[0], names)
    body = blocks("json")[0].strip().encode()
    assert signed.check("of-this-test-only", names["signature"]("of-this-test-only", 1_700_000_000, body), body, 1_700_000_000.0)
    assert msgspec.json.decode(body, type=replies.Reply).user == "lea"
    assert replies.PATH in PAGE


@pytest.mark.parametrize(("heading", "keys"), [("slack", reviews.SLACK_KEYS), ("webhook", reviews.WEBHOOK_KEYS)])
def test_a_table_has_every_key_that_is_read_and_no_other(heading: str, keys: tuple[str, ...]) -> None:
    table = PAGE.split(f"\n| key of `{heading}` |")[1].split("\n\n")[0].splitlines()[2:]
    assert {name for line in table for name in re.findall(r"`([^`]+)`", line.split("|")[1])} == set(keys)
