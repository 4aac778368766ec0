"""The configuration that the tests of this room change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)
