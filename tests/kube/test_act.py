"""An act spells its target, its kind and its object as policy and the upstream writer read them."""

from __future__ import annotations

import pytest

from l7gw.kube.act import Act


def act(group: str = "", resource: str = "", subresource: str = "", name: str = "") -> Act:
    return Act("get", "/p", "", frozenset(), is_resource=True, group=group, resource=resource, subresource=subresource, name=name)


@pytest.mark.parametrize(
    ("group", "resource", "subresource", "kind"),
    [
        ("", "pods", "", "pods"),
        ("", "pods", "exec", "pods/exec"),
        ("apps", "deployments", "", "deployments.apps"),
        ("apps", "deployments", "scale", "deployments.apps/scale"),
    ],
)
def test_a_kind_is_spelled_as_in_a_policy(group: str, resource: str, subresource: str, kind: str) -> None:
    assert act(group, resource, subresource).kind == kind


@pytest.mark.parametrize(
    ("subresource", "name", "object_name"),
    [
        ("proxy", "web", "web"),
        ("proxy", "web:443", "web"),
        ("proxy", "https:web:443", "web"),
        ("proxy", "https:web:", "web"),
        ("", "system:node", "system:node"),
        ("token", "a:b:c", "a:b:c"),
    ],
)
def test_scheme_and_port_are_no_part_of_an_objects_name_behind_a_proxy_alone(subresource: str, name: str, object_name: str) -> None:
    assert act(resource="services", subresource=subresource, name=name).object_name == object_name


def test_a_target_has_a_question_mark_only_before_a_query() -> None:
    assert Act("get", "/api", "", frozenset()).target == "/api"
    assert Act("get", "/api", "a=b", frozenset()).target == "/api?a=b"
