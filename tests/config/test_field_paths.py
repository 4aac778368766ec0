"""Paths of fields: what they lead to, and which name no field."""

from __future__ import annotations

import pytest

from l7gw.config.field_paths import BadPath, Item, Member, read_path


def shown(text: str) -> list[str | int | None]:
    return [step.name.pattern if isinstance(step, Member) else step.index for step in read_path(text).steps]


@pytest.mark.parametrize(
    "text, steps",
    [
        ("data.*password*", ["data", ".*password.*"]),
        ('spec.users[*]."pass.word"', ["spec", "users", None, r"pass\.word"]),
        ("spec.hosts[3].key", ["spec", "hosts", 3, "key"]),
        ("spec.rows[*][0]", ["spec", "rows", None, 0]),
        (r'data."a\"b*"', ["data", r'a"b\*']),
        ("metadata.annotations.token", ["metadata", "annotations", "token"]),
        ("spec.kind", ["spec", "kind"]),
        ("*.token", [".*", "token"]),
    ],
)
def test_a_path_is_read_step_by_step(text: str, steps: list[object]) -> None:
    assert shown(text) == steps


def test_a_star_is_any_characters_and_a_name_is_matched_whole() -> None:
    member, item = read_path("db-*[*]").steps
    assert isinstance(member, Member) and member.name.fullmatch("db-a.b") and not member.name.fullmatch("my-db-a")
    assert item == Item(None)


@pytest.mark.parametrize(
    "text",
    ["", ".", "data.", ".data", "data..x", "[0]", "data[", "data[x]", "data[-1]", 'data."x', 'data.""', "a b", "data[0]x", "*", "*.*", "kind", "apiVersion", "metadata", "metadata.name", "metadata.ownerReferences[*].uid", "a" * 1001, ".".join("a" * 33)],
)  # fmt: skip
def test_a_path_that_names_no_field_or_one_of_the_machine_is_refused(text: str) -> None:
    with pytest.raises(BadPath):
        read_path(text)
