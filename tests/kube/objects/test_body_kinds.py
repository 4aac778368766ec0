"""Which kind of object a URL takes, by the table."""

from __future__ import annotations

import json

import pytest

from l7gw.errors import Refusal
from l7gw.kube.builtin import BUILT_IN
from l7gw.kube.objects.body_kinds import KINDS, check_body, check_kind, taken
from l7gw.kube.objects.json_nodes import read
from l7gw.kube.requestinfo import describe

IN_DEFAULT = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
CUSTOM = "/apis/example.com/v1/namespaces/default"

TAKEN = [
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "ConfigMap"),
    ("POST", f"{IN_DEFAULT}/configmaps", "", "ConfigMap"),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", ""),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "Odd"),
    ("PUT", f"{IN_DEFAULT}/pods/a/ephemeralcontainers", "v1", "Pod"),
    ("PUT", f"{IN_DEFAULT}/pods/a/ephemeralcontainers", "v1", "EphemeralContainers"),
    ("PATCH", f"{IN_DEFAULT}/pods/a/resize", "v1", "Pod"),
    ("PATCH", f"{IN_DEFAULT}/pods/a/status", "v1", "Pod"),
    ("POST", f"{IN_DEFAULT}/pods/a/binding", "v1", "Binding"),
    ("POST", f"{IN_DEFAULT}/bindings", "v1", "Binding"),
    ("POST", f"{IN_DEFAULT}/pods/a/eviction", "policy/v1", "Eviction"),
    ("POST", f"{IN_DEFAULT}/pods/a/eviction", "policy/v1beta1", "Eviction"),
    ("POST", f"{IN_DEFAULT}/pods/a/eviction", "", "Eviction"),
    ("POST", f"{IN_DEFAULT}/pods/a/exec", "v1", "Secret"),
    ("POST", f"{IN_DEFAULT}/services/a/proxy/x", "v1", "Secret"),
    ("POST", f"{IN_DEFAULT}/serviceaccounts/a/token", "authentication.k8s.io/v1", "TokenRequest"),
    ("PUT", "/api/v1/namespaces/default/finalize", "v1", "Namespace"),
    (
        "PUT",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval",
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
    ),
    ("PUT", f"{APPS}/deployments/a/scale", "autoscaling/v1", "Scale"),
    ("PUT", f"{APPS}/deployments/a/scale", "extensions/v1beta1", "Scale"),
    ("PUT", f"{CUSTOM}/services/a/scale", "autoscaling/v1", "Scale"),
    ("DELETE", f"{IN_DEFAULT}/pods/a", "v1", "DeleteOptions"),
    ("DELETE", f"{IN_DEFAULT}/pods", "policy/v1", "DeleteOptions"),
    ("DELETE", f"{CUSTOM}/services/a", "example.com/v1", "DeleteOptions"),
    ("POST", f"{CUSTOM}/services", "example.com/v1", "Service"),
    ("POST", f"{CUSTOM}/secrets", "", "Secret"),
    ("POST", "/version", "v1", "Secret"),
]
REFUSED = [
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "Secret"),
    ("POST", f"{IN_DEFAULT}/configmaps", "", "Secret"),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "SecretList"),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "ConfigMapList"),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "List"),
    ("POST", f"{IN_DEFAULT}/configmaps", "meta.k8s.io/v1", "PartialObjectMetadata"),
    ("POST", f"{IN_DEFAULT}/configmaps", "v1", "DeleteOptions"),
    ("POST", f"{IN_DEFAULT}/configmaps", "apps/v1", "Deployment"),
    ("PATCH", f"{IN_DEFAULT}/configmaps/a", "v1", "Secret"),
    ("POST", f"{IN_DEFAULT}/events", "events.k8s.io/v1", "Event"),
    ("POST", f"{IN_DEFAULT}/pods/a/eviction", "v1", "Pod"),
    ("POST", f"{IN_DEFAULT}/pods/a/eviction", "", "Pod"),
    ("POST", f"{IN_DEFAULT}/pods/a/binding", "v1", "Pod"),
    ("PUT", f"{APPS}/deployments/a/scale", "apps/v1", "Deployment"),
    ("PUT", f"{APPS}/deployments/a", "", "Secret"),
    ("PUT", f"{APPS}/deployments/a/status", "apps/v1", "StatefulSet"),
    ("POST", f"{IN_DEFAULT}/serviceaccounts/a/token", "v1", "ServiceAccount"),
    ("POST", f"{CUSTOM}/services", "v1", "Service"),
    ("POST", f"{CUSTOM}/services", "v1", "Secret"),
    ("PUT", f"{CUSTOM}/services/a/scale", "v1", "Secret"),
    ("DELETE", f"{IN_DEFAULT}/pods/a", "v1", "Pod"),
    ("DELETE", f"{IN_DEFAULT}/pods", "", "Secret"),
]


@pytest.mark.parametrize(("method", "target", "api_version", "kind"), TAKEN)
def test_what_kube_apiserver_takes_or_decides_about_passes(method: str, target: str, api_version: str, kind: str) -> None:
    check_kind(describe(method, target, ""), api_version, kind)


@pytest.mark.parametrize(("method", "target", "api_version", "kind"), REFUSED)
def test_a_kind_of_kubernetes_that_the_url_cannot_take_is_refused(method: str, target: str, api_version: str, kind: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_kind(describe(method, target, ""), api_version, kind)
    assert refused.value.code == 400 and kind in refused.value.message


def test_the_words_name_the_kind_that_the_url_takes() -> None:
    with pytest.raises(Refusal, match=r"^the body is of the kind Secret \(v1\), which this URL does not take; it takes ConfigMap$"):
        check_kind(describe("POST", f"{IN_DEFAULT}/configmaps", ""), "v1", "Secret")


def test_every_resource_of_kubernetes_has_its_kind() -> None:
    assert KINDS.keys() == BUILT_IN.keys()
    assert taken(describe("PUT", f"{CUSTOM}/services/a", "")) is None


@pytest.mark.parametrize("name", ["Kind", "KIND", "apiversion", "APIVersion", "\u212aind"])
def test_a_kind_in_other_letters_is_refused(name: str) -> None:
    act = describe("POST", f"{IN_DEFAULT}/configmaps", "")
    with pytest.raises(Refusal, match="in other letters"):
        check_body(act, read(json.dumps({"kind": "ConfigMap", name: "Secret"}).encode(), strict=True))


def test_kind_and_version_of_a_body_are_checked_and_other_bodies_pass() -> None:
    act = describe("POST", f"{IN_DEFAULT}/configmaps", "")
    for body in ("{}", "[]", '{"kind":null}', '{"kind":1,"apiVersion":[]}', '{"kind":"ConfigMap","apiVersion":"v1","kinds":1}'):
        check_body(act, read(body.encode(), strict=True))
    with pytest.raises(Refusal):
        check_body(act, read(b'{"apiVersion":"v1","kind":"Secret"}', strict=True))
    check_body(describe("POST", f"{IN_DEFAULT}/pods/a/proxy/", ""), read(b'{"apiVersion":"v1","Kind":"Secret"}', strict=True))
