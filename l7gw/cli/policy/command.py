"""`l7gw policy check|packs`: is the policy in order, and which one to start from? Its commands `explain` and `backtest` stand in
modules of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from l7gw import name_rules
from l7gw.cli.options import output_option
from l7gw.cli.policy.backtest import backtest
from l7gw.cli.policy.explain import explain
from l7gw.cli.policy.file import chosen, file_options
from l7gw.config.document import nearest
from l7gw.policy.all_doubts import policy_doubts
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.packs import NAMES, about, text_of


@click.group(short_help="Check the policy, or ask it about a call.")
def policy() -> None:
    """Check the policy, or ask what it would say to a call."""


policy.add_command(backtest)
policy.add_command(explain)


@policy.command(short_help="Is the policy in order?")
@click.argument("named", metavar="[FILE]", required=False, type=click.Path(readable=False, path_type=Path))
@file_options
@output_option
def check(named: Path | None, file: Path | None, config: Path | None, output: str) -> None:
    """Name every mistake in a policy, with its line, and run its tests. FILE is a policy, as is that of --policy; without it, that
    of the configuration is checked, whose clusters are then known. With both, the file is checked as if the configuration named it.

    Exit status: 0 in order, 2 not.

    \b
    l7gw policy check                                   # the one in force
    l7gw policy check new-policy.yaml                   # one that shall be
    l7gw policy check new-policy.yaml --config l7gw.yaml  # and whether it fits these clusters and identities
    """
    if named is not None and file is not None:
        raise click.UsageError("FILE and --policy say the same; give one of them")
    which = chosen(named or file, config)
    path, settings, found = which.path, which.settings, which.load()
    check_binds(found, path, settings.clusters if settings is not None else {})
    warnings = policy_doubts(found, settings)
    if output == "json":
        click.echo(json.dumps({"file": str(path), **found.counts, "tests": found.tests, "warnings": warnings}, indent=2))
        return
    grants = f", grants {len(found.grants)}" if found.grants else ""
    tests = f", tests {found.tests}, all passed" if found.tests else ""
    click.echo(f"{path} is in order: guardrails {len(found.guardrails)}, rules {len(found.rules)}{grants}{tests}")
    for warning in warnings:
        click.echo(f"l7gw: {warning}", err=True)


@policy.command(short_help="Policies to start from.")
@output_option
@click.argument("name", required=False)
def packs(name: str | None, output: str) -> None:
    """List the packs, or print the one called NAME: a policy with its tests, to be copied and changed.

    Exit status: 0 printed, 1 there is no such pack.

    \b
    l7gw policy packs
    l7gw policy packs read-only-agents > policy.yaml
    """
    if name is None:
        found = [{"name": each, "about": about(each)} for each in NAMES]
        if output == "json":
            click.echo(json.dumps(found, indent=2))
            return
        for one in found:
            click.echo(f"{one['name']}\n  {one['about']}")
        return
    text = text_of(name)
    if text is None:
        near = nearest(name, NAMES)
        click.echo(f"l7gw: there is no pack {name_rules.quoted(name)}\n  hint: did you mean {near or ', '.join(NAMES)}?", err=True)
        sys.exit(1)
    click.echo(
        json.dumps({"name": name, "about": about(name), "policy": text}, indent=2) if output == "json" else text,
        nl=output == "json",
    )
