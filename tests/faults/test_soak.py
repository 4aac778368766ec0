"""How a soak judges its samples: memory that grows and descriptors that stay are told from memory that only fluctuates."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from bench.soak import BOUND, DESCRIPTORS_LEFT, slope, summary


def samples(an_hour: float, minutes: int = 90) -> list[dict[str, Any]]:
    """Samples, one a minute. Memory rises steeply up to the tenth, as while a process warms up, and fluctuates by 2 MiB."""
    wobble = random.Random(1)
    found = []
    for minute in range(1, minutes + 1):
        size = 60_000 + min(minute, 10) * 2_000 + an_hour * minute / 60 + wobble.uniform(-1_000, 1_000)
        found.append({"minute": minute, "rss_kib": size + 20_000, "private_kib": size, "descriptors": 30})
    return found


def code(found: list[dict[str, Any]], *, failures: int = 0, left: int = 0) -> int:
    soak: Any = SimpleNamespace(samples=found, calls=Counter(fresh=1000), failures=Counter({"fresh": failures} if failures else {}))
    return summary(soak, {"descriptors": 16}, {"descriptors": 16 + left})


def test_a_slope_and_its_error_are_those_of_least_squares() -> None:
    rate, error = slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)])
    assert (rate, error) == (2.0, 0.0)
    rate, error = slope([(0.0, 0.0), (1.0, 2.0), (2.0, 1.0)])  # computed by hand
    assert rate == pytest.approx(0.5)
    assert error == pytest.approx((1.5 / 2) ** 0.5)


def test_memory_that_grows_is_told_from_memory_that_wobbles() -> None:
    assert code(samples(0.0)) == 0
    assert code(samples(BOUND / 2)) == 0
    assert code(samples(BOUND * 2)) == 1


def test_a_failed_call_a_descriptor_that_stays_and_too_short_a_run_are_no_success() -> None:
    assert code(samples(0.0), failures=1) == 1
    assert code(samples(0.0), left=DESCRIPTORS_LEFT) == 0
    assert code(samples(0.0), left=DESCRIPTORS_LEFT + 1) == 1
    assert code(samples(0.0, minutes=10)) == 1
