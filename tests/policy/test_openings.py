"""Which grants would open a call: only those that the principal may ask for, and with which the call is not denied."""

from __future__ import annotations

from pathlib import Path

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.judge import Policy
from l7gw.policy.openings import openings

POLICY = """
guardrails:
- {name: g, verdict: deny, namespaces: [kube-system], effects: [delete]}
rules:
- {name: on call, verdict: allow, groups: [on call], effects: [delete]}
- {name: held, verdict: hold, groups: [looked-at], effects: [delete], reviewers: {groups: [sre]}}
grants:
- {group: nothing, reviewers: {groups: [sre]}}
- {group: on call, groups: [dev], reviewers: {groups: [sre]}, max: 10m}
- {group: looked-at, users: [bob], reviewers: {groups: [sre]}}
"""


def found(tmp_path: Path, who: Principal, namespace: str = "shop") -> list[str]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    call = describe("DELETE", f"/api/v1/namespaces/{namespace}/pods/web-0")
    return list(openings(Policy.load(path), who, "prod", call))


def test_a_grant_that_opens_the_call_is_named_as_a_command(tmp_path: Path) -> None:
    assert found(tmp_path, Principal("ann", ("dev",))) == ["l7gw grants request 'on call' --cluster prod --for 10m --reason TEXT"]
    assert found(tmp_path, Principal("bob")) == ["l7gw grants request looked-at --cluster prod --for 30m --reason TEXT"]


def test_what_he_may_not_ask_for_or_what_helps_nothing_is_not_named(tmp_path: Path) -> None:
    assert found(tmp_path, Principal("eve")) == []
    assert found(tmp_path, Principal("ann", ("dev",), kind="agent")) == []
    assert found(tmp_path, Principal("ann", ("dev",)), "kube-system") == []
