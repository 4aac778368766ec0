"""What goes up again, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cluster.credentials.brokered import BrokeredCredential
from l7gw.cluster.credentials.credential import Credential
from l7gw.cluster.credentials.messages import TokenWanted
from l7gw.cluster.credentials.static import StaticCredential
from l7gw.cluster.standing import Standing
from l7gw.config.settings import ClientCredential
from l7gw.errors import Refusal
from l7gw.gateway.anew import MOST_TRIES, NotAccepted, Tries
from l7gw.wire.events import NO_BODY, Request
from tests.support.manual_clock import ManualClock
from tests.support.scripted_broker import ScriptedBroker


def test_a_request_is_turned_away_five_times_and_no_more() -> None:
    tries = Tries()
    for _ in range(MOST_TRIES):
        tries.turned_away()
    with pytest.raises(Refusal) as refused:
        tries.turned_away()
    assert refused.value.code == 503 and "nothing was done" in refused.value.message


REQUEST = Request("GET", "/", (), NO_BODY)


def again(tries: Tries, credential: Credential, request: Request = REQUEST) -> bool:
    """Whether the call goes up again; where it does not, that counts as an outage."""
    standing = Standing("prod")
    try:
        tries.not_accepted(NotAccepted(), credential, standing, request)
    except NotAccepted:
        assert standing.troubled
        return False
    assert not standing.troubled
    return True


def test_a_call_goes_up_with_another_token_once_however_many_there_are() -> None:
    broker = ScriptedBroker()
    credential = BrokeredCredential(broker, TokenWanted("prod", "i", "ann"), ManualClock(), within=20.0)
    credential.wait(lambda _: None)
    request = Request("GET", "/", (("host", "x"), *credential.authorization), NO_BODY)
    tries = Tries()
    assert again(tries, credential, request) and not again(tries, credential, request)
    assert again(Tries(), credential, request), "another call may, as long as it showed the token that is gone"


def test_a_certificate_is_not_made_anew() -> None:
    credential = StaticCredential(ClientCredential(Path("gw.crt"), Path("gw.key")))
    assert not credential.renews and not again(Tries(), credential)
