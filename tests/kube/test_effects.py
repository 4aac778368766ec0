"""The table of effects, row by row; and no spelling of a call loses an effect."""

from __future__ import annotations

import itertools

import pytest

from l7gw.errors import Refusal
from l7gw.kube import effects as table
from l7gw.kube.act import EFFECTS
from l7gw.kube.builtin import BUILT_IN
from l7gw.kube.effects import resource_effects
from l7gw.kube.requestinfo import describe
from tests.support.faults import until
from tests.support.kubernetes.cluster import RealCluster

N = "/api/v1/namespaces/d"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CERTIFICATES = "/apis/certificates.k8s.io/v1"
REQUESTS = "/apis/certificates.k8s.io/v1beta1/namespaces/d/podcertificaterequests"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
TEMPLATES = [
    f"{N}/pods", f"{N}/podtemplates", f"{N}/replicationcontrollers",
    *(f"/apis/apps/v1/namespaces/d/{name}" for name in ("daemonsets", "deployments", "replicasets", "statefulsets", "controllerrevisions")),
    *(f"/apis/batch/v1/namespaces/d/{name}" for name in ("cronjobs", "jobs")),
    *(f"/apis/extensions/v1beta1/namespaces/d/{name}" for name in ("daemonsets", "deployments", "replicasets")),
]  # fmt: skip
SCALED = [
    f"{N}/replicationcontrollers",
    *(f"/apis/apps/v1/namespaces/d/{name}" for name in ("deployments", "replicasets", "statefulsets")),
    *(f"/apis/extensions/v1beta1/namespaces/d/{name}" for name in ("deployments", "replicasets", "replicationcontrollers")),
]
TOLD = [(group, plural) for group, plurals in table.TOLD.items() for plural in plurals.split()]
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
    *((method, f"{path}/x/scale", "workload write") for path in SCALED for method in ("PUT", "PATCH")),
    *(("GET", f"{path}/x/scale", "read") for path in SCALED),
    *(("PUT", f"/{f'apis/{group}' if group else 'api'}/v1/{plural}/x/status", "write") for group, plural in TOLD),
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
    ("GET", "/swagger-2.0.0.pb-v1", "discovery"),
    ("GET", "/swagger.json", "discovery"),
    ("GET", "/swagger", "other read"),
    ("GET", "/apix", "other read"),
    ("GET", "/", "other read"),
    ("HEAD", "/livez", "discovery"),
    ("OPTIONS", "/version", "other write"),
    ("GET", "/debug/pprof/", "other read"),
    ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "read"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "write"),
    ("POST", "/apis/authorization.k8s.io/v1/namespaces/d/localsubjectaccessreviews", "write"),
    *(("POST", path, "workload write") for path in TEMPLATES),
    *(("PUT", f"{path}/x", "workload write") for path in TEMPLATES),
    *(("PATCH", f"{path}/x", "workload write") for path in TEMPLATES),
    *(("GET", f"{path}/x", "read") for path in TEMPLATES),
    *(("DELETE", f"{path}/x", "delete") for path in TEMPLATES),
    ("POST", f"{N}/bindings", "workload write"),
    ("PATCH", f"{N}/pods/p/resize", "workload write"),
    ("GET", f"{N}/pods/p/resize", "read"),
    ("PUT", f"{N}/pods/p/status", "write"),
    ("PUT", "/api/v1/namespaces/d/finalize", "write"),
    ("GET", f"{N}/pods/p/ephemeralcontainers", "execute read"),
    ("DELETE", f"{N}/secrets", "delete secrets"),
    ("POST", f"{N}/secrets", "secrets write"),
    ("GET", f"{N}/secrets/s/status", "read secrets"),
    ("GET", f"{N}/secrets/s/unheardof", "other read secrets"),
    ("GET", f"{N}/serviceaccounts/a/token", "escalate read secrets"),
    ("POST", f"{N}/serviceaccounts", "write"),
    ("DELETE", f"{RBAC}/clusterroles", "delete escalate"),
    ("PATCH", f"{RBAC}/namespaces/d/roles/r/status", "escalate write"),
    ("GET", f"{RBAC}/namespaces/d/roles/r/unheardof", "other read"),
    ("POST", f"{CERTIFICATES}/certificatesigningrequests", "write"),
    ("PATCH", f"{CERTIFICATES}/certificatesigningrequests/c/status", "escalate write"),
    ("GET", f"{CERTIFICATES}/certificatesigningrequests/c/status", "read"),
    ("PATCH", f"{CERTIFICATES}/signers/s", "escalate write"),
    ("PATCH", f"{CERTIFICATES}/signers/s/approve", "escalate other write"),
    *((method, f"{REQUESTS}/p/status", "escalate write") for method in ("PUT", "PATCH")),
    ("GET", f"{REQUESTS}/p/status", "read"),
    ("POST", REQUESTS, "write"),
    ("PUT", "/apis/certificates.k8s.io/v1beta1/clustertrustbundles/c", "escalate write"),
    ("GET", "/apis/certificates.k8s.io/v1beta1/clustertrustbundles/c", "read"),
    *(
        (method, f"{ADMISSION}/{resource}/x", effects)
        for resource in (
            "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies",
            "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
        )
        for method, effects in (("PUT", "escalate write"), ("PATCH", "escalate write"), ("DELETE", "delete escalate"), ("GET", "read"))
    ),
    ("PATCH", f"{ADMISSION}/validatingadmissionpolicies/x/status", "escalate write"),
    ("DELETE", f"{ADMISSION}/validatingwebhookconfigurations", "delete escalate"),
    ("POST", "/apis/apiregistration.k8s.io/v1/apiservices", "escalate write"),
    ("PATCH", "/apis/apiregistration.k8s.io/v1/apiservices/a/status", "escalate write"),
    ("GET", "/apis/apiregistration.k8s.io/v1/apiservices", "read"),
    ("GET", "/apis/example.com/v1/namespaces/d/widgets", "read"),
    ("GET", "/apis/example.com/v1/namespaces/d/widgets?watch=1", "read"),
    ("POST", "/apis/example.com/v1/namespaces/d/widgets", "write"),
    ("PATCH", "/apis/example.com/v1/namespaces/d/widgets/w/scale", "write"),
    ("DELETE", "/apis/example.com/v1/namespaces/d/widgets/w", "delete"),
    ("GET", "/apis/example.com/v1/namespaces/d/widgets/w/exec", "other read"),
    ("POST", "/apis/example.com/v1/namespaces/d/widgets/w/approval", "other write"),
    ("GET", f"{N}/pods/p/unheardof", "other read"),
    ("DELETE", f"{N}/pods/p/log", "delete"),
    ("OPTIONS", f"{N}/pods/p", "other"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "effects"), ROWS, ids=lambda value: str(value))
