"""What whoever is denied is told: the rule or the call, what a dry run said, and which group he may ask for."""

from __future__ import annotations

from pathlib import Path

from l7gw.gateway.results import denial
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.judge import Policy
from l7gw.policy.openings import first_opening

POLICY = """
guardrails:
- {name: shadow stays, verdict: deny, namespaces: [kube-system], effects: [delete], reason: "ask the platform team"}
rules:
- {name: on call, verdict: allow, groups: [oncall], effects: [delete]}
grants:
- {group: oncall, groups: [dev], reviewers: {groups: [sre]}}
"""


def words(tmp_path: Path, who: Principal, namespace: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    policy, act = Policy.load(path), describe("DELETE", f"/api/v1/namespaces/{namespace}/pods/web-0")
    return denial(policy.judge(who, "prod", act), act, None, first_opening(policy, who, "prod", act)).message


def test_a_denied_call_is_named_with_the_grant_that_would_open_it(tmp_path: Path) -> None:
    called = "no rule allows it: delete pods web-0 in namespace shop"
    assert words(tmp_path, Principal("eve"), "shop") == called
    ask = "l7gw grants request oncall --cluster prod --for 30m --reason TEXT"
    assert words(tmp_path, Principal("ann", ("dev",)), "shop") == f"{called}; ask for it: {ask}"


def test_a_rule_is_named_and_no_grant_that_would_not_help(tmp_path: Path) -> None:
    told = "denied by guardrail 'shadow stays': ask the platform team"
    assert words(tmp_path, Principal("ann", ("dev",)), "kube-system") == told
