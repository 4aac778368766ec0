"""Placeholders say nothing about their value but that two of one namespace are equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.masking.placeholder import PLACEHOLDER, Tagger, of_length

KEY = bytes(range(32))


def test_equal_values_of_one_namespace_have_equal_placeholders_and_no_others() -> None:
    here = Tagger(KEY, "prod", "team-a")
    made = here.placeholder("secret-data", b"hunter2")
    assert made == here.placeholder("secret-data", b"hunter2")
    others = {
        here.tag(b"hunter3"),
        Tagger(KEY, "prod", "team-b").tag(b"hunter2"),
        Tagger(KEY, "dev", "team-a").tag(b"hunter2"),
        Tagger(KEY[::-1], "prod", "team-a").tag(b"hunter2"),
        Tagger(KEY, "prod", "").tag(b"team-a\0hunter2"),
    }
    assert len(others) == 5 and here.tag(b"hunter2") not in others


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True), st.binary(max_size=40))
def test_a_placeholder_is_recognised_whatever_detector_and_value_made_it(detector: str, value: bytes) -> None:
    made = Tagger(KEY, "prod", "dev").placeholder(detector, value)
    found = PLACEHOLDER.fullmatch(made)
    assert found is not None and found.groups() == (detector, Tagger(KEY, "prod", "dev").tag(value))


@given(st.integers(0, 100))
def test_where_the_length_must_stay_it_stays(length: int) -> None:
    made = of_length("l7gw-masked-x-01234567", length)
    assert len(made) == length
    assert made.rstrip(b"*") in (b"", b"l7gw-masked-x-01234567")
