"""The messages between the side that parses traffic and the side that holds the keys of AWS."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from l7gw.aws.client import Keys
from l7gw.cluster.credentials import messages
from l7gw.cluster.credentials.messages import Described, DescribeWanted, Failed, Token, TokenWanted

ALL = [
    TokenWanted("prod", "https://idp.example.com", "ann"),
    TokenWanted("prod"),
    Token("k8s-aws-v1.CANARY", 1_800_000_000.5),
    DescribeWanted("prod"),
    Described("https://x", "PEM", "1.33", "arn:aws:eks:eu-west-1:111122223333:cluster/prod"),
    Failed(503, "ServiceUnavailable", "STS is away"),
]


def test_no_message_can_hold_a_key_and_each_survives_the_way_through_a_socket() -> None:
    kinds = [
        one
        for one in vars(messages).values()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == messages.__name__
    ]
    assert {type(message) for message in ALL} == set(kinds)
    fields = {name for kind in kinds for name in kind.__struct_fields__}
    assert fields == {
        "cluster",
        "issuer",
        "user",
        "text",
        "expires",
        "endpoint",
        "certificate_authority",
        "version",
        "arn",
        "status",
        "reason",
        "message",
    }
    assert fields.isdisjoint(Keys.__dataclass_fields__)
    for message in ALL:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message)) == message


@pytest.mark.parametrize("show", [repr, str])
def test_a_token_does_not_show_itself(show: Any) -> None:
    assert show(ALL[2]) == "Token(expires=1800000000.5)"
