"""What a policy remembers of the kinds of calls changes no verdict, whatever its rules and the calls are."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.hold_terms import Reviewers
from l7gw.identity.principal import Principal
from l7gw.kube.act import EFFECTS, Act, acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.policy.acting import As
from l7gw.policy.budgets import Budget
from l7gw.policy.commands import Command
from l7gw.policy.conditions import Condition
from l7gw.policy.holds import Holding
from l7gw.policy.judge import Policy
from l7gw.policy.narrowing import MOST_LISTS, Caller, Kinds
from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import ALLOWED_EFFECTS, DENIED_EFFECTS, Rule
from l7gw.policy.verdict import Verdict
from tests.support import plain_judge

ANN, BOT = Principal("ann", ("engineers", "sre")), Principal("bot", (), "agent", unfit=("sre ",))
CONDITIONS = [
    Condition(text)
    for text in (
        "request.name == 'web-0'",
        "request.namespace == 'dev'",
        "object.kind == 'Pod'",
        "principal.user == 'ann'",
        "request.name.matches('^w') && 1 / 0 == 1",
    )
]


def lists(make: Callable[[Sequence[str]], Any], *texts: str) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(texts), min_size=1, max_size=3, unique=True).map(make)


def commands(texts: Sequence[str]) -> tuple[Command, ...]:
    return tuple(map(Command, texts))


HOLD = Holding(Reviewers(users=("lea",)))
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "users": lists(Globs, "ann", "b*", "*"),
    "groups": lists(Globs, "sre", "eng*", "x"),
    "kinds": st.sampled_from([frozenset(("human",)), frozenset(("agent",))]),
    "clusters": lists(Globs, "c", "d"),
    "namespaces": lists(Globs, "dev", "prod", "d*", "*", "de*v"),
    "effects": st.one_of(st.just(frozenset(EFFECTS)), st.frozensets(st.sampled_from(EFFECTS), min_size=1, max_size=4)),
    "verbs": lists(Globs, "get", "list", "watch", "create", "exec", "port*", "delete*", "*"),
    "resources": lists(Resources, "pods", "pods/exec", "pods/*", "*", "*/*", "deployments.apps", "*.apps", "secrets", "pods/log"),
    "names": lists(Globs, "web-0", "web-*", "http:*", "*:80", "*", "db"),
    "acts_as": st.just(As(Globs(["jane", "j*"]), Globs(["devs"]))),
    "commands": lists(commands, "ls", "ls *", "cat /etc/*"),
    "interactive": st.booleans(),
    "when": st.sampled_from(CONDITIONS),
    "budget": st.sampled_from([Budget((), 60, None), Budget((), 60, HOLD)]),
}


@st.composite
def keys(draw: st.DrawFn) -> dict[str, Any]:
    """A few keys: a rule with many matches next to nothing."""
    chosen = draw(st.lists(st.sampled_from(sorted(KEYS)), max_size=4, unique=True))
    return {"says": draw(st.sampled_from(["allow", "allow", "deny", "hold"])), **{key: draw(KEYS[key]) for key in chosen}}


def rule(number: int, guardrail: bool, found: dict[str, Any]) -> Rule:
    found = dict(found)
    says = found.pop("says")
    allow = says == "allow" and not guardrail
    found.setdefault("effects", ALLOWED_EFFECTS if allow else DENIED_EFFECTS)
    if not allow:
        found.pop("budget", None)
    return Rule(
        f"{'g' if guardrail else 'r'}{number}", allow, guardrail=guardrail, holding=HOLD if says == "hold" else None, **found
    )


def rules(*, guardrail: bool) -> st.SearchStrategy[tuple[Rule, ...]]:
    return st.lists(keys(), max_size=6).map(lambda them: tuple(rule(n, guardrail, one) for n, one in enumerate(them)))


# Calls that differ in the namespace alone, and in the name alone, are what the memory must tell apart
LINES = [
    *(
        (method, f"/api/v1{space}/{kind}/{name}")
        for method in ("GET", "DELETE")
        for space in ("/namespaces/dev", "/namespaces/prod", "")
        for kind in ("pods", "secrets")
        for name in ("web-0", "web-1", "db")
    ),
    *(("GET", f"/api/v1/namespaces/{space}/pods") for space in ("dev", "prod", "x")),
    ("GET", "/api/v1/pods?watch=1"),
    ("DELETE", "/api/v1/namespaces/dev/pods"),
    ("DELETE", "/api/v1/namespaces/prod/pods/web-0"),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/log"),
    ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web-1"),
    ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web-1/scale"),
    ("GET", "/api/v1/namespaces/dev/services/http:db:80/proxy/"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls&command=-l"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls&tty=1&stdin=1"),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=cat&command=/etc/passwd"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/attach"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/portforward?ports=80"),
    ("GET", "/version"),
    ("GET", "/metrics"),
    ("POST", "/x"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
]
ACTS = [
    *(describe(*line) for line in LINES),
    Act("*", "/", "", frozenset(EFFECTS), is_resource=True, group="*", resource="*", subresource="*"),
    Act("get", "/", "", frozenset(), is_resource=True, resource="pods", namespace="dev", name="web-0"),
    Act("get", "/", "", frozenset(("read",)), is_resource=True, resource="x" * 600, namespace="dev"),
]
IDENTITIES = [None, ActsAs("jane"), ActsAs("jane", ("devs",)), ActsAs("eve")]
acts = st.builds(acting, st.sampled_from(ACTS), st.sampled_from(IDENTITIES))
CALLERS = [(ANN, "c"), (ANN, "c"), (BOT, "c"), (ANN, "d")]


@pytest.mark.interpreted
@settings(max_examples=50)
@given(rules(guardrail=True), rules(guardrail=False), st.randoms(use_true_random=False))
def test_the_verdict_on_each_call_is_as_by_comparing_every_rule(
    guardrails: tuple[Rule, ...], others: tuple[Rule, ...], order: random.Random
) -> None:
    policy = Policy(guardrails, others)
    for principal, cluster in CALLERS:
        calls = [*ACTS, *(acting(act, as_whom) for act in order.sample(ACTS, 6) for as_whom in IDENTITIES)]
        order.shuffle(calls)
        for act in calls:
            expected = plain_judge.judge(guardrails, others, principal, cluster, act)
            assert policy.judge(principal, cluster, act) == expected
            assert policy.judge(principal, cluster, act) == expected
    assert policy.explain(principal, cluster, act).verdict == expected


@pytest.mark.interpreted
@given(st.booleans().flatmap(lambda guardrail: st.tuples(st.just(guardrail), keys())), acts)
def test_the_key_by_which_a_rule_does_not_match_is_as_by_comparing_every_key(found: tuple[bool, dict[str, Any]], act: Act) -> None:
    one = rule(0, *found)
    assert one.mismatch(act) == plain_judge.plain(one).mismatch(act)


def test_what_is_remembered_of_a_caller_who_walks_through_names_and_namespaces_is_bounded() -> None:
    allow = tuple(Rule(f"r{n}", allow=True, namespaces=Globs([f"n{n}"])) for n in range(MOST_LISTS + 20))
    caller, kinds = Caller((), tuple((rule, Verdict(allowed=True, rule=rule.name, reason="")) for rule in allow)), Kinds(50)
    for n in range(2 * MOST_LISTS):
        act = describe("GET", f"/api/v1/namespaces/n{n}/r{n}/x")
        assert [rule.name for _, rule, _ in caller.candidates(act, kinds).rules] == [f"r{n}"] * (n < MOST_LISTS + 20)
        assert len(kinds.narrowed) <= 100 and len(kinds.places) <= 100
        assert len(caller._lists) <= MOST_LISTS


def test_a_call_on_a_resource_whose_name_is_very_long_is_judged_and_not_remembered() -> None:
    policy = Policy((), (Rule("r", allow=True),))
    assert policy.judge(ANN, "c", ACTS[-1]).rule == "r"
    assert len(policy._kinds.narrowed) == len(policy._kinds.places) == 0
