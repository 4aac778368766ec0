"""The section `masking`: its spellings, and each mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.config.load import read
from l7gw.config.settings import Masking
from tests.support.written_configuration import Written


def test_without_the_section_the_registry_is_on_and_the_detectors_are_as_they_come(written: Written) -> None:
    assert written.load().masking == Masking(registry=True, detectors=(), patterns=(), fields=(), tests=())


@pytest.mark.parametrize(
    "word, on", [("on", True), ("'on'", True), ("true", True), ('"true"', True), ("off", False), ('"off"', False)]
)
def test_on_and_off_may_be_bare_or_quoted_or_true_and_false(written: Written, word: str, on: bool) -> None:
    written.load()
    with written.path.open("a") as file:
        file.write(f"masking: {{registry: {word}, detectors: {{email: {word}, jwt: {word}}}}}\n")
    settings = read(written.path)[0]
    assert settings is not None and settings.masking.registry is on
    assert [(switch.name, switch.on) for switch in settings.masking.detectors] == [("email", on), ("jwt", on)]


def test_every_key_is_taken(written: Written) -> None:
    written.top["masking"] = {
        "patterns": [{"name": "employee-id", "pattern": "EMP-[0-9]{6}"}],
        "fields": [
            {"kind": "ConfigMap", "path": "data.*password*"},
            {"kind": "Database.example.com", "path": 'spec.users[*]."pass.word"'},
        ],
        "tests": [{"text": "EMP-123456", "finds": ["employee-id"]}, {"text": "EMP-1\n", "finds": []}, {"text": "", "finds": "jwt"}],
    }
    said = written.load().masking
    assert [(pattern.name, pattern.pattern) for pattern in said.patterns] == [("employee-id", "EMP-[0-9]{6}")]
    assert [(field.kind, field.group, field.path.text) for field in said.fields] == [
        ("ConfigMap", "", "data.*password*"),
        ("Database", "example.com", 'spec.users[*]."pass.word"'),
    ]
    assert [(test.text, test.finds) for test in said.tests] == [
        ("EMP-123456", {"employee-id"}),
        ("EMP-1\n", frozenset()),
        ("", {"jwt"}),
    ]


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "l7gw.yaml"
    lines = """\
masking:
  registry: maybe
  detectors:
    jwt: 7
  patterns:
  - {name: Big, pattern: x}
  - {name: x}
  - {nmae: x, name: y, pattern: z}
  fields:
  - {kind: configmap, path: data.x}
  - {kind: ConfigMap, path: "data..x"}
  - {kind: ConfigMap}
  tests:
  - {finds: []}
  - {text: a}
  - {text: 1, finds: []}
  - {text: a, finds: [1]}
""".splitlines()
    path.write_text("\n".join(lines))
    found = [problem.line for problem in read(path)[2] if problem.line]
    assert sorted(set(found) & set(range(2, 30))) == [2, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17]


@pytest.mark.parametrize(
    "section", [[], "on", {"detectors": ["jwt"]}, {"patterns": {"name": "x"}}, {"fields": "data"}, {"tests": 1}]
)
def test_a_section_of_another_shape_is_one_mistake(written: Written, section: Any) -> None:
    written.top["masking"] = section
    assert len(written.problems()) == 1


@pytest.mark.parametrize("word", ["on", "off", '"on"', "true", "all", "1"])
def test_a_switch_for_all_of_masking_is_answered_with_what_to_write(written: Written, word: str) -> None:
    written.load()
    with written.path.open("a") as file:
        file.write(f"masking: {word}\n")
    (problem,) = read(written.path)[2]
    assert problem.what == "`masking` is no switch: masking is always on"
    assert "masking: {registry: off}" in problem.hint and "reveal: [secret-data]" in problem.hint
    (line,) = (number for number, line in enumerate(written.path.read_text().splitlines(), 1) if line.startswith("masking:"))
    assert problem.line == line
