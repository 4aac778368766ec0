"""The doubts of a policy, with and without what the configuration says."""

from __future__ import annotations

from pathlib import Path

from l7gw.policy.all_doubts import policy_doubts
from l7gw.policy.judge import Policy
from tests.support.written_configuration import Written

RULES = """
rules:
- {name: a, groups: [oncall], effects: [read], verdict: allow}
- {name: b, groups: ["idp:sre"], effects: [read], verdict: allow}
- {name: c, groups: [sre], effects: [read], verdict: allow}
- {name: d, clusters: [prdo], groups: ["idp:sre", "l7gw:x"], effects: [read], verdict: allow}
grants:
- {group: oncall, groups: ["idp:sre"], reviewers: {groups: ["idp:sre"]}}
- {group: oncall, groups: [engineers], reviewers: {groups: ["idp:sre"]}}
"""


def test_callers_and_clusters_are_looked_at_where_the_configuration_is_known(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.entry["oidc"]["groups"] = "groups"
    written.entry["prefix"] = "idp:"
    policy = tmp_path / "policy.yaml"
    policy.write_text(RULES)
    found = policy_doubts(Policy.load(policy), written.load())
    assert [one.partition(";")[0] for one in found] == [
        "rule 'c' names groups whom no entry of `identity` gives: 'sre'",
        "rule 'd' is about clusters that are not configured: prdo",
        "rule 'd' has in `groups` the prefix l7gw:, which is put before names where the cluster is told, and rules see names without "
        "it: 'l7gw:x'",
        "the grant of 'oncall' in line 9 names groups whom no entry of `identity` gives: 'engineers'",
    ]
    assert policy_doubts(Policy.load(policy), None) == []
