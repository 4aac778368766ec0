"""h2spec finds no fault in the gateway's HTTP/2, on calls that it accepts and forwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.h2spec.run import CASES, against_gateway, program
from tests.support.go_programs import MissingGo

FORWARDED = 40  # requests that must reach the cluster, at least; h2spec also sends many that must be refused


@pytest.mark.timeout(300)
def test_every_case_of_h2spec_passes_on_accepted_calls(tmp_path: Path) -> None:
    try:
        program()
    except MissingGo as error:
        missing(f"h2spec needs Go: {error}")
    found, forwarded = against_gateway(tmp_path)
    assert len(found) == CASES
    wrong = [str(case) for case in found if case.outcome != "passed"]
    assert not wrong, "\n".join(wrong)
    assert forwarded >= FORWARDED, "most of its requests never reached the cluster: is its certificate accepted?"
