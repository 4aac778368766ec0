"""A gateway keeps its id over restarts, and two gateways that start at once on one state have one."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from l7gw.recording.gateway_id import NAME, gateway_id


def test_the_id_is_made_once_and_kept(tmp_path: Path) -> None:
    first = gateway_id(tmp_path)
    assert str(uuid.UUID(first)) == first and gateway_id(tmp_path) == first
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600 and [one.name for one in tmp_path.iterdir()] == [NAME]
    (tmp_path / "other").mkdir()
    assert gateway_id(tmp_path / "other") != first


def test_of_many_at_once_all_have_the_first_ones(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(gateway_id(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_file_that_holds_no_id_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("x")
    with pytest.raises(OSError, match="holds no id"):
        gateway_id(tmp_path)
