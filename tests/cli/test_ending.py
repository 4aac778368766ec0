"""However a command ends, nobody sees a traceback, and the exit status is the one of the contract."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from l7gw.cli.ending import INTERRUPTED, NOT_READ, status_of
from l7gw.cli.main import main
from l7gw.errors import ConfigurationError, Problem
from tests.support.journals import ANN, call, recorded
from tests.support.written_configuration import Written

L7GW = [sys.executable, "-m", "l7gw"]


def raises(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def aborted() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise click.Abort from error


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (raises(SystemExit(1)), 1, ""),
        (raises(SystemExit("a sentence")), 1, "a sentence\n"),
        (raises(ConfigurationError([Problem("f", 1, "is wrong")])), 2, "f:1: is wrong\n"),
        (raises(click.UsageError("is wrong")), 2, "Error: is wrong\n"),
        (raises(click.Abort()), 3, "l7gw: nothing was done: stdin ended before the question was answered\n"),
        (aborted, INTERRUPTED, ""),
        (raises(KeyboardInterrupt()), INTERRUPTED, ""),
        (raises(BrokenPipeError(errno.EPIPE, "Broken pipe")), NOT_READ, ""),
        (
            raises(FileNotFoundError(errno.ENOENT, "No such file or directory", "/nope")),
            3,
            "l7gw: /nope: No such file or directory\n  hint: look at the path: a part of it does not exist\n",
        ),
        (raises(OSError("in words\n  hint: of our own")), 3, "l7gw: in words\n  hint: of our own\n"),
    ],
)
def test_every_way_to_end_has_its_status_and_words(
    command: Callable[[], object], status: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(command) == status
    assert capfd.readouterr() == ("", words)


def test_a_bug_is_told_as_one_without_what_it_may_hold_and_with_where_to_look(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("L7GW_TRACEBACK", raising=False)
    assert status_of(raises(KeyError("s3cret"))) == 3
    told = capfd.readouterr().err
    assert "a bug of l7gw" in told and "KeyError in l7gw/cli/ending.py, line " in told and "L7GW_TRACEBACK=1" in told
    assert "s3cret" not in told and "Traceback" not in told
    monkeypatch.setenv("L7GW_TRACEBACK", "1")
    assert status_of(raises(KeyError("s3cret"))) == 3 and "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("words", [("explain", "--user", "a", "--cluster", "c", "-n", "\udcff", "get", "pods")])
def test_bytes_that_are_no_text_are_wrong_usage(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.yaml").write_text("rules: []\n")
    monkeypatch.setattr(sys, "argv", ["l7gw", "policy", words[0], "--policy", str(tmp_path / "policy.yaml"), *words[1:]])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "no text in UTF-8\n  hint: " in capsys.readouterr().err


def test_output_that_nobody_takes_ends_a_command_quietly_or_with_words() -> None:
    export = [*L7GW, "policy", "packs", "pci"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(export, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        3,
        "l7gw: what this prints cannot be written: No space left on device\n  hint: make room on that disk, then try again\n",
    )
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(export, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (NOT_READ, "")
    closed = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *export], check=False)
    assert closed.returncode == 0


def test_without_a_home_and_with_a_terminal_of_few_letters_a_command_says_what_it_has(tmp_path: Path) -> None:
    policy = tmp_path / "policy-ł.yaml"
    policy.write_text("rules: []\n")
    bare = {"PATH": os.defpath, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run([*L7GW, "policy", "check", str(policy)], env=bare, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and "policy-\\u0142.yaml is in order" in ended.stdout


def test_ctrl_c_ends_a_command_that_follows_with_130(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), "/api").end("complete"))
    following = [*L7GW, "sessions", "tail", "-f", "-n", "5", "--state", str(tmp_path)]
    with subprocess.Popen(following, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == INTERRUPTED
        assert "Traceback" not in running.stderr.read()


def test_a_gateway_whose_port_is_taken_says_which_and_what_to_type(tmp_path: Path) -> None:
    written = Written(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        written.top["listen"] = f"127.0.0.1:{port}"
        written.load()
        ended = subprocess.run(
            [*L7GW, "serve", "--config", str(written.path)], capture_output=True, text=True, check=False, timeout=60
        )
    assert (
        ended.returncode == 2
        and f"`listen`: 127.0.0.1:{port} cannot be listened on: something listens there already" in ended.stderr
    )
    assert f"ss -ltnp sport = :{port}" in ended.stderr and "Errno" not in ended.stderr and "Traceback" not in ended.stderr


ENDED = """
import signal, sys
from l7gw.cli.ending import tidy_up_on_signals
tidy_up_on_signals()
try:
    print("ready", flush=True)
    sys.stdin.read()
finally:
    print("tidied", flush=True)
"""


@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_from_outside_tidies_up_first(end: signal.Signals, status: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(end)
        assert process.stdout.readline() == "tidied\n" and process.wait() == status


def test_a_command_that_nohup_began_goes_on_when_its_terminal_goes() -> None:
    begun = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", ENDED]
    with subprocess.Popen(begun, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        process.stdin.close()
        assert process.stdout.readline() == "tidied\n" and process.wait() == 0
