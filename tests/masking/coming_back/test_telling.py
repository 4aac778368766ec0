"""No patch changes what tells that a value beside it is masked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.masking.coming_back.coming_back import must_be_read, restore
from l7gw.masking.coming_back.restoring import Reading
from l7gw.masking.coming_back.telling import told_by
from l7gw.masking.sent.sent_body import Format, Sent
from tests.support.coming_back import PASSWORD, TAGGER, act, b64, deployment, refused
from tests.support.masked import masker

MAIN = "/spec/template/spec/containers/1"
STORED = {
    "apiVersion": "example.com/v1",
    "kind": "Foo",
    "metadata": {"name": "db", "namespace": "shop", "resourceVersion": "7"},
    "spec": {
        "manifest": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"k": b64(PASSWORD)}},
        "all": [{"name": "a", "object": {"kind": "Secret", "stringData": {"k": PASSWORD}}}],
        "target": {"kind": "Deployment", "name": "web", "type": "x"},
        "env": [{"name": "PASSWORD", "value": PASSWORD}],
    },
}


def patched(stored: dict[str, Any], patch: Any, form: Format) -> Any:
    """What goes to the cluster, with the masks of the product."""
    group, resource = ("apps", "deployments") if stored["kind"] == "Deployment" else ("example.com", "foos")
    sent = Sent(act=act(resource, "patch", group=group), format=form, body=json.dumps(patch).encode())
    masks = masker(f"GET /apis/{group}/v1/namespaces/shop/{resource}/db")
    assert must_be_read(sent)
    return json.loads(restore(sent, Reading(stored=json.dumps(stored).encode(), mask=masks.mask, tagger=TAGGER)))


@pytest.mark.parametrize("op", ["replace", "add", "remove", "copy"])
def test_a_json_patch_gives_a_masked_variable_no_other_name(op: str) -> None:
    operation = {"op": op, "path": f"{MAIN}/env/1/name", "value": "COLOUR", "from": "/metadata/name"}
    message = refused(lambda: patched(deployment(), [operation], "json-patch"), 403)
    assert message == f"a patch may not change {MAIN}/env/1/name: by it a value that stands beside it is masked"
    refused(lambda: patched(STORED, [{**operation, "path": "/spec/env/0/name"}], "json-patch"), 403)
    shifts = {"op": "add", "path": "/spec/env/0", "value": {"name": "A"}}
    refused(lambda: patched(STORED, [shifts, {**operation, "path": "/spec/env/1/name"}], "json-patch"), 403)


def test_a_variable_that_is_not_masked_may_get_another_name() -> None:
    operation = {"op": "replace", "path": f"{MAIN}/env/0/name", "value": "COLOUR"}
    assert patched(deployment(), [operation], "json-patch") == [operation]


@pytest.mark.parametrize("path", ["kind", "type", "metadata", "metadata/name"])
def test_a_json_patch_makes_no_other_kind_of_a_secret_inside(path: str) -> None:
    refused(lambda: patched(STORED, [{"op": "replace", "path": f"/spec/manifest/{path}", "value": "x"}], "json-patch"), 403)
    refused(lambda: patched(STORED, [{"op": "replace", "path": f"/spec/all/0/object/{path}", "value": "x"}], "json-patch"), 403)


@pytest.mark.parametrize("form", ["merge-patch", "apply"])
@pytest.mark.parametrize("change", [{"kind": "Foo"}, {"kind": None}, {"type": "x"}, {"metadata": {"name": "sh.helm.release.v1.x"}}])
def test_neither_does_a_merge_patch_nor_what_is_applied(change: dict[str, Any], form: Format) -> None:
    refused(lambda: patched(STORED, {"spec": {"manifest": change}}, form), 403)


def test_an_item_that_is_applied_may_be_any_of_its_list() -> None:
    patch = {"spec": {"all": [{"name": "b"}, {"name": "a", "object": {"kind": "Foo"}}]}}
    refused(lambda: patched(STORED, patch, "apply"), 403)
    assert patched(STORED, patch, "merge-patch") == patch  # it replaces the list


def test_other_references_change_and_what_stays_the_same_passes() -> None:
    for patch in (
        {"spec": {"target": {"kind": "StatefulSet", "type": "y", "name": "z"}}},
        {"spec": {"manifest": {"kind": "Secret", "metadata": {"name": "x", "labels": {"a": "b"}}}}},
    ):
        for form in ("merge-patch", "apply"):
            assert patched(STORED, patch, form) == patch


def test_kinds_of_kubernetes_need_no_reading() -> None:
    body = json.dumps({"roleRef": {"kind": "Role"}}).encode()
    for form in ("merge-patch", "apply"):
        sent = Sent(act=act("rolebindings", "patch", group="rbac.authorization.k8s.io"), format=form, body=body)
        assert not must_be_read(sent)


@pytest.mark.parametrize("tokens", [(), ("kind",), ("metadata", "name"), ("type",), ("spec", "name"), ("spec", "env")])
def test_what_tells_nothing(tokens: tuple[str, ...]) -> None:
    assert told_by(tokens) is None
