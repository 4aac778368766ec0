"""The log by which detectors are measured has no secret and costs what an ordinary log costs."""

from __future__ import annotations

from l7gw.masking.detectors.cost import SIZE, log, measured
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.detectors.table import BUILT_IN


def test_the_log_has_no_secret() -> None:
    assert len(log()) == SIZE and not Scanner([one for one in BUILT_IN if one.on]).scan(log())


def test_a_detector_is_measured_in_nanoseconds_for_each_byte() -> None:
    assert 0 < measured(BUILT_IN[0]) < 1000
