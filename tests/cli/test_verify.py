"""`l7gw verify` answers by its exit status: 0 intact, 1 not, 3 could not tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from l7gw.cli.verify import LIMITS, WHAT
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, call, cli_run, recorded


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two segments with one session each."""
    for cluster in ("prod", "stage"):

        def fill(recorder: Recorder, cluster: str = cluster) -> None:
            call(recorder.session(ANN, cluster), "/api/v1/pods").end("complete")

        recorded(tmp_path / "state", fill)
    return tmp_path / "state"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_intact_state_says_what_was_read_and_what_cannot_be_seen(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum(path.stat().st_size for path in reader.segments(state))
    blocks = sum(1 for path in reader.segments(state) for _ in reader.places(path))
    status, out, err = cli_run(capsys, "verify", "--state", state)
    assert (status, out, err) == (0, f"2 sessions, {blocks} blocks, {size:,} bytes read\nintact; {LIMITS}\n", "")
    assert "a cut at the very end" in LIMITS and "rewritten as a whole" in LIMITS
    status, out, _ = cli_run(capsys, "verify", "-o", "json", "--state", state)
    assert status == 0
    assert json.loads(out) == {"intact": True, "sessions": 2, "blocks": blocks, "bytes": size, "problems": [], "unknown_events": 0}


@pytest.mark.parametrize("path", ["/no/such/place", "./journal", "copies/of-state"])
def test_a_path_that_is_not_there_is_told_as_a_path(state: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    status, out, err = cli_run(capsys, "verify", path, "--state", state)
    assert (status, out, err) == (2, "", f"l7gw: there is no file or folder {path!r}\n  hint: {WHAT}\n")


def test_an_exchange_behind_a_session_is_told_to_be_too_much(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "verify", f"{summaries(state)[0].id}/1", "--state", state)
    assert (status, out) == (2, "") and "without an exchange" in err


def test_a_change_is_told_with_its_place(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = reader.segments(state)[0]
    place = list(reader.places(path))[1]
    flip(path, place.offset + HEADER_SIZE)
    status, out, _ = cli_run(capsys, "verify", "--state", state)
    assert status == 1
    assert f"{path.name}:{place.offset}: a block's content was changed\nNOT intact; " in out
    status, out, _ = cli_run(capsys, "verify", "-o", "json", "--state", state)
    document = json.loads(out)
    assert (status, document["intact"]) == (1, False)
    assert document["problems"] == [{"file": path.name, "offset": place.offset, "what": "a block's content was changed"}]


def test_verify_of_one_session_ignores_damage_of_another(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (summary.id for summary in reversed(summaries(state)))
    path = reader.segments(state)[0]
    place = next(place for place in reader.places(path) if place.header.session == key_of(first))
    flip(path, place.offset + HEADER_SIZE)
    assert cli_run(capsys, "verify", first, "--state", state)[0] == 1
    assert cli_run(capsys, "verify", second, "--state", state)[0] == 0
    document = json.loads(cli_run(capsys, "verify", second, "-o", "json", "--state", state)[1])
    assert document["sessions"] == 1 and 0 < document["blocks"] < 6


def test_a_missing_block_breaks_every_session(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = summaries(state)[0].id
    path = reader.segments(state)[0]
    place = list(reader.places(path))[1]
    data = path.read_bytes()
    path.write_bytes(data[: place.offset] + data[place.offset + HEADER_SIZE + place.header.stored :])
    assert cli_run(capsys, "verify", second, "--state", state)[0] == 1


def test_a_state_a_folder_of_segments_or_one_segment_can_be_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, last = reader.segments(state)
    for path in (state, state / "journal", first, last):
        assert cli_run(capsys, "verify", path)[0] == 0
    first.unlink()
    assert cli_run(capsys, "verify", last)[0] == 0  # a single segment may begin anywhere in the chain
    status, out, _ = cli_run(capsys, "verify", state)
    assert status == 1 and "the journal's beginning is missing" in out


def test_segments_that_were_moved_away_are_read_from_their_archive_as_one_journal(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = reader.segments(state)[0]
    (tmp_path / "old").mkdir()
    moved = first.rename(tmp_path / "old" / first.name)
    assert cli_run(capsys, "verify", "--state", state)[0] == 1
    status, out, _ = cli_run(capsys, "verify", "--state", state, "--archive", tmp_path / "old")
    assert status == 0 and out.startswith("2 sessions, ")
    flip(moved, HEADER_SIZE)
    assert cli_run(capsys, "verify", "--state", state, "--archive", tmp_path / "old")[0] == 1
    assert cli_run(capsys, "verify", "--state", state, "--archive", tmp_path / "none")[0] == 3


def test_a_journal_whose_beginning_was_removed_is_intact_from_the_stated_block_and_not_from_a_later_one(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = reader.segments(state)
    begins = next(iter(reader.places(last))).header.sequence
    first.unlink()
    for told, status in ((1, 1), (begins - 1, 1), (begins, 0), (begins + 1, 0)):
        assert cli_run(capsys, "verify", "--from", told, "--state", state)[0] == status, told
    flip(last, HEADER_SIZE)
    assert cli_run(capsys, "verify", "--from", begins, "--state", state)[0] == 1


def test_a_tail_of_a_removed_segment_is_not_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "state"
    for number in range(2):
        recorded(place, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
        if not number:
            (first,) = reader.segments(place)
            first.write_bytes(first.read_bytes()[:-1])
    assert cli_run(capsys, "verify", "--state", place)[0] == 0
    first.unlink()
    assert "is missing: it had a tail" in cli_run(capsys, "verify", "--state", place)[1]
    begins = next(iter(reader.places(*reader.segments(place)))).header.sequence
    assert cli_run(capsys, "verify", "--from", begins, "--state", place)[0] == 0


def test_a_torn_tail_is_mentioned_and_no_problem(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = reader.segments(state)[-1]
    last.write_bytes(last.read_bytes()[:-1])
    status, out, _ = cli_run(capsys, "verify", "--state", state)
    assert status == 0
    assert f"{last.name}:" in out and "the process died" in out
    assert json.loads(cli_run(capsys, "verify", "-o", "json", "--state", state)[1])["problems"] == []


def test_verify_of_nothing_is_not_exit_status_0(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    status, out, err = cli_run(capsys, "verify", empty)
    assert (status, out) == (3, "") and "no journal" in err
    assert cli_run(capsys, "verify", "--state", tmp_path / "none")[0] == 3
    assert cli_run(capsys, "verify", "ffff", "--state", state)[0] == 1


def test_verify_of_files_that_it_may_not_read_is_exit_status_3(state: Path) -> None:
    if os.geteuid() == 0:  # root may read everything, so the test becomes another user
        drop = "import os; os.setgid(65534); os.setuid(65534); "
    else:
        reader.segments(state)[0].chmod(0)
        drop = ""
    main = f"{drop}import sys; sys.path.insert(0, {str(Path(__file__).parent.parent.parent)!r}); "
    main = "from l7gw.cli.main import main; import l7gw.cli.verify; " + main + "sys.argv[0] = 'l7gw'; main()"
    command = [sys.executable, "-c", main, "verify", "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3, done.stderr
    assert "cannot be read" in done.stderr and "Traceback" not in done.stderr
