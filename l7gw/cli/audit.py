"""`l7gw audit`: the cluster's own audit log beside the recordings."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from l7gw.aws.failures import AwsFailure
from l7gw.cli import completing
from l7gw.cli.options import config_option, output_option, states_option
from l7gw.cli.progress import Bars, progress_bars
from l7gw.cli.reconciled import answer
from l7gw.cli.state import UNITS, ago, cannot_read, fail, the_state
from l7gw.cluster.known_as import role_of, users_of
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Settings
from l7gw.os_faults import in_words
from l7gw.policy.patterns import Globs
from l7gw.recording.audit_event import AuditEvent
from l7gw.recording.audit_log import AUDIT_STREAM, AuditLog
from l7gw.recording.reconcile import IGNORED, MARGIN, UNAUDITED, Gateway, Reconciliation
from l7gw.recording.recorded_calls import RecordedCalls
from l7gw.recording.session_list import summaries

UNKNOWN = 3
Source = Callable[[Bars], Iterator[AuditEvent]]


@click.group(short_help="Compare the cluster's own audit log with the recordings.")
def audit() -> None:
    """Compare the cluster's own audit log with what is recorded."""


@audit.command("reconcile", short_help="Who went round the gateway, and what did the cluster never see?")
@click.argument("files", metavar="[FILE|-]...", nargs=-1, type=click.Path(readable=False, path_type=Path))
@config_option
@states_option
@click.option(
    "--cluster",
    shell_complete=completing.clusters,
    help="The cluster whose log it is, by its name here; needed where there are several.",
)
@click.option("--log-group", "group", help="Read this group of CloudWatch Logs: /aws/eks/NAME/cluster of an EKS cluster.")
@click.option("--since", help="Only calls of the last 30m, 12h or 7d.")
@click.option("--gateway-user", "users", multiple=True, help="The user as whom the cluster knows the gateway; * matches anything.")
@click.option(
    "--ignore", "ignored", multiple=True, help="A user that may go round, beside the cluster's own parts; * matches anything."
)
@click.option("--all", "everything", is_flag=True, help="Ignore nobody: the cluster's own parts are shown too.")
@click.option(
    "--unaudited", multiple=True, help="A kind of call that the audit policy leaves out: 'VERB RESOURCE', such as 'get leases*'."
)
@click.option(
    "--margin", default=f"{MARGIN // 60_000_000}m", show_default=True, help="At both ends of the log: it may lack calls there."
)
@output_option
def reconcile(
    files: tuple[Path, ...],
    config: Path | None,
    states: tuple[Path, ...],
    cluster: str | None,
    group: str | None,
    since: str | None,
    users: tuple[str, ...],
    output: str,
    **terms: Any,
) -> None:
    """Compare FILE, a cluster's audit log, with the recordings by Audit-Id: which calls went round the gateway, and which are
    recorded that the cluster never saw?

    FILE is a log of kube-apiserver, or of EKS as CloudWatch gives it: `aws logs filter-log-events`, an export to S3 (a folder too),
    a subscription; gzip is fine. - is stdin. --log-group asks CloudWatch itself, in the region of the cluster's `eks`, with the
    credentials of its profile or of boto3's own chain; these need logs:FilterLogEvents.

    A call that has the Audit-Id of a recorded one, but another caller, credential, object or time, went round as well.

    Left out, and counted: what the cluster's own parts do (system:apiserver, system:kube-*, system:cloud-controller-manager,
    system:node:*, system:serviceaccount:kube-system:*, eks:*), unless it is done as somebody else; questions after health, version
    and one's own rights; calls from before the oldest recording; calls that by `record: none` are not recorded. Of recorded calls,
    what EKS's audit policy leaves out: events, /healthz, /version and /swagger.

    Exit status: 0 none, 1 some, 2 wrong usage, 3 none as far as can be said, but a part of the log or of the recordings
    cannot be read, or the log holds no call that could be compared.

    \b
    l7gw audit reconcile --log-group /aws/eks/prod/cluster --since 1d
    l7gw audit reconcile audit.log
    aws logs filter-log-events --log-group-name /aws/eks/prod/cluster --log-stream-name-prefix kube-apiserver-audit \\
        --start-time $(date -d '1 day ago' +%s000) | l7gw audit reconcile - --cluster prod
    """
    settings = _settings(config, states)
    places = [the_state(None, state) for state in states] or [the_state(config, None)]
    name = _cluster(cluster or _of_group(group, settings), settings, places)
    if bool(files) == bool(group):
        fail("which log? name a FILE, or - for stdin, or --log-group NAME", 2)
    after = ago(since, "--since") or 0
    log = AuditLog(_eks_of(name, settings))
    source: Source = partial(_of_files, files, log) if group is None else partial(_in_cloud, group, name, settings, log, after)
    sys.exit(_compared(source, log, name, places, _gateway(name, settings, users), output, since=after, **_terms(**terms)))


def _terms(*, margin: str, ignored: tuple[str, ...], everything: bool, unaudited: tuple[str, ...]) -> dict[str, Any]:
    """What is left out, as `Reconciliation` takes it."""
    match = re.fullmatch(r"([0-9]{1,4})([smh])", margin)
    if match is None:
        fail("--margin is 30s, 2m or 1h", 2)
    return {
        "margin": int(match[1]) * {"s": 1, **UNITS}[match[2]] * 1_000_000,
        "ignored": () if everything else (*IGNORED, *ignored),
        "unaudited": (*UNAUDITED, *unaudited),
    }


