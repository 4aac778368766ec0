"""`reviews` in l7gw.yaml: Slack and the webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.config.reviews import MOST_MAPPED, SLACK_API
from l7gw.config.settings import Mapped
from l7gw.demo.pki import write_private
from tests.support.written_configuration import Written

SECRET = "tres-secret-0123456789"
USERS = {"U0123456789": {"user": "lea", "groups": ["sre"]}}
SLACK: dict[str, Any] = {
    "listen": "127.0.0.1:8444", "token-file": "slack.token", "signing-secret-file": "slack.secret", "channel": "#approvals",
    "users": USERS,
}  # fmt: skip
WEBHOOK: dict[str, Any] = {"url": "https://hooks.example.com/l7gw", "secret-file": "hook.secret"}


@pytest.fixture
def secrets(written: Written) -> Written:
    for name in ("slack.token", "slack.secret", "hook.secret"):
        write_private(written.folder / name, SECRET.encode())
    return written


def test_without_the_keys_nobody_is_told(written: Written) -> None:
    it = written.load()
    assert (it.slack, it.webhook, it.channels, it.reviews_local) == (None, None, (), False)


def test_each_key_of_slack_is_taken(secrets: Written) -> None:
    secrets.top["reviews"] = {"local": True, "slack": SLACK}
    it = secrets.load()
    assert (it.reviews_local, it.channels) == (True, ("slack",))
    assert it.slack.listen == ("127.0.0.1", 8444) and it.slack.token_file == secrets.folder / "slack.token"
    assert it.slack.users == {"U0123456789": Mapped("lea", ("sre",))}
    assert (it.slack.show, it.slack.endpoint, it.slack.certificate_authority) == ("summary", SLACK_API, None)
    more = {"show": "diff", "endpoint-url": "https://slack-gov.com/api/", "certificate-authority": "ca.crt", "channel": "C0123"}
    secrets.top["reviews"] = {"slack": SLACK | more}
    it = secrets.load()
    assert (it.slack.show, it.slack.endpoint, it.slack.channel) == ("diff", "https://slack-gov.com/api", "C0123")
    assert it.slack.certificate_authority == secrets.folder / "ca.crt"


def test_each_key_of_the_webhook_is_taken(secrets: Written) -> None:
    secrets.top["reviews"] = {"webhook": WEBHOOK}
    it = secrets.load()
    assert (it.webhook.url, it.webhook.users, it.channels) == ("https://hooks.example.com/l7gw", {}, ("webhook",))
    secrets.top["reviews"] = {"webhook": WEBHOOK | {"users": {"lea@example.com": {"user": "lea"}}, "url": "http://[::1]:80/x?y=1"}}
    assert secrets.load().webhook.users == {"lea@example.com": Mapped("lea", ())}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"listen": "8444"}, "`listen`: '8444' is no address"),
        ({"listen": None}, "`listen` is missing"),
        ({"channel": None}, "`channel` is missing"),
        ({"channel": "two words"}, "'two words' is no channel"),
        ({"channel": "<!channel>"}, "is no channel"),
        ({"token-file": None}, "`token-file` is missing"),
        ({"token-file": "nowhere"}, "cannot be read"),
        ({"signing-secret-file": None}, "`signing-secret-file` is missing"),
        ({"users": None}, "`users` is missing"),
        ({"users": {"lea": {"user": "lea"}}}, "'lea' is no id of Slack's"),
        ({"users": {"U0123": {"groups": ["sre"]}}}, "`user` is missing"),
        ({"users": {"U0123": {"user": "lea "}}}, "begins or ends with a space"),
        ({"users": {"U0123": {"user": "lea", "groups": ["s\u202ere"]}}}, "`groups`"),
        ({"users": {"U0123": {"user": "lea", "kind": "agent"}}}, "unknown key `kind`"),
        ({"users": {f"U{number:05}": {"user": "lea"} for number in range(MOST_MAPPED + 1)}}, f"more than {MOST_MAPPED} entries"),
        ({"show": "all"}, "`show` must be summary or diff"),
        ({"endpoint-url": "http://slack.com/api"}, "is no https URL"),
        ({"certificate-authority": "server.key"}, "holds no certificate"),
        ({"tokenfile": "x"}, "unknown key `tokenfile`"),
    ],
)
def test_each_mistake_about_slack_is_told(change: dict[str, Any], said: str, secrets: Written) -> None:
    changed = {key: value for key, value in (SLACK | change).items() if value is not None}
    secrets.top["reviews"] = {"slack": changed}
    (problem,) = secrets.problems()
    assert said in problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": None}, "`url` is missing"),
        ({"url": "http://hooks.example.com/"}, "is no https URL"),
        ({"url": "https://lea:secret@hooks.example.com/"}, "is no https URL"),
        ({"url": "https://hooks.example.com/#x"}, "is no https URL"),
        ({"url": "ftp://hooks.example.com/"}, "is no https URL"),
        ({"secret-file": None}, "`secret-file` is missing"),
        ({"secret": "x"}, "unknown key `secret`"),
    ],
)
def test_each_mistake_about_the_webhook_is_told(change: dict[str, Any], said: str, secrets: Written) -> None:
    changed = {key: value for key, value in (WEBHOOK | change).items() if value is not None}
    secrets.top["reviews"] = {"webhook": changed}
    (problem,) = secrets.problems()
    assert said in problem


def test_a_secret_that_others_can_read_or_that_is_none_is_a_mistake_that_tells_nothing_of_it(secrets: Written) -> None:
    secrets.top["reviews"] = {"slack": SLACK, "webhook": WEBHOOK}
    (secrets.folder / "slack.token").chmod(0o644)
    (secrets.folder / "slack.secret").write_text(SECRET + "\n" + SECRET)
    (secrets.folder / "hook.secret").write_text("tres")
    told = secrets.problems()
    assert ["can be read or written by others" in told[0], "must hold one line" in told[1], "must hold one line" in told[2]] == [
        True
    ] * 3
    assert len(told) == 3 and "tres" not in repr(told)


@pytest.mark.parametrize(
    "secret",
    ["xoxb-1-CANARY", "xapp-1-CANARY", "eyJCANARY.e.s", "0123456789abcdef" * 2, "CANARY+/" * 5 + "=="],
)
def test_a_secret_that_stands_where_its_file_must_be_named_is_told_by_no_report(secrets: Written, secret: str) -> None:
    secrets.top["reviews"] = {"slack": {**SLACK, "token-file": secret}}
    (told,) = secrets.problems()
    assert "`token-file` names no file that can be read, and looks like a secret itself" in told and secret not in repr(told)


def test_the_files_are_found_beside_the_configuration(secrets: Written) -> None:
    (secrets.folder / "in").mkdir()
    write_private(secrets.folder / "in" / "s", SECRET.encode())
    secrets.top["reviews"] = {"webhook": WEBHOOK | {"secret-file": "in/s"}}
    assert secrets.load().webhook.secret_file == Path(secrets.folder / "in" / "s")
