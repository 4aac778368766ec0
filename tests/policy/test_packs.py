"""The shipped packs: each loads, leaves no doubts, passes its tests, and catches what it must and nothing that goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.policy.doubts import doubts
from l7gw.policy.grant_doubts import grant_doubts
from l7gw.policy.judge import Policy
from l7gw.policy.packs import NAMES, about, text_of

WHO = [Principal("x", ("engineers", "agents", "deployers", "sre", "oncall"), kind) for kind in ("human", "agent", "workload")]
CLUSTERS = ("dev", "prod", "prod-1")


@pytest.fixture(params=NAMES)
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(text_of(request.param) or "")
    return Policy.load(path)


def test_a_pack_leaves_no_doubts_and_has_tests_that_pass(pack: Policy) -> None:
    assert doubts((*pack.guardrails, *pack.rules), None) == [] == grant_doubts(pack, None) and pack.tests >= 15


@pytest.mark.parametrize("namespace", ["dev", "cde", "kube-system"])
def test_writes_of_leases_and_events_are_never_caught(pack: Policy, namespace: str) -> None:
    paths = (f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases", f"/api/v1/namespaces/{namespace}/events")
    paths += (f"/apis/events.k8s.io/v1/namespaces/{namespace}/events",)
    for path in paths:
        for method, target in (("POST", path), ("PUT", f"{path}/x"), ("PATCH", f"{path}/x")):
            for who in WHO:
                for cluster in CLUSTERS:
                    assert pack.judge(who, cluster, describe(method, target)).allowed, (method, target, who.kind, cluster)


# threats D9
ESCALATION = [
    *(("POST", f"/apis/rbac.authorization.k8s.io/v1/{kind}") for kind in ("clusterroles", "clusterrolebindings")),
    ("PATCH", "/apis/rbac.authorization.k8s.io/v1/namespaces/dev/roles/r"),
    ("DELETE", "/apis/rbac.authorization.k8s.io/v1/namespaces/dev/rolebindings"),
    ("POST", "/api/v1/namespaces/dev/serviceaccounts/a/token"),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval"),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/status"),
    ("POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"),
    ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p"),
    ("PUT", "/apis/apiregistration.k8s.io/v1/apiservices/v1.a"),
    ("POST", "/api/v1/namespaces/dev/pods/a/binding"),
    ("POST", "/api/v1/namespaces/dev/bindings"),
    ("POST", "/api/v1/namespaces/dev/pods/a/eviction"),
    ("PATCH", "/api/v1/namespaces/dev/pods/a/status"),
    ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/d/scale"),
    ("GET", "/api/v1/nodes/n/proxy/run"),
]


@pytest.mark.parametrize(("method", "target"), ESCALATION, ids=[target for _, target in ESCALATION])
def test_escalation_objects_are_held_or_denied_whoever_asks(pack: Policy, method: str, target: str) -> None:
    for who in WHO:
        for cluster in CLUSTERS:
            assert pack.judge(who, cluster, describe(method, target)).decision != "allow", (who.kind, cluster)


def test_a_pack_is_found_by_its_name_and_says_what_it_is_for() -> None:
    assert text_of("read-only agents") == text_of("read-only-agents") and text_of("nothing") is None and text_of("../pci") is None
    assert all(about(name).endswith(".") and "\n" not in about(name) for name in NAMES)
