"""Autobahn's test suite finds no fault in the WebSocket codec, in either role: every case is OK or informational."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.autobahn.install import MissingPython2, find_python
from tests.autobahn.run import LIMITS, ROLES, SECTIONS, Case, Role, cases
from tests.support.ahead import ahead


@pytest.fixture(scope="module")
def autobahn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[list[Case]]]]:
    """The cases of each selected test, in both roles at the same time."""
    try:
        find_python()
    except MissingPython2 as error:
        pytest.skip(f"Autobahn's test suite: {error}")  # also under L7GW_NO_SKIP=1, because few machines have it
    folder = tmp_path_factory.mktemp("autobahn")
    with ahead(request, lambda sections, number, role: cases(folder / f"{role}-{number}", sections, role)) as begun:
        yield begun


@pytest.mark.timeout(700)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("sections", "number"), [(SECTIONS, 247), pytest.param(LIMITS, 54, marks=pytest.mark.long)], ids=["rules", "limits"]
)
def test_every_case_of_autobahn_is_strictly_ok(
    sections: list[str], number: int, role: Role, autobahn: dict[str, Future[list[Case]]], request: pytest.FixtureRequest
) -> None:
    found = autobahn[request.node.name].result()
    assert len(found) == number
    wrong = [str(case) for case in found if not case.good]
    assert not wrong, "\n".join(wrong)
