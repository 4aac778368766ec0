"""The log of registered values is bounded, and followed by position."""

from __future__ import annotations

from l7gw.masking.registry.registry_log import RecentLog, Written


def test_a_follower_gets_each_line_once_and_of_those_it_missed_the_newest() -> None:
    log = RecentLog(most=3)
    lines = [Written(bytes((number,))) for number in range(5)]
    assert log.since(0) == ([], 0)
    log.append(lines[0])
    assert log.since(0) == ([lines[0]], 1)
    assert log.since(1) == ([], 1)
    for line in lines[1:]:
        log.append(line)
    assert log.since(1) == (lines[2:], 5)
    assert log.since(4) == (lines[4:], 5)
    assert log.since(log.end) == ([], 5)
