"""`l7gw completion` prints what a shell takes, and the shell then completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from l7gw.cli.completion import SHELLS
from l7gw.cli.main import cli
from tests.support.written_configuration import Written


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_what_the_variable_prints(shell: str) -> None:
    shown = CliRunner().invoke(cli, ["completion", shell], prog_name="l7gw")
    variable = {**os.environ, "_L7GW_COMPLETE": f"{shell}_source"}
    command = [Path(sys.executable).parent / "l7gw"]
    printed = subprocess.run(command, env=variable, capture_output=True, text=True, timeout=60, check=True).stdout
    assert shown.exit_code == 0 and shown.stdout == printed and "_L7GW_COMPLETE" in printed


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(("typed", "inserted"), [("keep", "keep\\ prod"), ("'\"keep'", "keep prod")])
def test_bash_gets_a_name_with_a_space_as_one_word(tmp_path: Path, typed: str, inserted: str) -> None:
    written = Written(tmp_path)
    written.load()
    (tmp_path / "policy.yaml").write_text("guardrails: [{name: keep prod, verdict: deny}]\n")
    script = f"""
    eval "$(l7gw completion bash)"
    COMP_WORDS=(l7gw policy explain --rule {typed}); COMP_CWORD=4
    _l7gw_completion l7gw
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(tmp_path), "L7GW_CONFIG": str(written.path)}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [inserted], done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_a_command_after_the_line_that_the_help_shows(tmp_path: Path) -> None:
    script = """
    eval "$(l7gw completion bash)"
    COMP_WORDS=(l7gw comple); COMP_CWORD=1
    _l7gw_completion l7gw
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["completion"], done.stderr
