"""A line that a peer can cause as often as it likes is written once, and then counted."""

from __future__ import annotations

import logging

import pytest

from l7gw.log import EVERY, MOST_REMEMBERED, CountedLog
from tests.support.manual_clock import ManualClock

log = logging.getLogger("l7gw.tests")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def counted(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> CountedLog:
    caplog.set_level(logging.INFO)
    return CountedLog(log, clock.monotonic)


def test_a_line_is_written_at_once_and_its_repetitions_are_counted(
    counted: CountedLog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        counted.info("192.0.2.7", "request %d cannot be read", number)
    assert caplog.messages == ["192.0.2.7: request 0 cannot be read"]
    counted.tick()
    assert len(caplog.messages) == 1
    clock.advance(EVERY)
    counted.tick()
    assert caplog.messages[1:] == ["192.0.2.7: request 999 cannot be read (999 times in 60 s)"]


def test_a_repetition_writes_the_count_that_is_due_without_a_tick(
    counted: CountedLog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    counted.warning("prod", "refused")
    counted.warning("prod", "refused")
    clock.advance(EVERY)
    counted.warning("prod", "refused")
    assert caplog.messages == ["prod: refused", "prod: refused (2 times in 60 s)"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_lines_about_another_peer_or_with_another_format_are_counted_apart(
    counted: CountedLog, caplog: pytest.LogCaptureFixture
) -> None:
    counted.info("a", "refused: %s", "x")
    counted.info("b", "refused: %s", "x")
    counted.info("a", "gone")
    assert caplog.messages == ["a: refused: x", "b: refused: x", "a: gone"]


def test_a_line_that_was_not_repeated_is_forgotten_and_written_anew(
    counted: CountedLog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    counted.info("a", "refused")
    clock.advance(EVERY)
    counted.tick()
    counted.info("a", "refused")
    assert caplog.messages == ["a: refused", "a: refused"]


def test_a_peer_of_many_addresses_cannot_fill_the_log(
    counted: CountedLog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MOST_REMEMBERED + 5000):
        counted.info(f"2001:db8::{number:x}", "refused")
    assert len(caplog.messages) == MOST_REMEMBERED
    clock.advance(EVERY)
    counted.tick()
    assert caplog.messages[MOST_REMEMBERED:] == ["5000 lines about others are left out"]
