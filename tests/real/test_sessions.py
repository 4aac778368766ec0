"""What a real kubectl did is told as a story: its commands, the verdict on each call, and what became of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.both_ways import Both, before
from tests.support.kubernetes.cluster import RealCluster

NAMESPACE = "stories"
POLICY = """
guardrails:
  - {name: no deletes, effects: [delete], verdict: deny, reason: ask sre first}
rules:
  - {name: by hand, users: [ann], effects: ["*"], verdict: allow}
"""


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    cluster.namespace(NAMESPACE)
    with before(cluster, tmp_path_factory.mktemp("stories"), POLICY, watched=False) as both:
        yield both


def kubectl(both: Both, *words: str, user: str = "ann") -> subprocess.CompletedProcess[str]:
    return both.cluster.kubectl("-n", NAMESPACE, *words, kubeconfig=both.of(user), check=False)


def test_what_kubectl_did_is_told_call_by_call(both: Both, cluster: RealCluster) -> None:
    cluster.pod("web-0", NAMESPACE)
    assert kubectl(both, "exec", "web-0", "--", "sh", "-c", "echo out").stdout == "out\n"
    assert kubectl(both, "delete", "pod", "web-0").returncode == 1
    gone = both.gateway.kubeconfig("real", "no token", name="nobody.kubeconfig")
    assert both.cluster.kubectl("get", "pods", kubeconfig=gone, check=False).returncode == 1
    state = "--config", both.gateway.config
    nobody, ann = json.loads(both.gateway.l7gw("sessions", "list", "-o", "json", *state).stdout)
    assert (ann["principal"]["user"], ann["failed_logins"], nobody["failed_logins"]["addresses"]) == ("ann", None, 1)
    assert nobody["failed_logins"]["by"][0]["address"] == "127.0.0.1"
    for wanted in ("delete", "kubectl delete"):
        (found,) = json.loads(both.gateway.l7gw("sessions", "list", "-o", "json", "--command", wanted, *state).stdout)
        assert found["id"] == ann["id"]

    story = both.gateway.l7gw("sessions", "show", ann["id"], *state).stdout
    execs, deletes = story.index("\nrun  kubectl exec  kubectl/v"), story.index("\nrun  kubectl delete  kubectl/v")
    assert (
        execs
        < story.index(f"  kubectl exec web-0 -n {NAMESPACE} -c main -- sh -c 'echo out' -> allowed by by hand; 101, complete, ")
        < deletes
    )
    assert (
        f"  kubectl delete pods web-0 -n {NAMESPACE} -> denied by guardrail 'no deletes': ask sre first; 403, denied, "
        in story[deletes:]
    )
    assert "  discovery, " in story and "GET /api" not in story

    calls = json.loads(both.gateway.l7gw("sessions", "show", ann["id"], "-o", "json", *state).stdout)["calls"]
    (executed,) = [call for call in calls if call["subresource"] == "exec"]
    (denied,) = [call for call in calls if call["verdict"] == "deny"]
    assert (executed["argv"], executed["command"], executed["status"]) == (["sh", "-c", "echo out"], "kubectl exec", 101)
    assert executed["down"] >= 4 and executed["ms"] > 0 and executed["outcome"] == "complete"
    assert (denied["verb"], denied["resource"], denied["name"], denied["rule"]) == ("delete", "pods", "web-0", "no deletes")
    assert len(calls) == ann["exchanges"]
