"""One search says which of many expressions stand in bytes, and ends at the first that is asked for."""

from __future__ import annotations

import threading
import time

import hyperscan
import pytest

from l7gw.masking.detectors.marks import DETECTOR, WORTH, Expression, MadeAside, Marks

ONE, TWO, FOUR = 2, 4, 8
EXPRESSIONS = (Expression(b"one", ONE), Expression(rb"two\s+.end", TWO), Expression(b"(?i)four", FOUR))


@pytest.mark.parametrize(
    ("data", "marks"),
    [
        (b"", 0),
        (b"neither", 0),
        (b"one one FOUR", ONE | FOUR),
        (b"two\x0b \nend", TWO),  # every space that Python has, and any byte for the dot
        (b"ghp_ four", DETECTOR | FOUR),
    ],
)
def test_all_that_stands_there_is_told(data: bytes, marks: int) -> None:
    assert Marks(EXPRESSIONS, ["ghp_"]).find(data, 0) == marks


def test_the_search_ends_at_what_is_asked_for() -> None:
    marks = Marks(EXPRESSIONS)
    assert marks.find(b"one" + b" " * 100_000 + b"four", ONE) == ONE
    assert marks.find(b"one" + b" " * 100_000 + b"four", FOUR) == ONE | FOUR


def test_an_expression_that_is_none_is_an_error() -> None:
    with pytest.raises(hyperscan.error):
        Marks((Expression(b"(", ONE),))


def test_threads_search_at_once() -> None:
    marks = Marks(EXPRESSIONS)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(marks.find(b"x" * 100_000 + b"one", 0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ONE] * 8


def test_marks_are_made_once_they_are_worth_it_and_nobody_waits_for_them() -> None:
    aside = MadeAside(EXPRESSIONS, [])
    assert [aside.get(WORTH // 4) for _ in range(4)] == [None] * 4
    deadline = time.monotonic() + 30
    while (marks := aside.get(1)) is None and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert marks is not None and marks.find(b"one", 0) == ONE and aside.get(WORTH * 2) is marks
