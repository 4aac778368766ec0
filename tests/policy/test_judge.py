"""The order of the judge: guardrails, discovery, the first rule that matches, and else a denial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.judge import DISCOVERY, Policy
from l7gw.policy.verdict import Verdict

Make = Callable[[str], Policy]
ANN, BOT = Principal("ann", ("engineers",)), Principal("bot", (), "agent")
DELETE_PROD = describe("DELETE", "/api/v1/namespaces/prod/pods/a")
GET_DEV = describe("GET", "/api/v1/namespaces/dev/pods/a")
REVIEW = describe("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")


@pytest.fixture
def policy(tmp_path: Path) -> Make:
    def make(text: str) -> Policy:
        (tmp_path / "policy.yaml").write_text(text)
        return Policy.load(tmp_path / "policy.yaml")

    return make


ALL = 'rules:\n- {name: all, effects: ["*"], verdict: allow}\n'


def test_unmatched_is_denied(policy: Make) -> None:
    assert policy("rules: []").judge(ANN, "prod", GET_DEV) == Verdict(False, "", "no rule allows it")


def test_nothing_overrides_a_guardrail(policy: Make) -> None:
    it = policy(ALL + "guardrails:\n- {name: g, namespaces: [prod], effects: [delete], verdict: deny, reason: ask}\n")
    assert it.judge(ANN, "prod", DELETE_PROD) == Verdict(False, "g", "denied by guardrail 'g': ask")
    assert it.judge(ANN, "prod", GET_DEV).rule == "all"


def test_the_first_rule_that_matches_decides(policy: Make) -> None:
    no, yes = "- {name: first, namespaces: [prod], verdict: deny}\n", "- {name: second, verdict: allow}\n"
    assert policy("rules:\n" + no + yes).judge(ANN, "c", DELETE_PROD).rule == "first"
    assert policy("rules:\n" + yes + no).judge(ANN, "c", DELETE_PROD).rule == "second"


@pytest.mark.parametrize("target", ["/api", "/apis", "/version", "/openapi/v3", "/healthz"])
def test_discovery_and_self_reviews_are_open_to_everybody(policy: Make, target: str) -> None:
    it = policy("rules:\n- {name: nothing, verdict: deny}\n")
    assert it.judge(BOT, "prod", describe("GET", target)).rule == DISCOVERY
    assert it.judge(BOT, "prod", REVIEW).allowed


def test_a_guardrail_reaches_discovery_only_where_it_names_it(policy: Make) -> None:
    for keys, reached in (("kinds: [agent]", False), ("effects: [discovery]", True), ('effects: ["*"]', True)):
        it = policy(f"guardrails:\n- {{name: g, {keys}, verdict: deny}}\n")
        assert (it.judge(BOT, "prod", REVIEW).rule == "g") is reached


def test_callers_who_differ_in_user_groups_kind_or_cluster_are_judged_apart(policy: Make) -> None:
    it = policy("rules:\n- {name: r, users: [ann], groups: [g], kinds: [human], clusters: [c], verdict: allow}\n")
    good = Principal("ann", ("g",))
    for _ in range(2):  # the second time the rules of each caller are remembered
        assert it.judge(good, "c", GET_DEV).allowed
        for other in (Principal("bob", ("g",)), Principal("ann", ("h",)), Principal("ann", ("g",), "agent")):
            assert not it.judge(other, "c", GET_DEV).allowed
        assert not it.judge(good, "d", GET_DEV).allowed


def test_callers_who_differ_only_in_groups_that_are_no_names_are_judged_apart(policy: Make) -> None:
    it = policy("guardrails:\n- {name: g, groups: [x], verdict: deny}\nrules:\n- {name: r, verdict: allow}\n")
    for _ in range(2):
        assert it.judge(Principal("ann", ("g",)), "c", GET_DEV).rule == "r"
        assert it.judge(Principal("ann", ("g",), unfit=("x ", "x")), "c", GET_DEV).rule == "g"


def test_explain_and_judge_agree_and_every_rule_on_the_way_has_its_reason(policy: Make) -> None:
    keys = (
        "users: [x]",
        "groups: [x]",
        "kinds: [workload]",
        "clusters: [x]",
        "namespaces: [x]",
        "effects: [tunnel]",
        "verbs: [list]",
    )
    keys += ("resources: [nodes]", "names: [x]", "commands: [ps]", "commands: ['**']", "effects: [execute], commands: [ps]")
    rules = "".join(f"- {{name: r{n}, {key}, verdict: allow}}\n" for n, key in enumerate(keys))
    held = f"guardrails:\n- {{name: g, effects: [delete], {SRE}}}\n- {{name: h, namespaces: [prod], {LEA}}}\n"
    it = policy(held + "rules:\n" + rules)
    acts = [GET_DEV, DELETE_PROD, REVIEW, describe("GET", "/metrics"), describe("GET", "/api/v1/pods")]
    acts += [describe("POST", f"/api/v1/namespaces/dev/pods/a/exec?command={c}&tty={t}") for c in ("ps", "sh") for t in "01"]
    for act in acts:
        for who in (ANN, BOT):
            explanation = it.explain(who, "prod", act)
            assert explanation.verdict == it.judge(who, "prod", act)
            *before, last = (one for one in explanation.considered if one.verdict != "hold")
            assert all(one.why for one in before)
            held_by = tuple(one.name for one in explanation.considered if one.verdict == "hold" and not one.why)
            decided = "" if last.why else last.name
            assert explanation.verdict.rule == (held_by[0] if held_by and decided else decided)
            assert names(explanation.verdict) == (held_by if decided else ())


# ---------------------------------------------------------------------- holds

SRE, LEA = "verdict: hold, reviewers: {groups: [sre], minimum: 2}", "verdict: hold, reviewers: {users: [lea]}, wait: wait"


def names(verdict: Verdict) -> tuple[str, ...]:
    return verdict.hold.names if verdict.hold is not None else ()


@pytest.mark.parametrize("guarded", ["allow", "hold", "deny", "none"])
@pytest.mark.parametrize("ruled", ["allow", "hold", "deny", "none"])
def test_deny_beats_hold_beats_allow_and_a_guardrails_hold_allows_nothing(policy: Make, guarded: str, ruled: str) -> None:
    if guarded == "allow":
        return
    said = {"allow": "verdict: allow", "deny": "verdict: deny", "hold": SRE}
    guardrails = "" if guarded == "none" else f"guardrails:\n- {{name: g, {said[guarded]}}}\n"
    rules = "rules: []\n" if ruled == "none" else f"rules:\n- {{name: r, {said[ruled]}}}\n"
    verdict = policy(guardrails + rules).judge(ANN, "prod", DELETE_PROD)
    if guarded == "deny" or ruled in ("deny", "none"):
        assert verdict.decision == "deny" and verdict.hold is None
    else:
        assert verdict.decision == ("hold" if "hold" in (guarded, ruled) else "allow")
        assert names(verdict) == tuple(name for name, says in (("g", guarded), ("r", ruled)) if says == "hold")
        assert verdict.rule == ("g" if guarded == "hold" else "r")


def test_one_hold_names_every_rule_that_holds_and_needs_each_ones_reviewers(policy: Make) -> None:
    it = policy(f"guardrails:\n- {{name: a, {SRE}}}\n- {{name: b, {LEA}, ttl: 1m}}\nrules:\n- {{name: c, {SRE}, message: ask}}\n")
    verdict = it.judge(ANN, "prod", DELETE_PROD)
    assert verdict.hold is not None and names(verdict) == ("a", "b", "c")
    assert [one.reviewers.minimum for one in verdict.hold.rules] == [2, 1, 2]
    assert (verdict.hold.ttl, verdict.hold.message, verdict.remember) == (60, "ask", False)
    assert verdict.reason == "held by guardrail 'a' (and 2 more rules)"


def test_a_denial_behind_a_guardrail_that_holds_is_by_the_guardrail_that_denies(policy: Make) -> None:
    it = policy(ALL + f"guardrails:\n- {{name: a, {SRE}}}\n- {{name: b, verdict: deny}}\n")
    assert it.judge(ANN, "prod", DELETE_PROD).rule == "b"


def test_a_hold_needs_only_overlap_the_call_and_decides_as_the_first_match(policy: Make) -> None:
    it = policy(f"rules:\n- {{name: r, namespaces: [dev], effects: [delete], {SRE}}}\n- {{name: a, verdict: allow}}\n")
    assert it.judge(ANN, "c", describe("DELETE", "/api/v1/pods")).decision == "hold"
    assert it.judge(ANN, "c", describe("DELETE", "/api/v1/namespaces/dev/secrets/s")).decision == "hold"
    assert it.judge(ANN, "c", DELETE_PROD).rule == "a" and it.judge(ANN, "c", GET_DEV).rule == "a"
    before = policy("rules:\n- {name: a, verdict: allow}\n" + f"- {{name: r, {SRE}}}\n")
    assert before.judge(ANN, "c", DELETE_PROD).allowed


def test_a_group_that_is_no_name_is_held_as_what_it_looks_like(policy: Make) -> None:
    it = policy(f"rules:\n- {{name: r, groups: [contractors], {SRE}}}\n- {{name: a, verdict: allow}}\n")
    assert it.judge(Principal("x", unfit=("contractors",)), "c", DELETE_PROD).decision == "hold"


def test_a_guardrail_holds_discovery_only_where_it_names_it(policy: Make) -> None:
    for keys, decision in (("kinds: [agent]", "allow"), ("effects: [discovery]", "hold")):
        it = policy(f"guardrails:\n- {{name: g, {keys}, {SRE}}}\n")
        assert it.judge(BOT, "prod", REVIEW).decision == decision


def test_what_is_masked_of_a_held_call_is_as_the_rule_says_that_decided(policy: Make) -> None:
    text = f"guardrails:\n- {{name: g, {SRE}}}\nrules:\n- {{name: r, verdict: allow, reveal: [secret-data]}}\n"
    assert policy(text).judge(ANN, "c", GET_DEV).obligations.reveal == {"secret-data"}


def test_people_wait_and_agents_come_back_where_the_rule_does_not_say(policy: Make) -> None:
    it = policy(f"rules:\n- {{name: r, {SRE}}}\n")
    waits = [it.judge(who, "c", GET_DEV).hold for who in (ANN, BOT)]
    assert [terms.wait for terms in waits if terms is not None] == ["wait", "come-back"]


# ---------------------------------------------------------------------- the groups that a cluster is told

NAMED = """
guardrails:
- {name: g, groups: [guarded], verdict: deny}
rules:
- {name: a, groups: [engineers, "sre-*", "*"], verdict: allow}
- {name: b, groups: [auditors], clusters: ["prod*"], verdict: allow}
- {name: c, groups: [contractors], clusters: [dev], verdict: deny}
- {name: d, groups: ["**"], verdict: allow}
- {name: e, kinds: [agent], verdict: allow}
"""


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ((), "groups: a caller without groups is not within x"),
        (("a", "b"), "groups: none of the groups a, b is within x"),
    ],
)
def test_explain_says_of_groups_that_none_of_them_is_within_the_rule(policy: Make, groups: tuple[str, ...], why: str) -> None:
    it = policy("rules:\n- {name: r, groups: [x], verdict: allow}\n")
    assert it.explain(Principal("ann", groups), "prod", GET_DEV).considered[-1].why == why


@pytest.mark.parametrize(
    ("cluster", "also", "texts"),
    [
        ("prod-1", (), ("auditors", "engineers", "sre-*")),
        ("dev", (), ("contractors", "engineers", "sre-*")),
        ("other", (), ("engineers", "sre-*")),
        ("other", ("on-call", "sre-*"), ("engineers", "on-call", "sre-*")),
        ("other", ("*",), ("*", "engineers", "sre-*")),
    ],
)
def test_the_groups_that_go_up_are_those_of_rules_about_the_cluster_and_of_its_configuration(
    policy: Make, cluster: str, also: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    going_up = policy(NAMED).groups_going_up(cluster, also)
    assert going_up.texts == texts
    assert going_up.everything is ("*" in also)
    assert going_up.match("sre-eu") and going_up.match("guarded") is ("*" in also)


def test_where_no_rule_names_a_group_none_goes_up(policy: Make) -> None:
    going_up = policy(ALL).groups_going_up("prod", ())
    assert not going_up.match("engineers") and not going_up.match("")
