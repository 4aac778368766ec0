"""What a call does: the table of the design, row by row, and that no spelling loses an effect."""

from __future__ import annotations

import itertools

import pytest

from l7gw.kube.act import EFFECTS
from l7gw.kube.effects import resource_effects
from l7gw.kube.requestinfo import describe

N = "/api/v1/namespaces/d"
ROWS = [
    ("GET", "/api", "discovery"),
    ("GET", "/apis/apps/v1", "discovery"),
    ("GET", "/openapi/v3", "discovery"),
    ("GET", "/version", "discovery"),
    ("GET", "/readyz/etcd", "discovery"),
    ("GET", "/metrics", "other read"),
    ("GET", "/logs/x", "other read"),
    ("POST", "/version", "other write"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "discovery"),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "discovery"),
    ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "discovery"),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", "secrets write"),
    ("GET", f"{N}/pods", "read"),
    ("GET", f"{N}/pods/p/log?follow=1", "read"),
    ("GET", f"{N}/configmaps/c", "read"),
    ("POST", f"{N}/configmaps", "write"),
    ("POST", f"{N}/pods", "workload write"),
    ("PATCH", "/apis/apps/v1/namespaces/d/deployments/web", "workload write"),
    ("PATCH", "/apis/batch/v1/namespaces/d/cronjobs/c", "workload write"),
    ("PATCH", "/apis/apps/v1/namespaces/d/deployments/web/scale", "write"),
    ("POST", f"{N}/pods/p/binding", "workload write"),
    ("DELETE", f"{N}/pods/p", "delete"),
    ("DELETE", f"{N}/pods", "delete"),
    ("POST", f"{N}/pods/p/eviction", "delete"),
    ("GET", f"{N}/secrets/s", "read secrets"),
    ("GET", "/api/v1/secrets?watch=1", "read secrets"),
    ("DELETE", f"{N}/secrets/s", "delete secrets"),
    ("POST", f"{N}/serviceaccounts/a/token", "escalate secrets write"),
    ("GET", f"{N}/pods/p/exec?command=ls", "execute"),
    ("POST", f"{N}/pods/p/exec?command=ls", "execute"),
    ("POST", f"{N}/pods/p/attach", "execute"),
    ("PATCH", f"{N}/pods/p/ephemeralcontainers", "execute write"),
    ("GET", f"{N}/pods/p/portforward", "tunnel"),
    ("GET", f"{N}/pods/p/proxy/x", "tunnel"),
    ("DELETE", f"{N}/services/https:s:1/proxy/x", "tunnel"),
    ("GET", "/api/v1/nodes/n/proxy/exec/ns/pod/c?command=id", "escalate execute tunnel"),
    ("GET", "/api/v1/nodes/n:10250/proxy/configz", "escalate execute tunnel"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "escalate write"),
    ("DELETE", "/apis/rbac.authorization.k8s.io/v1/namespaces/d/rolebindings/r", "delete escalate"),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "read"),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/c/approval", "escalate write"),
    ("POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "escalate write"),
    ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", "escalate write"),
    ("GET", "/apis/example.com/v1/namespaces/d/widgets", "read"),
    ("DELETE", "/apis/example.com/v1/namespaces/d/widgets/w", "delete"),
    ("GET", f"{N}/pods/p/unheardof", "other read"),
    ("OPTIONS", f"{N}/pods/p", "other"),
]


@pytest.mark.parametrize(("method", "target", "effects"), ROWS, ids=lambda value: str(value))
def test_a_call_has_the_effects_of_its_row(method: str, target: str, effects: str) -> None:
    assert " ".join(sorted(describe(method, target).effects)) == effects


VERBS = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
    "",
    "odd",
]
GROUPS = ["", "apps", "batch", "rbac.authorization.k8s.io", "certificates.k8s.io", "example.com"]
NAMES = ["pods", "secrets", "nodes", "serviceaccounts", "deployments", "clusterroles", "widgets", ""]
SUBS = ["", "status", "scale", "exec", "proxy", "token", "eviction", "ephemeralcontainers", "odd"]


def test_every_call_has_a_known_effect() -> None:
    for verb, group, resource, subresource in itertools.product(VERBS, GROUPS, NAMES, SUBS):
        effects = resource_effects(verb, group, resource, subresource)
        assert effects and effects <= set(EFFECTS)


def test_no_verb_makes_an_exec_or_a_secret_harmless() -> None:
    for verb in VERBS:
        assert "execute" in resource_effects(verb, "", "pods", "exec")
        assert "tunnel" in resource_effects(verb, "", "pods", "proxy")
        assert "secrets" in resource_effects(verb, "", "secrets", "")
        assert "secrets" in resource_effects(verb, "", "secrets", "status")
        assert "execute" in resource_effects(verb, "", "nodes", "proxy")
