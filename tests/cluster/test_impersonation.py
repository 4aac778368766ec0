"""Who is named to a cluster: a user and groups that may be named, each as a line of its own (threats D16)."""

from __future__ import annotations

import pytest

from l7gw.cluster.impersonation import LONGEST_NAME, _leave_out, acting_as_asked, impersonated, impersonation, impersonation_as
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.policy.patterns import Globs
from l7gw.wire.events import Request

ANN = Principal("ann", ("engineers", "on-call"))
ALL = Globs(["*"])


def test_groups_are_lines_of_their_own_and_the_user_is_the_gateways() -> None:
    assert impersonation(ANN, "S", "groups", "l7gw:", ALL) == (
        ("impersonate-user", "l7gw"),
        ("impersonate-group", "l7gw:engineers"),
        ("impersonate-group", "l7gw:on-call"),
        ("impersonate-extra-l7gw-user", "ann"),
        ("impersonate-extra-l7gw-session", "S"),
    )


def test_a_user_has_the_prefix_in_mode_user_and_is_not_named_in_mode_none() -> None:
    assert impersonation(ANN, "S", "user", "p:", ALL)[0] == ("impersonate-user", "p:ann")
    assert impersonation(ANN, "S", "none", "p:", ALL) == ()


@pytest.mark.parametrize(
    "user",
    ["", " ", "system:admin", "a,b", "a\nb", "a\x00b", "a\x9bb", " a", "x" * (LONGEST_NAME + 1), "ä" * (LONGEST_NAME // 2 + 1)],
)
@pytest.mark.parametrize("mode", ["groups", "user"])
def test_a_user_that_cannot_be_named_is_refused(user: str, mode: str) -> None:
    with pytest.raises(Refusal) as refused:
        impersonation(Principal(user), "S", mode, "", ALL)
    assert refused.value.code == 403


@pytest.mark.parametrize("prefix", ["", "l7gw:"])
@pytest.mark.parametrize(
    "group",
    [
        "system:masters",
        "a,system:masters",
        "",
        " ",
        "a ",
        "\u00a0a",
        "a\r\nb",
        "a\x00",
        "a\x7f",
        "a\x85b",
        "x" * 257,
        "\u00e4" * 129,
    ],
)
def test_a_group_that_cannot_be_named_is_left_out_and_logged_once(
    group: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    _leave_out.cache_clear()
    for session in ("S", "T"):
        found = impersonation(Principal("ann", ("good", group)), session, "groups", prefix, ALL)
        assert [value for name, value in found if name == "impersonate-group"] == [f"{prefix}good"]
    assert len(caplog.records) == 1
    impersonation(Principal("ann", (group,)), "U", "groups", prefix, Globs(["good"]))
    assert len(caplog.records) == 1, "what does not go up anyhow is not worth a line"


@pytest.mark.parametrize("prefix", ["system", "syste"])
def test_no_prefix_makes_a_system_group(prefix: str) -> None:
    rest = "system:masters".removeprefix(prefix)
    assert "impersonate-group" not in dict(impersonation(Principal("ann", (rest,)), "S", "groups", prefix, ALL))
    with pytest.raises(Refusal):
        impersonation(Principal(rest), "S", "user", prefix, ALL)


def test_the_longest_names_go_up() -> None:
    group = "g" * (LONGEST_NAME - len("l7gw:"))
    found = impersonation(Principal("u" * LONGEST_NAME, (group,)), "S", "groups", "l7gw:", ALL)
    assert ("impersonate-group", "l7gw:" + group) in found
    assert "impersonate-group" not in dict(impersonation(Principal("u", (group + "g",)), "S", "groups", "l7gw:", ALL))


def test_only_groups_that_rules_name_go_up_and_they_are_matched_without_the_prefix() -> None:
    found = impersonation(ANN, "S", "groups", "l7gw:", Globs(["on-*"]))
    assert [value for name, value in found if name == "impersonate-group"] == ["l7gw:on-call"]
    for patterns in (["l7gw:*"], []):
        assert "impersonate-group" not in dict(impersonation(ANN, "S", "user", "l7gw:", Globs(patterns)))


def test_a_name_travels_as_its_utf_8_bytes() -> None:
    assert ("impersonate-extra-l7gw-user", "jürgen".encode().decode("latin-1")) in impersonation(
        Principal("jürgen"), "S", "groups", "p:", ALL
    )


def test_whom_a_caller_asks_for_goes_up_without_a_prefix_and_with_the_callers_own_name_beside() -> None:
    found = impersonation_as(ActsAs("j\u00fcrgen", ("developers", "on call")), ANN, "S")
    assert found == (
        ("impersonate-user", "j\u00fcrgen".encode().decode("latin-1")),
        ("impersonate-group", "developers"),
        ("impersonate-group", "on call"),
        ("impersonate-extra-l7gw-user", "ann"),
        ("impersonate-extra-l7gw-session", "S"),
    )
    assert impersonated(found) == ("j\u00fcrgen", ("developers", "on call"), {"l7gw-user": ["ann"], "l7gw-session": ["S"]})


def test_nobody_acts_as_another_where_the_cluster_is_shown_no_callers() -> None:
    act = describe("GET", "/api/v1/pods")
    request = Request("GET", "/api/v1/pods", (("impersonate-user", "jane"),))
    assert acting_as_asked(act, request, "groups").acts_as == acting_as_asked(act, request, "user").acts_as == ActsAs("jane")
    assert acting_as_asked(act, Request("GET", "/api/v1/pods", ()), "none") is act
    with pytest.raises(Refusal, match="impersonate: none"):
        acting_as_asked(act, request, "none")
