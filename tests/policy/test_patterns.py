"""Globs and resources."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.policy.patterns import LONGEST_PATTERN, MOST_STARS, BadPattern, Globs, Resources, glob


@given(st.text("ab*", min_size=1, max_size=8).filter(lambda p: p.count("*") <= MOST_STARS), st.text("ab", max_size=10))
def test_a_glob_matches_what_its_plain_twin_matches(pattern: str, text: str) -> None:
    twin = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL)
    assert glob(pattern)(text) is (twin is not None)


def test_nothing_but_the_star_is_special() -> None:
    assert not glob("a?c")("abc") and not glob("[ab]")("a") and not glob("a.c")("abc") and not glob("A")("a")
    assert glob("a.*")("a.\n")


def test_a_glob_made_to_be_slow_is_not() -> None:
    match, began = glob("a*" * MOST_STARS + "b"), time.perf_counter()
    assert not match("a" * 100_000)
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("pattern", ["", "a" * (LONGEST_PATTERN + 1), "*" * (MOST_STARS + 1)])
def test_a_pattern_is_bounded(pattern: str) -> None:
    with pytest.raises(BadPattern):
        glob(pattern)


def test_the_largest_pattern_is_taken() -> None:
    assert glob("a" * LONGEST_PATTERN)("a" * LONGEST_PATTERN) and glob("*" * MOST_STARS)("x")


def test_only_a_lone_star_is_everything() -> None:
    assert Globs(["a", "*"]).everything and Globs(["**"]).everything
    assert not Globs(["a*", "*b", "*-*"]).everything
    assert Globs(["a", "b*"]).match("bc") and not Globs(["a", "b*"]).match("cb")


@pytest.mark.parametrize(
    "pattern, matches, not_these",
    [
        ("pods", ["pods"], ["pods/exec", "pods.metrics.k8s.io", "podtemplates"]),
        ("pods/exec", ["pods/exec"], ["pods", "pods/attach", "pods.x/exec"]),
        ("pods/*", ["pods/exec", "pods/log"], ["pods", "nodes/proxy"]),
        ("deployments.apps", ["deployments.apps"], ["deployments", "deployments.apps/scale", "deployments.extensions"]),
        ("*.apps", ["deployments.apps"], ["pods", "deployments.apps/scale", "x.apps.example.com"]),
        ("*.apps/*", ["deployments.apps/scale"], ["deployments.apps", "pods/exec"]),
        ("*/scale", ["deployments.apps/scale", "replicationcontrollers/scale"], ["deployments.apps/status", "scale"]),
        ("*/*", ["pods/exec", "deployments.apps/scale"], ["pods", "deployments.apps"]),
        ("events.*", ["events", "events.events.k8s.io"], ["events/x"]),
        ("pod*", ["pods", "podtemplates"], ["pods.metrics.k8s.io", "pods/exec"]),
        ("*", ["pods", "pods/exec", "deployments.apps", "deployments.apps/scale"], []),
    ],
)
def test_a_resource_pattern_stands_for_what_it_names(pattern: str, matches: list[str], not_these: list[str]) -> None:
    def match(kind: str) -> bool:
        base, _, sub = kind.partition("/")
        plural, _, group = base.partition(".")
        return Resources([pattern]).match(plural, group, sub)

    assert all(map(match, matches)) and not any(map(match, not_these))


@pytest.mark.parametrize("pattern", ["Pods", "pods/", "/exec", "pods.", "a b", "a/b/c", "pods?"])
def test_a_pattern_that_is_no_resource_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Resources([pattern])
