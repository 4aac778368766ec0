"""What the desk answers where it failed."""

from __future__ import annotations

import pytest

from l7gw.approval.refusals import refusal, unrecorded
from l7gw.errors import Refusal
from l7gw.store.database import StoreAway


def test_a_refusal_stays_and_a_database_that_is_away_is_told_with_its_words() -> None:
    known = Refusal(409, "Conflict", "no")
    assert refusal(known) is known
    away = refusal(StoreAway("the disk is full"))
    assert (away.code, away.message) == (503, "this call needs an approval, which cannot be asked for or given: the disk is full")


def test_a_bug_is_logged_and_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    found = refusal(ValueError("secret"))
    assert found.code == 500 and "secret" not in found.message and "secret" in caplog.text


def test_a_change_that_is_not_recorded_lets_no_call_pass() -> None:
    assert "cannot be recorded, so the call does not pass: no space" in unrecorded(OSError("no space")).message
