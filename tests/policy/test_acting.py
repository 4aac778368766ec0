"""`as:` of a rule: every user and group that a call asks for must fit, and a deny needs one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, acting
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.policy.doubts import doubts
from l7gw.policy.judge import DISCOVERY, Policy

Make = Callable[[str], Policy]
ANN = Principal("ann", ("engineers",))
ACCOUNT = "system:serviceaccount:dev:ci"


@pytest.fixture
def policy(tmp_path: Path) -> Make:
    def make(text: str) -> Policy:
        (tmp_path / "policy.yaml").write_text(text)
        return Policy.load(tmp_path / "policy.yaml")

    return make


def get(*names: str, path: str = "/api/v1/namespaces/dev/pods/a", method: str = "GET") -> Act:
    return acting(describe(method, path), ActsAs(names[0], names[1:]) if names else None)


RULE = "rules:\n- {name: r, effects: [read, impersonate], as: {users: [jane, 'dev-*'], groups: ['team-*'], service-accounts: [dev/c*, 'ops:x']}, verdict: allow}\n"


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (("jane",), True),
        (("dev-1", "team-a", "team-b"), True),
        (("janet",), False),
        (("xdev-1",), False),
        (("jane", "team-a", "admins"), False),
        (("team-a",), False),
        ((ACCOUNT,), True),
        ((ACCOUNT, "team-a"), True),
        (("system:serviceaccount:ops:x",), True),
        (("system:serviceaccount:ops:y",), False),
        (("system:serviceaccount:dev-1:x",), False),
    ],
)
def test_an_allow_covers_every_name_that_is_asked_for(policy: Make, names: tuple[str, ...], allowed: bool) -> None:
    verdict = policy(RULE).judge(ANN, "c", get(*names))
    assert verdict.allowed is allowed
    assert verdict.rule == ("r" if allowed else "")


def test_a_star_of_users_covers_no_service_account(policy: Make) -> None:
    it = policy("rules:\n- {name: r, effects: ['*'], as: {users: ['*'], groups: ['*']}, verdict: allow}\n")
    assert it.judge(ANN, "c", get("root", "admins")).allowed
    assert not it.judge(ANN, "c", get(ACCOUNT)).allowed


@pytest.mark.parametrize("effects", ["", "effects: ['*'], "])
def test_a_rule_without_as_lets_nobody_act_as_another(policy: Make, effects: str) -> None:
    it = policy(f"rules:\n- {{name: r, {effects}verdict: allow}}\n")
    assert it.judge(ANN, "c", get()).allowed
    verdict = it.judge(ANN, "c", get("jane"))
    assert not verdict.allowed and verdict.reason == "no rule allows it"
    why = it.explain(ANN, "c", get("jane")).considered[-1].why
    assert why == "as: the call is made as jane, and the rule lets nobody act as somebody else"


def test_a_call_as_somebody_else_needs_its_own_effects_too(policy: Make) -> None:
    assert not policy(RULE).judge(ANN, "c", get("jane", method="DELETE")).allowed
    assert policy(RULE).judge(ANN, "c", get()).allowed, "and the caller himself may read"


@pytest.mark.parametrize(
    ("keys", "names", "denied"),
    [
        ("effects: [impersonate]", ("jane",), True),
        ("effects: [impersonate]", (), False),
        ("effects: [impersonate], as: {groups: ['team-a']}", ("jane", "team-b", "team-a"), True),
        ("effects: [impersonate], as: {groups: ['team-a']}", ("jane", "team-b"), False),
        ("effects: [read], as: {users: ['*']}", ("jane",), True),
        ("effects: [read], as: {users: ['*']}", (ACCOUNT,), True),
        ("effects: [read], as: {users: ['*']}", (), False),
        ("effects: [impersonate], as: {service-accounts: ['dev/*']}", (ACCOUNT,), True),
        ("effects: [impersonate], as: {service-accounts: ['dev/*']}", ("jane",), False),
        ("namespaces: [dev]", ("jane",), True),
    ],
)
@pytest.mark.parametrize("place", ["guardrails", "rules"])
def test_a_deny_overlaps_what_is_asked_for(policy: Make, place: str, keys: str, names: tuple[str, ...], denied: bool) -> None:
    deny = f"- {{name: d, {keys}, verdict: deny}}\n"
    allow = RULE.replace("rules:\n", "")
    text = f"guardrails:\n{deny}rules:\n{allow}" if place == "guardrails" else f"rules:\n{deny}{allow}"
    verdict = policy(text).judge(ANN, "c", get(*names))
    assert (verdict.rule == "d") is denied and verdict.allowed is not denied


HOLD = "- {name: h, effects: [%s], %sverdict: hold, reviewers: {groups: [sre]}}\n"


def test_a_hold_in_rules_lets_pass_only_whom_it_names(policy: Make) -> None:
    named = policy("rules:\n" + HOLD % ("read, impersonate", "as: {users: [jane]}, ") + RULE.replace("rules:\n", ""))
    assert named.judge(ANN, "c", get("jane")).decision == "hold"
    assert named.judge(ANN, "c", get()).decision == "hold"
    assert named.judge(ANN, "c", get("dev-1")).rule == "r", "the next rule is about him"
    unnamed = policy("rules:\n" + HOLD % ("read", "") + RULE.replace("rules:\n", ""))
    verdict = unnamed.judge(ANN, "c", get("jane"))
    assert (verdict.decision, verdict.rule) == ("deny", "h"), "neither is the hold evaded, nor does an approval give it"
    assert unnamed.judge(ANN, "c", get()).decision == "hold"


def test_a_guardrail_that_holds_reaches_calls_as_others(policy: Make) -> None:
    it = policy("guardrails:\n" + HOLD % ("impersonate", "") + RULE)
    assert it.judge(ANN, "c", get("jane")).decision == "hold"
    assert it.judge(ANN, "c", get("joe")).decision == "deny"
    assert it.judge(ANN, "c", get("jane", path="/apis")).allowed, "kubectl's discovery is not held"


DISCOVERY_AS = get("jane", path="/apis")
REVIEW_AS = get("jane", path="/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", method="POST")


@pytest.mark.parametrize("act", [DISCOVERY_AS, REVIEW_AS])
def test_discovery_as_somebody_else_is_open_where_a_rule_lets_the_caller_act_so(policy: Make, act: Act) -> None:
    narrow = RULE.replace("name: r,", "name: r, namespaces: [dev], resources: [pods],")
    assert policy(narrow).judge(ANN, "c", act).rule == DISCOVERY
    assert policy(narrow).explain(ANN, "c", act).considered[-1].why == ""
    assert not policy("rules:\n- {name: r, effects: ['*'], verdict: allow}\n").judge(ANN, "c", act).allowed
    assert not policy(RULE.replace("jane", "joe")).judge(ANN, "c", act).allowed
    for deny, denied in (
        ("effects: [impersonate]", True),
        ("effects: [escalate, impersonate]", True),
        ("effects: [discovery]", True),
        ("as: {users: [jane]}", True),
        ("as: {users: [joe]}", False),
        ("effects: [delete]", False),
        ("namespaces: [prod]", False),
    ):
        rule = f"- {{name: d, {deny}, verdict: deny}}\n"
        for text in (f"guardrails:\n{rule}{narrow}", f"rules:\n{rule}" + narrow.replace("rules:\n", "")):
            assert policy(text).judge(ANN, "c", act).allowed is not denied, text
    assert policy(narrow.replace("verdict", "when: 'principal.kind == \"human\"', verdict")).judge(ANN, "c", act).allowed
    assert not policy(narrow.replace("verdict", "when: 'principal.kind == \"agent\"', verdict")).judge(ANN, "c", act).allowed


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("effects: [read, impersonate], verdict: allow", "says as whom"),
        ("effects: [impersonate], verdict: hold, reviewers: {users: [lea]}", "says as whom"),
        ("effects: [read], as: {users: [jane]}, verdict: allow", "`effects` does not list"),
        ("effects: [impersonate], as: {}, verdict: allow", "names nobody"),
        ("effects: [impersonate], as: {users: ['system:admin']}, verdict: allow", "begins with system:"),
        ("effects: [impersonate], as: {groups: ['system:masters']}, verdict: allow", "begins with system:"),
        (f"effects: [impersonate], as: {{users: ['{ACCOUNT}']}}, verdict: allow", "is a service account"),
        ("effects: [impersonate], as: {service-accounts: [ci]}, verdict: allow", "is no service account"),
        ("effects: [impersonate], as: {service-accounts: [a/b/c]}, verdict: allow", "is no service account"),
        ('effects: [impersonate], as: {users: ["a\\u200b"]}, verdict: allow', "200b"),
        ("effects: [impersonate], as: {uids: [a]}, verdict: allow", "uids"),
        ("effects: [impersonate], as: jane, verdict: allow", "`as`"),
    ],
)
def test_mistakes_are_told_in_words(policy: Make, keys: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        policy(f"rules:\n- {{name: r, {keys}}}\n")
    assert words in str(error.value)


def test_a_rule_that_names_others_is_not_hidden_by_one_that_lets_nobody_act(policy: Make) -> None:
    all_of_them = "- {name: all, kinds: ['*'], effects: ['*'], verdict: allow}\n"
    it = policy("rules:\n" + all_of_them + RULE.replace("rules:\n", ""))
    assert not doubts(it.rules, None)
    both = policy(RULE + "- {name: second, effects: [read], verdict: allow}\n")
    assert [one for one in doubts(both.rules, None) if "never reached" in one]


def test_a_test_and_explain_take_as_in_a_kubectl_command(policy: Make) -> None:
    case = "- {as: {user: ann}, call: 'kubectl get pods -n dev --as %s', verdict: %s}\n"
    policy(RULE + "tests:\n" + case % ("jane --as-group=team-a", "allow") + case % ("joe", "deny"))
    with pytest.raises(ConfigurationError, match="as jane"):
        policy(RULE + "tests:\n" + case % ("jane --as-group=admins", "allow"))


def test_the_example_of_the_page_passes_its_own_tests(policy: Make) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "policy.md").read_text()
    block = page.split("## Acting as somebody else")[1].split("```yaml\n")[1].split("```")[0]
    assert policy(block).tests == 3
