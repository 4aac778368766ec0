"""A new policy is run over what real kubectls did at a real cluster, while the gateway that records it runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.both_ways import Both, before
from tests.support.gateway_process import L7GW
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "backtest"
FORMER = """
guardrails:
  - {name: small, resources: ["*/scale"], when: 'object.spec.replicas > 3', verdict: deny}
  - {name: rehearsals only, resources: [secrets], effects: [delete], when: '!request.dry_run', verdict: deny}
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""
STRICT = """
guardrails:
  - {name: smaller, resources: ["*/scale"], when: 'object.spec.replicas > 1', verdict: deny}
  - {name: teams, resources: [deployments.apps], verbs: [create], when: '!has(object.metadata.labels.team)', verdict: deny}
rules:
  - {name: read, effects: [read], resources: [deployments.apps], verdict: allow}
  - {name: change, effects: [read, write, workload], resources: ["deployments.apps", "*/scale"], verdict: allow}
"""


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    cluster.namespace(NAMESPACE)
    with before(cluster, tmp_path_factory.mktemp("backtest"), FORMER, watched=False) as both:
        for words, code in (
            (("get", "deployments"), 0),
            (("create", "deployment", "web", "--image", "example.com/web", "--replicas=0"), 0),
            (("scale", "deploy/web", "--replicas=2"), 0),
            (("scale", "deploy/web", "--replicas=9"), 1),
            (("create", "secret", "generic", "s", "--from-literal=a=b"), 0),
            (("delete", "secret", "s"), 1),
            (("delete", "secret", "s", "--dry-run=server"), 0),
            (("delete", "deployment", "web", "--wait=false"), 0),
        ):
            done = cluster.kubectl("-n", NAMESPACE, *words, kubeconfig=both.through, check=False)
            assert done.returncode == code, done.stderr
        yield both


def backtest(both: Both, text: str, *arguments: str) -> tuple[int, Any]:
    path = both.folder / "new.yaml"
    path.write_text(text)
    command = [L7GW, "policy", "backtest", path, "--config", both.gateway.config, "-o", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_the_policy_in_force_changes_no_call_of_a_real_client(both: Both) -> None:
    status, said = backtest(both, FORMER, "--since", "1h")
    assert (said["changes"], said["unreadable_blocks"], said["other_rule"]) == ([], 0, 0)
    assert said["calls"] > 10
    # a denied call's body is not recorded: what it sent cannot be looked at again
    assert (status, said["unknown_because"]) == (3, {"object-not-recorded": 2})


def test_a_stricter_policy_names_the_calls_of_a_real_client_that_it_would_deny(both: Both) -> None:
    status, said = backtest(both, STRICT)
    assert status == 1
    found = {(one["rule_after"], one["example"]["command"].split(" -n ")[0]): one for one in said["changes"]}
    assert ("smaller", "kubectl patch --subresource=scale deployments.apps web") in found
    assert ("teams", "kubectl create deployments.apps") in found
    assert ("", "kubectl delete deployments.apps web") in found
    assert {(one["before"], one["after"]) for one in said["changes"]} == {("allow", "deny")}


def test_an_example_can_be_looked_up_in_the_recordings(both: Both) -> None:
    _, said = backtest(both, STRICT)
    example = said["changes"][0]["example"]
    command = [L7GW, "export", f"{example['session']}/{example['exchange']}", "--format", "jsonl", "--state", both.gateway.state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert any(json.loads(line)["type"] == "verdict" for line in done.stdout.splitlines())
