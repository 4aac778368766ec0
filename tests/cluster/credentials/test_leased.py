"""What a cluster's former configuration may still ask of the broker."""

from __future__ import annotations

from typing import Any

from l7gw.cluster.credentials.leased import LeasedBroker
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed, Token, TokenWanted
from tests.support.scripted_broker import ScriptedBroker

ANN = TokenWanted("prod", "https://issuer", "ann")


def test_it_is_the_broker_until_its_end_and_then_has_nothing_of_the_cluster_that_has_the_name_now() -> None:
    broker = ScriptedBroker(described=Described("https://x", "PEM", "1.33", ""))
    leased, told = LeasedBroker(broker), list[Any]()
    for wanted in (ANN, DescribeWanted("prod")):
        leased.ask(wanted, told.append)
    token, described = told
    assert isinstance(token, Token) and leased.at_hand(ANN) == token and described == broker.described
    leased.end()
    assert leased.at_hand(ANN) is None and broker.at_hand(ANN) == token
    leased.drop(ANN, token)
    for wanted in (ANN, DescribeWanted("prod")):
        leased.ask(wanted, told.append)
    assert all(isinstance(one, Failed) and one.status == 503 and "run the command again" in one.message for one in told[2:])
    assert len(broker.asked) == 2 and broker.dropped == []


def test_a_token_that_the_cluster_refused_is_dropped_at_the_broker() -> None:
    broker = ScriptedBroker()
    leased, told = LeasedBroker(broker), list[Any]()
    leased.ask(ANN, told.append)
    leased.drop(ANN, told[0])
    assert broker.dropped == told
