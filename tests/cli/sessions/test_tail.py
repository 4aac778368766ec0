"""`l7gw sessions tail` shows the last of what was recorded, and goes on as it comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, call, cli_run, recorded, shell


@pytest.fixture
def state(tmp_path: Path) -> Path:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        shell(session, [("stdout", False, b"one\r\ntwo\r\n"), ("stdin", True, b"x"), ("stdout", False, b"$ ")])
        call(session, "/api/v1/namespaces/d/pods").end("complete")

    recorded(tmp_path, fill)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str], str]:
    status, out, err = cli_run(capsys, "sessions", "tail", *arguments)
    return status, [line.split("  ", 1)[1] if line[2:3] == ":" else line for line in out.splitlines()], err


def test_the_last_lines_of_a_session_are_shown(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (summary,) = summaries(state)
    whole = [
        "#1  kubectl exec web-0 -n d -i -t -- sh  allow (all)", "#1 | one", "#1 | two", "#1 | $ ", "#1  101 complete",
        "#2  kubectl get pods -n d  allow (all)  complete", "the session has ended: shutdown",
    ]  # fmt: skip
    assert shown(capsys, summary.id, "--state", state) == (0, whole, "")
    assert shown(capsys, summary.id[:20], "-n", "2", "--state", state) == (0, whole[-2:], "")
    assert shown(capsys, f"{summary.id}/1", "--state", state) == (0, whole[:5], "")
    assert shown(capsys, summary.id, "-f", "--state", state) == (0, whole, "")  # it is over
    named = [f"{summary.id[:13]} ann@example.com on prod  {line}" for line in whole]
    assert shown(capsys, "-n", "1", "--state", state) == (0, named[-1:], "")


def test_each_no_has_its_exit_status(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "ffff", "--state", state)[0] == 1
    assert shown(capsys, "x/y", "--state", state)[0] == 2
    assert shown(capsys, "-n", "-1", "--state", state)[0] == 2
    assert shown(capsys, "--state", state / "none")[0] == 3


def test_whoever_reads_no_further_ends_it_without_a_word(state: Path) -> None:
    read, written = os.pipe()
    os.close(read)  # as `l7gw sessions tail | head` has it in the end
    command = [sys.executable, "-m", "l7gw", "sessions", "tail", "--state", str(state)]
    ended = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, timeout=120)
    os.close(written)
    assert (ended.returncode, ended.stderr) == (141, b"")  # as a shell says of what a closed pipe has ended


def test_a_session_whose_gateway_has_died_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods"), close=False)
    (summary,) = summaries(tmp_path)
    status, _, err = shown(capsys, summary.id, "-f", "--state", tmp_path)
    assert (status, err) == (0, "l7gw: no gateway writes here any more; the session is over\n")
