"""`l7gw clusters test NAME`: a cluster tried step by step, and every way round the gateway."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from l7gw.cli.answers import arrow, console
from l7gw.cli.columns import statement, terminal_width
from l7gw.cluster.eks_questions import NOT_SEEN, Questions
from l7gw.cluster.trial import Outcome, Step, Trial
from l7gw.cluster.tried import Reached, tried
from l7gw.cluster.ways_round import Standing, Way, settled
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster, Settings
from l7gw.masking.configured import configured
from l7gw.name_rules import visible
from l7gw.policy.judge import Policy
from l7gw.quantities import many

MARKS: dict[Outcome, tuple[str, str]] = {  # of each outcome: a word and its style
    "ok": ("ok", "green"),
    "warning": ("mind", "yellow"),
    "failed": ("FAILED", "bold red"),
    "not tried": ("-", "dim"),
    "not asked": ("?", "dim"),
}
STANDINGS: dict[Standing, tuple[str, str]] = {
    "open": ("OPEN", "bold red"),
    "break-glass": ("break-glass", "yellow"),
    "gateway": ("the gateway", "green"),
    "node": ("a node", "dim"),
    "aws": ("AWS itself", "dim"),
}
OTHERS = "other credentials of the cluster: client certificates, tokens of service accounts and of other issuers"
OPEN, FAILED = 1, 3  # exit statuses
MARK = 7  # columns of how a step ended
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
        yield Trial(lambda name: status.update(f"{name} …"), lambda step: out.print(*_lines(step), sep="\n", soft_wrap=True))


def _lines(step: Step) -> list[Text]:
    """A step as lines: how it ended, its name, what was found and how long it took; and below it what to do. What AWS and the
    cluster call things by stands in it: nothing of that moves a cursor."""
    word, style = MARKS[step.outcome]
    said = "not tried" if step.outcome == "not tried" else visible(step.said)
    took = f"  ({step.seconds * 1000:.0f} ms)" if step.seconds else ""
    within = terminal_width()
    lines = [Text(line) for line in statement(word, MARK, visible(step.name), WIDEST, said + took, within)]
    lines[0].stylize(style, 0, MARK)
    return lines + (arrow(visible(step.remedy), MARK, style, within) if step.remedy else [])


def document(step: Step) -> dict[str, Any]:
    """A step as an object of `-o json`. `seconds` is null for what was not tried."""
    took = None if step.outcome in ("not tried", "not asked") else round(step.seconds, 6)
    return {"name": step.name, "outcome": step.outcome, "said": step.said, "remedy": step.remedy, "seconds": took}


def tested(settings: Settings, cluster: Cluster, profile: str, output: str) -> int:
    """Try a cluster, look for ways round the gateway, and tell. Gives the exit status."""
    policy = Policy.load(settings.policy, configured(settings.masking, settings.path).names(settings.hooks))
    quiet = output == "json"
    with shown_trial(quiet=quiet) as trial:
        found = tried(trial, cluster, policy)
    with shown_trial(quiet=quiet) as looked:
        ways = _ways(looked, cluster, found, profile)
        if found.server is not None:
            found.server.close()
    failed = trial.failed or looked.failed
    is_open = any(way.standing == "open" for way in ways)
    not_seen = NOT_SEEN if cluster.eks is not None else (OTHERS,)
    if quiet:
        said = {
            "cluster": cluster.name,
            "ok": not failed and not is_open,
            "steps": [document(step) for step in (*trial.steps, *looked.steps)],
            "ways_round": [asdict(way) for way in ways],
            "not_seen": list(not_seen),
        }
        click.echo(json.dumps(said, indent=2))
    else:
        _tell(cluster, ways, not_seen, failed=failed)
    return FAILED if failed else OPEN if is_open else 0


def _ways(trial: Trial, cluster: Cluster, found: Reached, profile: str) -> list[Way]:
    """The ways round, those left open first. Without keys of the role session, and no other profile, nothing can be asked."""
    said = cluster.credential
    if cluster.eks is None:
        return []
    if isinstance(said, AwsRole) and found.keys is None and not profile:
        trial.not_asked("ways round", "there is no session of the role to ask AWS with; --profile NAME asks with another")
        return []
    own = said.role if isinstance(said, AwsRole) else ""
    ways = settled(Questions(cluster, found.keys, profile).ways(trial, found.server), own, cluster.break_glass)
    return sorted(ways, key=lambda way: way.standing != "open")


def _tell(cluster: Cluster, ways: list[Way], not_seen: tuple[str, ...], *, failed: bool) -> None:
    out = console()
    out.print()
    for way in ways:
        word, style = STANDINGS[way.standing]
        out.print(Text.assemble((f"{word:<12}", style), visible(way.principal or way.kind), "  ", (visible(way.said), "dim")))
        if way.standing == "open":
            out.print(Text.assemble(" " * 12, ("-> ", style), visible(way.remedy)))
    left = sum(way.standing == "open" for way in ways)
    if cluster.eks is not None:
        hint = f"; close what is not meant, and name the rest under clusters.{cluster.name}.break-glass" if left else ""
        out.print(f"open round the gateway: {many(left, 'way', none='no')}{hint}")
    out.print("not seen:")
    for line in not_seen:
        out.print(Text.assemble("  ", (line, "dim")))
    if failed:
        click.echo(f"l7gw: cluster {cluster.name}: a step failed, so that this is not the whole of it", err=True)
