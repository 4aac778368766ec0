"""hyperscan tells which texts stand in bytes, and where."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.detector import Shape
from l7gw.masking.detectors.engines import Noticed, beginning_of, compiled, grouped, notice_of, numbered, parts
from l7gw.masking.detectors.marks import DETECTOR, Expression, Marks
from l7gw.masking.detectors.patterns import BadPattern, detector_of
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.objects.env_hints import EXACT
from l7gw.masking.objects.structure_hints import EXPRESSIONS, JSON_EXPRESSIONS
from tests.support.regex_samples import drawn


def test_each_place_of_each_text_is_told_or_one_of_each() -> None:
    assert Noticed(["ab", "b+c"]).places(b"ab abbc") == [(0, 2), (0, 5), (1, 7)]
    assert Noticed(["ab", "b+c"], once=True).places(memoryview(b"ab abbc")) == [(0, 2), (1, 7)]
    assert Noticed(["ab"]).anything(b"ab") and not Noticed(["ab"]).anything(b"a b")
    assert Noticed([]).places(b"ab") == [] and not Noticed([]).anything(b"ab")


@pytest.mark.parametrize(
    ("pattern", "its_parts"),
    [
        ("ab|c[|]d|e\\|f|[]|]+", ["ab", "c[|]d", "e\\|f", "[]|]+"]),
        ("[^]|]a|b", ["[^]|]a", "b"]),
        *((whole, [whole]) for whole in ("ab", "(?:a|b)c", "(?i)a|b", "a|", "|a", "\\Qa|b\\E", "a[|b", "[|]")),
    ],
)
def test_a_pattern_without_groups_is_compiled_part_by_part(pattern: str, its_parts: list[str]) -> None:
    assert parts(pattern) == its_parts


def test_each_part_has_the_number_of_its_pattern() -> None:
    assert numbered(["a|b", "(?:c|d)", "e"]) == ([0, 0, 1, 2], [b"a", b"b", b"(?:c|d)", b"e"])
    assert Noticed(["ab|b+c", "d"]).places(b"ab abbc d") == [(0, 2), (0, 5), (0, 7), (1, 9)]


def test_shapes_that_are_noticed_by_the_same_text_are_one_group() -> None:
    class Known:
        def __init__(self, pattern: str, notice: str) -> None:
            self.shape = Shape(pattern, notice=notice)

    one, two, other = Known("a[0-9]", "a"), Known("a[a-z]", "a"), Known("b[0-9]{2}", "")
    assert list(grouped([one, two, other], notice_of).values()) == [[one, two], [other]]


# The texts that hyperscan is given for the built-in detectors
LOOKED_FOR = sorted({text(shape) for one in BUILT_IN for shape in one.shapes for text in (notice_of, beginning_of) if text(shape)})


PATIENT = (pytest.mark.long, pytest.mark.timeout(400))  # they take a fourth of it on a slow machine


@pytest.mark.parametrize("runs", [20, pytest.param(200, marks=PATIENT)])
def test_whatever_an_expression_stands_for_is_noticed_wherever_it_begins(runs: int) -> None:
    def check(text: str) -> None:
        noticed = Noticed([text])

        @settings(max_examples=runs, deadline=None)
        @given(st.sampled_from([b" ", b"a: "]), st.integers(0, 60), st.from_regex(re.compile(text.encode()), fullmatch=True))
        def holds(before: bytes, times: int, found: bytes) -> None:
            assert noticed.anything(before * times + found), text

        holds()

    for text in LOOKED_FOR:
        check(text)


@pytest.mark.parametrize("first", range(16))
def test_the_password_of_a_url_whose_slashes_are_escaped_is_noticed_at_any_depth(first: int) -> None:
    """hyperscan misses `:` with four backslashes, `/`, three of them and `/` where these repeats have a bound of 15."""
    (url,) = {notice_of(shape) for one in BUILT_IN if one.name == "connection-string" for shape in one.shapes}
    noticed = Noticed([url])
    for second in range(16):
        found = b":" + b"\\" * first + b"/" + b"\\" * second + b"/user:some-password@host"
        assert all(noticed.anything(b"x" * offset + found) for offset in range(70)), (first, second)


BEFORE = (b"", b" ", b"a: ", b"\n", b'{"')


@pytest.mark.parametrize("runs", [60, pytest.param(2000, marks=PATIENT)])
def test_whatever_says_something_of_a_structure_is_found_alone_and_beside_all_others(runs: int) -> None:
    dice = random.Random(runs)
    noticed = sorted({notice_of(shape) for one in BUILT_IN for shape in one.shapes})
    everything, json = Marks(EXPRESSIONS, noticed), Marks(JSON_EXPRESSIONS, noticed)
    exact = [Expression(text, 2) for text in EXACT]
    given = [(one, everything) for one in EXPRESSIONS] + [(one, json) for one in JSON_EXPRESSIONS]
    for expression, beside in (*given, *((one, Marks(exact)) for one in exact)):
        alone = Marks([expression])
        for _ in range(runs):
            text = dice.choice(BEFORE) * dice.randint(0, 60) + drawn(expression.text, dice)
            assert alone.find(text, 0) == expression.mark, (expression, text)
            assert beside.find(text, 0) & expression.mark, (expression, text)
    for notice in noticed:
        for _ in range(runs // 10):
            text = drawn(notice.encode(), dice)
            assert everything.find(b" " + text + b" ", 0) & DETECTOR, (notice, text)


@pytest.mark.parametrize("runs", [10, pytest.param(200, marks=PATIENT)])
def test_whatever_is_looked_for_is_noticed_beside_all_other_texts(runs: int) -> None:
    dice = random.Random(runs)
    noticed = Noticed(LOOKED_FOR, once=True)
    for number, text in enumerate(LOOKED_FOR):
        for _ in range(runs):
            found = dice.choice(BEFORE) * dice.randint(0, 60) + b" " + drawn(text.encode(), dice)
            assert number in [seen for seen, _ in noticed.places(found)], (text, found)


# Patterns as users write them: `l7gw masking detectors` takes them all
OF_USERS = (
    "EMP-[0-9]{6}", r'PIN .+"x?\.', r"PIN (?P<value>[0-9]{4})", r"\b[0-9a-f]{32,}\b", r"(?i)foo[_-]?key\s*[:=]\s*(?P<value>\S+)", r"(?m)^x-api: (?P<value>.+)$",
    r"acme_(?:live|test)_[A-Za-z0-9]{16,40}", r"\\{0,15}\"pin\\{0,15}\"[ ]{0,64}:[ ]{0,64}(?P<value>[0-9]{4,8})", r"AB\d{2,}?-\w+?;",
)  # fmt: skip
ATOMS = (
    "a", "E", "(?:EMP-)", "_", "=", "/", r"\\", r"\.", '"', " ", "[0-9]", "[A-Za-z0-9]", r"\d", r"\w", "[^ ]", ".", r"\s", r"\xc3", "(?:key|token)",
    r"""(?:\\*["'])""", r"\W",
)  # fmt: skip
REPEATS = ("", "", "", "?", "*", "+", "{2}", "{3,}", "{0,15}", "{1,8}", "{0,64}", "{16,40}", "*?", "+?", "{2,5}?")


def _of_a_user(dice: random.Random) -> str:
    """A pattern of any kind."""

    def some() -> str:
        return "".join(dice.choice(ATOMS) + dice.choice(REPEATS) for _ in range(dice.randint(1, 4)))

    value = dice.choice(["", "", f"(?P<value>{some()})"])
    begins = (
        dice.choice(["", "", "(?i)", "(?m)"]) + dice.choice(["", "", r"\b", "^"]) + dice.choice(["EMP-", "key=", "PIN ", "x", ""])
    )
    return begins + some() + value + dice.choice(["", some()]) + dice.choice(["", "", r"\b", "$"])


@pytest.mark.parametrize("runs", [10, pytest.param(1500, marks=PATIENT)])
def test_what_a_pattern_of_a_user_matches_is_found_by_its_detector(runs: int) -> None:
    dice = random.Random(runs)
    for pattern in (*OF_USERS, *(_of_a_user(dice) for _ in range(runs))):
        try:
            detector = detector_of("own", pattern)
        except BadPattern:
            continue
        if not detector.shapes[0].notice:  # no plain text of three bytes: hyperscan overlooks some matches (docs/masking.md)
            continue
        scanner = Scanner([detector])
        group = 1 if "(?P<value>" in pattern else 0
        for _ in range(20):
            text = dice.choice(BEFORE) * dice.randint(0, 60) + drawn(pattern.encode(), dice) + dice.choice([b"", b" ", b"\n"])
            match = compiled(pattern).search(text)
            if match is not None and match.end() - match.start() <= 256 and match.start(group) < match.end(group):
                assert scanner.may_hold(text) and scanner.scan(text), (pattern, text)
