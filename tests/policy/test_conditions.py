"""`when`: compiled and tried at load, judged on what is known of a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.conditions import Condition, Context
from l7gw.policy.judge import Policy
from l7gw.policy.looked import MOST_ITEMS, Looked, look_at
from l7gw.policy.patterns import BadPattern
from l7gw.policy.rules import verb_of

ANN = Principal("ann", ("sre",), address="192.0.2.1")
PATCH = describe("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web")
GET, DELETE = describe("GET", "/api/v1/namespaces/dev/pods/a"), describe("DELETE", "/api/v1/namespaces/dev/pods/a")
WEB = Looked(object={"kind": "Deployment", "spec": {"replicas": 3, "containers": [{"image": "a/b"}, {"image": "c"}]}})
Make = Callable[[str], Policy]


@pytest.fixture
def policy(tmp_path: Path) -> Make:
    def make(text: str) -> Policy:
        (tmp_path / "policy.yaml").write_text(text)
        return Policy.load(tmp_path / "policy.yaml")

    return make


def outcome(text: str, act: Act = PATCH, looked: Looked | None = WEB) -> str:
    return Context(ANN, act, verb_of(act), looked).judge(Condition(text))[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('request.namespace == "dev" && "sre" in principal.groups', "yes"),
        ("request.verb == 'patch' && request.resource == 'deployments' && request.group == 'apps'", "yes"),
        ('"workload" in request.effects && !request.stdin && !request.dry_run', "yes"),
        ("principal.address.startsWith('192.0.2.')", "yes"),
        ("object.spec.replicas > 3", "no"),
        ("object.spec.replicas >= 3", "yes"),
        ("object.spec.containers.all(c, c.image.contains('/'))", "no"),
        ("object.spec.containers.exists(c, c.image == 'c')", "yes"),
        ("object.spec.containers[0].image.matches('^a/[a-z]+$')", "yes"),
        (
            "object.spec.containers.exists(c, c.image.matches('^.$')) && !object.kind.matches('^x') && object.kind.matches('plo')",
            "yes",
        ),
        ("object.spec.replicas.matches('3')", "error"),
        ("object.kind.matches('^Deploy\\\\w{4}$') && object.kind.matches(r'^Deploy\\w{4}$')", "yes"),
        ("has(object.spec.paused) && object.spec.paused", "no"),
        ("object.spec.paused", "error"),
        ("object.spec.missing.more == 1", "error"),
        ("object.spec.replicas.startsWith('a')", "error"),
        ("object.spec.replicas / 0 == 1", "error"),
        ("object.spec.replicas == 3.0", "yes"),
    ],
)
def test_a_condition_is_judged_on_the_call(text: str, found: str) -> None:
    assert outcome(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("request.verb ==", "is no condition"),
        ("request.verb", "neither true nor false: it gives a text"),
        ("1", "neither true nor false: it gives a number"),
        ("request.verb + 1 == 'a'", "neither true nor false"),
        ("request.namespace > 3", "neither true nor false"),
        ("object.spec.replicas + 1", "neither true nor false"),
        ("object.a.size() + 'a' == 'b'", "neither true nor false"),
        ("object.a.matches('(')", "is no pattern of RE2"),
        ("object.a.matches('((a{99}){99}){99}')", "is no pattern of RE2"),
        ("object.a.matches(b'a')", "is no pattern of RE2"),
        ("(" * 1000 + "true" + ")" * 1000, "is no condition"),
    ],
)
def test_a_condition_that_cannot_type_is_a_mistake(text: str, words: str) -> None:
    with pytest.raises(BadPattern, match=words):
        Condition(text)


def test_what_was_not_read_is_asked_for_and_what_no_call_of_its_sort_sends_is_an_error() -> None:
    assert outcome("object.a == 1", looked=None) == "object"
    assert outcome("result.a == 1", looked=None) == "result" and outcome("result.a == 1", looked=WEB) == "result"
    assert outcome("object.a == 1 || result.a == 1", looked=None) == "object"
    assert outcome("result.a == 1", looked=Looked(result={"a": 1})) == "yes"
    assert outcome("result.a == 1", looked=Looked(result_fault="no dry run")) == "error"
    assert outcome("object.a == 1", GET, None) == "error" and outcome("result.a == 1", GET, None) == "error"
    assert outcome("object.a == 1", DELETE, Looked()) == "error"  # it was read, and there is none
    assert outcome("object.a == 1", looked=Looked(fault="too large")) == "error"
    assert outcome("request.dry_run", PATCH, None) == "no" and outcome("request.dry_run", DELETE, None) == "object"
    assert outcome("request.dry_run", DELETE, look_at({"dryRun": ["All"]})) == "yes"


def test_what_is_not_known_of_a_call_is_an_error() -> None:
    attach = describe("POST", "/api/v1/namespaces/dev/pods/a/attach")
    assert outcome("request.argv.size() == 0", attach) == "error" and outcome("request.argv.size() == 0", GET) == "yes"


@pytest.mark.parametrize("call", ["DELETE /api/v1/namespaces/dev/pods/a", "POST /api/v1/namespaces/dev/pods/a/eviction"])
def test_a_body_that_cannot_be_looked_at_is_no_dry_run_by_its_query(call: str) -> None:
    """The API server reads the options of such a body, drops what it does not know, and deletes."""
    method, target = call.split(" ")
    act = describe(method, f"{target}?dryRun=All")
    for looked, found in (
        (Looked(), "yes"),
        (look_at({"x": [0] * (MOST_ITEMS + 1)}), "error"),
        (Looked(fault="too large"), "error"),
    ):
        assert outcome("request.dry_run", act, looked) == found
    assert outcome("request.dry_run", PATCH, Looked(fault="too large")) == "no"  # only its query says it


def test_the_library_writes_nothing_to_the_log_of_what_a_caller_sends(caplog: pytest.LogCaptureFixture) -> None:
    assert outcome("object.spec.replicas.matches('a')") == "error" and caplog.records == []


SRE = "reviewers: {groups: [sre]}"


@pytest.mark.parametrize(
    ("says", "yes", "no", "error"),
    [("verdict: allow", "w", "", ""), ("verdict: deny", "w", "last", "w"), (f"verdict: hold, {SRE}", "w", "last", "w")],
)
def test_an_error_is_no_match_of_an_allow_and_a_match_of_a_deny_or_a_hold(
    policy: Make, says: str, yes: str, no: str, error: str
) -> None:
    last = "- {name: last, verdict: deny}\n" if "allow" in says else "- {name: last, verdict: allow}\n"
    it = policy(f"rules:\n- {{name: w, {says}, when: 'object.spec.replicas > 2'}}\n{last}")
    for looked, rule in (
        (WEB, yes),
        (look_at({"spec": {"replicas": 1}}), no or "last"),
        (look_at({}), error or "last"),
        (look_at({"a": [0] * (MOST_ITEMS + 1)}), error or "last"),
    ):
        verdict = it.judge(ANN, "c", PATCH, looked)
        assert verdict.rule == rule and not verdict.remember and verdict.needs is None
        assert it.explain(ANN, "c", PATCH, looked).verdict == verdict
    guarded = policy(
        "guardrails:\n- {name: g, verdict: deny, when: 'object.spec.replicas > 2'}\nrules:\n- {name: a, verdict: allow}\n"
    )
    assert [
        guarded.judge(ANN, "c", PATCH, looked).decision for looked in (WEB, look_at({"spec": {"replicas": 1}}), look_at({}))
    ] == ["deny", "allow", "deny"]


def test_a_verdict_waits_for_the_object_only_where_a_rule_that_matches_needs_it(policy: Make) -> None:
    it = policy(
        "rules:\n- {name: w, namespaces: [dev], effects: [write, workload], verdict: allow, when: 'object.spec.replicas < 5'}\n- {name: r, effects: [read], verdict: allow}\n"
    )
    verdict = it.judge(ANN, "c", PATCH)
    assert (verdict.decision, verdict.needs, verdict.rule, verdict.remember) == ("deny", "object", "w", False)
    assert it.judge(ANN, "c", PATCH, WEB).allowed
    assert it.judge(ANN, "c", GET).remember and it.judge(ANN, "c", GET).needs is None
    other = it.judge(ANN, "c", describe("PATCH", "/apis/apps/v1/namespaces/prod/deployments/web"))
    assert other.needs is None and other.remember


def test_a_denial_that_no_object_can_change_waits_for_none(policy: Make) -> None:
    held = f"guardrails:\n- {{name: g, verdict: hold, {SRE}, when: 'object.a == 1'}}\n- {{name: d, namespaces: [prod], verdict: deny}}\n"
    it = policy(held + "rules:\n- {name: r, namespaces: [dev], verdict: allow}\n")
    prod, other = (describe("PATCH", f"/api/v1/namespaces/{name}/pods/a") for name in ("prod", "other"))
    assert (it.judge(ANN, "c", prod).rule, it.judge(ANN, "c", prod).needs) == ("d", None)
    assert (it.judge(ANN, "c", other).rule, it.judge(ANN, "c", other).needs) == ("", None)
    assert it.judge(ANN, "c", PATCH).needs == "object"
    assert it.judge(ANN, "c", PATCH, look_at({"a": 1})).decision == "hold" and it.judge(ANN, "c", PATCH, look_at({"a": 2})).allowed


def test_explain_says_what_a_condition_saw(policy: Make) -> None:
    it = policy(
        "rules:\n- {name: w, verdict: allow, when: 'object.spec.replicas > 5 && request.verb == \"patch\"'}\n- {name: d, verdict: deny, when: object.spec.paused}\n"
    )
    first, second = it.explain(ANN, "c", PATCH, WEB).considered[1:]
    assert (first.why, first.saw) == ("when: the condition is false", (("object.spec.replicas", "3"), ("request.verb", '"patch"')))
    assert (second.why, second.saw) == ("", (("object.spec.paused", "(not there)"),))
    assert second.note == "the condition cannot be judged, which counts as a match: there is no paused"
    open_ = it.explain(ANN, "c", PATCH)
    assert open_.verdict.needs == "object" and open_.considered[-1].why == "when: it depends on the object"


def test_a_verdict_waits_for_the_result_only_where_it_could_matter(policy: Make) -> None:
    it = policy(
        "guardrails:\n- {name: g, resources: [deployments.apps], verdict: deny, when: 'result.spec.replicas > 3'}\n"
        "- {name: d, resources: [deployments.apps], namespaces: [prod], verdict: deny}\n"
        "rules:\n- {name: w, effects: [write, workload], namespaces: [dev, prod], verdict: allow, mask: [env], record: metadata}\n"
    )
    waits = it.judge(ANN, "c", PATCH, WEB)
    assert (waits.needs, waits.rule, waits.decision) == ("result", "g", "deny") and waits.obligations.mask == {"env"}
    assert waits.handling.record == "metadata"
    for replicas, decision in ((3, "allow"), (4, "deny")):
        verdict = it.judge(ANN, "c", PATCH, Looked(result={"spec": {"replicas": replicas}}))
        assert (verdict.decision, verdict.needs, verdict.remember) == (decision, None, decision == "deny" and verdict.remember)
    assert it.judge(ANN, "c", PATCH, Looked(result_fault="refused")).rule == "g"
    for line in ("namespaces/prod/deployments/web", "namespaces/test/deployments/web", "namespaces/dev/statefulsets/web"):
        assert it.judge(ANN, "c", describe("PATCH", f"/apis/apps/v1/{line}"), WEB).needs is None, line


@pytest.mark.parametrize(
    "call",
    [
        "GET /api/v1/namespaces/dev/pods/a",
        "POST /api/v1/namespaces/dev/pods/a/exec?command=ls",
        "POST /api/v1/namespaces/dev/serviceaccounts/a/token",
        "DELETE /api/v1/namespaces/dev/pods",
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews",
        "POST /metrics",
    ],
)
def test_the_result_of_a_call_that_has_no_dry_run_is_an_error_at_once(call: str) -> None:
    assert outcome("result.a == 1", describe(*call.split(" ")), None) == "error"


def test_a_result_without_the_object_leaves_the_object_open() -> None:
    given = Looked(result={"a": 1}, whole=False)
    assert outcome("result.a == 1", looked=given) == "yes" and outcome("result.a == object.a", looked=given) == "object"


def test_explain_says_what_a_condition_saw_of_the_result(policy: Make) -> None:
    it = policy("rules:\n- {name: w, effects: [write, workload], verdict: allow, when: 'result.spec.replicas < 3'}\n")
    open_ = it.explain(ANN, "c", PATCH, WEB)
    assert open_.verdict.needs == "result" and open_.considered[-1].why == "when: it depends on the result"
    seen = it.explain(ANN, "c", PATCH, Looked(result={"spec": {"replicas": 2}})).considered[-1]
    assert seen.saw == (("result.spec.replicas", "2"),) and not seen.why


def test_a_mistake_in_a_condition_is_reported_with_its_line(policy: Make) -> None:
    with pytest.raises(Exception, match=r"yaml:4: `when`: `request.nme` is not known"):
        policy("rules:\n- name: w\n  verdict: deny\n  when: request.nme == 'a'\n")
