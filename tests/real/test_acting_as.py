"""`kubectl --as` before a real cluster whose RBAC lets some callers act as others, and some not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from l7gw.demo.issuer import DemoIssuer
from tests.real.test_impersonation import IMPERSONATING, RBAC, account, bound, gateway_with
from tests.support.faults import until
from tests.support.gateway_process import Gateway
from tests.support.kubernetes.cluster import RealCluster
from tests.support.reviewing_hand import Hand

NAME = "l7gw-acting"
OWN_GROUP = {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["l7gw:actors"], "verbs": ["impersonate"]}
ACTED_AS: list[dict[str, Any]] = [  # whom the gateway is let impersonate beside what README.md says
    {"apiGroups": [""], "resources": ["users"], "resourceNames": ["jane", "büro"], "verbs": ["impersonate"]},
    {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["developers"], "verbs": ["impersonate"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["ci"], "verbs": ["impersonate"]},
]
REVIEWS = [{"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}]
POLICY = f"""
guardrails:
  - {{name: nobody acts as root, effects: [impersonate], as: {{users: ["root*"]}}, verdict: deny}}
rules:
  - {{name: hank reads as jane, users: [hank], effects: [read, impersonate], as: {{users: [jane]}}, verdict: allow}}
  - name: held as others
    users: [hank]
    effects: [write, delete, impersonate]
    as: {{users: [jane]}}
    verdict: hold
    reviewers: {{groups: [sre]}}
    wait: wait
  - name: act as others
    groups: [actors]
    effects: [read, write, delete, execute, impersonate]
    as: {{users: [jane, rootless, büro], groups: [developers], service-accounts: ["{NAME}/c*"]}}
    verdict: allow
  - {{name: as themselves, effects: [read, write, delete, execute], verdict: allow}}
