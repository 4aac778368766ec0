"""Hooks for objects: what they see, and what becomes of the paths that they give."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from l7gw.errors import Refusal
from l7gw.hooking.hooked import Hooked
from l7gw.hooking.object_hooks import HookedMasks
from l7gw.hooks import Mask, View, texts
from l7gw.kube.act import Act
from l7gw.kube.objects import json_nodes
from l7gw.kube.objects.node import Node
from l7gw.masking.objects.hiding import Cut
from l7gw.masking.objects.objects import ObjectMasker
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from tests.test_hooks import ACT

KEY = b"k" * 32
TAGGER = Tagger(KEY, "prod", "default")


class Scans:
    """Finds one word, as a detector would."""

    def may_hold(self, data: bytes) -> bool:
        return b"hunter2" in data

    def scan(self, data: bytes, *, sent: bool = False) -> list[Any]:
        at = data.find(b"hunter2")
        return [Cut(start=at, end=at + 7, detector="found")] if at >= 0 else []


class Looks:
    def __init__(self, does: Callable[[View], Iterable[Mask]]) -> None:
        self.object = does


def hooked(does: Callable[[View], Any], name: str = "h", *, raw: bool = False) -> Hooked:
    return Hooked(name, Looks(does), ("object",), folder=Path(__file__).parent, raw=raw)


def act(resource: str = "configmaps", subresource: str = "") -> Act:
    return Act(
        verb="get", path="/", query="", effects=frozenset(("read",)), is_resource=True, resource=resource, subresource=subresource,
        namespace="default",
    )  # fmt: skip


def masks(*loaded: Hooked, of: Act | None = None, obligations: Obligations = NO_OBLIGATIONS, sender: str = "") -> HookedMasks:
    inner = ObjectMasker(key=KEY, cluster="prod", act=of or act(), obligations=obligations, scanner=Scans(), sender=sender)
    return HookedMasks(inner, loaded, act=ACT, raw_act=ACT)


def read(value: Any) -> Node:
    return json_nodes.read(json.dumps(value).encode(), strict=False)


def config_map(**data: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "default"}, "data": data}


def shown(node: Node, view: Any = "shown") -> Any:
    return json.loads(node.render(view))


def test_the_value_at_a_path_is_masked_and_is_a_find_named_by_the_hook() -> None:
    node = read(config_map(owner="EMP-1234566", other="x"))
    done = masks(hooked(lambda view: [Mask("data.owner")])).mask(node, where_prefix="items[3]")
    placeholder = TAGGER.placeholder("hook-h", b"EMP-1234566")
    assert shown(node) == shown(node, "recorded") == config_map(owner=placeholder, other="x")
    (find,) = done.finds
    assert (find.detector, find.where, find.length, find.tag) == ("hook-h", "items[3].data.owner", 11, placeholder[-8:])


def test_every_object_must_be_read() -> None:
    assert masks(hooked(lambda view: ())).needs_reading(b'{"kind":"Nothing"}')


def test_a_rule_may_reveal_what_a_hook_finds_but_never_to_the_recording() -> None:
    node = read(config_map(owner="EMP-1234566"))
    masks(hooked(lambda view: [Mask("data.owner")]), obligations=Obligations(reveal=frozenset(("hook-h",)))).mask(node)
    assert shown(node) == config_map(owner="EMP-1234566")
    assert shown(node, "recorded")["data"]["owner"].startswith("l7gw-masked-hook-h-")


def test_a_hook_sees_what_our_masks_left_and_a_raw_one_what_came() -> None:
    seen: list[Any] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append(view.value)
        return ()

    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"v4lue").decode()}}
    masks(hooked(sees), hooked(sees, "raw", raw=True), of=act("secrets")).mask(read(secret))
    assert seen[1] == secret
    assert base64.b64decode(seen[0]["data"]["k"]).startswith(b"l7gw-masked-secret-data-")


def test_a_rule_that_reveals_a_value_does_not_show_it_to_a_hook() -> None:
    seen: list[Any] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append(view.value["data"]["a"])
        return ()

    masks(hooked(sees), obligations=Obligations(reveal=frozenset(("*",)))).mask(read(config_map(a="say hunter2")))
    assert seen == ["say " + TAGGER.placeholder("found", b"hunter2")]


def test_a_token_that_the_cluster_made_is_shown_to_no_hook() -> None:
    seen: list[str] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append(json.dumps(view.value))
        return ()

    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": "a"},
        "status": {"token": "t0ken-t0ken"},
    }
    masks(hooked(sees, raw=True), of=act("serviceaccounts", "token")).mask(read(answer))
    masks(hooked(sees, raw=True), of=act("serviceaccounts", "token")).mask(read({**answer, "kind": "Other"}))
    assert len(seen) == 2 and "t0ken" not in "".join(seen)


def test_a_value_of_which_a_part_was_masked_is_masked_whole() -> None:
    node = read(config_map(a="hunter2 of EMP-1234566", b='{"x":"hunter2","y":"EMP-1234566"}'))
    masks(hooked(lambda view: [Mask("data.a"), Mask("data.b")])).mask(node)
    for view in ("shown", "recorded"):
        data = shown(node, view)["data"]
        assert data == {
            "a": TAGGER.placeholder("hook-h", b"hunter2 of EMP-1234566"),
            "b": TAGGER.placeholder("hook-h", b'{"x":"hunter2","y":"EMP-1234566"}'),
        }


def test_a_value_that_is_masked_already_keeps_its_placeholder() -> None:
    node = read(config_map(a="hunter2"))
    done = masks(hooked(lambda view: [Mask("data.a")])).mask(node)
    assert shown(node)["data"]["a"] == TAGGER.placeholder("found", b"hunter2")
    assert [find.detector for find in done.finds] == ["found"]


def test_a_value_of_a_secret_gets_its_placeholder_in_base64() -> None:
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s", "namespace": "default"}, "data": {"k": "djRsdWU="}}
    node = read(secret)
    masks(hooked(lambda view: [Mask("data.k")]), of=act("secrets")).mask(node)
    assert base64.b64decode(shown(node)["data"]["k"]) == TAGGER.placeholder("secret-data", b"v4lue").encode()
    node = read({**config_map(), "binaryData": {"k": "djRsdWU="}})
    masks(hooked(lambda view: [Mask("binaryData.k")])).mask(node)
    assert base64.b64decode(shown(node)["binaryData"]["k"]) == TAGGER.placeholder("hook-h", b"v4lue").encode()


def test_an_object_is_masked_value_by_value_and_keeps_its_shape() -> None:
    node = read(
        {"kind": "Person", "apiVersion": "example.com/v1", "spec": {"home": {"street": "Elm", "lines": ["a", "b"], "name": "n"}}}
    )
    done = masks(hooked(lambda view: [Mask("spec.home")])).mask(node)
    home = shown(node)["spec"]["home"]
    assert [find.where for find in done.finds] == ["spec.home.street", "spec.home.lines[0]", "spec.home.lines[1]"]
    assert home["name"] == "n" and len(home["lines"]) == 2 and "Elm" not in home["street"]


@pytest.mark.parametrize("path", ["kind", "apiVersion", "metadata.name", "metadata.uid", "data.nothing", "data[0]", "data.a.b"])
def test_machine_fields_and_paths_to_nothing_are_left_alone(path: str) -> None:
    value = config_map(a="b")
    value["metadata"]["uid"] = "u"
    node = read(value)
    done = masks(hooked(lambda view: [Mask(path)])).mask(node)
    assert not node.edited and done.finds == []


def test_a_key_that_is_a_users_may_have_the_name_of_a_machine_field() -> None:
    node = read(config_map(name="EMP-1234566"))
    masks(hooked(lambda view: [Mask("data.name")])).mask(node)
    assert node.edited


def test_each_item_event_and_row_is_an_object_of_its_own() -> None:
    seen: list[tuple[str, str, str]] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append((view.kind, view.name, view.namespace))
        return [Mask(path) for path, text in texts(view.value) if text == "EMP"]

    listed = {
        "kind": "ConfigMapList",
        "apiVersion": "v1",
        "items": [{"metadata": {"name": "a", "namespace": "x"}, "data": {"k": "EMP"}}],
    }
    event = {"type": "ADDED", "object": config_map(k="EMP")}
    table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": [{"cells": ["a", "EMP"], "object": config_map(k="EMP")}]}
    finds = [find.where for body in (listed, event, table) for find in masks(hooked(sees)).mask(read(body)).finds]
    assert ("ConfigMap", "a", "default") in seen and not any(namespace == "x" for _, _, namespace in seen)  # as the URL says
    assert finds == ["items[0].data.k", "object.data.k", "rows[0].cells[1]", "rows[0].object.data.k"]


def test_hooks_see_what_those_before_them_masked() -> None:
    seen: list[Any] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append(view.value["data"]["a"])
        return ()

    node = read(config_map(a="EMP"))
    masks(hooked(lambda view: [Mask("data.a")], "first"), hooked(sees, "second")).mask(node)
    assert seen == [TAGGER.placeholder("hook-first", b"EMP")]


def test_a_hook_that_changes_its_copy_changes_nothing() -> None:
    def changes(view: View) -> Iterable[Mask]:
        view.value["data"].clear()
        view.value["kind"] = "Other"
        return ()

    node = read(config_map(a="b"))
    masks(hooked(changes), hooked(lambda view: [Mask("data.a")] if view.value["data"] else [])).mask(node)
    assert shown(node)["data"]["a"].startswith("l7gw-masked-hook-h-")


def test_a_hook_is_told_whether_the_caller_sent_the_object() -> None:
    seen: list[bool] = []

    def sees(view: View) -> Iterable[Mask]:
        seen.append(view.sent)
        return ()

    masks(hooked(sees)).mask(read(config_map()))
    masks(hooked(sees), sender="ann").mask(read(config_map()))
    assert seen == [False, True]


def test_a_hook_that_fails_shows_no_object() -> None:
    with pytest.raises(Refusal) as raised:
        masks(hooked(lambda view: 1 / 0)).mask(read(config_map(a="b")))
    assert (raised.value.code, raised.value.reason) == (502, "BadGateway")
    assert raised.value.message == "the hook h failed, and nothing passes without it; tell whoever runs l7gw"
