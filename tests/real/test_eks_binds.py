"""Rights for a session before a cluster of EKS, where each person is a role session of its own; and its audit log beside the recordings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.real.test_eks_path import Stage, stage
from tests.support.aws.eks_cluster import GATEWAYS, EksCluster
from tests.support.faults import until
from tests.support.gateway_process import L7GW

POLICY = """
rules:
  - {name: readers, groups: [engineers], namespaces: [eks-bound], effects: [read], verdict: allow, bind: map-reader}
"""
SPACE = "eks-bound"
RBAC = "rbac.authorization.k8s.io"
WITHIN = 30.0  # seconds


def prepared(eks: EksCluster) -> None:
    """The role that is bound, and what `l7gw rbac render` gives the group of the gateway's role sessions for that."""
    cluster = eks.cluster
    cluster.namespace(SPACE)
    maps = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    binds = [
        {"apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": ["create", "delete", "list"]},
        {"apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": ["map-reader"], "verbs": ["bind"]},
    ]
    where = {"name": "l7gw-binds", "namespace": SPACE}
    cluster.apply({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "map-reader"}, "rules": maps})
    cluster.apply({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": where, "rules": binds})
    subject = {"apiGroup": RBAC, "kind": "Group", "name": GATEWAYS}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": "l7gw-binds"}
    cluster.apply({"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": where, "roleRef": ref, "subjects": [subject]})


def reconciled(it: Stage, *words: str) -> dict[str, Any]:
    command = [L7GW, "audit", "reconcile", "--config", it.gateway.config, "-o", "json", *words, it.eks.cluster.audit_log]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.long
def test_a_role_is_bound_by_the_gateways_own_role_session_and_all_its_sessions_are_known_by_its_role(
    eks: EksCluster, tmp_path: Path
) -> None:
    prepared(eks)
    bindings = f"/apis/{RBAC}/v1/namespaces/{SPACE}/rolebindings?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dl7gw"
    with stage(tmp_path, eks, policy=POLICY) as it:
        assert "configmap/kube-root-ca.crt" in it.kubectl("bind-ann", "get", "configmaps", "-n", SPACE, "-o", "name")
        (binding,) = eks.cluster.request("GET", bindings)[1]["items"]
        assert binding["subjects"][0]["name"] == "l7gw:bind-ann@example.com"
        eks.cluster.kubectl("get", "configmaps", "-n", SPACE)  # round the gateway

        def settled() -> dict[str, Any] | None:
            said = reconciled(it)
            return said if said["recorded_and_seen"] and [way for way in said["rounds"] if way["namespace"] == SPACE] else None

        said = until(settled, WITHIN)
        ways = [way for way in said["rounds"] if way["namespace"] == SPACE]
        assert {way["user"] for way in ways} == {"admin"}, ways
        made = [one for one in eks.cluster.audited() if one.get("objectRef", {}).get("name") == binding["metadata"]["name"]]
        assert {one["user"]["username"] for one in made if one["verb"] == "create"} == {eks.user_of("l7gw")}
        assert made[0]["user"]["extra"]["canonicalArn"] == [eks.gateway.arn]
    assert eks.cluster.request("GET", bindings)[1]["items"] == []
