"""docs/recordings.md: each command of it is typed as it stands, over a recording in which it finds something."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import summaries
from tests.support.cited_sources import DOCS
from tests.support.journals import ANN, TTY, call, recorded, shell
from tests.support.pages import blocks

PAGE = DOCS / "recordings.md"
LINES = [line for block in blocks(PAGE) if block.language == "sh" for line in block.text.splitlines()]
SHOWN = (
    b"$ rm -rf /tmp/x\r\n$ cat /etc/passwd /etc/shadow\r\n$ psql -c 'DROP TABLE shop'\r\nerror\r\n$ curl https://example.com\r\n"
)
EXEC = TTY.replace("command=sh", "command=sh&command=-c&command=curl")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A state, and the id of the session in it."""
    folder = tmp_path_factory.mktemp("page")

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        call(session, "/api/v1/namespaces/prod", "DELETE").end("complete")
        shell(session, [("resize", True, b'{"Width":80,"Height":25}'), ("stdout", False, SHOWN)], EXEC)

    recorded(folder / "state", fill)
    return folder, summaries(folder / "state")[0].id


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_command_of_the_page_ends_as_the_page_says(place: tuple[Path, str], number: int) -> None:
    folder, session = place
    line = re.sub("01a2(/7)?", lambda found: session + ("/2" if found[1] else ""), LINES[number])
    line = re.sub(r"l7gw (replay|grep)", rf"l7gw \1 --state {folder}/state", line)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(["bash", "-c", line], env=environment, cwd=folder, capture_output=True, text=True, timeout=60)
    nothing = (
        "--channel log" in line or "delete .*namespaces" in line
    )  # no log was recorded, and a target has its method in capitals
    assert done.returncode == (1 if nothing and "|" not in line else 0), f"{line}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_the_page_shows_commands() -> None:
    assert len(LINES) >= 10