def test_a_call_has_the_effects_of_its_row(method: str, target: str, effects: str) -> None:
    assert " ".join(sorted(describe(method, target).effects)) == effects


def test_each_row_of_the_table_is_met_by_a_call_above() -> None:
    met = set()
    for method, target, _ in ROWS:
        act = describe(method, target)
        name, sub = act.resource, act.subresource
        row = table._row(act.verb, act.group, f"{name}/{sub}" if sub else name, sub)
        met.add((row.group, row.resource) if row else None)
    assert {(row.group, row.resource) for row in table.ROWS} <= met


def test_every_subresource_that_kubernetes_has_is_met_by_a_row_of_its_own_or_its_groups() -> None:
    for (group, plural), subresources in BUILT_IN.items():
        for subresource in subresources:
            name = f"{plural}/{subresource}"
            has_one = (group, name) in table._INDEX or table._row("update", group, name, subresource) is not None
            assert has_one, f"nobody has thought about {plural}.{group}/{subresource}"


def test_the_real_cluster_has_no_resource_or_subresource_that_is_not_known(cluster: RealCluster) -> None:
    def all_served() -> list[str]:
        groups = cluster.request("GET", "/apis")[1]["groups"]
        versions = [version["groupVersion"] for group in groups for version in group["versions"]]
        return versions if len(versions) > 20 else []  # just after its start the API server lists its groups one by one

    served = until(all_served, 20.0)
    found: set[tuple[str, str]] = set()
    for path in ("/api/v1", *(f"/apis/{version}" for version in served)):
        group = "" if path == "/api/v1" else path.split("/")[2]
        if "." not in group or group.endswith(".k8s.io"):  # other groups are those of custom resources
            found |= {(group, one["name"]) for one in cluster.request("GET", path)[1]["resources"]}
    known = {(group, name) for (group, plural), subs in BUILT_IN.items() for name in (plural, *(f"{plural}/{sub}" for sub in subs))}
    assert found - known == set()
    assert {("", "pods/exec"), ("apps", "deployments/scale")} <= found


def test_no_two_rows_of_the_table_are_about_the_same() -> None:
    assert len({(row.group, row.resource) for row in table.ROWS}) == len(table.ROWS)


@pytest.mark.parametrize(("method", "target", "effects"), ROWS, ids=lambda value: str(value))
def test_no_spelling_loses_an_effect(method: str, target: str, effects: str) -> None:
    path, question, query = target.partition("?")
    escaped = "/".join("".join(f"%{ord(c):02x}" if c.isalpha() else c for c in part) for part in path.split("/"))
    spellings = [
        path + "/",
        escaped,
        path.replace("e", "%65"),
        path + "//",
        path.replace("/", "%2f"),
        path.replace("/", "//"),
        "/." + path,
    ]
    for spelling in spellings:
        try:
            found = describe(method, spelling + question + query).effects
        except Refusal:
            continue
        assert set(effects.split()) <= found, spelling
    assert describe(method, escaped + question + query).effects == set(effects.split()), "and this one is read"


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
        assert resource_effects(verb, "", "nodes", "proxy") >= {"execute", "escalate", "tunnel"}
        assert resource_effects(verb, "", "serviceaccounts", "token") >= {"secrets", "escalate"}
        assert "execute" in resource_effects(verb, "", "pods", "ephemeralcontainers")


def test_a_verb_or_subresource_that_is_unknown_is_other() -> None:
    for verb in ("", "odd", "bind", "impersonate"):
        assert "other" in resource_effects(verb, "", "configmaps", "")
    for verb in VERBS:
        assert "other" in resource_effects(verb, "", "configmaps", "odd")
        assert "other" in resource_effects(verb, "rbac.authorization.k8s.io", "roles", "odd")


def test_a_call_with_the_verb_impersonate_has_its_effect() -> None:
    assert "impersonate" in resource_effects("impersonate", "", "users", "")


def test_binding_and_escalating_in_rbac_escalates() -> None:
    for verb in ("bind", "escalate"):
        assert "escalate" in resource_effects(verb, "rbac.authorization.k8s.io", "clusterroles", "")
