"""Every command is found, and a wrong configuration ends with status 2 and no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from l7gw.cli.main import COMMANDS, cli, main


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_table_is_defined_in_its_module(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name and command.help


def test_a_command_that_is_not_in_the_table_is_not_imported() -> None:
    assert cli.get_command(click.Context(cli), "options") is None


def test_a_wrong_configuration_is_a_status_of_2_with_its_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "l7gw.yaml"
    path.write_text("listn: 8443\n")
    monkeypatch.setattr(sys, "argv", ["l7gw", "check", "--config", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2 and "listn" in told.out + told.err and "Traceback" not in told.err


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_help_lists_every_command_by_what_it_is_for_and_ends_with_where_to_read_on(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["l7gw", *words])
    with pytest.raises(SystemExit):
        main()
    told = "".join(capsys.readouterr())
    assert told.index("To run a gateway:") < told.index("What happened:") < told.index("What waits for people:")
    assert all(f"\n  {command} " in told for command in COMMANDS) and len(set(COMMANDS)) == len(COMMANDS)
    assert told.rstrip().endswith("lists the pages: configuration, policy, recordings, ...")


@pytest.mark.parametrize(
    ("words", "meant"),
    [("serv", "'serve'"), ("sessions lst", "'list'"), ("policy chek", "'check'"), ("check --onlin", "--online")],
)
def test_an_unknown_command_or_option_is_answered_with_the_nearest(
    words: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["l7gw", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert ended.value.code == 2 and "id you mean" in err and meant in err
