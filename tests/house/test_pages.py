"""What README and docs show exists: each command with its options, each file of YAML, each block of Python."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from l7gw.cli.main import cli
from l7gw.errors import ConfigurationError
from l7gw.policy import load as policy
from l7gw.policy.judge import Policy
from tests.support.cited_sources import ROOT
from tests.support.page_claims import CLAIMS
from tests.support.pages import PAGES, Block, blocks, commands
from tests.support.written_configuration import Written

BLOCKS = [block for page in PAGES for block in blocks(page)]
TYPED = [(block, call) for block in BLOCKS if block.language in ("sh", "console") for call in commands(block, "l7gw")]
YAML = [block for block in BLOCKS if block.language == "yaml" and "apiVersion:" not in block.text]
OF_THE_READER = re.compile("cannot be read: No such file|^has no rules$|no rule is named")  # a block of `tests:` alone has no rules
EKS = {"eks": {"name": "prod", "region": "eu-west-1"}, "credential": {"aws": {"role": "arn:aws:iam::111122223333:role/l7gw-prod"}}}
NAMED = sorted(
    {
        (page.name, words)
        for page in PAGES
        for words in re.findall(r"`l7gw ((?:[a-z]+(?:-[a-z]+)*(?:\|[a-z-]+)* ?)+)", page.read_text())
    }
)


def _parse(call: list[str]) -> None:
    """Parse a command line as the command would, and run nothing."""
    command: click.Command = cli
    context, name = None, "l7gw"
    while True:
        context = command.make_context(name, call, parent=context)
        if not isinstance(command, click.Group):
            return
        name, found, call = command.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None and found is not None
        command = found


@pytest.mark.parametrize(("block", "call"), TYPED, ids=[f"{block.place}-{number}" for number, (block, _) in enumerate(TYPED)])
def test_a_command_that_a_page_shows_exists_with_its_options(block: Block, call: list[str]) -> None:
    try:
        _parse(call)
    except click.exceptions.Exit:  # --help and --version
        return
    except click.UsageError as error:
        pytest.fail(f"{block.place}: l7gw {' '.join(call)}: {error.format_message()}")


@pytest.mark.parametrize(("page", "words"), NAMED, ids=[f"{page}-{words.strip()}" for page, words in NAMED])
def test_a_command_that_a_sentence_names_exists(page: str, words: str) -> None:
    """The words up to the first that names no command are its arguments. Where several stand for each other, all exist."""
    groups = [cli]
    for word in words.split():
        found = [group.get_command(click.Context(group), name) for group in groups for name in word.split("|")]
        if groups and None in found:
            pytest.fail(f"{page}: `l7gw {words}`: there is no command {word}")
        groups = [one for one in found if isinstance(one, click.Group)]
        if not groups:
            return


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language == "python"], ids=lambda one: one.place)
def test_a_block_of_python_compiles(block: Block) -> None:
    compile(block.text, block.place, "exec")


@pytest.mark.parametrize("block", YAML, ids=lambda one: one.place)
def test_a_block_of_yaml_is_read_without_a_mistake(tmp_path: Path, block: Block) -> None:
    """What belongs around a part of a file is put there. Files that only a page's reader has are not there."""
    written = Written(tmp_path)
    conditions = re.findall(r"^when: .*$", block.text, re.MULTILINE)
    shown = yaml.safe_load(block.text)
    if conditions:
        wrong = _of_policy(tmp_path, "guardrails:\n" + "".join(f"  - {line}\n    verdict: deny\n    name: a{number}\n"
            for number, line in enumerate(conditions)) + "rules: []\n")  # fmt: skip
    elif set(shown) <= set(policy.TOP_KEYS):
        wrong = _of_policy(tmp_path, block.text)
    else:
        for name, cluster in shown.get("clusters", {}).items():
            whole = EKS if cluster.keys() & {"eks", "break-glass"} else written.prod
            shown["clusters"][name] = {**whole, **cluster}
        written.top |= shown
        (tmp_path / "hooks").mkdir()
        wrong = written.problems()
    wrong = [what for what in wrong if not OF_THE_READER.search(what)]
    assert not wrong, wrong


def _of_policy(folder: Path, text: str) -> list[str]:
    path = folder / "rules.yaml"
    path.write_text(text)
    try:
        Policy.load(path)
    except ConfigurationError as error:
        return [problem.what for problem in error.problems]
    return []


SECTIONS = sorted({(block.page.name, block.section) for block in BLOCKS if block.language in ("sh", "console")})


@pytest.mark.parametrize(("page", "section"), SECTIONS, ids=[f"{page}-{section}" for page, section in SECTIONS])
def test_what_a_page_shows_to_type_is_run_by_a_test(page: str, section: str) -> None:
    claims = CLAIMS.get((page, section), ())
    assert claims, f"{page}, {section}: tests/support/page_claims.py names no test that runs what is to be typed there"
    for claim in claims:
        if claim.startswith("by hand: "):
            continue
        path, _, name = claim.partition("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / path).read_text(), f"there is no test {claim}"


def test_each_claim_is_about_a_section_that_shows_something_to_type() -> None:
    assert sorted(CLAIMS.keys() - set(SECTIONS)) == []


def test_the_pages_show_commands() -> None:
    """The tests above have something to walk."""
    assert len(TYPED) >= 30 and len(NAMED) >= 60
