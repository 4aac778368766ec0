"""What hooks are given and give."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.hooks import Act, Caller, Mask, View, texts

CALLER = Caller(user="ann", groups=("engineers",), kind="human", issuer="https://idp", actor="", address="10.0.0.9")
ACT = Act(
    caller=CALLER, cluster="prod", verb="get", path="/api/v1/namespaces/default/configmaps/a", group="", resource="configmaps",
    subresource="", namespace="default", name="a", effects=frozenset(("read",)), argv=None, container="", tty=False, stdin=False,
    port=None, ports=None, label_selector=None, field_selector=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("mask", "path", "start", "end"),
    [
        (Mask("data.a"), "data.a", 0, 0),
        (Mask(path="data.a"), "data.a", 0, 0),
        (Mask(3, 9), "", 3, 9),
        (Mask(start=3, end=9), "", 3, 9),
        (Mask(3, end=9), "", 3, 9),
    ],
)
def test_a_mask_is_of_a_value_or_of_bytes(mask: Mask, path: str, start: int, end: int) -> None:
    assert (mask.path, mask.start, mask.end) == (path, start, end)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ((), {}),
        ((3,), {}),
        ((3, 9, 1), {}),
        ((3, 9), {"path": "data.a"}),
        (("data.a", 9), {}),
        (("data.a",), {"end": 9}),
        (("data.a",), {"path": "data.b"}),
        ((), {"strat": 3, "end": 9}),
    ],
)
def test_a_mask_of_anything_else_is_a_mistake(place: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"^a mask is Mask\(PATH\) or Mask\(START, END\)$"):
        Mask(*place, **named)


def test_a_mask_shows_what_it_is_of() -> None:
    assert (repr(Mask("data.a")), repr(Mask(3, 9))) == ("Mask('data.a')", "Mask(3, 9)")


def test_the_value_of_a_view_is_made_once_and_only_where_it_is_asked_for() -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append({"data": {}})
        return made[-1]

    view = View(ACT, sent=False, api_version="v1", kind="ConfigMap", namespace="default", name="a", make=make)
    assert (view.kind, view.api_version, view.namespace, view.name, view.sent) == ("ConfigMap", "v1", "default", "a", False)
    assert made == []
    assert view.value is view.value and len(made) == 1


def test_the_texts_of_an_object_come_with_the_paths_that_a_mask_takes() -> None:
    value = {
        "kind": "Pod",
        "spec": {"containers": [{"env": [{"name": "A", "value": "1"}]}], "n": 3, "on": True, "no": None},
        "a.b": ["x", ["y"]],
    }
    assert list(texts(value)) == [
        ("kind", "Pod"),
        ("spec.containers[0].env[0].name", "A"),
        ("spec.containers[0].env[0].value", "1"),
        ('"a.b"[0]', "x"),
        ('"a.b"[1][0]', "y"),
    ]
