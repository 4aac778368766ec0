"""The JSON Schemas refuse nothing that the readers take, and know the structure of both files as the readers do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.reference import keys_of, mappings_of, schema
from l7gw.config.shapes import (
    Duration,
    Either,
    Flag,
    Listed,
    Mapping,
    Named,
    Number,
    Size,
    Switch,
    Text,
    Texts,
    Words,
    any_of,
    plural,
)
from l7gw.policy.keys.file import POLICY
from tests.support.cited_sources import DOCS, ROOT
from tests.support.key_documents import folder_of_files, refusal, whole

ROOTS = {"l7gw.yaml": FILE_KEYS, "policy": POLICY}
VALIDATORS = {file: Draft7Validator(schema(root, file)) for file, root in ROOTS.items()}
every_file = pytest.mark.parametrize("file", list(ROOTS))

# Values that a key may be given by mistake. Of the first, which are of another structure, the schema knows as much as the reader.
STRUCTURES = ("null", "[]", "{zzz: 1}")
SCALARS = (
    "[[a]]",
    "[null]",
    "5",
    "-1",
    "1.5",
    "true",
    "''",
    "zzz qqq",
    "[5]",
    "['']",
    "'*'",
    "2GB",
    "1h30m",
    "2026-01-01",
    "off",
    "a,b",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_files(tmp_path_factory.mktemp("files"))


def takes(file: str, text: str) -> bool:
    return VALIDATORS[file].is_valid(yaml.load(text, yaml.CSafeLoader))


@every_file
def test_a_schema_is_one_and_every_mapping_in_it_has_its_keys_alone(file: str) -> None:
    Draft7Validator.check_schema(schema(ROOTS[file], file))
    for path, mapping in mappings_of(ROOTS[file]):
        assert not takes(file, whole(ROOTS[file], f"{path}.{mapping.keys[0].name}".strip("."), more="zzzqqq: 1")), path


@every_file
def test_a_schema_takes_each_example_and_each_default(file: str) -> None:
    for path, key in keys_of(ROOTS[file]):
        for value in filter(None, (key.example, key.default)):
            text = whole(ROOTS[file], path, value)
            assert takes(file, text), (path, [error.message for error in VALIDATORS[file].iter_errors(yaml.safe_load(text))])


@every_file
def test_a_schema_wants_the_keys_that_are_required_and_parts_those_that_do_not_stand_together(file: str) -> None:
    root = ROOTS[file]
    for path, key in keys_of(root):
        if key.required:
            assert not takes(file, whole(root, path, drop=key.name)), path
        for other in key.beside:
            assert not takes(file, whole(root, path, drop=other)), (path, other)
        for other in key.without:
            example = next(one.example for at, one in keys_of(root) if at == f"{path.rpartition('.')[0]}.{other}")
            assert not takes(file, whole(root, path, more=f"{other}: {example}")), (path, other)


@every_file
def test_keys_that_a_verdict_forbids_are_refused_by_schema_and_reader(folder: Path, file: str) -> None:
    root = ROOTS[file]
    told = [(path, mapping, one) for path, mapping in mappings_of(root) for one in mapping.forbids]
    assert len(told) == (4 if root is POLICY else 0)
    for path, mapping, one in told:
        for name in one.names:
            key = mapping.key(name)
            assert key is not None
            text = whole(root, f"{path}.{one.key}", one.word, more=f"{name}: {key.example}")
            assert not takes(file, text) and refusal(root, folder, text) is not None, (path, one.word, name)


@every_file
@pytest.mark.parametrize("value", STRUCTURES)
def test_schema_and_reader_refuse_the_same_values_of_another_structure(folder: Path, file: str, value: str) -> None:
    texts = {path: whole(ROOTS[file], path, value) for path, _ in keys_of(ROOTS[file])}
    refused = {path for path, text in texts.items() if not takes(file, text)}
    assert refused == {path for path, text in texts.items() if refusal(ROOTS[file], folder, text) is not None}
    assert len(refused) > len(texts) // 4


@every_file
@pytest.mark.parametrize("turn", range(3))
def test_what_a_schema_refuses_the_reader_refuses(folder: Path, file: str, turn: int) -> None:
    """Each key is given three of the values, its neighbours others, so that each sort of key meets all of them."""
    texts = {
        path: whole(ROOTS[file], path, SCALARS[(number + 3 * turn) % len(SCALARS)])
        for number, (path, _) in enumerate(keys_of(ROOTS[file]))
    }
    refused = {path: text for path, text in texts.items() if not takes(file, text)}
    assert [path for path, text in refused.items() if refusal(ROOTS[file], folder, text) is None] == []
    assert len(refused) > len(texts) // 4


def test_a_schema_takes_every_configuration_and_policy_of_the_pages() -> None:
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    blocks = [yaml.safe_load(text) for page in pages for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    shipped = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "l7gw" / "policy" / "shipped").glob("*.yaml"))]
    policies = [one for one in blocks if isinstance(one, dict) and one.keys() & {"rules", "guardrails"} and "kind" not in one]
    whole_files = [one for one in blocks if isinstance(one, dict) and {"clusters", "policy"} <= one.keys()]
    assert len(policies) > 12 and whole_files and len(shipped) == 5
    for file, found in (("policy", [*policies, *shipped]), ("l7gw.yaml", whole_files)):
        for one in found:
            assert not [error.message for error in VALIDATORS[file].iter_errors(one)]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (Text("file"), "file"),
        (Words(("a", "b", "c")), "`a`, `b` or `c`"),
        (Flag(), "`true` or `false`"),
        (Switch(("errors",)), "`on`, `off` or `errors`"),
        (Number(1, 10), "number, 1 to 10"),
        (Number(1, 1), "`1`"),
        (Size(1024, 1024**3), "size, 1KiB to 1GiB"),
        (Duration(10, 3600), "duration, 10s to 60m"),
        (Texts(Text("host name")), "list of host names"),
        (Texts(Words(("a", "b"))), "list of `a`, `b`"),
        (Either((Words(("auto",)), Number(1, 1))), "`auto`, or `1`"),
        (Mapping(()), "map"),
        (Named(Text()), "map of NAME to text"),
        (Listed(Mapping(())), "list of maps"),
    ],
)
def test_a_shape_is_told_in_words(shape: Any, words: str) -> None:
    assert shape.in_words == words


def test_english_has_plurals() -> None:
    assert [plural(word) for word in ("text", "identity", "address", "NAME (of one)")] == [
        "texts",
        "identities",
        "address",
        "NAME (of one)",
    ]
    assert any_of(("a",)) == "a" and any_of(("a", "b")) == "a or b"
