"""`l7gw check --online`: everything that the configuration names is asked, and told in green, yellow and red."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from l7gw.cli.answers import arrow, console
from l7gw.cli.columns import statement, terminal_width
from l7gw.cli.online import clusters, issuers, machine, places
from l7gw.cli.online.chains import of_chains
from l7gw.cli.online.clocks import of_clocks
from l7gw.cli.online.expiry import of_files
from l7gw.cli.online.findings import Finding, State, of_sentence
from l7gw.cli.online.jobs import Job, Report, run
from l7gw.cli.online.names import of_names
from l7gw.config.settings import Settings
from l7gw.errors import Problem
from l7gw.gateway.doubts import warnings_of
from l7gw.name_rules import visible
from l7gw.policy.judge import Policy
from l7gw.timeouts import USUAL_TIMEOUTS

# Somebody waits for the answers: shorter than the gateway's own, and long enough for another continent.
TIMEOUTS = replace(USUAL_TIMEOUTS, dial=5.0, answer_begins=10.0)
STYLES: dict[State, str] = {"green": "green", "yellow": "yellow", "red": "bold red"}
SPINNER = "dots"
MARK = 8  # columns of a state
WIDEST = 40  # columns of a check's name
MOST_ALIKE = 12  # green lines about one thing, one after the other, that are shown; a policy may need hundreds of permissions
MOST_DOING = 60  # characters of what is being asked, in the line that shows it
OTHERWISE = "leave it where it is meant; docs/policy.md and docs/configuration.md say what each key does"
FAILED = 1  # exit status


def checked_online(settings: Settings, policy: Policy, addresses: tuple[str, ...], output: str) -> int:
    """Ask everything, and tell. Gives the exit status: 1 where something is red."""
    with _progress(output) as shown:
        findings = found(settings, policy, addresses, shown)
    tell(findings, output, terminal_width())
    return status_of(findings)


def status_of(findings: list[Finding]) -> int:
    """The exit status: what is yellow fails nothing."""
    return FAILED if any(finding.state == "red" for finding in findings) else 0


def found(settings: Settings, policy: Policy, addresses: tuple[str, ...], shown: Callable[[int, list[str]], None]) -> list[Finding]:
    """All findings: of the files, of the machine, of each issuer and cluster, of the policy."""
    now = datetime.now(UTC)
    jobs = [_job_of_names(settings, addresses), *issuers.jobs_of(settings, now, TIMEOUTS)]
    jobs += [clusters.job_of(cluster, policy, now, TIMEOUTS) for cluster in settings.clusters.values()]
    jobs += [machine.job_of_store(settings), *_channels(settings)]
    names, *reports = run(jobs, shown)
    return [
        Finding("configuration", "green", f"{settings.path} can be used, with {settings.policy}"),
        *machine.of_user(settings),
        *names.found,
        *of_files(settings, now),
        *of_chains(settings),
        machine.of_disk(settings),
        of_clocks([skew for report in reports for skew in report.skews]),
        *(finding for report in reports for finding in report.found),
        *_of_policy(settings, policy),
    ]


def _job_of_names(settings: Settings, addresses: tuple[str, ...]) -> Job:
    """The job that looks at names: that of this machine is asked of DNS, which may say nothing for long."""

    def work(report: Report) -> None:
        for finding in of_names(settings, addresses):
            report.tell(finding)

    return Job("names", work)


def _channels(settings: Settings) -> Iterator[Job]:
    """Slack and the webhook are reached, and told nothing."""
    if (slack := settings.slack) is not None:
        yield places.job_of("Slack", places.Https(slack.endpoint, "endpoint-url", "Slack", slack.certificate_authority), TIMEOUTS)
    if (webhook := settings.webhook) is not None:
        place = places.Https(webhook.url, "url", "the webhook", webhook.certificate_authority)
        yield places.job_of("webhook", place, TIMEOUTS)


def _of_policy(settings: Settings, policy: Policy) -> Iterator[Finding]:
    doubts = warnings_of(settings, policy)
    for doubt in doubts:
        yield of_sentence("policy", doubt, OTHERWISE)
    if not doubts:
        yield Finding("policy", "green", "each rule can match, and none decides everything")


def told_unreadable(path: Path, problems: Sequence[Problem]) -> str:
    """The JSON of a configuration that cannot be read: the same form, all red."""
    red = [
        Finding("configuration", "red", f"{problem.file}:{problem.line}: {problem.what}", problem.hint or f"see {path}")
        for problem in problems
    ]
    return json.dumps([asdict(finding) for finding in red], indent=2)


# ---------------------------------------------------------------------- shown


@contextlib.contextmanager
def _progress(output: str) -> Iterator[Callable[[int, list[str]], None]]:
    """What is being asked, in one line on stderr where that is a terminal."""
    shows = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if output == "json" or not shows.is_terminal:
        yield lambda over, doing: None
        return
    with shows.status("asking …") as status:
        status.update(spinner=SPINNER)  # draws at once what would be drawn a tenth of a second later
        yield lambda over, doing: status.update(_doing(over, doing))


def _doing(over: int, doing: list[str]) -> str:
    if not doing:
        return f"{over} done …"
    first = visible(doing[0])[:MOST_DOING]
    more = f" and {len(doing) - 1} more" if len(doing) > 1 else ""
    return f"{over} done; asking {first}{more} …"


def tell(findings: list[Finding], output: str, within: int | None = None) -> None:
    """Print the findings: as one document, or as lines with the worst counted at the end, for a terminal of `within` columns."""
    if output == "json":
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    out = console()
    for lines in _shown(findings, within):
        out.print(*lines, sep="\n", soft_wrap=True)
    counts = {state: sum(finding.state == state for finding in findings) for state in STYLES}
    out.print(", ".join(f"{count} {state}" for state, count in counts.items()))


def _shown(findings: list[Finding], within: int | None) -> Iterator[list[Text]]:
    """Each finding as lines. Of many green ones about one thing the first are shown, and the rest counted."""
    alike, left = "", 0
    run_of = 0
    for finding in [*findings, Finding("", "red", "")]:
        head = finding.check.partition(": ")[0] if finding.state == "green" else ""
        run_of = run_of + 1 if head and head == alike else 1
        if left and run_of == 1:
            yield _lines(Finding(alike, "green", f"{left} more of its checks are green, which -o json lists"), within)
            left = 0
        alike = head
        if run_of > MOST_ALIKE:
            left += 1
        elif finding.check:
            yield _lines(finding, within)


def _lines(finding: Finding, within: int | None) -> list[Text]:
    """The state as a word, whatever its colour; what it is about; what was found; and below it what to do. What others call things
    by stands in it, and nothing of that moves a cursor."""
    style = STYLES[finding.state]
    lines = [Text(line) for line in statement(finding.state, MARK, visible(finding.check), WIDEST, visible(finding.text), within)]
    lines[0].stylize(style, 0, MARK)
    return lines + (arrow(visible(finding.hint), MARK, style, within) if finding.hint else [])
