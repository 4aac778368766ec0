"""The configuration's detectors, patterns and tests, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.config.field_paths import read_path
from l7gw.config.settings import Masking, MaskingField, MaskingPattern, MaskingSwitch, MaskingTest
from l7gw.errors import ConfigurationError
from l7gw.masking.configured import configured, ordinary

FILE = Path("/etc/l7gw/l7gw.yaml")
EMPLOYEE = MaskingPattern("employee-id", "EMP-[0-9]{6}", 3)


def test_detectors_are_turned_on_and_off_and_patterns_are_on() -> None:
    made = configured(
        Masking(detectors=(MaskingSwitch("email", True, 1), MaskingSwitch("jwt", False, 1)), patterns=(EMPLOYEE,)), FILE
    )
    assert made.scanners.on == (ordinary().scanners.on | {"email", "employee-id"}) - {"jwt"}
    assert {"jwt", "employee-id"} <= made.names()


def test_a_pattern_may_be_off_until_a_rule_masks_by_it() -> None:
    made = configured(Masking(detectors=(MaskingSwitch("employee-id", False, 1),), patterns=(EMPLOYEE,)), FILE)
    assert not made.scanners.default.scan(b"EMP-123456")
    assert made.scanners.with_(frozenset({"employee-id"})).scan(b"EMP-123456")


def test_all_that_is_wrong_is_told_at_once_with_its_line() -> None:
    said = Masking(
        detectors=(MaskingSwitch("jtw", True, 2),),
        patterns=(
            MaskingPattern("jwt", "x{9}y", 4),
            MaskingPattern("env", "x{9}y", 5),
            MaskingPattern("hook-canary", "x{9}y", 6),
            MaskingPattern("bad", "(", 7),
            MaskingPattern("twice", "xyz", 8),
            MaskingPattern("twice", "xyz", 9),
        ),
        fields=(MaskingField("ConfigMap", "", read_path("dta.x"), 11), MaskingField("ConfigMap", "", read_path("data.x"), 11)),
        tests=(
            MaskingTest("x", frozenset({"githubtoken"}), 12),
            MaskingTest("x", frozenset({"env"}), 13),
            MaskingTest("x", frozenset({"zzzz"}), 14),
        ),
    )
    with pytest.raises(ConfigurationError) as caught:
        configured(said, FILE)
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [
        (str(FILE), n) for n in (2, 4, 5, 6, 7, 9, 11, 12, 13, 14)
    ]
    assert "did you mean `jwt`?" in caught.value.problems[0].hint
    ours = [problem.hint for problem in caught.value.problems[1:4]]
    assert "lists those that are taken" in ours[0] and "by its place" in ours[1] and "names that begin with hook-" in ours[2]
    assert (
        "by its place in an object" in caught.value.problems[-2].hint and "l7gw masking detectors" in caught.value.problems[-1].hint
    )


def test_a_test_that_fails_is_a_mistake_that_says_what_was_found() -> None:
    tests = (
        MaskingTest("EMP-123456", frozenset({"employee-id"}), 5),
        MaskingTest("EMP-1", frozenset(), 6),
        MaskingTest("EMP-1", frozenset({"employee-id"}), 7),
        MaskingTest("ann@example.com", frozenset({"email"}), 8),
    )
    configured(Masking(patterns=(EMPLOYEE,), tests=tests[:2]), FILE)
    with pytest.raises(ConfigurationError) as caught:
        configured(Masking(patterns=(EMPLOYEE,), tests=tests), FILE)
    assert [problem.line for problem in caught.value.problems] == [7, 8]
    assert "finds nothing, not employee-id" in caught.value.problems[0].what
    assert caught.value.problems[1].hint == "email is off"
