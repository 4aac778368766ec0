"""The roles `view` and `edit`, which the controller of a whole cluster fills and the test cluster leaves empty."""

from __future__ import annotations

from tests.support.kubernetes.cluster import RealCluster


def fill_usual_roles(cluster: RealCluster) -> None:
    """Give `view` and `edit` the rules that Kubernetes aggregates into them."""
    for name in ("view", "edit"):
        path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregate-to-{name}"
        status, parts = cluster.request("GET", path)
        assert status == 200
        head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
        cluster.apply({**head, "rules": parts["rules"]})
