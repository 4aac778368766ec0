"""`l7gw sessions` says what its commands are."""

from __future__ import annotations

import pytest

from tests.support.journals import cli_run


def test_the_help_of_sessions_has_each_command_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = cli_run(capsys, "sessions", "--help")
    assert status == 0
    for line in (
        "list     List sessions, newest first.",
        "show     Show one session and its calls.",
        "kill     End what runs in a session.",
    ):
        assert line in out
    assert cli_run(capsys, "sessions", "nonsense")[0] == 2
