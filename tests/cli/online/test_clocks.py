"""The machine's clock beside those of others."""

from __future__ import annotations

import pytest

from l7gw.cli.online.clocks import ahead_of, of_clocks


def test_a_date_says_by_how_much_our_clock_is_ahead() -> None:
    assert ahead_of("Tue, 10 Nov 2026 12:00:00 GMT", 1794312005.0) == 5.0
    assert ahead_of("", 0.0) is None and ahead_of("yesterday", 0.0) is None


@pytest.mark.parametrize(
    ("skews", "state", "words"),
    [
        ([("issuer a", 0.4)], "green", "as those of 1 server"),
        ([("issuer a", 0.4), ("cluster b", -2.0)], "green", "2 servers"),
        ([("issuer a", 0.4), ("cluster b", -20.0)], "yellow", "20 s behind that of cluster b"),
        ([("issuer a", 300.0)], "red", "300 s ahead of that of issuer a: tokens are refused"),
        ([], "yellow", "said what time it is"),
    ],
)
def test_the_largest_difference_decides(skews: list[tuple[str, float]], state: str, words: str) -> None:
    found = of_clocks(skews)
    assert found.state == state and words in found.text and bool(found.hint) == (state != "green")
