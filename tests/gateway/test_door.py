"""Connections beyond the limit are turned away, and told once a second."""

from __future__ import annotations

import logging

import pytest

from l7gw.gateway.door import Door
from l7gw.log import CountedLog
from tests.support.manual_clock import ManualClock


def test_a_connection_beyond_the_limit_is_turned_away_until_another_has_closed(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(2, CountedLog(logging.getLogger("it"), ManualClock().monotonic))
    assert [door.opened() for _ in range(4)] == [True, True, False, False]
    door.closed()
    assert door.opened() and door.open == 2
    door.tick()
    door.tick()
    assert caplog.messages == ["2 connections refused: 2 are open, the limit of descriptors is near"]
