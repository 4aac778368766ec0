"""`l7gw check` on Slack and the webhook."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from l7gw.cli.check_reviews import document, lines
from l7gw.config.settings import Mapped, WebhookReviews
from tests.support.slack_stand_in import settings_of

LEA = {"U0LEA": Mapped("lea", ("sre",))}


def settings(folder: Path, **more: Any) -> Any:
    hook = WebhookReviews(
        url="https://hooks.example.com/tres-secret?k=tres", secret_file=folder / "s", users={}, certificate_authority=None
    )
    return SimpleNamespace(
        slack=settings_of(more.pop("endpoint", "https://slack.com/api"), folder, users=LEA, **more), webhook=hook
    )


def test_each_channel_is_a_sentence_without_anything_secret(tmp_path: Path) -> None:
    assert lines(settings(tmp_path, listen=("127.0.0.1", 8444))) == [
        "Slack is told in #approvals (summary), and answers at http://127.0.0.1:8444/slack/interactions; 1 person may answer",
        "the webhook at hooks.example.com is told, and nobody may answer by it",
    ]
    (slack, _) = lines(settings(tmp_path, listen=("::", 8444), endpoint="https://slack-gov.com/api", show="diff"))
    assert slack == (
        "Slack of slack-gov.com is told in #approvals (diff), and answers at https://[::]:8444/slack/interactions; 1 person may answer"
    )
    assert lines(SimpleNamespace(slack=None, webhook=None)) == []  # type: ignore[arg-type]


def test_as_json_each_has_its_people(tmp_path: Path) -> None:
    found = document(settings(tmp_path, listen=("0.0.0.0", 8444)))
    assert found == {
        "slack": {
            "channel": "#approvals", "show": "summary", "listen": "0.0.0.0:8444", "users": {"U0LEA": {"user": "lea", "groups": ["sre"]}},
        },
        "webhook": {"host": "hooks.example.com", "users": {}},
    }  # fmt: skip
