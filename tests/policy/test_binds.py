"""`bind` of a rule and of a grant: which role, where, and the mistakes in it, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.binds import MOST_NAMESPACES, Bind, in_words
from l7gw.policy.judge import Policy

RULE = "name: r, namespaces: [shop, cart], verdict: allow"
GRANT = "group: oncall, reviewers: {groups: [sre]}"


def _policy(folder: Path, rule: str = "", grant: str = "") -> Policy:
    path = folder / "policy.yaml"
    path.write_text(f"rules:{f' [{{{rule}}}]' if rule else ' []'}\n" + (f"grants:\n- {{{grant}}}\n" if grant else ""))
    return Policy.load(path)


def test_a_rule_and_a_grant_bind_a_role_in_the_namespaces_that_they_name(tmp_path: Path) -> None:
    found = _policy(tmp_path, f"{RULE}, bind: 'system:debug'", f"{GRANT}, bind: shop/inside, namespaces: [shop], clusters: [prod]")
    of_rule, of_grant = Bind("system:debug", ("shop", "cart")), Bind("inside", ("shop",), "Role")
    assert (found.rules[0].bind, found.grants[0].bind) == (of_rule, of_grant)
    assert found.binds("prod") == (of_grant, of_rule) and found.binds("dev") == (of_rule,)
    assert str(of_grant) == "Role inside in shop" and "ClusterRole system:debug in shop, cart" in in_words(of_rule)


def test_the_verdict_of_a_rule_says_what_it_binds_and_no_other_does(tmp_path: Path) -> None:
    found = _policy(tmp_path, f"{RULE}, bind: debug")
    for namespace, bind in (("shop", Bind("debug", ("shop", "cart"))), ("other", None)):
        assert found.judge(Principal("ann"), "prod", describe("GET", f"/api/v1/namespaces/{namespace}/pods")).bind == bind


def test_the_group_of_a_grant_that_binds_goes_up(tmp_path: Path) -> None:
    assert _policy(tmp_path, grant=f"{GRANT}, bind: debug, namespaces: [shop]").groups_going_up("prod", ()).match("oncall")
    assert not _policy(tmp_path, grant=GRANT).groups_going_up("prod", ()).match("oncall")


MISTAKES = [
    (f"{RULE}, bind: a/b/c", "", "names no role"),
    (f"{RULE}, bind: 'Shop/debug'", "", "names no role"),
    (f"{RULE}, bind: 'de*'", "", "names no role"),
    (f"{RULE}, bind: '..'", "", "names no role"),
    (f"{RULE}, bind: shop/", "", "names no role"),
    (f"{RULE}, bind: shop/debug", "", "a Role of shop can be bound there alone"),
    ("name: r, verdict: allow, bind: debug", "", "wants the namespaces in which the role is bound"),
    ("name: r, namespaces: ['shop-*'], verdict: allow, bind: debug", "", "must be the name of a namespace"),
    ("name: r, namespaces: ['*'], verdict: allow, bind: debug", "", "must be the name of a namespace"),
    ("name: r, namespaces: [shop], verdict: deny, bind: debug", "", "`bind` is for a rule that allows"),
    ("name: r, namespaces: [shop], verdict: hold, reviewers: {groups: [a]}, bind: debug", "", "`bind` is for a rule that allows"),
    ("", f"{GRANT}, bind: debug", "wants the namespaces in which the role is bound"),
    ("", f"{GRANT}, bind: debug, namespaces: ['*']", "must be the name of a namespace"),
    ("", f"{GRANT}, namespaces: [shop]", "`namespaces` of a grant says where `bind` binds"),
    ("", f"{GRANT}, bind: debug, namespaces: [{', '.join(f'n{n}' for n in range(MOST_NAMESPACES + 1))}]", "there are 20 at most"),
]


@pytest.mark.parametrize(("rule", "grant", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, rule: str, grant: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        _policy(tmp_path, rule, grant)
    (problem,) = error.value.problems
    assert told in problem.what and problem.line == (3 if grant else 1)
