"""What the log says while a cluster does not accept the gateway's credential, or does not let it impersonate."""

from __future__ import annotations

import logging

import pytest

from l7gw.cluster.standing import MOST_LISTED, MOST_TOLD, Standing, named, shown


def test_extras_are_told_by_their_keys_and_names_in_utf_8() -> None:
    headers = (
        ("authorization", "Bearer x"),
        ("impersonate-user", "l7gw"),
        ("impersonate-group", "b\u00fcro".encode().decode("latin-1")),
        ("impersonate-extra-l7gw-user", "ann"),
    )
    assert named(headers) == {"users l7gw", "groups b\u00fcro", "userextras/l7gw-user"}
    assert shown(named(headers)) == "users l7gw, userextras/l7gw-user, groups b\u00fcro"


def test_names_in_the_log_are_escaped_and_limited_in_number() -> None:
    assert shown(frozenset(f"groups g{n:02}" for n in range(MOST_LISTED + 3))).endswith(" and 3 more")
    assert shown(frozenset(["groups \x1b[2J\u202e"])) == "groups \\x1b[2J\\u202e"


def test_missing_permissions_beyond_a_number_are_not_told_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing("c")
    with caplog.at_level(logging.INFO):
        for number in range(MOST_TOLD + 50):
            standing.not_impersonated(frozenset([f"groups g{number}"]), f"words {number}")
    assert len(caplog.records) == MOST_TOLD + 1
    caplog.clear()
    with caplog.at_level(logging.INFO):
        standing.accepted((("impersonate-group", "g0"), ("impersonate-group", "g1")))
    assert len(caplog.records) == 2 and standing.troubled


def test_an_outage_of_the_credential_is_over_with_the_first_answer(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing("c")
    assert not standing.troubled
    with caplog.at_level(logging.INFO):
        standing.rejected()
        standing.rejected()
        assert standing.troubled
        standing.accepted(())
    assert not standing.troubled
    assert [record.getMessage() for record in caplog.records][1:] == [
        "cluster c accepts the gateway's credential again; calls refused: 2"
    ]


def test_another_policy_ends_outages_of_permissions_and_not_of_the_credential(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing("c")
    standing.not_impersonated(frozenset(["groups g"]), "words")
    with caplog.at_level(logging.INFO):
        standing.policy_changed()
        assert not standing.troubled
        standing.rejected()
        standing.policy_changed()
    assert standing.troubled
    assert caplog.records[1].getMessage() == "cluster c: calls refused for groups g under the former policy: 1"
    caplog.clear()
    standing.not_impersonated(frozenset(["groups g"]), "words")
    assert len(caplog.records) == 1, "still missing, told anew"
