"""Words of kubectl and kinds of objects are resources."""

from __future__ import annotations

import pytest

from l7gw.policy.kubectl.resources import Resource, resource_of, resource_of_kind
from l7gw.policy.kubectl.words import NotRead


@pytest.mark.parametrize(
    ("word", "plural", "group"),
    [
        ("po", "pods", ""),
        ("Deployment", "deployments", "apps"),
        ("deploy.apps", "deployments", "apps"),
        ("deployments.v1.apps", "deployments", "apps"),
        ("ingress.networking.k8s.io", "ingresses", "networking.k8s.io"),
        ("flowschemas", "flowschemas", "flowcontrol.apiserver.k8s.io"),
        ("flowschema", "flowschemas", "flowcontrol.apiserver.k8s.io"),
        ("clustertrustbundle", "clustertrustbundles", "certificates.k8s.io"),
        ("events", "events", ""),
        ("events.events.k8s.io", "events", "events.k8s.io"),
        ("widgets.example.com", "widgets", "example.com"),
        ("pods.metrics.k8s.io", "pods", "metrics.k8s.io"),
    ],
)
def test_a_word_is_a_resource(word: str, plural: str, group: str) -> None:
    assert resource_of(word) == Resource(plural, group)


@pytest.mark.parametrize("word", ["podz", "widgets", ""])
def test_a_word_that_is_none_of_kubernetes_own_needs_its_group(word: str) -> None:
    with pytest.raises(NotRead):
        resource_of(word)


@pytest.mark.parametrize(
    ("kind", "group", "plural"),
    [
        ("Pod", "", "pods"),
        ("Endpoints", "", "endpoints"),
        ("NetworkPolicy", "networking.k8s.io", "networkpolicies"),
        ("Ingress", "networking.k8s.io", "ingresses"),
        ("StorageClass", "storage.k8s.io", "storageclasses"),
        ("Event", "events.k8s.io", "events"),
        ("Widget", "example.com", "widgets"),
        ("Policy", "example.com", "policies"),
    ],
)
def test_a_kind_is_a_resource(kind: str, group: str, plural: str) -> None:
    assert resource_of_kind(kind, group) == Resource(plural, group)


def test_what_is_in_no_namespace_is_known_of_kubernetes_own() -> None:
    assert [
        Resource(*name).namespaced
        for name in (("nodes",), ("pods",), ("clusterroles", "rbac.authorization.k8s.io"), ("nodes", "example.com"))
    ] == [
        False,
        True,
        False,
        True,
    ]
