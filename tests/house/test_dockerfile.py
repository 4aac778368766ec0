"""deploy/Dockerfile copies what there is, installs what is locked, and runs as nobody. Its commands make an l7gw that runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cited_sources import ROOT

FILE = ROOT / "deploy" / "Dockerfile"
LINES = [line.split(" ", 1) for line in FILE.read_text().replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
STAGES = [n for n, (word, _) in enumerate(LINES) if word == "FROM"]
BUILDING, RUNNING = LINES[: STAGES[1]], LINES[STAGES[1] :]
KEPT = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def _copied() -> list[tuple[list[str], str]]:
    """What the first stage copies: sources, and where to."""
    return [(words.split()[:-1], words.split()[-1]) for word, words in BUILDING if word == "COPY"]


def test_each_source_of_a_copy_exists_and_is_not_kept_from_docker() -> None:
    assert (ROOT / ".dockerignore").read_text().split("\n*\n")[1]  # all is left out first
    for sources, _ in _copied():
        for source in sources:
            assert (ROOT / source).exists() and source.split("/")[0] in KEPT


def test_what_is_installed_is_locked_and_nothing_else_is_fetched() -> None:
    pips = [words for word, words in BUILDING if word == "RUN" and "/pip " in words]
    locked, ours = pips
    makefile = (ROOT / "Makefile").read_text()
    assert "install --require-hashes -r deploy/requirements/runtime.lock" in locked and "install --require-hashes -r $<" in makefile
    assert "--no-deps --no-index" in ours
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None and f"dist/l7gw-{version[1]}-py3-none-any.whl" in ours


def test_both_stages_have_one_base_of_a_python_that_the_locks_are_for() -> None:
    bases = [words.split()[0] for word, words in LINES if word == "FROM"]
    assert bases == ["python:3.11-slim"] * 2 and "--python-version 3.11" in (ROOT / "Makefile").read_text()


def test_the_gateway_runs_as_a_number_that_is_not_root_and_owns_the_state_alone() -> None:
    told = dict(RUNNING[1:])
    user, group = told["USER"].split(":")
    assert user.isdigit() and group.isdigit() and int(user) and int(group)
    assert told["RUN"] == f"install -d -o {user} -g {group} -m 0700 {told['VOLUME']}"
    assert json.loads(told["ENTRYPOINT"]) == ["/opt/l7gw/bin/l7gw"] and json.loads(told["CMD"]) == ["serve"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_the_first_stage_types_makes_an_l7gw_that_runs(tmp_path: Path) -> None:
    """There may be no Docker where the tests run. The commands are typed in a folder that stands for the container's root."""
    work, venv = tmp_path / "src", tmp_path / "opt" / "l7gw"
    work.mkdir()
    for word, words in BUILDING:
        if word == "COPY":
            *sources, to = words.split()
            for source in sources:
                place = work / to / source if to == "./" else work / to
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, dirs_exist_ok=True)
                else:
                    shutil.copyfile(ROOT / source, place)
        elif word == "RUN":
            command = ["sh", "-euc", words.replace("/opt/l7gw", str(venv))]
            environment = {**os.environ, "TMPDIR": str(tmp_path), "PIP_NO_COMPILE": "1"}  # a third of its time
            done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=250)
            assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    shutil.rmtree(work)
    told = subprocess.run(
        [venv / "bin" / "l7gw", "version", "-o", "json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(json.loads(told.stdout)["path"]).is_relative_to(venv)
    pip = [venv / "bin" / "pip", "--disable-pip-version-check", "check"]
    assert "No broken requirements" in subprocess.run(pip, capture_output=True, text=True, check=True).stdout
