"""The tests of a policy file run at every load, and a failing one is a mistake with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.errors import ConfigurationError, Problem
from l7gw.policy.cases import MOST_CASES, worst
from l7gw.policy.judge import Policy
from l7gw.policy.verdict import Verdict

RULES = """rules:
- {name: read, groups: [engineers], effects: [read], verdict: allow}
- {name: change, groups: [engineers], namespaces: [dev], effects: [write, workload, delete], verdict: hold, reviewers: {groups: [sre]}}
tests:
"""
ANN = "as: {user: ann, groups: [engineers]}, cluster: prod"


def load(tmp_path: Path, tests: str, rules: str = RULES) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(rules + tests)
    return Policy.load(path)


def problems(tmp_path: Path, tests: str, rules: str = RULES) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, tests, rules)
    return caught.value.problems


@pytest.mark.parametrize(
    "test",
    [
        "call: kubectl get pods -n dev, verdict: allow, rule: read",
        "call: kubectl delete pod web-0 -n dev, verdict: hold, rule: change",
        "call: kubectl delete pod web-0 -n prod, verdict: deny",
        "call: kubectl apply -f web.yaml, verdict: hold, rule: change",
        "call: kubectl apply -f other.yaml, object: web.yaml, verdict: hold",
        "call: kubectl exec web-0 -n dev -- ls, verdict: deny",
        "call: kubectl version, verdict: allow, rule: 'built-in: discovery'",
        "call: GET /metrics, verdict: deny",
        "call: DELETE /api/v1/namespaces/dev/pods/a, verdict: hold",
    ],
)
def test_a_test_that_holds_true_leaves_the_policy_loaded(tmp_path: Path, test: str) -> None:
    (tmp_path / "web.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: dev}\n")
    assert load(tmp_path, f"- {{{ANN}, {test}}}\n").tests == 1


def test_a_failing_test_is_a_mistake_with_its_file_its_line_and_what_the_policy_says(tmp_path: Path) -> None:
    tests = f"- {{{ANN}, call: kubectl get pods, verdict: allow}}\n- {{{ANN}, call: kubectl scale deploy/web --replicas=2 -n prod, verdict: hold, rule: change}}\n"
    (problem,) = problems(tmp_path, tests)
    assert problem.file == str(tmp_path / "policy.yaml") and problem.line == 6
    assert (
        problem.what == "this test fails: 'kubectl scale deploy/web --replicas=2 -n prod' by 'ann' should be hold by rule 'change'"
    )
    assert problem.hint == "the policy says deny (patch deployments.apps/scale web in namespace prod): no rule allows it"


def test_a_right_verdict_by_another_rule_fails(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"- {{{ANN}, call: kubectl get pods, verdict: allow, rule: change}}\n")
    assert problem.hint == "the policy says allow: allowed by rule 'read'"


def test_each_rule_of_a_hold_counts_as_the_rule(tmp_path: Path) -> None:
    guardrail = "guardrails:\n- {name: g, effects: [delete], verdict: hold, reviewers: {users: [lea]}}\n"
    for rule in ("g", "change"):
        load(tmp_path, f"- {{{ANN}, call: kubectl delete pod a -n dev, verdict: hold, rule: {rule}}}\n", guardrail + RULES)


def test_a_condition_sees_the_object_of_a_test_and_a_test_without_it_says_so(tmp_path: Path) -> None:
    rules = "rules:\n- {name: small, effects: [write, workload, read], verdict: allow, when: 'object.spec.replicas <= 5'}\ntests:\n"
    (tmp_path / "web.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 9}\n")
    who = "as: {user: ann}"
    load(tmp_path, f"- {{{who}, call: PUT /apis/apps/v1/namespaces/dev/deployments/web, object: web.yaml, verdict: deny}}\n", rules)
    for verdict in ("allow", "deny"):
        test = f"- {{{who}, call: PUT /apis/apps/v1/namespaces/dev/deployments/web, verdict: {verdict}}}\n"
        (problem,) = problems(tmp_path, test, rules)
        assert problem.hint == (
            "the policy says nothing: rule 'small' decides by the object, which was not read; `object: FILE` says what is sent"
        )


RESULT = """rules:
- {name: small, effects: [write, workload, read], verdict: allow, when: 'result.spec.replicas <= 5'}
- {name: kept, effects: [delete], verdict: deny, when: 'result.kind == "Deployment"'}
tests:
"""


def test_a_condition_sees_the_result_of_a_test_and_a_test_without_it_says_so(tmp_path: Path) -> None:
    for name, replicas in (("few", 5), ("many", 6)):
        (tmp_path / f"{name}.yaml").write_text(f"apiVersion: apps/v1\nkind: Deployment\nspec: {{replicas: {replicas}}}\n")
    (tmp_path / "two.yaml").write_text("{apiVersion: v1, kind: A}\n---\n{apiVersion: v1, kind: B}\n")
    call = "as: {user: ann}, call: 'kubectl set image deploy/web a=b -n dev'"
    load(
        tmp_path,
        f"- {{{call}, result: few.yaml, verdict: allow, rule: small}}\n- {{{call}, result: many.yaml, verdict: deny}}\n",
        RESULT,
    )
    gone = "as: {user: ann}, call: kubectl delete deploy web -n dev, verdict: deny"
    load(tmp_path, f"- {{{gone}, result: few.yaml, rule: kept}}\n", RESULT)
    (problem,) = problems(tmp_path, f"- {{{gone}}}\n", RESULT)
    assert problem.hint == (
        "the policy says nothing: rule 'kept' decides by the result, which was not read; "
        "`result: FILE` says what a dry run of the call gives"
    )
    for file, words in (("none.yaml", "cannot be read"), ("two.yaml", "has 2 objects")):
        (problem,) = problems(tmp_path, f"- {{{gone}, result: {file}}}\n", RESULT)
        assert problem.what.startswith("`result`: ") and words in problem.what


def test_a_test_may_say_the_actor_the_issuer_and_the_address(tmp_path: Path) -> None:
    rules = 'rules:\n- {name: r, effects: [read], verdict: allow, when: \'principal.actor == "bot" && principal.issuer == "https://a" && principal.address.startsWith("10.")\'}\ntests:\n'
    test = "- {as: {user: ann, actor: %s, issuer: 'https://a', address: %s}, call: kubectl get pods, verdict: %s}\n"
    load(tmp_path, test % ("bot", "10.0.0.7", "allow") + test % ("bot", "'2001:db8::1'", "deny"), rules)
    for actor, address, words in (("bot", "10.0.0", "'10.0.0' is no IP address"), ('"b\u3164"', "10.0.0.7", "holds U+3164")):
        (problem,) = problems(tmp_path, test % (actor, address, "allow"), rules)
        assert words in problem.what


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("call: kubectl get pods, verdict: alow", "`verdict` must be allow, hold or deny, not 'alow'"),
        ("call: kubectl get pods", "`verdict` is missing in this test"),
        ("verdict: allow", "`call` is missing in this test"),
        ("call: kubectl gte pods, verdict: deny", "`call`: kubectl 'gte' is not read here"),
        ("call: helm install x, verdict: deny", "`call`: 'helm install x' is no call"),
        ("call: kubectl apply -f none.yaml, verdict: deny", "none.yaml cannot be read: No such file or directory"),
        ("call: kubectl get pods, verdict: deny, rule: red", "`rule`: no rule is named 'red'"),
        ("call: kubectl get pods, verdict: deny, rules: [read]", "unknown key `rules` in this test"),
    ],
)
def test_a_test_that_cannot_be_run_is_a_mistake(tmp_path: Path, test: str, what: str) -> None:
    (problem,) = problems(tmp_path, f"- {{{ANN}, {test}}}\n")
    assert problem.line == 5 and what in problem.what


def test_who_calls_must_be_somebody_who_may_be(tmp_path: Path) -> None:
    for who, what in (
        ("user: 'ann '", "`as`: 'ann ' begins or ends with a space"),
        ("kind: agent", "`user` is missing in `as`"),
        ("user: ann, kind: bot", "`kind` must be human, agent or workload, not 'bot'"),
        ("user: ann, groups: ['a\u3164']", "`as`: 'a\\u3164' holds U+3164"),
    ):
        found = problems(tmp_path, f"- {{as: {{{who}}}, call: kubectl get pods, verdict: deny}}\n")
        assert any(problem.what.startswith(what) for problem in found), found
    assert "`as` is missing" in problems(tmp_path, "- {call: kubectl get pods, verdict: deny}\n")[0].what


def test_a_file_has_so_many_tests_and_no_more(tmp_path: Path) -> None:
    one = "- {as: {user: x}, call: GET /metrics, verdict: deny}\n"
    assert load(tmp_path, one * MOST_CASES).tests == MOST_CASES
    assert f"`tests` has more than {MOST_CASES} tests" in problems(tmp_path, one * (MOST_CASES + 1))[0].what


def test_of_a_commands_calls_the_worst_decides_and_of_several_the_last() -> None:
    allow, deny = Verdict(True, "a", ""), Verdict(False, "d", "")
    assert worst([allow, allow]) == 1 and worst([deny, allow]) == 0 and worst([deny, allow, deny]) == 2
    unknown = replace(deny, needs="result")
    assert worst([deny, unknown]) == 0 and worst([allow, unknown, allow]) == 1