def _compared(
    source: Source, log: AuditLog, cluster: str, places: list[Path], gateway: Gateway, output: str, *, since: int, **terms: Any
) -> int:
    """Compare, and print what was found. Gives the exit status."""
    with ExitStack() as stack:
        try:
            progress = stack.enter_context(progress_bars())
            recorded = _recorded(places, cluster, since, progress)
            stack.callback(recorded.close)
            run = Reconciliation(recorded, gateway, since=since, **terms)
            stack.callback(run.close)
            for event in source(progress):
                run.take(event)
        except AwsFailure as failure:
            fail(failure.message, UNKNOWN)
        except OSError as error:
            cannot_read("the log cannot be read", error, UNKNOWN)
        except KeyboardInterrupt:
            sys.exit(130)
        progress.stop()
        return answer(cluster, run, recorded, log, output)


# ---------------------------------------------------------------------- what is compared


def _settings(config: Path | None, states: tuple[Path, ...]) -> Settings | None:
    """The configuration, None where the states alone are named."""
    if states and config is None:
        return None
    from l7gw.config.load import find, load

    return load(find(config))


def _cluster(named: str | None, settings: Settings | None, places: list[Path]) -> str:
    """The name of the cluster whose log it is. Ends the command where it is not clear."""
    if named is not None:
        if settings is not None and named not in settings.clusters:
            fail(f"there is no cluster {named!r} in the configuration; there are {', '.join(sorted(settings.clusters))}", 2)
        return named
    try:
        found = (
            sorted(settings.clusters) if settings else sorted({one.started.cluster for p in places for one in summaries(p)} - {""})
        )
    except OSError as error:
        cannot_read("the state cannot be read", error, UNKNOWN)
    if len(found) != 1:
        fail(f"whose log is it? say --cluster NAME: {', '.join(found) or 'nothing is recorded'}", 2)
    return found[0]


def _gateway(name: str, settings: Settings | None, users: tuple[str, ...]) -> Gateway:
    """How the cluster knows the gateway, by the configuration."""
    if settings is None or name not in settings.clusters:
        return Gateway(users=Globs(users) if users else None)
    cluster, found, role = settings.clusters[name], users, ""
    if not found:
        try:
            found, role = users_of(cluster.credential), role_of(cluster.credential)
        except (OSError, ValueError) as error:
            fail(f"the credential of cluster {name} cannot be read: {in_words(error)}", UNKNOWN)
    from l7gw.policy.judge import Policy

    rules = Policy.load(settings.policy).rules if settings.policy else ()
    reads = any(rule.handling.record == "none" and rule.is_about(cluster.name) for rule in rules)
    return Gateway(
        users=Globs(found) if found else None,
        role=role,
        mode=cluster.impersonate,
        unrecorded="all" if cluster.record == "none" else "reads" if reads else "none",
    )


def _recorded(places: list[Path], cluster: str, since: int, progress: Bars) -> RecordedCalls:
    return RecordedCalls(places, cluster, since=since, told=progress.begin_recordings(places))


# ---------------------------------------------------------------------- the log


def _of_files(files: tuple[Path, ...], log: AuditLog, progress: Bars) -> Iterator[AuditEvent]:
    paths = [path for file in files for path in _in_folder(file)]
    from_stdin = Path("-") in paths
    total = None if from_stdin else sum(path.stat().st_size for path in paths)
    told = progress.begin("reading the log", total)
    for path in paths:
        if path == Path("-"):
            yield from log.read(sys.stdin.buffer, told)
        else:
            with path.open("rb") as file:
                yield from log.read(file, told)


def _in_cloud(group: str, name: str, settings: Settings | None, log: AuditLog, since: int, progress: Bars) -> Iterator[AuditEvent]:
    """The events of a group of CloudWatch Logs. Raises AwsFailure."""
    from l7gw.aws.logs import messages

    cluster = settings.clusters.get(name) if settings is not None else None
    region = cluster.eks.region if cluster is not None and cluster.eks is not None else ""
    profile = cluster.credential.profile if cluster is not None and isinstance(cluster.credential, AwsRole) else ""
    told = progress.begin("reading CloudWatch", None)
    for stream, line in messages(group, region=region, profile=profile, streams=AUDIT_STREAM, since=since // 1000):
        told(len(line))
        event = log.take(line, stream)
        if event is not None:
            yield event


def _of_group(group: str | None, settings: Settings | None) -> str | None:
    """The configured cluster whose log group this is; None where that cannot be said."""
    clusters = settings.clusters if settings is not None else {}
    found = [name for name in clusters if (eks := _eks_of(name, settings)) and group == f"/aws/eks/{eks}/cluster"]
    return found[0] if len(found) == 1 else None


def _eks_of(name: str, settings: Settings | None) -> str:
    """The name of a cluster at EKS, "" where it is not known."""
    cluster = settings.clusters.get(name) if settings is not None else None
    return cluster.eks.name if cluster is not None and cluster.eks is not None else ""


def _in_folder(path: Path) -> list[Path]:
    """The files of an export to S3: those of the streams of audit events, where it has streams."""
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.rglob("*") if one.is_file() and one.name != "aws-logs-write-test")
    audits = [one for one in files if any(part.startswith(AUDIT_STREAM) for part in one.parts)]
    if not (audits or files):
        fail(f"there is no file in {path}\n  hint: name the file of the audit log, or the folder that has it", UNKNOWN)
    return audits or files
