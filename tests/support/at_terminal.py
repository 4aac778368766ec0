"""Commands run as at a terminal of so many columns."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.journals import cli_run


def at_terminal(capsys: pytest.CaptureFixture[str], columns: int, *arguments: str | Path) -> list[str]:
    """The lines that `l7gw ARGUMENTS` writes to a terminal; it must succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys.stdout, "isatty", lambda: True)
        status, out, err = cli_run(capsys, *arguments)
    assert (status, err) == (0, "")
    return out.splitlines()
