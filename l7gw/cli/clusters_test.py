"""`l7gw clusters test NAME`: a cluster tried step by step, and every way round the gateway."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from l7gw.cli.answers import console
from l7gw.cluster.trial import Outcome, Step, Trial
from l7gw.cluster.tried import tried
from l7gw.config.settings import Cluster, Settings
from l7gw.masking.configured import configured
from l7gw.policy.judge import Policy

MARKS: dict[Outcome, tuple[str, str]] = {  # of each outcome: a word and its style
    "ok": ("ok", "green"),
    "warning": ("mind", "yellow"),
    "failed": ("FAILED", "bold red"),
    "not tried": ("-", "dim"),
    "not asked": ("?", "dim"),
}
WIDEST = 44  # columns of a step's name


@contextlib.contextmanager
def shown_trial(*, quiet: bool) -> Iterator[Trial]:
    """A trial that tells each step as it ends, and on a terminal which one is being tried. `quiet` tells nothing."""
    if quiet:
        yield Trial(lambda _: None, lambda _: None)
        return
    out = console()
    shows = out if out.is_terminal else Console(stderr=True, highlight=False, markup=False, emoji=False)
    with shows.status("") as status:  # shows nothing where that is no terminal either
        yield Trial(lambda name: status.update(f"{name} …"), lambda step: out.print(*_lines(step), sep="\n"))


def _lines(step: Step) -> list[Text]:
    """A step as lines: how it ended, its name, what was found and how long it took; and below it what to do."""
    word, style = MARKS[step.outcome]
    said = "not tried" if step.outcome == "not tried" else step.said
    took = f"  ({step.seconds * 1000:.0f} ms)" if step.seconds else ""
    line = Text.assemble((f"{word:<7}", style), f"{step.name:<{WIDEST}} ", said, (took, "dim"))
    if not step.remedy:
        return [line]
    return [line, Text.assemble(" " * 7, ("-> ", style), step.remedy)]


def document(step: Step) -> dict[str, Any]:
    """A step as an object of `-o json`. `seconds` is null for what was not tried."""
    took = None if step.outcome in ("not tried", "not asked") else round(step.seconds, 6)
    return {"name": step.name, "outcome": step.outcome, "said": step.said, "remedy": step.remedy, "seconds": took}


def tested(settings: Settings, cluster: Cluster, output: str) -> bool:
    """Try a cluster and tell. Returns whether a step failed."""
    policy = Policy.load(settings.policy, configured(settings.masking, settings.path).names(settings.hooks))
    with shown_trial(quiet=output == "json") as trial:
        found = tried(trial, cluster, policy)
        if found is not None:
            found.server.close()
    if output == "json":
        click.echo(json.dumps({"cluster": cluster.name, "ok": not trial.failed, "steps": [*map(document, trial.steps)]}, indent=2))
    elif trial.failed:
        click.echo(f"l7gw: cluster {cluster.name} cannot be used as it is", err=True)
    return trial.failed
