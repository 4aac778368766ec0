"""Rules that are probably mistakes are doubted, and no rule that may be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.policy.doubts import doubts
from l7gw.policy.load import load
from l7gw.policy.rules import Rule


def one(tmp_path: Path, keys: str) -> Rule:
    path = tmp_path / "policy.yaml"
    path.write_text(f"rules:\n- {{name: r, {keys}}}\n")
    return load(path)[1][0]


@pytest.mark.parametrize(
    "resource", ["pods/*", "pods/e*", "*/scale", "widgets.example.com/exec", "*.example.com/x", "pods.metrics.k8s.io"]
)
def test_a_resource_that_may_exist_is_accepted(tmp_path: Path, resource: str) -> None:
    rule = one(tmp_path, f"verdict: deny, resources: ['{resource}']")
    assert rule.resources is not None and doubts([rule], None) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "resources: [deploymets.apps]",
            "Kubernetes' own group apps does not have: deploymets.apps; did you mean deployments.apps?",
        ),
        ("resources: ['*/exce']", "is about a subresource that Kubernetes itself does not have: */exce; did you mean exec?"),
        ("resources: ['*.apps/scal']", "that Kubernetes itself does not have: *.apps/scal; did you mean scale?"),
        ("resources: ['pod*/exce']", "that Kubernetes itself does not have: pod*/exce; did you mean exec?"),
        (
            "commands: ['cat /etc/*', 'rm **']",
            "denies `cat /etc/*` without further arguments alone: with `**` behind it, any may follow",
        ),
        ("clusters: [prod, prdo, 'x*']", "is about clusters that are not configured: prdo, x*; did you mean prod?"),
    ],
)
def test_a_rule_that_is_probably_a_mistake_is_a_doubt(tmp_path: Path, keys: str, words: str) -> None:
    rule = one(tmp_path, f"verdict: deny, {keys}")
    (doubt,) = doubts([rule], ["prod", "dev"])
    assert doubt.startswith("rule 'r' ") and doubt.endswith(words)


@pytest.mark.parametrize(
    ("keys", "is_doubted"),
    [
        ("verdict: deny, resources: [pods], verbs: [exec]", True),  # exec is a verb of pods/exec, not of pods
        ("verdict: deny, resources: [pods/exec], verbs: [exec]", False),
        ("verdict: deny, resources: [pods/exec], verbs: [get]", False),
        ("verdict: deny, resources: [pods], effects: [execute]", True),
        ("verdict: deny, resources: [configmaps], effects: [secrets]", True),
        ("verdict: deny, resources: [deployments.apps/scale], effects: [workload]", False),
        ("verdict: deny, verbs: [exec], effects: [read]", True),
        ("verdict: deny, verbs: [post], effects: [other]", False),
        ("verdict: deny, effects: [impersonate]", True),  # no call of this version has the effect
        ("verdict: deny, resources: [x.example.com/exec], verbs: [exec]", False),  # others' resources may have any subresource
        ("verdict: deny, resources: ['*/scale'], effects: [write], namespaces: [prod], names: [web]", False),
        ("verdict: deny, commands: ['rm **']", False),
        ("verdict: allow, resources: [secrets], effects: [read]", True),  # the call has the effect secrets too
        ("verdict: allow, resources: [secrets], effects: [read, secrets]", False),
        ("verdict: allow, resources: [deployments.apps/scale], effects: [write]", True),  # the call has the effect workload too
        ("verdict: allow, resources: [deployments.apps/scale], effects: [read, write]", False),
        ("verdict: allow, commands: ['ps **'], effects: [execute]", False),
        ("verdict: allow, effects: [read]", False),
        ("verdict: allow", False),
        ("verdict: deny", False),
    ],
)
def test_a_rule_that_no_call_fits_is_doubted(tmp_path: Path, keys: str, is_doubted: bool) -> None:
    found = doubts([one(tmp_path, keys)], None)
    assert found == (["rule 'r' matches no call: none has its `verbs`, `resources` and `effects` together"] if is_doubted else [])


def test_where_the_clusters_are_not_known_none_is_doubted(tmp_path: Path) -> None:
    assert doubts([one(tmp_path, "verdict: deny, clusters: [prdo]")], None) == []
