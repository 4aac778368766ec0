"""Held deletes, evictions and execs: a reviewer sees what goes with an object, or what would run and as whom."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.both_ways import Both
from tests.support.held_calls import Stage
from tests.support.reviewing_hand import Answering

NAMESPACE = "held-deletes"
AT = f"/api/v1/namespaces/{NAMESPACE}"


@pytest.fixture(scope="module")
def stage(held_sides: Both) -> Stage:
    return Stage(held_sides, NAMESPACE)


def made(stage: Stage, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = stage.cluster.request("POST", path, body)
    assert status == 201, answer
    return answer


def volume(stage: Stage, name: str, policy: str, namespace: str) -> None:
    """A volume, and a claim of it."""
    size, modes = {"storage": "1Gi"}, ["ReadWriteOnce"]
    spec = {"capacity": size, "accessModes": modes, "persistentVolumeReclaimPolicy": policy, "hostPath": {"path": "/x"}}
    made(stage, "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    claim = {"accessModes": modes, "resources": {"requests": size}, "volumeName": name}
    made(stage, f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": claim})


def test_the_delete_of_a_namespace_shows_what_it_holds_and_which_data_are_lost(stage: Stage) -> None:
    stage.cluster.namespace("held-full")
    made(stage, "/api/v1/namespaces/held-full/configmaps", {"metadata": {"name": "inside"}})
    volume(stage, "held-lost", "Delete", "held-full")
    volume(stage, "held-kept", "Retain", "held-full")
    running = stage.start("wait-d1", "delete", "namespace", "held-full", "--wait=false")
    hold = stage.hand.pending("wait-d1")
    shown = hold.shown.inventory
    assert shown is not None and hold.shown.dry_run == "" and hold.command == "kubectl delete namespaces held-full"
    fates = {(item.kind, item.name): item.fate for item in shown.items}
    assert fates["Namespace", "held-full"] == "deleted with all that it holds"
    assert fates["configmaps", "inside"] == "deleted"
    assert fates["PersistentVolume", "held-lost"].startswith("its data are lost")
    assert fates["PersistentVolume", "held-kept"] == "kept (reclaim policy Retain)"
    assert shown.counts["persistentvolumeclaims"] == 2
    assert any("custom resources" in warning for warning in shown.warnings)
    stage.hand.deny(hold)
    assert running.result(60).returncode == 1
    assert stage.cluster.request("GET", "/api/v1/namespaces/held-full")[1]["status"]["phase"] == "Active"


def test_the_delete_of_a_deployment_shows_what_it_owns(stage: Stage) -> None:
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "owner", "namespace": NAMESPACE},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "owner"}},
            "template": {"metadata": {"labels": {"app": "owner"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    }  # fmt: skip
    stage.cluster.apply(deployment)
    stage.until_there(f"{AT}/pods?labelSelector=app%3Downer")
    running = stage.start("wait-d2", "delete", "deployment/owner", "--wait=false")
    hold = stage.hand.pending("wait-d2")
    assert hold.shown.inventory is not None
    assert hold.shown.inventory.counts == {"Deployment": 1, "replicasets": 1, "pods": 1}
    stage.hand.approve(hold)
    assert running.result(60).returncode == 0
    assert stage.cluster.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/owner")[0] == 404


def test_an_eviction_shows_the_budget_that_it_would_break(stage: Stage) -> None:
    stage.cluster.pod("guarded", NAMESPACE)
    budget = {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}, "metadata": {"name": "guard"}}
    made(
        stage,
        f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **budget},
    )
    stage.until_there(f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/guard", "expectedPods")
    running = stage.start("wait-d3", "delete", "pod/guarded", "--wait=false")
    hold = stage.hand.pending("wait-d3")
    assert hold.shown.inventory is not None
    assert "it breaks the PodDisruptionBudget guard, which allows no disruption now" in hold.shown.inventory.warnings
    stage.hand.deny(hold)
    assert running.result(60).returncode == 1
    body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "guarded", "namespace": NAMESPACE}})
    evicted = stage.kubectl("back-d3", "create", "--raw", f"{AT}/pods/guarded/eviction", "-f", "-", stdin=body)
    hold = stage.hand.pending("back-d3")
    assert hold.id in evicted.stderr and "disruption budget" in hold.shown.dry_run
    assert stage.cluster.request("GET", f"{AT}/pods/guarded")[0] == 200


def test_a_deletecollection_is_bound_to_the_objects_that_were_shown(stage: Stage) -> None:
    for name in ("one", "two"):
        stage.make(name, a="1", labels={"kind": "collected"})
    target = f"{AT}/configmaps?labelSelector=kind%3Dcollected"
    first = stage.kubectl("back-d4", "delete", "--raw", target)
    hold = stage.hand.pending("back-d4")
    assert hold.id in first.stderr and hold.verb == "deletecollection" and len(hold.uids) == 2
    assert hold.command == f"kubectl delete configmaps -n {NAMESPACE} -l kind=collected"
    stage.hand.approve(hold)
    stage.make("three", a="1", labels={"kind": "collected"})
    again = stage.kubectl("back-d4", "delete", "--raw", target)
    other = stage.hand.pending("back-d4")
    assert again.returncode == 1 and other.id in again.stderr and len(other.uids) == 3
    stage.hand.approve(other)
    assert stage.kubectl("back-d4", "delete", "--raw", target).returncode == 0
    assert stage.cluster.request("GET", target)[1]["items"] == []


# ---------------------------------------------------------------------- execs


@pytest.fixture(scope="module")
def pod(stage: Stage) -> str:
    stage.cluster.pod("web-0", NAMESPACE)
    return "web-0"


@pytest.mark.parametrize("websocket", [True, False])
def test_an_exec_waits_and_runs(stage: Stage, pod: str, websocket: bool) -> None:
    environment = {} if websocket else {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
    running = stage.start("wait-d5", "exec", pod, "--", "echo", "a b", environment=environment)
    hold = stage.hand.pending("wait-d5")
    shown = hold.shown.exec
    assert shown is not None and hold.command == f"kubectl exec {pod} -n {NAMESPACE} -c main -- echo 'a b'"
    assert (shown.pod, shown.container, shown.image, shown.service_account) == (pod, "main", "busybox", "default")
    assert shown.argv == ("echo", "a b") and len(hold.uids) == 1 and shown.rbac
    stage.hand.approve(hold)
    done = running.result(60)
    assert (done.returncode, done.stdout) == (0, "a b\n"), done.stderr
    assert len([one for one in stage.hand.holds() if one.principal.user == "wait-d5" and one.state == "consumed"]) == (
        1 if websocket else 2
    )


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize("user", ["wait-d6", "back-d6"])
def test_a_refused_exec_is_told_why_and_is_one_hold(stage: Stage, pod: str, websocket: bool, user: str) -> None:
    environment = {} if websocket else {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
    command = ("exec", pod, "--", "echo", f"{websocket}")
    with Answering(stage.hand, approve=False) as answering:
        done = stage.kubectl(user, *command, environment=environment)
    assert done.returncode == 1 and done.stdout == ""
    words = "denied by lea: not today" if user == "wait-d6" else "run the same command again"
    assert "l7gw: " in done.stderr and words in done.stderr, done.stderr
    assert len([hold for hold in answering.seen if hold.principal.user == user]) <= 1


def test_an_exec_over_spdy_uses_the_approval_of_its_twin_over_websocket(stage: Stage, pod: str) -> None:
    command = ("exec", pod, "--", "echo", "twin")
    assert stage.kubectl("back-d7", *command).returncode == 1
    hold = stage.hand.pending("back-d7")
    stage.hand.approve(hold)
    other = stage.kubectl("back-d7", "exec", "-i", pod, "--", "echo", "twin")
    assert other.returncode == 1 and hold.id not in other.stderr  # with stdin it is another call
    done = stage.kubectl("back-d7", *command, environment={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"})
    assert (done.returncode, done.stdout) == (0, "twin\n"), done.stderr
    assert stage.hand.of(hold).state == "consumed"


def test_a_password_among_the_arguments_is_not_shown(stage: Stage, pod: str) -> None:
    assert stage.kubectl("back-d8", "exec", pod, "--", "mysql", "--password=hunter2").returncode == 1
    hold = stage.hand.pending("back-d8")
    assert hold.argv is not None and hold.argv[0] == "mysql" and "hunter2" not in str(hold)


def test_a_port_forward_is_held_at_its_upgrade(stage: Stage, pod: str) -> None:
    command = [stage.cluster.built.kubectl, "-n", NAMESPACE, "port-forward", pod, ":80"]
    environment = stage.cluster.environment(stage.both.of("wait-d9"))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        hold = stage.hand.pending("wait-d9")
        assert hold.subresource == "portforward" and hold.shown.exec is not None and hold.shown.exec.pod == pod
        stage.hand.approve(hold)
        assert running.stdout is not None and "Forwarding from" in running.stdout.readline()
        running.terminate()
    denied = stage.start("wait-d9", "port-forward", pod, ":80")
    stage.hand.deny(stage.hand.pending("wait-d9"))
    done = denied.result(60)
    assert done.returncode == 1 and "denied by lea: not today" in done.stderr


def test_an_attach_is_held_like_an_exec(stage: Stage, pod: str) -> None:
    done = stage.kubectl("back-d9", "attach", pod)
    hold = stage.hand.pending("back-d9")
    assert done.returncode == 1 and hold.id in done.stderr
    assert hold.command == f"kubectl attach {pod} -n {NAMESPACE} -c main" and hold.argv is None
