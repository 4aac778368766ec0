"""However many calls a cluster that is down refuses, the log has a line a minute with their count, and one when it is back."""

from __future__ import annotations

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.cluster.outage import Outage
from l7gw.log import EVERY
from tests.support.manual_clock import ManualClock

ABOUT, WORDS = "cluster prod at 10.0.0.1:6443", "calls are answered with 502: cluster prod refuses connections"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def outage(clock: ManualClock) -> Outage:
    return Outage(clock)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def test_an_outage_is_told_at_once_then_each_minute_with_a_count_and_its_end(
    outage: Outage, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    outage.failed(ABOUT, WORDS)
    assert said(caplog) == [("ERROR", f"{ABOUT}: {WORDS}")]
    for second in range(150):
        for _ in range(200):
            outage.failed(ABOUT, WORDS)
        clock.advance(1)
        outage.tick()
        if second + 1 in (60, 120):
            assert said(caplog) == [("ERROR", f"{ABOUT}: {WORDS} (12000 tries failed)")]
    outage.over()
    assert said(caplog) == [("INFO", f"{ABOUT}: reached again after 150 s; 6000 more tries failed")]
    clock.advance(EVERY)
    outage.tick()
    outage.over()
    assert said(caplog) == []


def test_an_outage_in_which_nobody_calls_any_more_makes_no_line_but_its_end(
    outage: Outage, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    outage.failed(ABOUT, WORDS)
    said(caplog)
    for _ in range(3):
        clock.advance(EVERY)
        outage.tick()
    assert said(caplog) == []
    outage.over()
    assert said(caplog) == [("INFO", f"{ABOUT}: reached again after 180 s")]


def counted(line: str) -> int:
    """How many failures a line tells of."""
    found = re.search(r"(\d+) (?:more )?(?:tries|try) failed", line)
    return int(found[1]) if found else int("reached" not in line)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 20)), max_size=200))
def test_a_cluster_that_comes_and_goes_makes_two_lines_a_minute_and_every_failure_is_counted(
    events: list[tuple[bool, float]],
) -> None:
    lines: list[tuple[float, str]] = []
    clock = ManualClock()
    outage = Outage(clock)
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((clock.monotonic(), record.getMessage()))  # type: ignore[method-assign]
    logger = logging.getLogger("l7gw.cluster.outage")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        failed = 0
        for up, wait in events:
            clock.advance(wait)
            outage.tick()
            if up:
                outage.over()
            else:
                failed += 1
                outage.failed(ABOUT, WORDS)
        clock.advance(EVERY)
        outage.failed(ABOUT, WORDS)
        clock.advance(EVERY)
        outage.failed(ABOUT, WORDS)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert sum(counted(line) for _, line in lines) == failed + 2
    for begin, _ in lines:
        assert sum(begin <= at < begin + EVERY for at, _ in lines) <= 3  # the end of one outage, and the two lines of the next
