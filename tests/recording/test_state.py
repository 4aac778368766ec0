"""A state is a folder of the gateway's own, closed to everybody else (threats J5)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from l7gw.recording import reader
from l7gw.recording.state import check_state
from tests.support.journals import ANN, call, recorded


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_state_is_made_where_none_is_and_nobody_else_can_replace_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        check_state(tmp_path / "a" / "b")
        check_state(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755 & ~umask


def test_a_state_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="hint: name a folder"):
        check_state(tmp_path / "file" / "state")


def test_a_state_below_a_setgid_folder_is_made_and_taken(tmp_path: Path) -> None:
    """A pod's volume with `fsGroup` is such a folder. `chmod 700` does not remove the bit, and the bit lets nobody in."""
    tmp_path.chmod(0o2770)
    state = tmp_path / "state"
    recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods"))
    assert state.stat().st_mode & 0o7777 == 0o2700
    check_state(state)
    assert list(reader.segments(state))


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o710, 0o777, 0o2750])
def test_a_state_that_others_can_look_into_is_refused(state: Path, mode: int) -> None:
    state.mkdir()
    state.chmod(mode)
    with pytest.raises(OSError, match="hint: chmod 700"):
        check_state(state)


def test_a_file_of_the_state_that_others_can_read_is_refused(state: Path) -> None:
    recorded(state, lambda recorder: None)
    reader.segments(state)[0].chmod(0o640)
    with pytest.raises(OSError, match="hint: chmod 600"):
        check_state(state)


def test_links_in_the_state_are_refused(state: Path, tmp_path: Path) -> None:
    recorded(state, lambda recorder: None)
    (state / "journal" / "00000002-x.l7j").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="is a link"):
        check_state(state)
    (tmp_path / "other").symlink_to(state)
    with pytest.raises(OSError, match=f"is a link\n  hint: name the folder itself in `state`: {state.resolve()}"):
        check_state(tmp_path / "other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_state_of_another_user_is_refused(state: Path) -> None:
    state.mkdir(mode=0o700)
    os.chown(state, 12345, -1)
    with pytest.raises(OSError, match="another user"):
        check_state(state)


def test_a_state_is_closed_to_others_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = tmp_path / "state"
        recorded(state, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods"))
        modes = {path.stat().st_mode & 0o777 for path in [state, *state.rglob("*")] if path.is_dir()}
        assert modes == {0o700}
        assert {path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_file()} == {0o600}
    finally:
        os.umask(before)


def test_a_socket_of_a_group_that_a_killed_gateway_left_is_no_hindrance(state: Path) -> None:
    state.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(state / "l7gw.sock"))
    (state / "l7gw.sock").chmod(0o660)
    check_state(state)
