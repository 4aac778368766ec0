"""Where a value may have begun at the end of a text: searched for in the end of the text alone, as a search of all of it finds it."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.masking.detectors.detector import Detector, Shape
from l7gw.masking.detectors.engines import Noticed, beginning_of, begun_of, compiled, grouped
from l7gw.masking.detectors.openings import LONGEST_BEGUN, NEAR
from l7gw.masking.detectors.regex_tree import alphabet
from l7gw.masking.detectors.scanner import Scanner, _Locator
from l7gw.masking.detectors.table import BUILT_IN
from tests.support.credential_samples import samples

OWN = Detector(
    name="own",
    finds="",
    anchor="",
    reason="",
    fixed=True,
    shapes=(
        Shape(r"\bEMP-[0-9]{6}\b"),
        Shape(r"(?i)pin[:=] ?(?P<value>[0-9]{4,8})", longest=2000),
        Shape(r"[A-Z]{3}(?:-[0-9a-f]{8}){2,40}", longest=400),
    ),
)
SCANNER = Scanner([*BUILT_IN, OWN])


class Plain:
    """One search for the beginnings of all shapes, in as many bytes as the longest value has."""

    def __init__(self, scanner: Scanner) -> None:
        read = [locator for locator in scanner._locators if locator.tree]
        texts = grouped(read, beginning_of)
        self._opened, self._by_text = Noticed(list(texts), once=True), list(texts.values())
        self._longest = max(locator.longest for locator in scanner._locators)
        begun = [one.tree.flagged(text) for one in read if one.tree and (text := begun_of(one.shape))]
        self._begun = compiled(f"(?:{'|'.join(dict.fromkeys(begun))})\\z")

    def first(self, data: bytes) -> int:
        size = len(data)
        match = self._begun.search(data, max(0, size - LONGEST_BEGUN))
        first: int = size if match is None else match.start()
        for number, _ in self._opened.places(data[max(0, size - self._longest) :]):
            first = min([first, *(locator.open_from(data) for locator in self._by_text[number])])
        return first


PLAIN = Plain(SCANNER)


def check(data: bytes) -> None:
    first = PLAIN.first(data)
    assert SCANNER.open_from(data) == first, data[-200:]
    assert SCANNER.look(data) == (first, SCANNER.may_hold(data)), data[-200:]


@pytest.mark.parametrize("before", [b"", b"x" * (NEAR - 20), b"word " * 1000 + b"password="], ids=["alone", "near", "far"])
def test_each_beginning_of_each_sample_is_told_as_by_a_search_of_the_whole(before: bytes) -> None:
    for number, sample in enumerate(samples(true=True)):
        text = sample.text
        for cut in range(number % 7, min(len(text), 600), 7):
            check(before + b" " + text[:cut])
            check(before + b'{"a": "\\n' + text[:cut])


WORDS = st.sampled_from([
    b"gh", b"ghp_", b"a1B2" * 9, b"password", b"=", b": ", b'"', b"\\n", b"\\", b"key", b"token=", b"Bearer ", b"eyJhbGciOi", b".", b"-----BEGIN ",
    b"PRIVATE KEY-----\n", b"A" * 70, b"0Q~", b"sig=", b"://u:", b"@", b"EMP-", b"123456", b"ABC", b"-0123abcd" * 3, b"pin: ", b"\xff", b"\n", b" ",
    b"w" * 700, b"w " * 700, b"\n" * 17_000, b"LS0t", b"xoxb-", b"AKIA", b"IQoJb3JpZ2lu" + b"x" * 300, b"AzFu", b"1//0",
])  # fmt: skip


@given(st.lists(WORDS, max_size=12).map(b"".join))
def test_any_text_is_told_as_by_a_search_of_the_whole(data: bytes) -> None:
    check(data)


@given(st.sampled_from([text for one in SCANNER._locators if (text := begun_of(one.shape))]), st.data())
def test_no_match_of_an_expression_has_a_byte_that_is_not_in_its_alphabet(text: str, data: st.DataObject) -> None:
    found = data.draw(st.from_regex(re.compile(text.encode()), fullmatch=True))
    assert set(found) <= alphabet(f"(?i:{text})")


def test_a_shape_that_tells_itself_by_its_middle_alone_is_looked_for_in_all_of_the_text() -> None:
    """Such a value is held back wherever another one of its kind stood before, which a search of the end alone would not see."""
    assert isinstance(SCANNER._locators[0], _Locator)
    check(b"abc0Q~" + b"d" * 8 + b" " * NEAR + b"abc")


# The marks of Azure's keys stand near their end; docs/masking.md lists what is missed of them.
SHAPES = [shape for detector in BUILT_IN if detector.name != "azure-key" for shape in detector.shapes]
FOUND = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.tuples(
        st.just(shape), st.from_regex(re.compile(shape.pattern.replace("|$)", r"|\Z)").encode()), fullmatch=True)
    )
)
DEEPER = re.compile(rb"\\{16}|[ \t]{65}")  # than what is noticed


@pytest.mark.parametrize("runs", [100, pytest.param(2000, marks=pytest.mark.long)])
def test_each_match_is_waited_for_from_the_first_byte_of_its_value_until_it_is_whole(runs: int) -> None:
    """What a shape is told to be opened by is wider than every beginning of its matches, or a stream lets one go."""

    @settings(max_examples=runs, deadline=None)
    @given(FOUND)
    def holds(found: tuple[Shape, bytes]) -> None:
        shape, text = found
        scanner = _alone(shape)
        (locator,) = scanner._locators
        match = locator.located.search(text)
        if match is None or len(text) > LONGEST_BEGUN or DEEPER.search(text):
            return
        start, end = match.span(locator.group)
        for size in range(start + 1, match.end()):
            assert scanner.open_from(text[:size]) <= start or (start, end) in _spans(scanner, text[:size]), text[:size]

    holds()


@cache
def _alone(shape: Shape) -> Scanner:
    return Scanner([Detector(name="one", finds="", anchor="", reason="", fixed=True, shapes=(shape,))])


def _spans(scanner: Scanner, text: bytes) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in scanner.scan(text)]


def test_a_byte_that_may_belong_to_what_stands_before_a_value_is_waited_for_with_it() -> None:
    text = b"bearer +++" + b"a1B2" * 3 + b"x"
    bearer = _alone(next(shape for one in BUILT_IN if one.name == "bearer" for shape in one.shapes))
    ((start, _),) = _spans(bearer, text)
    assert start == len(b"bearer ")
    for size in range(start + 1, len(text)):
        assert bearer.open_from(text[:size]) == start


def test_a_long_beginning_is_told_from_its_first_byte_on() -> None:
    own = Scanner([Detector(name="own", finds="", anchor="", reason="", fixed=True, shapes=(Shape(r"[A-Z]{100}-secret"),))])
    for size in range(1, 100):
        assert own.open_from(b"x " + b"A" * size) == 2
