"""`l7gw rbac suggest NAME`: the least RBAC under which what was recorded passes again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import click

from l7gw.cli import completing
from l7gw.cli.options import config_option, output_option, states_option
from l7gw.cli.progress import reading_bar
from l7gw.cli.rbac.existing import existing_in, existing_there
from l7gw.cli.rbac.manifests import text_of
from l7gw.cli.rbac.options import holder_of, holder_option, settled
from l7gw.cli.rbac.report import compared, report, times
from l7gw.cli.state import UNREADABLE, ago, cannot_read, fail, the_state, the_whole_session
from l7gw.cluster.impersonation import unnameable
from l7gw.cluster.rbac_render import Part
from l7gw.config.settings import Cluster
from l7gw.kube.least_rights import NAMES
from l7gw.kube.rbac import Subject
from l7gw.policy.judge import Policy
from l7gw.quantities import many
from l7gw.recording.past_calls import PastCall, PastCalls
from l7gw.recording.rbac_difference import Difference
from l7gw.recording.rbac_suggestion import Suggested, Suggestion
from l7gw.recording.session_list import NoSuch, find
from l7gw.recording.terminal.unseen import safe
from l7gw.recording.used_rights import By, Reading, UsedRights

NOTHING, UNKNOWN = 1, 3  # exit statuses
MOST_NAMES = 100  # of one rule
MOST_USERS_LISTED = 5


@click.command("suggest", short_help="The least RBAC for what callers really did.")
@click.argument("name", shell_complete=completing.clusters)
@click.option("--session", "session", metavar="ID", shell_complete=completing.sessions, help="Only this session's calls.")
@click.option("--since", help="Only calls of the last 30m, 12h or 7d.")
@click.option("--user", shell_complete=completing.users, default="*", help="Only this user's; * matches anything.")
@click.option("--by", type=click.Choice(["user", "group"]), help="To whom rights are given: users only with `impersonate: "
    "user`, where they are the default.")  # fmt: skip
@click.option("--group", "groups", metavar="G", multiple=True, help="Of several groups of a caller give the right to this one. "
    "Without it: the one that fewest users have.")  # fmt: skip
@click.option("--names", type=click.IntRange(0, MOST_NAMES), default=NAMES, show_default=True, help="Names that a rule lists; what "
    "had more is about all. 0: never list names.")  # fmt: skip
@click.option("--everything", is_flag=True, help="Also what everybody may: discovery, self reviews.")
@click.option("--existing", metavar="FILE", type=click.Path(readable=False, path_type=Path, allow_dash=True), help="RBAC that is "
    "there, as `kubectl get -o yaml` prints it, to compare with; - is stdin.")  # fmt: skip
@click.option("--live", is_flag=True, help="Compare with the cluster itself, as the gateway: `rbac render --reads-rbac` lets it.")
@states_option
@holder_option
@config_option
@output_option
def suggest(
    name: str, session: str | None, since: str | None, user: str, by: By | None, groups: tuple[str, ...],
    names: int, everything: bool, existing: Path | None, live: bool, states: tuple[Path, ...], holder: str | None,
    config: Path | None, output: str
) -> None:  # fmt: skip
    """Print the least RBAC of cluster NAME under which the recorded calls pass again: Roles, ClusterRoles and bindings for users
    and groups as the cluster knows them, with the prefix. Nothing is asked of the cluster but by --live, and no gateway need run.

    Counted is what the cluster let pass. The end of the output says what is left out and why, and what the suggestion would have
    refused: calls of the same users and groups that are recorded too, and were not selected.

    A rule lists names where they were few and will come again. A create in a collection has no name that RBAC could compare.

    Exit status: 0 printed, 1 nothing is recorded that needs a right, 2 wrong usage or configuration, 3 a part of the
    recordings cannot be read.

    \b
    l7gw rbac suggest prod --since 30d > suggested.yaml
    l7gw rbac suggest prod --session 01a2                 # what one session needed
    l7gw rbac suggest prod --user 'bot:*' --names 0
    l7gw rbac suggest prod --state gw-1/state --state gw-2/state     # several gateways serve the cluster
    kubectl get clusterroles,clusterrolebindings,roles,rolebindings -A -o yaml | l7gw rbac suggest prod --existing -
    """
    settings, cluster, policy = settled(config, name)
    if existing is not None and live:
        raise click.UsageError("--existing and --live exclude each other")
    there = existing_there(cluster) if live else existing_in(existing) if existing is not None else None
    reading = _reading(cluster, policy, by, holder_of(cluster, holder), names=names, everything=everything)
    places = [the_state(None, one) for one in states or (settings.state,)]
    whole = _whole(places, session) if session is not None else ""
    after = ago(since, "--since") or 0

    def selects(call: PastCall) -> bool:
        return call.request.time >= after and fnmatchcase(call.principal.user, user) and whole in ("", call.session)

    chosen, others, unreadable = _read(places, reading, selects)
    found = Suggestion(chosen, [cluster.prefix + group for group in groups])
    suggested = list(found.suggested())
    said = (*report(cluster, chosen, found, others), *(compared(Difference(found, there)) if there is not None else ()))
    if output == "json":
        click.echo(json.dumps([made for one in suggested for made in one.objects], indent=2))
        click.echo("".join(f"{safe(line)}\n" for line in said), err=True, nl=False)
    else:
        click.echo(text_of([*(_part(one, chosen) for one in suggested), Part(said, ())]), nl=False)
    _end(unreadable, nothing=not suggested)


def _reading(cluster: Cluster, policy: Policy, by: By | None, gateway: Subject, *, names: int, everything: bool) -> Reading:
    """How the calls are read. Raises UsageError."""
    if by == "user" and cluster.impersonate != "user":
        hint = f"clusters.{cluster.name}.impersonate is {cluster.impersonate}: the cluster does not know who calls"
        raise click.UsageError(f"--by user\n  hint: {hint}")
    return Reading(
        cluster=cluster,
        going_up=_going_up(cluster, policy),
        gateway=gateway,
        by=by or ("user" if cluster.impersonate == "user" else "group"),
        names=names,
        everything=everything,
    )


def _whole(places: list[Path], session: str) -> str:
    """The id of the session that begins so. Ends the command where there is none."""
    for place in places[:-1]:
        with contextlib.suppress(NoSuch, OSError):
            return find(place, session).id
    return the_whole_session(places[-1], session).id


def _read(places: list[Path], reading: Reading, selects: Callable[[PastCall], bool]) -> tuple[UsedRights, UsedRights, int]:
    """What was needed by the calls that are selected, what by the others, and how many blocks cannot be read."""
    chosen, others = UsedRights(reading), UsedRights(reading)
    unreadable = 0
    try:
        for place in places:
            with reading_bar(place) as read:
                past = PastCalls(place, cluster=reading.cluster.name, bodies=False, answers=True, read=read)
                for call in past:
                    (chosen if selects(call) else others).take(call)
                unreadable += past.unreadable
    except OSError as error:
        cannot_read("the state cannot be read", error, UNKNOWN)
    except KeyboardInterrupt:
        sys.exit(130)
    return chosen, others, unreadable


def _end(unreadable: int, *, nothing: bool) -> None:
    """Say on stderr what could not be read, and end the command with the status that fits."""
    if unreadable:
        fail(f"{many(unreadable, *UNREADABLE)}; their calls are left out\n  hint: l7gw verify tells more", UNKNOWN)
    if nothing:
        fail("nothing is recorded there that needs a right", NOTHING)


def _going_up(cluster: Cluster, policy: Policy) -> Callable[[str], bool]:
    """Whether a caller's group is told to the cluster."""
    globs = policy.groups_going_up(cluster.name, cluster.groups)
    return lambda group: globs.match(group) and not unnameable(group) and not unnameable(cluster.prefix + group)


def _part(one: Suggested, used: UsedRights) -> Part:
    where = f"in namespace {one.namespace}" if one.namespace else "in the whole cluster"
    users = sorted(used.users(one.subject))
    who = ""
    if users:
        more = f" and {len(users) - MOST_USERS_LISTED} more" if len(users) > MOST_USERS_LISTED else ""
        who = f", for what {', '.join(users[:MOST_USERS_LISTED])}{more} did"
    return Part((f"{one.subject} {where}{who}",), one.objects, tuple(times(count) for count in one.calls))
