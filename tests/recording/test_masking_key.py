"""The masking key is made once, lies in the state where nobody else reads it, and a wrong one is told with what to do."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from l7gw.masking.placeholder import KEY_SIZE
from l7gw.recording.masking_key import fingerprint, masking_key, path_of, read
from l7gw.recording.state import check_state


@pytest.fixture
def state(tmp_path: Path) -> Path:
    check_state(tmp_path / "state")
    return tmp_path / "state"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_key_is_made_once_and_only_its_owner_reads_it(state: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        key = masking_key(state)
    finally:
        os.umask(before)
    assert len(key) == KEY_SIZE and masking_key(state) == key == read(state)
    assert path_of(state).stat().st_mode & 0o777 == 0o600 and path_of(state).parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in path_of(state).parent.iterdir()] == ["masking"]
    check_state(state)


def test_two_states_have_two_keys(tmp_path: Path) -> None:
    for name in "ab":
        check_state(tmp_path / name)
    assert masking_key(tmp_path / "a") != masking_key(tmp_path / "b")


def test_gateways_that_start_at_once_on_one_state_have_one_key(state: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(masking_key(state))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8 and len(set(keys)) == 1


@pytest.mark.parametrize("size", [0, KEY_SIZE - 1, KEY_SIZE + 1])
def test_a_key_of_another_size_is_refused_with_what_to_do(state: Path, size: int) -> None:
    masking_key(state)
    path_of(state).write_bytes(bytes(size))
    with pytest.raises(OSError, match=f"{re.escape(str(path_of(state)))} is no masking key: .*\n  hint: copy it"):
        masking_key(state)


def test_a_key_that_others_can_read_is_refused_with_what_to_do(state: Path) -> None:
    masking_key(state)
    path_of(state).chmod(0o640)
    with pytest.raises(OSError, match="hint: chmod 600"):
        masking_key(state)


def test_a_fingerprint_tells_keys_apart_and_holds_nothing_of_them() -> None:
    key = bytes(range(KEY_SIZE))
    assert fingerprint(key) == fingerprint(key) != fingerprint(bytes(KEY_SIZE))
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(key)) and key.hex()[:16] != fingerprint(key)
