"""The tables of keys say what the readers do: of every key of l7gw.yaml and of the policy."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import DRAFT, find, keys_of, later, mappings_of, schema
from l7gw.config.shapes import Key, Mapping, Texts, Words
from l7gw.policy.keys.file import POLICY
from l7gw.policy.keys.rules import GUARDRAIL, RULE
from tests.support.key_documents import folder_of_files, loaded, refusal, whole
from tests.support.key_pages import MISTAKES, answer

ROOTS = {"l7gw.yaml": FILE_KEYS, "policy": POLICY}
KEYS = [(file, path, key) for file, root in ROOTS.items() for path, key in keys_of(root)]
IDS = [f"{file} {path}" for file, path, _ in KEYS]
every_key = pytest.mark.parametrize(("file", "path", "key"), KEYS, ids=IDS)
every_mapping = pytest.mark.parametrize(
    ("file", "path", "mapping"),
    [(file, path, mapping) for file, root in ROOTS.items() for path, mapping in mappings_of(root)],
    ids=lambda value: value if isinstance(value, str) else "",
)
OF_ALLOWS = {key.name for key in RULE.keys} - {key.name for key in GUARDRAIL.keys}


def words_of(key: Key) -> tuple[str, ...]:
    shape = key.shape.item if isinstance(key.shape, Texts) else key.shape
    return shape.choices if isinstance(shape, Words) else ()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_files(tmp_path_factory.mktemp("files"))


@every_mapping
def test_a_mapping_has_the_keys_that_its_reader_knows_and_no_other(folder: Path, file: str, path: str, mapping: Mapping) -> None:
    first = f"{path}.{mapping.keys[0].name}".strip(".")
    found = refusal(ROOTS[file], folder, whole(ROOTS[file], first, more="zzzqqq: 1"))
    assert found is not None and found.what.startswith("unknown key `zzzqqq`")
    known = set(found.hint.removeprefix("known here: ").split(", "))
    assert known - (OF_ALLOWS if mapping is GUARDRAIL else set()) == {key.name for key in mapping.keys}
    assert known.isdisjoint(mapping.later or ())


@pytest.mark.parametrize("name", sorted(OF_ALLOWS))
def test_a_guardrail_is_refused_what_the_table_leaves_out_of_it(folder: Path, name: str) -> None:
    key = RULE.key(name)
    assert key is not None
    assert refusal(POLICY, folder, whole(POLICY, "guardrails.name", more=f"{name}: {key.example}")) is not None


@every_key
def test_an_example_is_taken(folder: Path, file: str, path: str, key: Key) -> None:
    assert refusal(ROOTS[file], folder, whole(ROOTS[file], path)) is None


@pytest.mark.parametrize(("file", "path", "key"), [one for one in KEYS if one[2].default])
def test_a_default_says_what_the_absent_key_says(folder: Path, file: str, path: str, key: Key) -> None:
    said, absent = whole(ROOTS[file], path, key.default), whole(ROOTS[file], path, drop=key.name)
    assert plain(loaded(ROOTS[file], folder, said)) == plain(loaded(ROOTS[file], folder, absent))


@pytest.mark.parametrize(("file", "path", "key"), [one for one in KEYS if one[2].required])
def test_a_required_key_is_required(folder: Path, file: str, path: str, key: Key) -> None:
    assert refusal(ROOTS[file], folder, whole(ROOTS[file], path, drop=key.name)) is not None


@pytest.mark.parametrize(
    ("file", "path", "other"),
    [(file, path, other) for file, path, key in KEYS for other in key.without],
)
def test_keys_that_the_table_parts_are_not_taken_together(folder: Path, file: str, path: str, other: str) -> None:
    beside = next(key for at, key in keys_of(ROOTS[file]) if at == f"{path.rpartition('.')[0]}.{other}")
    assert refusal(ROOTS[file], folder, whole(ROOTS[file], path, more=f"{other}: {beside.example}")) is not None


@pytest.mark.parametrize(("file", "path", "other"), [(file, path, other) for file, path, key in KEYS for other in key.beside])
def test_a_key_that_stands_beside_another_is_not_taken_without_it(folder: Path, file: str, path: str, other: str) -> None:
    assert refusal(ROOTS[file], folder, whole(ROOTS[file], path, drop=other)) is not None


@pytest.mark.parametrize(("file", "path", "key"), [one for one in KEYS if words_of(one[2])])
def test_the_words_are_those_that_the_reader_names(folder: Path, file: str, path: str, key: Key) -> None:
    found = refusal(ROOTS[file], folder, whole(ROOTS[file], path, "zzzqqq"))
    assert found is not None
    assert set(words_of(key)) - {"*"} <= set(re.findall(r"[a-z-]+", f"{found.what} {found.hint}"))


@pytest.mark.parametrize(("root", "at"), MISTAKES, ids=list(ROOTS))
def test_every_key_has_a_typical_mistake_and_what_the_reader_answers_to_it(folder: Path, root: Mapping, at: Path) -> None:
    known: dict[str, list[str]] = json.loads(at.read_text())
    assert list(known) == [path for path, _ in keys_of(root)], "a key has no mistake there, or is gone; then `make reference`"
    answers = {path: answer(root, folder, path, wrong) for path, (wrong, _) in known.items()}
    assert answers == {path: said for path, (_, said) in known.items()}, "`make reference` writes them anew"
    assert all(answers.values())


# ---------------------------------------------------------------------- paths


def test_a_path_finds_its_key_and_those_in_it() -> None:
    assert [one.path for one in find(FILE_KEYS, "recording")] == ["recording", "recording.durable", "recording.reserve"]
    assert find(FILE_KEYS, "clusters.NAME.server") == find(FILE_KEYS, "clusters.prod.server")
    assert find(FILE_KEYS, "clusters.NAME")[0].path == "clusters.NAME.server"
    assert find(FILE_KEYS, "cluster") == find(FILE_KEYS, "listen.more") == find(FILE_KEYS, "") == []


def test_no_two_keys_have_one_path() -> None:
    assert len(set(IDS)) == len(IDS)


def test_a_key_of_a_later_version_is_no_key_and_names_its_feature() -> None:
    assert later(FILE_KEYS, "admin") == "health and metrics"
    assert later(FILE_KEYS, "clusters.prod.retention") == "retention" and later(FILE_KEYS, "limits.streams")
    assert later(FILE_KEYS, "listen") == later(FILE_KEYS, "streams") == later(FILE_KEYS, "clusters.admin") == ""
    for root in ROOTS.values():
        for path, mapping in mappings_of(root):
            assert not [name for name in mapping.later or () if find(root, f"{path}.{name}".strip("."))]


def test_a_schema_names_its_draft() -> None:
    assert schema(POLICY, "x")["$schema"] == DRAFT


# ---------------------------------------------------------------------- comparing


def plain(value: Any) -> Any:
    """A value to be compared: patterns by their texts, and nothing of where it stood in its file."""
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.name != "line"}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    texts = getattr(value, "texts", None) or getattr(value, "text", None)
    return value if texts is None else texts
