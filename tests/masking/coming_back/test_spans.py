"""A text with masked parts comes back with the values of these parts, and with no others."""

from __future__ import annotations

import pytest

from l7gw.masking.coming_back.spans import MOST_TRIES, hidden_parts, restored_text
from l7gw.masking.placeholder import Tagger

TAGGER = Tagger(b"k" * 32, "prod", "shop")


def masked(stored: str, *values: str) -> str:
    for value in values:
        stored = stored.replace(value, TAGGER.placeholder("password", value.encode()), 1)
    return stored


@pytest.mark.parametrize(
    ("stored", "values"),
    [
        ("password=abcdef", ["abcdef"]),
        ("a=secret1 b=secret2; c", ["secret1", "secret2"]),
        ("a=x y z b=secret2", ["x y z", "secret2"]),  # the text behind the first part stands within it
        ("secret1", ["secret1"]),
        ("schlüssel=gehéim\n", ["gehéim"]),
    ],
)
def test_each_masked_part_is_found_in_the_stored_text(stored: str, values: list[str]) -> None:
    shown = masked(stored, *values)
    assert list(hidden_parts(shown, stored, TAGGER).values()) == values
    assert restored_text(f"before {shown} behind", shown, stored, TAGGER) == f"before {stored} behind"


def test_a_placeholder_of_another_text_is_not_restored() -> None:
    stored = "password=abcdef"
    other = TAGGER.placeholder("password", b"another")
    assert restored_text(f"password={other}", masked(stored, "abcdef"), stored, TAGGER) is None


def test_a_broken_placeholder_beside_a_whole_one_is_not_restored() -> None:
    stored = "password=abcdef"
    shown = masked(stored, "abcdef")
    assert restored_text(f"{shown} {shown[:-1]}", shown, stored, TAGGER) is None


def test_two_parts_without_a_text_between_them_are_not_told_apart() -> None:
    stored = "firstsecond"
    assert hidden_parts(masked(stored, "first", "second"), stored, TAGGER) == {}


def test_the_end_of_a_part_is_looked_for_in_a_bounded_number_of_places() -> None:
    value = "x b=" * (MOST_TRIES + 1)
    stored = f"a={value} b=second"
    assert hidden_parts(masked(stored, value, "second"), stored, TAGGER) == {}
