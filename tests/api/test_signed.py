"""Signatures of webhooks and of Slack, made by another implementation."""

from __future__ import annotations

import pytest

from l7gw.api import signed
from l7gw.api.signed import WINDOW
from l7gw.errors import Refusal
from tests.support.posted import SECRET, slack_signature, webhook_signature

NOW = 1_700_000_000
BODY = b'{"a": 1}'


def test_what_is_signed_here_is_what_the_page_describes() -> None:
    assert signed.sign(SECRET, NOW, BODY) == webhook_signature(BODY, NOW)


def test_slacks_own_example_is_taken() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert signed.check_slack("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", signature, body, 1531420618.0)


@pytest.mark.parametrize("late", [0, WINDOW, -WINDOW])
def test_a_message_counts_for_five_minutes_around_its_time(late: int) -> None:
    one = signed.check(SECRET, webhook_signature(BODY, NOW), BODY, NOW + late)
    other = signed.check_slack(SECRET, str(NOW), slack_signature(BODY, NOW), BODY, NOW + late)
    assert one != other


@pytest.mark.parametrize(
    ("signature", "now", "said"),
    [
        ("", NOW, "it is not signed"),
        ("v1=" + "0" * 64, NOW, "it is not signed"),
        (f"t={NOW},v1=" + "0" * 64, NOW, "not that of the secret"),
        (webhook_signature(BODY + b" ", NOW), NOW, "not that of the secret"),
        (webhook_signature(BODY, NOW, SECRET + "x"), NOW, "not that of the secret"),
        (webhook_signature(BODY, NOW).replace(f"t={NOW}", f"t={NOW + 1}"), NOW, "not that of the secret"),
        (webhook_signature(BODY, NOW).upper(), NOW, "it is not signed"),
        (webhook_signature(BODY, NOW) + ",v1=" + "0" * 64, NOW, "it is not signed"),
        (webhook_signature(BODY, NOW), NOW + WINDOW + 1, "301 s old"),
        (webhook_signature(BODY, NOW), NOW - WINDOW - 1, "301 s ahead of this clock"),
    ],
)
def test_a_message_to_the_webhook_that_proves_nothing_is_a_401_in_words(signature: str, now: int, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        signed.check(SECRET, signature, BODY, now)
    assert refused.value.code == 401 and SECRET not in refused.value.message


@pytest.mark.parametrize(
    ("when", "signature", "now", "said"),
    [
        ("", slack_signature(BODY, NOW), NOW, "it is not signed"),
        (str(NOW), "", NOW, "it is not signed"),
        (f"{NOW}.0", slack_signature(BODY, NOW), NOW, "it is not signed"),
        ("٣", slack_signature(BODY, NOW), NOW, "it is not signed"),
        (str(NOW), "v1" + slack_signature(BODY, NOW)[2:], NOW, "it is not signed"),
        (str(NOW), slack_signature(BODY + b" ", NOW), NOW, "not that of the secret"),
        (str(NOW), slack_signature(BODY, NOW, SECRET + "x"), NOW, "not that of the secret"),
        (str(NOW + 1), slack_signature(BODY, NOW), NOW, "not that of the secret"),
        (str(NOW), slack_signature(BODY, NOW), NOW + WINDOW + 1, "301 s old"),
    ],
)
def test_a_message_of_slacks_that_proves_nothing_is_a_401_in_words(when: str, signature: str, now: int, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        signed.check_slack(SECRET, when, signature, BODY, now)
    assert refused.value.code == 401