"""
Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def running(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, DemoIssuer]]:
    token = account(cluster, NAME, [*IMPERSONATING, OWN_GROUP, *ACTED_AS, *REVIEWS])
    cluster.namespace(NAME)
    cluster.request("POST", f"/api/v1/namespaces/{NAME}/serviceaccounts", {"metadata": {"name": "ci"}})
    engineers = {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:actors"}
    bound(cluster, f"{NAME}-engineers", ACTED_AS, engineers)
    reading = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]
    bound(cluster, f"{NAME}-jane", reading, {"kind": "User", "apiGroup": RBAC, "name": "jane"})
    pods = [{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["*"]}]
    bound(cluster, f"{NAME}-developers", pods, {"kind": "Group", "apiGroup": RBAC, "name": "developers"})
    accounts = {"kind": "Group", "apiGroup": RBAC, "name": f"system:serviceaccounts:{NAME}"}
    bound(cluster, f"{NAME}-accounts", [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}], accounts)
    with gateway_with(cluster, token, tmp_path_factory.mktemp("acting"), POLICY) as it:
        yield it


@pytest.fixture
def ask(cluster: RealCluster, running: tuple[Gateway, DemoIssuer]) -> Ask:
    gateway, issuer = running

    def kubectl(user: str, *words: str, groups: tuple[str, ...] = ("actors",)) -> subprocess.CompletedProcess[str]:
        config = gateway.kubeconfig("real", issuer.token(user, list(groups)), name=f"{user}.kubeconfig")
        return cluster.kubectl("-n", NAME, *words, kubeconfig=config, check=False)

    return kubectl


def test_a_call_is_made_as_whom_the_caller_asks_for(cluster: RealCluster, ask: Ask, running: tuple[Gateway, DemoIssuer]) -> None:
    plain = ask("ann", "get", "configmaps")
    assert plain.returncode == 1 and 'User "l7gw" cannot list' in plain.stderr
    done = ask("ann", "get", "configmaps", "--as=jane")
    assert done.returncode == 0 and "kube-root-ca.crt" in done.stdout, done.stderr
    whoami = json.loads(ask("ann", "auth", "whoami", "-o", "json", "--as=jane", "--as-group=developers").stdout)["status"][
        "userInfo"
    ]
    assert (whoami["username"], whoami["groups"]) == ("jane", ["developers", "system:authenticated"])
    assert whoami["extra"]["l7gw-user"] == ["ann"] and "l7gw-session" in whoami["extra"]
    gateway, _ = running
    session = whoami["extra"]["l7gw-session"][0]
    requests = [event for event in gateway.events(session) if event["type"] == "request"]
    acted = next(event for event in requests if event["resource"] == "configmaps" and event["as_user"])
    assert (acted["as_user"], acted["as_groups"], acted["effects"]) == ("jane", [], ["impersonate", "read"])
    assert next(event for event in requests if event["resource"] == "configmaps")["as_user"] is None
    reasons = [event["reason"] for event in gateway.events(session) if event["type"] == "verdict"]
    assert 'the cluster lets l7gw (group l7gw:actors) impersonate groups "developers"' in reasons
    shown = gateway.l7gw("sessions", "show", session).stdout
    assert "--as=jane" in shown
    audited = [event for event in cluster.audit(acted["audit_id"]) if event["objectRef"]["resource"] == "configmaps"]
    assert audited[-1]["impersonatedUser"]["username"] == "jane" and audited[-1]["impersonatedUser"]["extra"]["l7gw-user"] == [
        "ann"
    ]


def test_a_service_account_is_acted_as_with_its_own_groups(ask: Ask) -> None:
    name = f"system:serviceaccount:{NAME}:ci"
    assert ask("ann", "get", "services", f"--as={name}").returncode == 0
    group = ask("ann", "get", "services", f"--as={name}", "--as-group=system:serviceaccounts")
    assert group.returncode == 1 and "a service account's own groups come with it" in group.stderr
    other = ask("ann", "get", "services", f"--as=system:serviceaccount:{NAME}:default")
    assert other.returncode == 1 and "no rule allows it" in other.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as=jane", "--as-group=system:masters"), "groups that begin with system: cannot be asked for"),
        (("--as=system:admin",), "only service accounts can be asked for"),
        (("--as=jane", "--as-uid=1"), "a uid (--as-uid) cannot be asked for"),
        (("--as=jane", "--as-group=admins"), "no rule allows it"),
        (("--as=rooted",), "nobody acts as root"),
        (("--as=joe",), "no rule allows it"),
        (("--as=jane,joe",), "holds a comma"),
        (("--as=ja\u200bne",), "holds U+200B"),
    ],
)  # fmt: skip
def test_what_no_rule_lets_be_asked_for_is_refused_in_words(ask: Ask, words: tuple[str, ...], said: str) -> None:
    done = ask("ann", "get", "--raw", f"/api/v1/namespaces/{NAME}/configmaps", *words)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "l7gw: " in done.stderr


def test_rbac_must_let_the_caller_himself_and_is_asked_with_every_call(cluster: RealCluster, ask: Ask) -> None:
    name = f"{NAME}-engineers"
    one = ask("ann", "get", "configmaps", "--as=büro")
    assert one.returncode == 1 and 'User "büro" cannot list resource "configmaps"' in one.stderr
    bound(cluster, name, [], {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:actors"})
    try:
        words = 'the cluster\'s RBAC does not let l7gw (group l7gw:actors), as which you are known there, impersonate users "jane"'
        until(lambda: words in ask("ann", "get", "configmaps", "--as=jane").stderr, 20)
    finally:
        bound(cluster, name, ACTED_AS, {"kind": "Group", "apiGroup": RBAC, "name": "l7gw:actors"})
    until(lambda: ask("ann", "get", "configmaps", "--as=jane").returncode == 0, 20)


def test_an_exec_and_a_watch_are_made_as_somebody_else(cluster: RealCluster, ask: Ask) -> None:
    cluster.pod("acted", NAME)
    done = ask("ann", "exec", "acted", "--as=jane", "--as-group=developers", "--", "echo", "it ran")
    assert done.returncode == 0 and done.stdout == "it ran\n", done.stderr
    refused = ask("ann", "exec", "acted", "--as=jane", "--", "echo", "it ran")
    assert refused.returncode == 1 and 'User "jane" cannot get resource "pods"' in refused.stderr
    watched = ask("ann", "get", "pod/acted", "-w", "--as=jane", "--as-group=developers", "--request-timeout=2")
    assert "acted" in watched.stdout


def test_a_held_call_shows_its_reviewer_as_whom_it_is_made(
    cluster: RealCluster, ask: Ask, running: tuple[Gateway, DemoIssuer]
) -> None:
    cluster.request("POST", f"/api/v1/namespaces/{NAME}/configmaps", {"metadata": {"name": "held"}, "data": {"a": "1"}})
    gateway, _ = running
    hand = Hand(gateway.state)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, "hank", "delete", "configmap/held", "--as=jane")
        hold = hand.pending("hank")
        assert hold.acts_as is not None and hold.acts_as.user == "jane" and hold.principal.user == "hank"
        assert "--as=jane" in hold.command and "impersonate" in hold.effects
        hand.approve(hold)
        done = call.result(60)
    assert done.returncode == 0, done.stderr
    assert cluster.request("GET", f"/api/v1/namespaces/{NAME}/configmaps/held")[0] == 404
    other = ask("hank", "delete", "configmap/held", "--as=büro")
    assert other.returncode == 1 and "is forbidden" in other.stderr


def test_a_gateway_that_may_not_impersonate_whom_the_caller_may_says_what_it_lacks(cluster: RealCluster, tmp_path: Path) -> None:
    token = account(cluster, f"{NAME}-narrow", [*IMPERSONATING, OWN_GROUP, *REVIEWS])
    with gateway_with(cluster, token, tmp_path, POLICY) as (gateway, issuer):
        config = gateway.kubeconfig("real", issuer.token("ann", ["actors"]))
        path = f"/api/v1/namespaces/{NAME}/configmaps"
        for name, lacks in (("jane", "users jane"), (f"system:serviceaccount:{NAME}:ci", f"serviceaccounts {NAME}/ci")):
            done = cluster.kubectl("get", "--raw", path, f"--as={name}", kubeconfig=config, check=False)
            assert done.returncode == 1 and f"l7gw: cluster real does not let the gateway impersonate {lacks}" in done.stderr, (
                done.stderr
            )


def test_a_gateway_that_may_not_ask_says_what_it_lacks(cluster: RealCluster, tmp_path: Path) -> None:
    token = account(cluster, f"{NAME}-mute", [*IMPERSONATING, OWN_GROUP, *ACTED_AS])
    with gateway_with(cluster, token, tmp_path, POLICY) as (gateway, issuer):
        config = gateway.kubeconfig("real", issuer.token("ann", ["actors"]))
        path = f"/api/v1/namespaces/{NAME}/configmaps"
        done = cluster.kubectl("get", "--raw", path, "--as=jane", kubeconfig=config, check=False)
        words = "cluster real does not let the gateway create subjectaccessreviews.authorization.k8s.io"
        assert done.returncode == 1 and f"l7gw: {words}: RBAC there lacks this permission" in done.stderr
        assert words in gateway.log
