"""Policy is never enforced from keystrokes, because one command can be typed in many ways (threats D14, docs/compatibility.md)."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import missing

TYPED = {  # name -> what is typed; where it needs the history, `touch done` was run once before
    "plainly": b"touch done\r",
    "with a word taken back": b"rm \x17touch done\r",
    "with a line taken back": b"rm -r x\x15touch done\r",
    "with letters taken back": b"toch\x7f\x7fuch done\r",
    "from its end": b" done\x01touch\r",
    "with the arrows": b"touch don\x1b[D\x1b[D\x1b[D\x1b[C\x1b[C\x1b[Ce\r",
    "with two letters exchanged": b"touch doen\x14\r",
    "killed and yanked": b"touch done\x15\x19\r",
    "with a key quoted": b"touch \x16done\r",
    "from the history": b"\x1b[A\r",
    "searched in the history": b"\x12tou\r",
    "by the history's expansion": b"!to\r",
}


def _naive(typed: bytes) -> str:
    """The command that a simple reader of keystrokes finds, one who knows the backspace."""
    text = typed.decode().rstrip("\r")
    while (shorter := re.sub(r"[^\x7f]\x7f", "", text)) != text:
        text = shorter
    return text


def _type(folder: Path, keys: list[bytes]) -> None:
    """Type lines into a shell on a terminal, each after the prompt has come."""
    leader, follower = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "PS1": "> ", "HOME": str(folder), "INPUTRC": "/dev/null"}
    command = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, cwd=folder, env=environment, start_new_session=True
    ) as shell:
        os.close(follower)
        try:
            for line in [*keys, b"exit\r"]:
                shown, end = b"", time.monotonic() + 10
                while b"> " not in shown and time.monotonic() < end:
                    if select.select([leader], [], [], 0.1)[0]:
                        shown += os.read(leader, 65536)
                os.write(leader, line)
            shell.wait(10)
        finally:
            shell.kill()
            os.close(leader)


@pytest.mark.parametrize("how", TYPED)
def test_one_command_can_be_typed_in_many_ways(tmp_path: Path, how: str) -> None:
    if shutil.which("bash") is None:
        missing("a shell with readline")
    done = tmp_path / "done"
    keys = [TYPED[how]]
    if how.startswith(("from the history", "searched", "by the")):
        keys = [b"touch done; rm done\r", b"\x1b[A\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\r", TYPED[how]]
    _type(tmp_path, keys)
    assert done.exists()


def test_a_reader_of_keystrokes_finds_the_command_in_few_of_the_ways_to_type_it() -> None:
    found = [how for how, typed in TYPED.items() if _naive(typed) == "touch done"]
    assert len(set(TYPED.values())) == len(TYPED) >= 10
    assert found == ["plainly", "with letters taken back"]
