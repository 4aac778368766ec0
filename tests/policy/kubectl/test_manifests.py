"""Objects from files, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.policy.kubectl.manifests import MOST_OBJECTS, objects_in, objects_of
from l7gw.policy.kubectl.words import NotRead

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: 2026-01-02}\n"


def test_documents_and_lists_are_objects_and_a_date_stays_a_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        f"---\n{POD}---\n---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Service}}\n"
    )
    pod, service = objects_of(tmp_path / "x.yaml")
    assert pod["metadata"]["creationTimestamp"] == "2026-01-02" and service["kind"] == "Service"
    assert objects_in(b'{"apiVersion": "v1", "kind": "Pod"}', "x.json") == [{"apiVersion": "v1", "kind": "Pod"}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "- a",
        "kind: Pod",
        "apiVersion: 1\nkind: Pod",
        "a: &x 1\nb: *x",
        "a: !!python/x 1",
        "a: [",
        "\0",
        "1: 2",
        POD.replace("{name: a, creationTimestamp: 2026-01-02}", "x"),
    ],
)
def test_a_file_that_holds_something_else_is_a_mistake(text: str) -> None:
    with pytest.raises(NotRead):
        objects_in(text.encode(), "x")


def test_a_file_is_bounded(tmp_path: Path) -> None:
    many = f"---\n{POD}" * MOST_OBJECTS
    assert len(objects_in(many.encode(), "x")) == MOST_OBJECTS
    for bad in (many + f"---\n{POD}", "x" * (1024 * 1024 + 1), "[" * 200, f"{POD}x: {'[' * 101}{']' * 101}"):
        with pytest.raises(NotRead):
            objects_in(bad.encode(), "x")
    with pytest.raises(NotRead, match="cannot be read"):
        objects_of(tmp_path / "none")
