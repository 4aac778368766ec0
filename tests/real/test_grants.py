"""Access for an hour, with real kubectl before the real API server: denied, asked for, approved by somebody else, allowed, and over."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.both_ways import AUDIENCE, Both, before
from tests.support.kubernetes.cluster import RealCluster

POLICY = """
rules:
  - {name: developers look, groups: [dev], effects: [read], verdict: allow}
  - {name: on call, groups: [oncall], effects: [read, write, delete, execute, secrets], verdict: allow}
grants:
  - {group: oncall, groups: [dev], reviewers: {groups: [sre]}, max: 2h}
"""
NAMESPACE = "granted"


class Desk:
    """The gateway, and people with tokens in files."""

    def __init__(self, both: Both) -> None:
        self.both = both
        both.cluster.namespace(NAMESPACE)
        both.cluster.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "l7gw-oncall"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "l7gw:oncall"}],
            }
        )
        both.cluster.pod("web-0", NAMESPACE)

    def token(self, user: str, *groups: str) -> str:
        return self.both.provider.token(user, list(groups), AUDIENCE, lasting=3600)

    def kubeconfig(self, user: str) -> Path:
        return self.both.gateway.kubeconfig("real", self.token(user, "dev"), name=f"{user}.kubeconfig")

    def kubectl(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.both.cluster.kubectl("-n", NAMESPACE, *arguments, kubeconfig=self.kubeconfig(user), check=False)

    def grants(self, user: str, group: str, *words: str) -> str:
        """What `l7gw grants` of somebody prints."""
        file = self.both.folder / f"{user}.token"
        file.write_text(self.token(user, group))
        verb, *more = words
        return self.both.gateway.l7gw("grants", verb, "--token-file", file, *more).stdout.strip()

    def granted(self, user: str, lasting: str = "30m") -> str:
        grant = self.grants(user, "dev", "request", "oncall", "--cluster", "real", "--for", lasting, "--reason", "INC-1")
        assert self.grants("lea", "sre", "approve", grant).startswith("approved: oncall on real")
        return grant

    def exec(self, user: str, websocket: str) -> subprocess.Popen[str]:
        """An exec that has begun, and would last a minute."""
        command: list[Any] = [self.both.cluster.built.kubectl, "--kubeconfig", self.kubeconfig(user), "-n", NAMESPACE]
        process = subprocess.Popen(
            [*command, "exec", "web-0", "--", "sh", "-c", "echo begun; sleep 60"],
            env={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket, "HOME": str(self.both.folder)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        return process


@pytest.fixture(scope="module")
def desk(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with before(cluster, tmp_path_factory.mktemp("grants"), POLICY) as running:
        yield Desk(running)


def test_denied_asked_for_approved_by_another_person_allowed_and_taken_back(desk: Desk) -> None:
    denied = desk.kubectl("ann", "get", "secrets")
    assert denied.returncode == 1 and "l7gw: no rule allows it: list secrets" in denied.stderr
    hint = "ask for it: l7gw grants request oncall --cluster real --for 30m --reason TEXT"
    assert hint in denied.stderr
    by_rbac = desk.kubectl("ann", "get", "pods")
    assert by_rbac.returncode == 1 and ' cannot list resource "pods"' in by_rbac.stderr  # the cluster itself says no
    grant = desk.granted("ann")
    assert desk.kubectl("ann", "get", "secrets").returncode == 0
    assert "web-0" in desk.kubectl("ann", "get", "pods").stdout  # RBAC is bound to the group
    assert desk.kubectl("ann", "create", "configmap", "made", "--from-literal=a=1").returncode == 0
    desk.grants("ann", "dev", "revoke", grant)
    assert hint in desk.kubectl("ann", "get", "secrets").stderr


@pytest.mark.parametrize("websocket", ["true", pytest.param("false", marks=pytest.mark.long)])
def test_an_exec_that_a_grant_allowed_ends_with_words_when_it_is_taken_back(desk: Desk, websocket: str) -> None:
    grant = desk.granted("bob")
    process = desk.exec("bob", websocket)
    try:
        desk.grants("lea", "sre", "revoke", grant, "--note", "the shop is up")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1 and "the grant of 'oncall' was revoked by lea: the shop is up" in err
    finally:
        process.kill()


@pytest.mark.long
def test_an_exec_that_a_grant_allowed_ends_with_words_when_its_time_is_over(desk: Desk) -> None:
    desk.granted("cia", "5s")
    process = desk.exec("cia", "true")
    try:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1 and "the grant of 'oncall' ended at 20" in err
    finally:
        process.kill()
