"""A number agrees with its noun."""

from __future__ import annotations

import pytest

from l7gw.quantities import many


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 rules"), (1, "1 rule"), (2, "2 rules"), (1000, "1,000 rules"), (1_234_567, "1,234,567 rules")]
)
def test_one_is_singular_and_all_else_plural(count: int, said: str) -> None:
    assert many(count, "rule") == said


def test_a_plural_of_its_own_and_a_word_for_none() -> None:
    assert many(2, "entry", "entries") == "2 entries" and many(1, "entry", "entries") == "1 entry"
    assert many(0, "rule", none="no") == "no rules" and many(3, "part of it", "parts of it") == "3 parts of it"
