"""How a call says what was masked in it."""

from __future__ import annotations

from l7gw.recording.events import MaskRecorded
from l7gw.recording.masked import MANY_SENT, Masked


def _event(number: int, *, up: bool = False) -> MaskRecorded:
    detector = "secret-data" if number % 2 else "jwt"
    return MaskRecorded(time=0, exchange=1, detector=detector, where=f"data.{number}", length=10, tag="0123abcd", up=up)


def test_it_says_how_much_was_masked_by_what_and_where_first() -> None:
    masked = Masked()
    assert not masked
    masked.add(_event(1))
    assert masked and str(masked) == "1 masked, 10 bytes: secret-data in data.1"
    for number in (1, 2, 3):
        masked.add(_event(number))
    assert str(masked) == "4 masked, 40 bytes: secret-data, jwt in data.1, data.2, data.3"
    for number in range(4, 1000):
        masked.add(_event(number))
    assert str(masked) == "1000 masked, 10000 bytes: secret-data, jwt in data.1, data.2, data.3 and elsewhere"


def test_more_than_twenty_values_in_what_the_caller_sent_mark_the_call() -> None:
    masked = Masked()
    for _ in range(MANY_SENT):
        masked.add(_event(1, up=True))
    assert "the caller sent" not in str(masked)
    masked.add(_event(1, up=True))
    assert str(masked).endswith("in data.1; the caller sent 21 of them")
