"""`l7gw grep` prints the lines that match, and says whether there were any."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, PLAIN, TTY, call, cli_run, recorded, shell
from tests.support.manual_clock import ManualClock


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Ann's session of a list and two execs, and Bob's of one, an hour later."""
    clock = ManualClock()

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        call(session, "/api/v1/pods").end("complete")
        shell(session, [("stdin", True, b"cat key\r"), ("stdout", False, b"$ cat key\r\nthe \x1b[31mneedle\x1b[0m\r\n")])
        shell(session, [("stdout", False, b"needle " + b"-" * 1000 + b" needle\n")], PLAIN)
        clock.advance(3600)
        shell(recorder.session(replace(ANN, user="bob"), "dev"), [("stdout", False, b"a needle \x1b[1m\x07\xff\n")], PLAIN)

    recorded(tmp_path, fill, clock=clock)
    return tmp_path


@pytest.fixture
def ids(state: Path) -> tuple[str, str]:
    bob, ann = summaries(state)
    return ann.id, bob.id


def test_lines_have_their_call_time_channel_and_direction_and_come_oldest_first(
    state: Path, ids: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = cli_run(capsys, "grep", "needle", "--state", state)
    ann, bob = ids
    first, second, third = out.splitlines()
    assert status == 0
    assert re.fullmatch(rf"{ann}/2  \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  stdout down: the needle", first)
    assert re.fullmatch(rf"{ann}/3  .{{19}}  stdout down: needle -+…", second) and len(second) < 300
    assert re.fullmatch(rf"{bob}/1  .{{19}}  stdout down: a needle \\u0007\ufffd", third)
    assert err == "-- 1 line is clipped (…); -o json has up to 4,096 bytes of each, `l7gw export` everything\n"


def test_json_has_an_object_a_line(state: Path, ids: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "grep", "-o", "json", "needle", ids[1], "--state", state)
    (document,) = map(json.loads, out.splitlines())
    assert (status, err) == (0, "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", document.pop("time"))
    assert document == {
        "session": ids[1], "exchange": 1, "channel": "stdout", "direction": "down", "line": "a needle \x07\ufffd",
        "clipped": False, "cluster": "dev", "user": "bob",
    }  # fmt: skip
    assert "\x1b" not in out and "\x07" not in out


def test_sessions_alone_and_their_counts(state: Path, ids: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    ann, bob = ids
    assert cli_run(capsys, "grep", "-l", "needle", "--state", state)[:2] == (0, f"{ann}\n{bob}\n")
    assert cli_run(capsys, "grep", "-c", "needle", "--state", state)[:2] == (0, f"{ann}  2\n{bob}  1\n")
    listed = cli_run(capsys, "grep", "-lo", "json", "needle", "--state", state)[1].splitlines()
    assert json.loads(listed[1]) == {"session": bob, "cluster": "dev", "user": "bob"}
    counted = cli_run(capsys, "grep", "-co", "json", "needle", "--state", state)[1].splitlines()
    assert json.loads(counted[0]) == {"session": ann, "count": 2}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["NEEDLE"], 1), (["-i", "NEEDLE"], 0), (["n.edle"], 0), (["-F", "n.edle"], 1), (["needle", "--cluster", "d*"], 0),
        (["needle", "--cluster", "x"], 1), (["needle", "--user", "ann*"], 0), (["needle", "--channel", "stdin"], 1),
        (["cat key", "--channel", "stdin"], 0), (["/api/v1/pods$", "--channel", "request"], 0), (["-c", "nothing"], 1),
        (["a(b"], 2), (["-F", "a(b"], 1), (["-F", "a\nb"], 2), (["x", "--channel", "stdoot"], 2), (["x", "--since", "soon"], 2), (["x", "ffff"], 1),
    ],
)  # fmt: skip
def test_the_exit_status_says_whether_there_was_something(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    assert cli_run(capsys, "grep", *arguments, "--state", state)[0] == status


def test_a_wrong_expression_is_told_in_words_of_re2(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "grep", "a(b", "--state", state)
    assert (status, out) == (2, "") and err == "l7gw: 'a(b' is no expression: missing ): a(b\n  hint: -F takes it as a text\n"
    assert "there are command, request, argv" in cli_run(capsys, "grep", "x", "--channel", "stdoot", "--state", state)[2]


def test_one_session_or_call_is_searched_where_it_is_named(
    state: Path, ids: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = cli_run(capsys, "grep", "needle", f"{ids[0]}/3", ids[1], "--state", state)[1]
    assert [line.split("  ")[0] for line in out.splitlines()] == [f"{ids[0]}/3", f"{ids[1]}/1"]


def test_what_cannot_be_read_is_status_3_and_the_rest_is_printed(
    state: Path, ids: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = reader.segments(state)[0]
    place = [place for place in reader.places(path) if place.header.flags == 0][-1]
    data = bytearray(path.read_bytes())
    data[place.offset + HEADER_SIZE] ^= 1
    path.write_bytes(data)
    status, out, err = cli_run(capsys, "grep", "needle", "--state", state)
    assert (
        status == 3 and len(out.splitlines()) == 2 and "1 block of the recordings that cannot be read\n  hint: l7gw verify" in err
    )
    assert cli_run(capsys, "grep", "nothing", "--state", state)[0] == 3
    assert cli_run(capsys, "grep", "needle", "--state", state / "none")[0] == 3


@pytest.mark.parametrize("plain", [False, True])
def test_on_a_terminal_the_match_is_marked_and_nothing_of_a_recording_acts(state: Path, plain: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | ({"NO_COLOR": "1"} if plain else {})
    command = [sys.executable, "-m", "l7gw", "grep", "needle", "--state", str(state)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    out = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            data = b""
        if not data:
            break
        out += data
    os.close(ours)
    assert process.wait() == 0
    assert out.count(b"\x1b[1;31mneedle\x1b[0m") == (0 if plain else 3)
    assert not re.sub(rb"\x1b\[1;31m|\x1b\[0m|\r\n", b"", out).translate(None, bytes(range(32, 127))).strip("…\ufffd".encode())


def test_a_session_of_a_terminal_is_found_as_its_replay_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = b"vi\x08\x1b[K\x08ls\r\nfile one\x1b[5;3Hfar away\r\n"
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, keys)], TTY))
    lines = cli_run(capsys, "replay", summaries(tmp_path)[0].id, "--text", "--state", tmp_path)[1].splitlines()
    assert lines[0].startswith("== ")
    for line in filter(None, lines[1:]):
        assert line in cli_run(capsys, "grep", "-F", line.strip(), "--channel", "stdout", "--state", tmp_path)[1]
