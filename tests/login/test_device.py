"""The device code: what is shown, and how often the issuer is asked (RFC 8628)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.login.answers import denied
from l7gw.login.device import GRANT, LONGEST_INTERVAL, DeviceCode
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from tests.support.login_issuer import CLIENT, wanted

GOOD = {"device_code": "d", "user_code": "ABCD-EFGH", "verification_uri": "https://idp.example.com/device", "expires_in": 600}
NOW = 1000.0


def device(status: int = 200, **changed: Any) -> DeviceCode:
    said = {name: value for name, value in {**GOOD, **changed}.items() if value is not ...}
    return DeviceCode(wanted(), Answer(status, json.dumps(said).encode(), None), NOW)


def test_a_code_is_shown_with_its_address_and_asked_about() -> None:
    code = device(interval=7, verification_uri_complete="https://idp.example.com/device?user_code=ABCD-EFGH")
    assert (code.url, code.user_code, code.whole_url) == (
        GOOD["verification_uri"],
        "ABCD-EFGH",
        "https://idp.example.com/device?user_code=ABCD-EFGH",
    )
    assert code.form == {"grant_type": GRANT, "device_code": "d", "client_id": CLIENT}
    assert code.wait(NOW) == 7 and device().wait(NOW) == 5
    assert device(interval="7", expires_in="900").wait(NOW) == 7  # Entra ID's endpoints without /v2.0 say them as text


def test_who_is_told_to_slow_down_asks_less_often_from_then_on() -> None:
    code = device()
    for code_name, interval in (("authorization_pending", 5), ("slow_down", 10), ("authorization_pending", 10), ("slow_down", 15)):
        code.asked(denied(code_name, "", ()))
        assert code.wait(NOW) == interval


def test_an_issuer_that_is_not_reached_is_asked_half_as_often() -> None:
    code = device()
    for interval in (10, 20, 40, LONGEST_INTERVAL, LONGEST_INTERVAL):
        code.asked(LoginFailed("away", passing=True))
        assert code.wait(NOW) == interval


@pytest.mark.parametrize(
    "code_name, words",
    [
        ("expired_token", "not typed in time"),
        ("access_denied", "was refused"),
        ("invalid_client", "invalid_client"),
        ("invalid_grant", "invalid_grant"),
    ],
)
def test_an_end_is_told(code_name: str, words: str) -> None:
    with pytest.raises(LoginFailed, match=words):
        device().asked(denied(code_name, "", ()))


def test_a_code_is_not_asked_about_beyond_its_end() -> None:
    code = device(expires_in=60)
    assert code.wait(NOW + 54) == 5
    with pytest.raises(LoginFailed, match="not typed in time"):
        code.wait(NOW + 55)
    with pytest.raises(LoginFailed, match="not typed in time"):
        device(expires_in=1e9).wait(NOW + 1800)


@pytest.mark.parametrize(
    "changed",
    [
        {"device_code": ...},
        {"device_code": "d d"},
        {"user_code": "AB\x1b[2J"},
        {"user_code": "x" * 65},
        {"verification_uri": "http://idp.example.com/device"},
        {"verification_uri": ...},
        {"verification_uri_complete": "javascript:alert(1)"},
        {"expires_in": ...},
        {"expires_in": -1},
        {"expires_in": True},
        {"interval": "5 s"},
        {"expires_in": "-1"},
        {"interval": None},
    ],
)
def test_an_answer_of_another_form_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(LoginFailed, match="the issuer's"):
        device(**changed)


def test_an_error_is_told() -> None:
    with pytest.raises(LoginFailed, match="unauthorized_client"):
        device(400, error="unauthorized_client")


def test_an_interval_is_held_within_bounds() -> None:
    assert device(interval=0).wait(NOW) == 1
    assert device(interval=1e6).wait(NOW) == LONGEST_INTERVAL
