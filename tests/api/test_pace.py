"""How often one caller may ask the API."""

from __future__ import annotations

from l7gw.api.pace import AT_ONCE, EACH_SECOND, MOST_CALLERS, Pace


def test_a_burst_is_answered_and_the_call_beyond_it_is_not() -> None:
    pace = Pace()
    assert all(pace.takes("lea", 0.0) for _ in range(int(AT_ONCE)))
    assert not pace.takes("lea", 0.0)


def test_after_a_burst_a_caller_asks_at_the_pace_of_a_second() -> None:
    pace = Pace()
    while pace.takes("lea", 0.0):
        pass
    assert sum(pace.takes("lea", 1.0) for _ in range(100)) == int(EACH_SECOND)


def test_what_one_caller_asks_takes_nothing_from_another() -> None:
    pace = Pace()
    while pace.takes("agent", 0.0):
        pass
    assert pace.takes("lea", 0.0)


def test_no_more_callers_are_remembered_than_the_limit() -> None:
    pace = Pace()
    for number in range(MOST_CALLERS + 50):
        pace.takes(f"user-{number}", 0.0)
    assert len(pace._buckets) == MOST_CALLERS
