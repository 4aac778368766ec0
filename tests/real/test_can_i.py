"""`kubectl auth can-i` before a real cluster: the policy and RBAC answer together, in JSON and in protobuf."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.issuer import DemoIssuer
from tests.real.test_impersonation import IMPERSONATING, RBAC, account, bound, gateway_with
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster

NAME = "l7gw-can-i"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OWN_GROUP = {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["l7gw:askers"], "verbs": ["impersonate"]}
ACTED_AS: list[dict[str, Any]] = [{"apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"], "verbs": ["impersonate"]}]
ASKING = [{"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]
POLICY = """
guardrails:
  - {name: prod stays, namespaces: [prod], effects: [delete], verdict: deny, reason: ask the owners}
rules:
  - {name: deletes wait, groups: [askers], effects: [delete], verdict: hold, reviewers: {groups: [sre]}}
  - {name: few replicas, groups: [askers], verbs: [create], resources: [pods], when: 'size(object.spec.containers) < 3', verdict: allow}
  - {name: looks inside, groups: [askers], effects: [execute], commands: ["ls **"], verdict: allow}
  - {name: engineers read, groups: [askers], effects: [read, impersonate], as: {users: [jane]}, verdict: allow}
  - {name: more than RBAC, groups: [askers], resources: [nodes], verbs: [patch], verdict: allow}
"""
Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def running(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, DemoIssuer]]:
    token = account(cluster, NAME, [*IMPERSONATING, OWN_GROUP, *ACTED_AS, *ASKING])
    rights = [{"apiGroups": ["", "apps"], "resources": ["pods", "pods/exec", "configmaps", "deployments"], "verbs": ["*"]}]
    bound(cluster, f"{NAME}-engineers", [*rights, *ACTED_AS], {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:askers"})
    reads = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}]
    bound(cluster, f"{NAME}-jane", reads, {"kind": "User", "apiGroup": RBAC, "name": "jane"})
    with gateway_with(cluster, token, tmp_path_factory.mktemp("can-i"), POLICY) as it:
        yield it


@pytest.fixture(params=["newest", "1.29"])
def ask(cluster: RealCluster, running: tuple[Gateway, DemoIssuer], request: pytest.FixtureRequest) -> Ask:
    gateway, issuer = running
    config = gateway.kubeconfig("real", issuer.token("ann", ["askers"]), name="can-i.kubeconfig")
    binary = next(
        (path for version, path in cluster.built.kubectls.items() if version.startswith("v1.29") == (request.param == "1.29"))
    )

    def kubectl(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return cluster.kubectl(*words, kubeconfig=config, binary=binary, check=False, **more)

    return kubectl


def test_allowed_is_what_both_allow_and_the_reason_says_which_says_no(ask: Ask) -> None:
    for question, said in (
        (("get", "pods", "-n", "dev"), "yes"),
        (("get", "pods", "-A"), "yes"),
        (("delete", "pods", "-n", "dev"), "yes"),
        (("delete", "pods", "-n", "prod"), "no - l7gw: denied by guardrail 'prod stays': ask the owners"),
        (("delete", "pods", "-A"), "no - l7gw: denied by guardrail 'prod stays': ask the owners"),
        (("create", "pods", "-n", "dev"), "yes"),
        (("create", "pods/exec", "-n", "dev"), "yes"),
        (("create", "configmaps", "-n", "dev"), "no - l7gw: no rule allows it"),
        (("*", "*", "-n", "dev"), "no - l7gw: no rule allows it"),
        (("patch", "nodes"), "no - l7gw: a rule allows it, and the cluster's RBAC does not"),
        (("get", "/metrics"), "no - l7gw: no rule allows it"),
        (("get", "/version"), "yes"),
    ):
        done = ask("auth", "can-i", *question)
        assert done.stdout == f"{said}\n", (question, done)
        assert done.returncode == (0 if said == "yes" else 1)


def test_as_somebody_else_it_is_about_him_in_the_cluster_and_about_the_caller_in_the_policy(ask: Ask) -> None:
    assert ask("auth", "can-i", "list", "services", "--as=jane").stdout == "yes\n"
    assert ask("auth", "can-i", "list", "pods", "--as=jane").stdout.startswith("no - l7gw: a rule allows it")
    assert ask("auth", "can-i", "patch", "nodes", "--as=jane").stdout == "no - l7gw: no rule allows it\n"
    assert ask("auth", "can-i", "impersonate", "users/jane").stdout == "yes\n"
    assert ask("auth", "can-i", "impersonate", "users/joe").stdout == "no - l7gw: no rule allows it\n"


def test_the_list_says_that_it_is_the_clusters_alone_and_whoami_works(ask: Ask) -> None:
    listed = ask("auth", "can-i", "--list", "-n", "dev")
    assert listed.returncode == 0 and "pods/exec" in listed.stdout
    assert "the list may be incomplete: l7gw: these are the rights in the cluster alone" in listed.stderr
    assert "l7gw" in ask("auth", "whoami").stdout


@pytest.mark.parametrize(
    ("asked", "allowed", "reason"),
    [
        ({"verb": "delete", "resource": "pods", "namespace": "dev"}, True, "l7gw: held for approval by rule 'deletes wait'"),
        ({"verb": "create", "resource": "pods", "namespace": "dev"}, True, "l7gw: depends on the object"),
        ({"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "dev"}, True, "l7gw: depends on the command"),
        ({"verb": "bind", "resource": "pods", "namespace": "dev"}, True, "l7gw: no call has this verb"),
    ],
)
def test_a_yes_says_what_it_depends_on(ask: Ask, asked: dict[str, str], allowed: bool, reason: str) -> None:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
    done = ask("create", "--validate=false", "-f", "-", "-o", "json", stdin=json.dumps(review))
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)["status"]
    assert status["allowed"] is allowed and status["reason"].startswith(reason), status
    raw = ask("create", "--raw", REVIEWS, "-f", "-", stdin=json.dumps(review))
    assert json.loads(raw.stdout)["status"] == status


def test_both_encodings_are_answered(cluster: RealCluster, running: tuple[Gateway, DemoIssuer], tmp_path: Path) -> None:
    gateway, _ = running
    sessions = [event for one in gateway.sessions() for event in gateway.events(one["id"])]
    bodies = {
        dict(event["headers"])["content-type"] for event in sessions if event["type"] == "response" and event["status"] == 201
    }
    assert bodies == {"application/json", "application/vnd.kubernetes.protobuf"}
