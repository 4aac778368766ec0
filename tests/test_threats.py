"""The table of threats names tests that exist, and every number of the catalogue up to the policy, and of the faults."""

from __future__ import annotations

import ast
import fnmatch
import functools
import re
from pathlib import Path

import pytest

from tests.threats import HELD, LATER, NUMBERS, OPEN

TESTS = Path(__file__).parent
ALL = [f"{letter}{number}" for letter, count in NUMBERS.items() for number in range(1, count + 1)]


@functools.cache
def _functions(file: str) -> set[str]:
    return {node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_no_number_is_missing_and_none_is_of_another_catalogue() -> None:
    assert set(ALL) == HELD.keys() | LATER.keys() | OPEN.keys()


@pytest.mark.parametrize("number", HELD)
def test_the_tests_that_hold_a_threat_exist(number: str) -> None:
    for name in HELD[number]:
        match = re.fullmatch(r"(test_\w+\.py)::(test_\w+)(?:\[([\w*-]+)\])?", name)
        assert match, name
        file, function, vectors = match.groups()
        assert function in _functions(file), name
        if vectors:
            folder = TESTS / "vectors" / file.removeprefix("test_").removesuffix(".py")
            assert fnmatch.filter((path.name for path in folder.iterdir()), vectors), name


def test_what_waits_says_for_what() -> None:
    for number, why in {**LATER, **OPEN}.items():
        assert len(why) > 20, number
    assert all(":" in why for why in LATER.values())
