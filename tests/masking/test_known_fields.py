"""A path that no object of a kind of Kubernetes can have is told apart from one that it can."""

from __future__ import annotations

import pytest

from l7gw.config.field_paths import read_path
from l7gw.config.settings import MaskingField
from l7gw.masking.known_fields import names_a_field


def named(kind: str, path: str) -> bool:
    name, _, group = kind.partition(".")
    return names_a_field(MaskingField(name, group, read_path(path), 1))


@pytest.mark.parametrize(
    "kind, path",
    [
        ("ConfigMap", "data.*password*"),
        ("ConfigMap", "data"),
        ("Pod", "spec.containers[*].env[*].value"),
        ("Pod", "spec.containers[0].args"),
        ("Deployment.apps", "spec.template.spec.*ontainers[*].command[*]"),
        ("Deployment", 'metadata.annotations."example.com/token"'),
        ("Event", "message"),
        ("Ingress.networking.k8s.io", "spec.rules[*].host"),
        ("Pod", "spec.volumes[*].nfs.server"),  # from an embedded struct
        ("CustomResourceDefinition", "spec.versions[*].schema.openAPIV3Schema.default.any.thing"),
        ("Database.example.com", 'spec.users[*]."pass.word"'),
        ("ConfigMap.example.com", "spec.x"),
        ("Database", "spec.x"),
    ],
)
def test_a_field_that_may_be_there_is_named(kind: str, path: str) -> None:
    assert named(kind, path)


@pytest.mark.parametrize(
    "kind, path",
    [
        ("ConfigMap", "dta.x"),
        ("ConfigMap", "spec.data"),
        ("ConfigMap", "data.x.y"),
        ("ConfigMap", "data[0]"),
        ("Pod", "spec.containers.env"),
        ("Pod", "spec.containers[*].environment"),
        ("Pod", "spec[*]"),
        ("Pod", "spec.nodeName.x"),
        ("Deployment.apps", "spec.containers[*].env"),
    ],
)
def test_a_field_that_cannot_be_there_is_not(kind: str, path: str) -> None:
    assert not named(kind, path)
