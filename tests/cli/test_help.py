"""`l7gw help` shows pages, files and the help of commands; what it does not know it answers with what is near."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner, Result
from rich.cells import cell_len

from l7gw.cli import help_topics, shipped
from l7gw.cli.help import laid_out
from l7gw.cli.main import COMMANDS, cli
from tests.support.cited_sources import DOCS

EXAMPLES = ("l7gw ", "aws ", "kubectl ", "--start-time ")  # as their lines begin, which are typed as they stand


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli, ["help", *words], prog_name="l7gw")


def test_every_page_is_a_topic_or_one_for_who_works_on_l7gw() -> None:
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages - set(help_topics.FOR_BUILDERS) == set(help_topics.topics()) and pages >= set(help_topics.FOR_BUILDERS)


def test_each_topic_has_a_line_that_says_what_it_is_for() -> None:
    assert set(help_topics.topics()) == set(help_topics.PAGES), "the title stands for a page that has no line"


def _commands(group: click.Group, *words: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*words, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *words, name)


@pytest.mark.parametrize("words", [*_commands(cli)], ids=" ".join)
def test_a_file_that_may_not_be_read_is_told_by_us_with_what_to_do_and_not_by_click(words: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    for parameter in command.params:
        assert not isinstance(parameter.type, click.Path) or not parameter.type.readable, parameter.name


@pytest.mark.parametrize("words", [(), *_commands(cli)], ids=" ".join)
def test_help_fits_80_columns_but_for_the_examples(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="l7gw", terminal_width=80).output
    wide = [line for line in shown.splitlines() if len(line) > 80 and not line.strip().startswith(EXAMPLES)]
    assert not wide, "without \\b before it a paragraph is wrapped"


def test_the_list_has_every_topic_and_file_in_a_line_each() -> None:
    shown = typed()
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    for name in (*help_topics.topics(), *shipped.files()):
        assert len([line for line in lines if line.split()[:1] == [name]]) == 1
    assert all(len(line) <= 110 for line in lines)


@pytest.mark.parametrize("words", ["policy", "policy.md", "docs/policy.md", "POLICY"])
def test_a_page_goes_into_a_pipe_as_it_is_however_it_is_called(words: str) -> None:
    assert typed(words).output == (DOCS / "policy.md").read_text()


def test_a_file_is_printed_to_the_byte() -> None:
    assert typed(shipped.UNIT).stdout_bytes == (DOCS.parent / "deploy" / shipped.UNIT).read_bytes()


@pytest.mark.parametrize("words", [("serve",), ("policy", "explain"), ("clusters", "test"), ("help",)])
def test_words_of_a_command_show_what_its_help_option_shows(words: tuple[str, ...]) -> None:
    assert typed(*words).output == CliRunner().invoke(cli, [*words, "--help"], prog_name="l7gw").output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_or_a_page_of_its_name(name: str) -> None:
    assert typed(name).exit_code == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("polcy",), "did you mean policy?"),
        (("policy", "explian"), "`l7gw help` lists"),
        (("conformance",), "did you mean performance?"),
        (("../README",), "hint"),
    ],
)
def test_what_is_no_topic_ends_with_2_and_what_to_type(words: tuple[str, ...], hint: str) -> None:
    shown = typed(*words)
    assert shown.exit_code == 2 and hint in shown.output


@pytest.mark.parametrize("topic", help_topics.topics())
def test_each_page_can_be_laid_out_and_no_line_is_wider_than_the_terminal(topic: str) -> None:
    page = shipped.pages()[topic]
    shown = laid_out(page, 80)
    title = page.splitlines()[0].lstrip("# ").split("`")[0].strip()
    assert title in shown and "\x1b[" in shown
    assert max(cell_len(line) for line in re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines()) <= 80


def test_a_page_in_a_terminal_goes_through_the_pager(tmp_path: Path) -> None:
    pager, seen = tmp_path / "pager", tmp_path / "seen"
    pager.write_text(f'#!/bin/sh\ncat > "{seen}"\n')
    pager.chmod(0o755)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PAGER": str(pager), "TERM": "xterm", "COLUMNS": "80"}
    try:
        command = [sys.executable, "-m", "l7gw", "help", "login"]
        subprocess.run(command, env=environment, stdin=theirs, stdout=theirs, timeout=60, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    shown = seen.read_text()
    assert "Logging in: l7gw login" in shown and "`l7gw login`" not in shown
    assert shown.startswith("The command of this name: l7gw login --help\n")


def completed(*words: str) -> list[str]:
    complete = BashComplete(cli, {}, "l7gw", "_L7GW_COMPLETE")
    return [one.value for one in complete.get_completions(["help", *words[:-1]], words[-1])]


def test_topics_files_and_commands_are_completed() -> None:
    assert completed("configu") == ["configuration"]
    assert completed("l7gw") == [shipped.UNIT]
    assert completed("pol") == ["policy"]
    assert completed("vers") == ["version"]
    assert "explain" in completed("policy", "") and "configuration" not in completed("policy", "")
