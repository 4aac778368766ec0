"""What the policy says to `auth can-i`: it covers the question whole, or says what the answer depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.self_reviews import Question
from l7gw.policy.can_i import Can, asked_act
from l7gw.policy.judge import Policy

Ask = Callable[..., "Can | None"]
ANN = Principal("ann", ("engineers",))
ALL = "- {name: all, effects: ['*'], verdict: allow}"


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def asked(rules: str, guardrails: str = "", acts_as: str = "", **question: Any) -> Can | None:
        guarded = f"guardrails:\n{guardrails}\n" if guardrails else ""
        (tmp_path / "policy.yaml").write_text(f"{guarded}rules:\n{rules}\n" if rules else f"{guarded}rules: []\n")
        usual = {"verb": "get", "resource": "pods", "namespace": "dev"} if "path" not in question else {"verb": "get"}
        policy = Policy.load(tmp_path / "policy.yaml")
        return policy.can_i(ANN, "c", Question(**{**usual, **question}), ActsAs(acts_as) if acts_as else None)

    return asked


def said(can: Can | None) -> tuple[bool, str]:
    assert can is not None
    return can.allowed, can.reason


def test_a_question_is_judged_as_the_call_that_it_asks_about(ask: Ask) -> None:
    rule = "- {name: r, namespaces: [dev], resources: [pods], effects: [read], verdict: allow}"
    assert ask(rule) == Can(allowed=True, reason="", rule="r")
    for other in ({"namespace": ""}, {"namespace": "prod"}, {"resource": "secrets"}, {"verb": "create"}, {"subresource": "exec"}):
        assert ask(rule, **other) == Can(allowed=False, reason="no rule allows it"), other
    assert said(ask("- {name: d, effects: [read], verdict: deny, reason: why}")) == (False, "denied by rule 'd': why")
    names = "- {name: r, names: [web-0], effects: [read], verdict: allow}"
    assert said(ask(names, name="web-0"))[0] and not said(ask(names))[0]


def test_a_guardrail_denies_what_it_overlaps(ask: Ask) -> None:
    deny = "- {name: g, namespaces: [prod], effects: [delete], verdict: deny}"
    assert said(ask(ALL, deny, verb="delete"))[0]
    for asked in ({"verb": "delete", "namespace": "prod"}, {"verb": "delete", "namespace": ""}, {"verb": "*", "namespace": ""}):
        assert said(ask(ALL, deny, **asked)) == (False, "denied by guardrail 'g'"), asked


@pytest.mark.parametrize(
    ("keys", "asked", "allowed"),
    [
        ("effects: ['*']", {"verb": "*", "resource": "*", "group": "*"}, True),
        ("effects: ['*']", {"verb": "*"}, True),
        ("effects: [read]", {"verb": "*"}, False),
        ("effects: ['*'], verbs: [get, list]", {"verb": "*"}, False),
        ("effects: [read]", {"resource": "*"}, False),
        ("effects: [read, delete, workload, secrets, tunnel, execute, escalate, other]", {"resource": "*"}, True),
        ("effects: ['*'], resources: ['*']", {"resource": "*"}, True),
        ("effects: ['*'], resources: ['*.apps']", {"resource": "*", "group": "apps"}, False),
        ("effects: ['*'], resources: [pods]", {"resource": "*"}, False),
        ("effects: ['*'], resources: ['pods/*']", {"subresource": "*"}, True),
        ("", {"verb": "*", "resource": "*"}, False),
    ],
)
def test_a_star_is_allowed_where_the_policy_covers_it_whole(ask: Ask, keys: str, asked: dict[str, str], allowed: bool) -> None:
    rule = f"- {{name: r, {keys + ', ' if keys else ''}verdict: allow}}"
    assert said(ask(rule, **asked))[0] is allowed


@pytest.mark.parametrize(
    ("deny", "asked"),
    [
        ("verbs: [delete]", {"verb": "*"}),
        ("verbs: [exec]", {"verb": "*", "subresource": "exec"}),
        ("resources: [secrets], effects: ['*']", {"resource": "*"}),
        ("resources: [pods/exec], effects: ['*']", {"subresource": "*"}),
        ("effects: [secrets]", {"verb": "*", "resource": "*"}),
    ],
)
@pytest.mark.parametrize("place", ["guardrails", "rules"])
def test_a_star_is_denied_where_a_deny_is_about_a_part_of_it(ask: Ask, place: str, deny: str, asked: dict[str, str]) -> None:
    rule = f"- {{name: d, {deny}, verdict: deny}}"
    can = ask(ALL, rule, **asked) if place == "guardrails" else ask(f"{rule}\n{ALL}", **asked)
    assert can is not None and (can.allowed, can.rule) == (False, "d")


HOLD = "- {name: h, effects: [delete], verdict: hold, reviewers: {groups: [sre]}}"


def test_a_hold_counts_as_allowed(ask: Ask) -> None:
    words = "held for approval by rule 'h'"
    assert said(ask(HOLD, verb="delete")) == (True, words)
    assert said(ask(ALL, HOLD, verb="delete")) == (True, words)
    assert said(ask("", HOLD, verb="delete")) == (False, "no rule allows it")
    assert said(ask(ALL, HOLD, verb="get")) == (True, "")
    assert said(ask(HOLD, verb="*")) == (False, "no rule allows it"), "it holds a part of that"
    assert said(ask(f"{HOLD}\n{ALL}", verb="*")) == (True, words)


@pytest.mark.parametrize(
    ("when", "asked", "reason"),
    [
        ("object.spec.replicas < 3", {}, "depends on the object"),
        ("request.name == 'web-0'", {}, "depends on the call"),
        ("request.name == 'web-0'", {"name": "web-0"}, ""),
        ("request.name == 'web-1'", {"name": "web-0"}, None),
        ("request.namespace == 'dev'", {"namespace": ""}, "depends on the call"),
        ("request.verb == 'get'", {"verb": "*"}, "depends on the call"),
        ("request.dry_run", {}, "depends on the call"),
        ("'engineers' in principal.groups", {}, ""),
        ("principal.kind == 'agent'", {}, None),
    ],
)
def test_a_condition_about_what_is_not_known_makes_the_answer_depend(
    ask: Ask, when: str, asked: dict[str, str], reason: str | None
) -> None:
    for rule in ("effects: ['*'], verdict: allow", "effects: ['*'], verdict: hold, reviewers: {users: [lea]}"):
        can = ask(f'- {{name: r, when: "{when}", {rule}}}', **asked)
        assert said(can)[0] is (reason is not None)
        assert reason is None or reason in said(can)[1]
    deny = ask(ALL, f"- {{name: g, when: \"{when}\", effects: ['*'], verdict: deny}}", **asked)
    assert said(deny) == ((True, reason) if reason else (reason is None, said(deny)[1]))


def test_the_command_of_an_exec_is_not_known(ask: Ask) -> None:
    exec_ = {"verb": "create", "subresource": "exec"}
    ls = "- {name: ls, effects: [execute], commands: ['ls **'], verdict: allow}"
    rm = "- {name: rm, effects: [execute], commands: ['rm **'], verdict: deny}"
    assert said(ask(ls, **exec_)) == (True, "depends on the command")
    assert said(ask(ALL, rm, **exec_)) == (True, "depends on the command")
    assert said(ask(rm, **exec_)) == (False, "no rule allows it")
    assert said(ask(f"{ls}\n- {{name: none, effects: [execute], verdict: deny}}", **exec_)) == (True, "depends on the command")
    assert not said(ask(ls, subresource="attach"))[0] and not said(ask(ls))[0]


def test_paths_are_asked_about_by_their_effects(ask: Ask) -> None:
    assert said(ask("", path="/version"))[0]
    assert not said(ask("", path="/metrics"))[0]
    other = "- {name: r, effects: [read, other], verdict: allow}"
    assert said(ask(other, path="/metrics"))[0] and said(ask(other, path="*"))[0]
    assert not said(ask(other, path="/metrics", verb="*"))[0] and not said(ask(other, path="/metrics", verb="post"))[0]


def test_a_verb_that_no_call_has_is_the_clusters_alone(ask: Ask) -> None:
    for verb in ("bind", "escalate", "use", "approve", "exec"):
        assert ask("", verb=verb) is None


def test_a_namespace_is_within_itself_and_an_object_of_the_cluster_in_none() -> None:
    act = asked_act(Question(verb="get", resource="namespaces", namespace="default", name="dev"), None)
    assert act is not None and (act.namespace, act.name) == ("dev", "dev")
    act = asked_act(Question(verb="get", resource="nodes", namespace="default"), None)
    assert act is not None and act.namespace == ""


ACT = (
    "- {name: r, effects: [read, impersonate], as: {users: [jane], groups: ['team-*'], service-accounts: [dev/ci]}, verdict: allow}"
)


def test_a_question_as_somebody_else_needs_a_rule_that_lets_the_caller_act_so(ask: Ask) -> None:
    assert said(ask(ACT, acts_as="jane"))[0]
    assert not said(ask(ACT, acts_as="joe"))[0] and not said(ask(ALL, acts_as="jane"))[0]
    review = {"verb": "create", "group": "authorization.k8s.io", "resource": "selfsubjectaccessreviews", "namespace": ""}
    assert (
        said(ask("", **review))[0]
        and said(ask(ACT, acts_as="jane", **review))[0]
        and not said(ask(ACT, acts_as="joe", **review))[0]
    )


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({"resource": "users", "name": "jane"}, True),
        ({"resource": "users", "name": "joe"}, False),
        ({"resource": "users"}, False),
        ({"resource": "users", "name": "system:admin"}, False),
        ({"resource": "groups", "name": "team-a"}, True),
        ({"resource": "groups", "name": "system:masters"}, False),
        ({"resource": "serviceaccounts", "name": "ci"}, True),
        ({"resource": "serviceaccounts", "name": "ci", "namespace": "prod"}, False),
        ({"resource": "uids", "name": "1"}, False),
        ({"resource": "userextras", "subresource": "scopes"}, False),
    ],
)
def test_impersonation_is_asked_about_by_whom_rules_name(ask: Ask, asked: dict[str, str], allowed: bool) -> None:
    assert said(ask(ACT, verb="impersonate", **asked))[0] is allowed
    assert not said(ask(ACT, "- {name: g, effects: [impersonate], verdict: deny}", verb="impersonate", **asked))[0]
    assert not said(ask("- {name: d, effects: [impersonate], verdict: deny}\n" + ACT, verb="impersonate", **asked))[0]


def test_a_hold_of_a_part_is_no_yes_for_the_rest(ask: Ask) -> None:
    hold = (
        "- {name: h, effects: [delete, write, read], namespaces: [prod], names: [web-0], verdict: hold, reviewers: {groups: [sre]}}"
    )
    words = "held for approval by rule 'h'"
    for asked in ({"verb": "delete"}, {"verb": "delete", "namespace": ""}, {"verb": "update", "namespace": "", "name": "web-0"}):
        assert said(ask(hold, **{"namespace": "prod", **asked})) == (False, "no rule allows it"), asked
        assert said(ask(f"{hold}\n{ALL}", **{"namespace": "prod", **asked})) == (True, words), asked
    for asked in ({"verb": "delete", "name": "web-0"}, {"verb": "deletecollection"}, {"verb": "list", "namespace": ""}):
        assert said(ask(hold, **{"namespace": "prod", **asked})) == (True, words), f"that is one call: {asked}"


def test_a_star_asks_for_exec_and_for_more_than_discovery(ask: Ask) -> None:
    for verbs, asked, allowed in (
        ("[create, patch]", {"verb": "create", "subresource": "*"}, False),
        ("[create, patch]", {"verb": "create"}, True),
        ("[create, exec, attach, portforward, proxy]", {"verb": "create", "subresource": "*"}, True),
    ):
        assert said(ask(f"- {{name: r, effects: ['*'], verbs: {verbs}, verdict: allow}}", **asked))[0] is allowed
    deny = "- {name: d, verbs: [exec], verdict: deny}"
    assert said(ask(ALL, deny, verb="create", subresource="*")) == (False, "denied by guardrail 'd'")
    reviews = {"group": "authorization.k8s.io", "resource": "selfsubjectaccessreviews", "namespace": ""}
    assert said(ask("", **reviews, verb="create"))[0] and not said(ask("", **reviews, verb="*"))[0]
    assert said(ask("", path="/version"))[0] and not said(ask("", path="/version", verb="*"))[0]
