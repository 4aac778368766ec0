"""Times and durations are what Go writes in JSON."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.protobuf_times import duration, moment


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (1, "1ns"), (1500, "1.5µs"), (20_000_000, "20ms"), (1_000_000_000, "1s"), (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"), (3_600_000_000_000, "1h0m0s"), (5_025_000_000_001, "1h23m45.000000001s"), (-90_000_000_000, "-1m30s"),
    ],
)  # fmt: skip
def test_a_duration_is_what_go_writes(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text  # time.Duration(N).String()


@pytest.mark.parametrize(
    ("seconds", "nanoseconds", "micro", "text"),
    [
        (0, 0, False, "1970-01-01T00:00:00Z"),
        (1_790_000_000, 999_999_999, False, "2026-09-21T14:13:20Z"),
        (1_790_000_000, 123_456_789, True, "2026-09-21T14:13:20.123456Z"),
        (-62_135_596_800, 0, False, "0001-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_what_go_writes(seconds: int, nanoseconds: int, micro: bool, text: str) -> None:
    assert moment(seconds, nanoseconds, micro=micro) == text


def test_a_time_that_does_not_exist_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        moment(1 << 62, 0, micro=False)
