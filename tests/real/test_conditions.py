"""Conditions on what real clients send, before the real API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.both_ways import Both, before
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "conditions"
POLICY = """
guardrails:
  - name: small
    resources: ["*/scale"]
    when: 'object.spec.replicas > 3'
    verdict: deny
    reason: three are enough
  - name: named teams
    resources: [configmaps]
    verbs: [create, update]
    when: '!has(object.metadata.labels) || object.metadata.labels["team"] != "shop"'
    verdict: deny
  - name: rehearsals only
    resources: [secrets]
    effects: [delete]
    when: '!request.dry_run'
    verdict: deny
rules:
  - {name: by hand, users: [ann], effects: ["*"], when: 'principal.kind == "human" && request.namespace != "prod"', verdict: allow}
  - {name: others, users: [bob], effects: ["*"], verdict: allow}
"""


class Stage:
    def __init__(self, both: Both, folder: Path) -> None:
        self.both, self.folder = both, folder

    def kubectl(self, *arguments: str, stdin: str | None = None, user: str = "ann") -> subprocess.CompletedProcess[str]:
        config = self.both.of(user)
        return self.both.cluster.kubectl("-n", NAMESPACE, *arguments, kubeconfig=config, stdin=stdin, check=False)


@pytest.fixture(scope="module")
def stage(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    cluster.namespace(NAMESPACE)
    folder = tmp_path_factory.mktemp("conditions")
    with before(cluster, folder, POLICY, watched=False) as both:
        yield Stage(both, folder)


def test_a_patch_is_judged_by_what_it_sends(stage: Stage) -> None:
    made = stage.kubectl("create", "deployment", "web", "--image", "example.com/web", "--replicas=0")
    assert made.returncode == 0, made.stderr
    assert stage.kubectl("scale", "deploy/web", "--replicas=2").returncode == 0
    refused = stage.kubectl("scale", "deploy/web", "--replicas=9")
    assert refused.returncode == 1 and "l7gw: denied by guardrail 'small': three are enough" in refused.stderr
    assert stage.kubectl("get", "deploy/web", "-o", "jsonpath={.spec.replicas}").stdout == "2"


def test_an_object_that_lacks_the_field_is_denied(stage: Stage) -> None:
    def create(name: str, labels: str) -> subprocess.CompletedProcess[str]:
        return stage.kubectl(
            "create",
            "-f",
            "-",
            stdin=f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {labels}}}\ndata: {{a: b}}\n",
        )

    assert create("good", "{team: shop}").returncode == 0
    for name, labels in (("bad", "{team: x}"), ("bare", "{}"), ("other", "{a: b}")):
        refused = create(name, labels)
        assert refused.returncode == 1 and "denied by guardrail 'named teams'" in refused.stderr, labels


def test_a_delete_is_a_rehearsal_where_its_body_says_so(stage: Stage) -> None:
    assert stage.kubectl("create", "secret", "generic", "s", "--from-literal=a=b").returncode == 0
    rehearsed = stage.kubectl("delete", "secret", "s", "--dry-run=server")
    assert rehearsed.returncode == 0, rehearsed.stderr
    refused = stage.kubectl("delete", "secret", "s")
    assert refused.returncode == 1 and "denied by guardrail 'rehearsals only'" in refused.stderr
    assert stage.kubectl("get", "secret", "s", "-o", "name").stdout == "secret/s\n"


def test_a_body_with_more_than_is_looked_at_makes_no_rehearsal_by_the_query(stage: Stage) -> None:
    assert stage.kubectl("create", "secret", "generic", "s2", "--from-literal=a=b").returncode == 0
    target = f"/api/v1/namespaces/{NAMESPACE}/secrets/s2?dryRun=All"
    refused = stage.kubectl("delete", "--raw", target, "-f", "-", stdin=json.dumps({"x": [0] * 1001}))
    assert refused.returncode == 1 and "denied by guardrail 'rehearsals only'" in refused.stderr
    assert stage.kubectl("get", "secret", "s2", "-o", "name").stdout == "secret/s2\n"


def test_whom_a_condition_does_not_fit_is_denied(stage: Stage) -> None:
    assert stage.kubectl("get", "pods", "-n", "prod").returncode == 1
    assert stage.kubectl("get", "pods", "-n", "prod", user="bob").returncode == 0
    assert json.loads(stage.kubectl("get", "pods", "-o", "json").stdout)["kind"] == "List"
