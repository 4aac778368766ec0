"""`people`, `reviews`, `limits` and `socket` in l7gw.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.config.approvals import LIMITS_LATER
from l7gw.config.settings import MOST_HOLDS, Person
from tests.support.written_configuration import Written


def test_without_the_keys_nobody_has_two_names_root_does_not_approve_and_twenty_calls_wait(written: Written) -> None:
    it = written.load()
    assert (it.people, it.reviews_local, it.most_holds) == ((), False, 20)
    assert (it.socket_path, it.socket_group) == (it.state / "l7gw.sock", "")


def test_each_key_is_taken(written: Written) -> None:
    written.top |= {"people": [{"user": "ann", "also": ["aws:ann", "cert:ann"]}, {"user": "bob", "also": "cert:bob"}]}
    written.top |= {"reviews": {"local": True}, "limits": {"holds": 3}}
    it = written.load()
    assert it.people == (Person("ann", ("aws:ann", "cert:ann")), Person("bob", ("cert:bob",)))
    assert (it.reviews_local, it.most_holds) == (True, 3)


def test_the_socket_may_lie_elsewhere_and_be_for_a_group_too(written: Written) -> None:
    written.top["socket"] = {"path": "run/l7gw.sock", "group": "sre"}
    it = written.load()
    assert (it.socket_path, it.socket_group) == (it.path.parent / "run" / "l7gw.sock", "sre")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"people": [{"user": "ann", "also": ["cert:ann"]}, {"user": "bob", "also": ["cert:ann"]}]}, "'cert:ann' stands twice"),
        ({"people": [{"user": "ann", "also": ["ann"]}]}, "'ann' stands twice"),
        ({"people": [{"user": "ann", "also": ["cert:ann"]}, {"user": "cert:ann", "also": ["x"]}]}, "'cert:ann' stands twice"),
        ({"people": [{"user": "ann"}]}, "`also` is missing"),
        ({"people": [{"also": ["x"]}]}, "`user` is missing"),
        ({"people": [{"user": "ann", "also": ["cert:ann "]}]}, "begins or ends with a space"),
        ({"people": [{"user": "ann", "also": []}]}, "empty list"),
        ({"people": {"ann": "cert:ann"}}, "`people` must be a list"),
        ({"people": [{"user": "ann", "also": ["x"], "groups": ["sre"]}]}, "groups"),
        ({"reviews": {"local": "yes please"}}, "`local` must be true or false"),
        ({"limits": {"holds": 0}}, f"`holds` must be a number within 1 and {MOST_HOLDS}"),
        ({"limits": {"holds": MOST_HOLDS + 1}}, f"`holds` must be a number within 1 and {MOST_HOLDS}"),
        ({"limits": {"holds": True}}, "`holds` must be a number"),
        ({"socket": {"paht": "x"}}, "paht"),
        ({"socket": "/run/l7gw.sock"}, "`socket` must be a mapping"),
        ({"socket": {"group": "sre\u202e"}}, "`group`"),
    ],
)
def test_each_mistake_is_told(keys: dict[str, Any], said: str, written: Written) -> None:
    written.top |= keys
    (problem,) = written.problems()
    assert said in problem


@pytest.mark.parametrize("key", LIMITS_LATER)
def test_what_a_later_version_brings_is_told_so(key: str, written: Written) -> None:
    written.top["limits"] = {key: {}}
    assert written.problems() == [f"`{key}` is not in this version"]
