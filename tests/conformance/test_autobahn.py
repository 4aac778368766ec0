"""Autobahn's test suite finds no fault in the WebSocket codec, in either role: every case is OK or informational."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.autobahn.install import MissingPython2, find_python
from tests.autobahn.run import LIMITS, ROLES, SECTIONS, Role, cases


@pytest.mark.timeout(700)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("sections", "number"), [(SECTIONS, 247), pytest.param(LIMITS, 54, marks=pytest.mark.long)], ids=["rules", "limits"]
)
def test_every_case_of_autobahn_is_strictly_ok(sections: list[str], number: int, role: Role, tmp_path: Path) -> None:
    try:
        find_python()
    except MissingPython2 as error:
        pytest.skip(f"Autobahn's test suite: {error}")  # also under L7GW_NO_SKIP=1, because few machines have it
    found = cases(tmp_path, sections, role)
    assert len(found) == number
    wrong = [str(case) for case in found if not case.good]
    assert not wrong, "\n".join(wrong)
