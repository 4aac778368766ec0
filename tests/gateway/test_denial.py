"""What whoever is denied is told: the call, the rule or that there is none, what a dry run said, what to do, and who he is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.gateway.denial import denial, groups_in_words, in_words
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.kube.status import LARGEST_UPGRADE_BODY
from l7gw.kube.warning_header import warning_field
from l7gw.policy.judge import Policy
from l7gw.policy.openings import first_opening
from tests.support.raw_client import WEBSOCKET, RawClient
from tests.support.scene import Scene, scene

POLICY = """
guardrails:
- {name: shadow stays, verdict: deny, namespaces: [kube-system], effects: [delete], reason: "ask the platform team"}
- {name: no looks, verdict: deny, namespaces: [kube-system], effects: [read]}
rules:
- {name: on call, verdict: allow, groups: [oncall], effects: [delete]}
grants:
- {group: oncall, groups: [dev], reviewers: {groups: [sre]}}
"""
ALLOWED_BY = "whoever writes the gateway's policy can allow it"


def words(folder: Path, who: Principal, line: str, command: str = "", address: str = "") -> tuple[str, str]:
    """What is told, and what is recorded."""
    path = folder / "policy.yaml"
    path.write_text(POLICY)
    policy, act = Policy.load(path), describe(*line.split(" "))
    ask = first_opening(policy, who, "prod", act)
    refusal = denial(policy.judge(who, "prod", act), act, None, who=who, command=command, address=address, ask=ask)
    return refusal.message, refusal.recorded


def pod(namespace: str, method: str = "DELETE") -> str:
    return f"{method} /api/v1/namespaces/{namespace}/pods/web-0"


def test_a_call_that_no_rule_allows_is_named_with_who_can_allow_it_and_its_caller(tmp_path: Path) -> None:
    called = "no rule allows it: delete pods web-0 in namespace shop"
    assert words(tmp_path, Principal("eve"), pod("shop")) == (f"{called}; {ALLOWED_BY}; you are eve (human, no groups)", called)


def test_a_grant_that_would_open_the_call_is_what_to_do(tmp_path: Path) -> None:
    called = "no rule allows it: delete pods web-0 in namespace shop"
    ask = "l7gw grants request oncall --cluster prod --for 30m --reason TEXT"
    told = f"{called}; ask for it: {ask}"
    assert words(tmp_path, Principal("ann", ("dev",)), pod("shop")) == (f"{told}; you are ann (human, group dev)", told)


def test_a_rule_is_named_and_no_grant_that_would_not_help(tmp_path: Path) -> None:
    told = "denied by guardrail 'shadow stays': ask the platform team"
    call = "the call is delete pods web-0 in namespace kube-system"
    assert words(tmp_path, Principal("ann", ("dev",)), pod("kube-system")) == (
        f"{told}; {call}; you are ann (human, group dev)",
        told,
    )


def test_a_kubectl_that_asks_for_more_than_was_typed_is_explained(tmp_path: Path) -> None:
    why = "`kubectl exec` first gets the pod"
    told, recorded = words(tmp_path, Principal("eve", kind="agent"), pod("shop", "GET"), "kubectl exec")
    assert recorded == "no rule allows it: get pods web-0 in namespace shop"
    assert told == f"{recorded}; {why}: allow `get pods` too; you are eve (agent, no groups)"
    told, recorded = words(tmp_path, Principal("eve"), pod("kube-system", "GET"), "kubectl exec")
    assert told.startswith(f"denied by guardrail 'no looks'; the call is get pods web-0 in namespace kube-system, as {why}; ")


@pytest.mark.parametrize("path", ["/prod/api", "/production/api/v1/pods", "/k8s/clusters/c-1/version", "/x"])
def test_a_path_that_no_api_server_has_says_how_its_cluster_is_reached(tmp_path: Path, path: str) -> None:
    told, _ = words(tmp_path, Principal("eve"), f"GET {path}", address="https://GATEWAY/prod")
    hint = "this is no path of the Kubernetes API: `server:` in the kubeconfig must be https://GATEWAY/prod"
    assert told == f"no rule allows it: get {path}; {hint}; you are eve (human, no groups)"


@pytest.mark.parametrize("line", ["GET /metrics", "GET /logs/", "GET /", "GET /debug/pprof/", "POST /version", "GET /api/v1/pods"])
def test_a_path_of_the_api_gets_no_such_hint(tmp_path: Path, line: str) -> None:
    assert "server:" not in words(tmp_path, Principal("eve"), line, address="https://GATEWAY/prod")[0]


def test_of_many_groups_five_are_named_and_the_rest_counted() -> None:
    assert groups_in_words(tuple("abcde")) == "groups a, b, c, d, e"
    assert groups_in_words(tuple("abcdefgh")) == "groups a, b, c, d, e and 3 more"
    assert in_words(Principal("u" * 200, ("g" * 200,))) == f"{'u' * 59}… (human, group {'g' * 59}…)"


@given(st.text(min_size=1, max_size=300), st.lists(st.text(max_size=300), max_size=12), st.integers(0, 30_000))
def test_however_long_its_names_a_denial_is_bounded_and_its_warning_says_what_was_denied(
    user: str, groups: list[str], length: int
) -> None:
    act = describe("GET", f"/api/v1/namespaces/n/pods/{'p' * length or 'p'}")
    verdict = Policy((), ()).judge(Principal("x"), "prod", act)
    refusal = denial(verdict, act, None, who=Principal(user, tuple(groups)), command="kubectl exec")
    assert len(refusal.message) < 1000
    assert "l7gw: no rule allows it: get pods p" in warning_field(refusal.message)[1]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("denial"), policy=POLICY) as running:
        yield running


def refused(it: Scene, line: str, *headers: str) -> tuple[bytes, str]:
    with RawClient(it.gateway) as client:
        client.send(it.request(line, *headers))
        status, _, body = client.answer("GET")
    assert status == 403
    return body, json.loads(body)["message"]


def test_a_running_gateway_tells_a_kubectl_exec_to_allow_the_get_of_its_pod(it: Scene) -> None:
    body, message = refused(it, pod("shop", "GET"), "Kubectl-Command: kubectl exec")
    assert "`kubectl exec` first gets the pod: allow `get pods` too; you are ann@example.com (human, group engineers)" in message
    assert [one["reason"] for one in json.loads(body)["details"]["causes"]] == ["L7GWSession"]
    session = next(one for one in it.gateway.sessions() if one["principal"]["user"] == "ann@example.com")
    reasons = [event["reason"] for event in it.gateway.events(session["id"]) if event["type"] in ("verdict", "end")]
    assert reasons == ["no rule allows it: get pods web-0 in namespace shop"] * 2


def test_a_running_gateway_names_the_prefix_of_the_cluster_for_a_path_that_has_another(it: Scene) -> None:
    message = refused(it, "GET /prod/api")[1]
    assert "`server:` in the kubeconfig must be https://GATEWAY/test or https://GATEWAY; you are" in message


def test_a_refused_upgrade_keeps_what_was_denied_however_long_its_names(it: Scene) -> None:
    line = f"GET /api/v1/namespaces/{'n' * 63}/pods/{'p' * 253}/exec?command={'c' * 5000}"
    body, message = refused(it, line, *WEBSOCKET, "Kubectl-Command: kubectl cp")
    assert len(body) <= LARGEST_UPGRADE_BODY
    assert message.startswith("l7gw: no rule allows it: exec pods/exec ppp") and "`kubectl cp` runs tar in the container" in message
