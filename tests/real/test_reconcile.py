"""The real kube-apiserver's own audit log beside the recordings: kubectl through the gateway, and kubectl round it."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.both_ways import Both, before
from tests.support.compared_commands import USER, Side
from tests.support.faults import until
from tests.support.gateway_process import L7GW
from tests.support.kubernetes.cluster import RealCluster

POLICY = """
guardrails:
  - {name: keep, effects: [delete], names: ["kept*"], verdict: deny}
rules:
  - {name: quiet, groups: [engineers], resources: [endpoints], effects: [read], record: none, verdict: allow}
  - {name: all, effects: ["*"], verdict: allow}
"""


@pytest.fixture(scope="module")
def both(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with before(cluster, tmp_path_factory.mktemp("reconcile"), POLICY, watched=False) as running:
        yield running


@pytest.fixture(scope="module")
def ann(both: Both) -> Side:
    return both.fresh()[1]


def reconciled(both: Both, status: int, *words: str) -> dict[str, Any]:
    """What the command says of the whole log, with what came by other tests before this gateway's first recording left out."""
    command = [L7GW, "audit", "reconcile", "--config", both.gateway.config, "-o", "json", *words, both.cluster.audit_log]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (done.returncode, done.stdout[-3000:], done.stderr)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def by(said: dict[str, Any], user: str) -> list[dict[str, Any]]:
    return [way for way in said["rounds"] if way["user"] == user]


def test_kubectl_through_the_gateway_is_matched_and_kubectl_round_it_is_found(both: Both, ann: Side) -> None:
    cluster = both.cluster
    cluster.request("POST", f"/api/v1/namespaces/{ann.namespace}/configmaps", {"metadata": {"name": "web-1"}})
    for words in (
        ("get", "pods", "-A"),
        ("get", "pods", "web-0", "-o", "yaml"),
        ("create", "configmap", "made", "--from-literal=a=1"),
        ("label", "configmap", "made", "a=b"),
        ("exec", "web-0", "--", "true"),
        ("logs", "web-0"),
        ("auth", "can-i", "get", "pods"),
        ("get", "--raw", "/metrics"),
        ("delete", "configmap", "made"),
        ("delete", "configmap", "kept"),  # denied
        ("get", "endpoints"),  # not recorded
    ):
        ann.kubectl(cluster.built.kubectl, *words)
    round_it = cluster.kubectl("-n", ann.namespace, "get", "configmap", "web-1", "-o", "name")
    assert round_it.stdout == "configmap/web-1\n"

    def settled() -> dict[str, Any] | None:
        said = reconciled(both, 1, "--all", "--margin", "0s")
        return said if by(said, "admin") and said["recorded_and_seen"] >= 10 else None

    said = until(settled, 20.0)
    ways = by(said, "admin")
    found = next(
        way for way in ways if way["verb"] == "get" and way["resource"] == "configmaps" and way["namespace"] == ann.namespace
    )
    assert (found["why"], found["count"], found["last"]["status"]) == ("not recorded", 1, 200)
    assert found["client"].startswith("kubectl/") and found["address"] == "127.0.0.1"
    assert by(said, "l7gw-gateway") == [] and said["not_recorded_by_configuration"] >= 1
    assert said["unreadable_lines"] == 0 and said["never_seen"] == 0, said["calls_never_seen"]


def test_the_audit_id_of_a_call_through_the_gateway_hides_no_call_round_it(both: Both, ann: Side) -> None:
    cluster = both.cluster
    trusted = ssl.create_default_context(cafile=str(both.gateway.authority.certificate))
    connection = http.client.HTTPSConnection("127.0.0.1", both.gateway.port, context=trusted, timeout=30)
    connection.request("GET", f"/real/api/v1/namespaces/{ann.namespace}/pods", headers={"Authorization": f"Bearer {both.token}"})
    answer = connection.getresponse()
    answer.read()
    stolen = answer.headers["Audit-Id"]
    connection.close()
    straight = http.client.HTTPSConnection(cluster.host, cluster.port, context=cluster.tls, timeout=30)
    extras = {"Impersonate-User": "l7gw", "Impersonate-Extra-l7gw-user": USER}
    straight.request("GET", f"/api/v1/namespaces/{ann.namespace}/pods", headers={"Audit-ID": stolen, **extras})
    assert straight.getresponse().read()
    straight.close()

    def settled() -> dict[str, Any] | None:
        said = reconciled(both, 1)
        return said if [way for way in said["rounds"] if way["last"]["audit_id"] == stolen] else None

    (way,) = [way for way in until(settled, 20.0)["rounds"] if way["last"]["audit_id"] == stolen]
    assert (way["why"], way["user"], way["as"], way["count"]) == ("the id of another call", "admin", "l7gw", 1)
