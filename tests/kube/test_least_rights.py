"""Grants cover every need, and none of them could be taken away; rules let pass what the grants do."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.kube.least_rights import Grant, Need, least, rules_of
from l7gw.kube.rbac import Right, Rule, Subject

A, B = Subject("Group", "a"), Subject("Group", "b")
RIGHTS = st.builds(
    Right,
    verb=st.sampled_from(["get", "list"]),
    resource=st.sampled_from(["pods", "pods/log"]),
    namespace=st.sampled_from(["", "dev", "qa"]),
    name=st.sampled_from(["", "x", "y"]),
)
NEEDS = st.builds(Need, st.sampled_from([(A,), (B,), (A, B)]), RIGHTS, st.booleans()).map(
    lambda need: replace(need, right=replace(need.right, name="")) if need.any_name else need
)


def covered(grants: list[Grant], need: Need) -> bool:
    """By the rules of the grants, in the place where each is given. Where any name is needed, one that nobody lists."""
    right = replace(need.right, name="another") if need.any_name else need.right
    return any(
        grant.subject in need.subjects
        and grant.right.namespace in ("", right.namespace)
        and any(rule.allows(right) for rule in rules_of([grant]))
        for grant in grants
    )


@settings(max_examples=60)
@given(st.lists(NEEDS, max_size=12), st.booleans())
def test_every_need_is_covered_and_each_grant_alone_covers_one(needs: list[Need], a_first: bool) -> None:
    found = least(needs, lambda subject: int((subject == A) is not a_first))
    assert all(covered(found, need) for need in needs)
    for grant in found:
        rest = [one for one in found if one != grant]
        assert not all(covered(rest, need) for need in needs), f"nothing needs {grant}"


@settings(max_examples=60)
@given(st.lists(RIGHTS.map(lambda right: replace(right, namespace="dev")), max_size=8))
def test_rules_let_pass_what_the_grants_do_and_nothing_else(rights: list[Right]) -> None:
    grants = [Grant(A, right, any_name=not right.name) for right in rights]
    rules = rules_of(grants)
    for verb in ("get", "list", "delete"):
        for resource in ("pods", "pods/log", "secrets"):
            for name in ("", "x", "y", "another"):
                asked = Right(verb, "", resource, "dev", name)
                alone = any(rule.allows(asked) for grant in grants for rule in rules_of([grant]))
                assert any(rule.allows(asked) for rule in rules) is alone


def test_a_need_of_two_groups_is_covered_by_what_one_of_them_needs_anyway() -> None:
    right = Right("get", "", "pods", "dev", "x")
    assert least([Need((A, B), right), Need((B,), right)], lambda subject: 0) == [Grant(B, right)]


def test_what_a_wider_grant_covers_later_is_taken_away() -> None:
    """The list of all pods is needed of either group, and falls to the one whose list of a namespace it makes needless."""
    narrow, wide = Right("list", "", "pods", "dev"), Right("list", "", "pods")
    found = least([Need((A,), narrow), Need((A, B), wide)], lambda subject: int(subject != A))
    assert found == [Grant(A, wide, any_name=True)]


def test_paths_stand_in_rules_of_their_own() -> None:
    grants = [Grant(A, Right("get", path=path)) for path in ("/metrics", "/logs")] + [
        Grant(A, Right("list", "", "pods"), any_name=True)
    ]
    assert sorted(rules_of(grants)) == sorted([Rule(("get",), urls=("/logs", "/metrics")), Rule(("list",), ("",), ("pods",))])
