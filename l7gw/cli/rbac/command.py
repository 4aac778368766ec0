"""`l7gw rbac render|suggest`: what the cluster must let the gateway do, and what its callers need there. `suggest` stands in a
module of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from l7gw.cli import completing
from l7gw.cli.options import config_option, output_option
from l7gw.cli.rbac.access import FORMATS, Format, access_of, alone, in_comments
from l7gw.cli.rbac.manifests import text_of
from l7gw.cli.rbac.options import holder_of, holder_option, settled
from l7gw.cli.rbac.suggest import suggest
from l7gw.cluster.rbac_render import Also, As, Names, Part, Rendering, Unresolved
from l7gw.os_faults import told
from l7gw.recording.session_list import summaries
from l7gw.recording.terminal.unseen import safe

ALSO: dict[Also, str] = {one: one.replace("-", "_") for one in get_args(Also)}  # each with the name of its option


@click.group(short_help="The RBAC that a cluster needs for the gateway, and for its callers.")
def rbac() -> None:
    """What RBAC of a cluster must let the gateway do (`render`), and the least that its callers need there (`suggest`). Both write
    manifests; nothing is changed in a cluster."""


rbac.add_command(suggest)


@rbac.command(short_help="Print the RBAC that lets the gateway impersonate exactly what it must.")
@click.argument("name", shell_complete=completing.clusters)
@holder_option
@click.option(
    "--group", "groups", metavar="G", multiple=True, help="A group that a pattern of the policy stands for. May be repeated."
)
@click.option(
    "--user",
    "users",
    shell_complete=completing.users,
    metavar="U",
    multiple=True,
    help="A caller, where the cluster is told users. May be repeated.",
)
@click.option("--any-user", is_flag=True, help="Every user may be impersonated: as good as cluster-admin.")
@click.option("--as-user", "as_users", metavar="U", multiple=True, help="Whom a pattern in `as: {users}` stands for.")
@click.option("--as-group", "as_groups", metavar="G", multiple=True, help="The same of `as: {groups}`.")
@click.option("--as-service-account", "as_accounts", metavar="NS/NAME", multiple=True, help="The same of its service accounts.")
@click.option("--format", "form", type=click.Choice(FORMATS), metavar="FORMAT", default="yaml", show_default=True, help="Of a "
    "cluster of EKS, alone: the access entry (cli, cloudformation, terraform), or a policy of IAM (trust-policy, role-policy, "
    "gateway-policy).")  # fmt: skip
@click.option("--ways-round", is_flag=True, help="Also what `l7gw clusters test` reads to see who else comes to a cluster of EKS.")
@click.option("--reads-rbac", is_flag=True, help="Also what `l7gw rbac suggest --live` reads: which roles and bindings there are.")
@click.option("--gateway", "own", metavar="ARN", default="", help="Who the gateway itself is at AWS, for the trust policy.")
@config_option
@output_option
def render(
    name: str, holder: str | None, groups: tuple[str, ...], users: tuple[str, ...], as_users: tuple[str, ...],
    as_groups: tuple[str, ...], as_accounts: tuple[str, ...], form: Format, own: str, config: Path | None, output: str, **also: bool
) -> None:  # fmt: skip
    """Print the RBAC of cluster NAME that lets the gateway's credential impersonate the user, the groups and the extras that this
    configuration and this policy need, and nothing else: a stolen credential is worth no more than that.

    RBAC has no patterns. Where the policy names groups by one (`team-*`), the groups that callers had in the recordings are taken,
    or those of --group. With `impersonate: user` the same is true of users.

    Of a cluster of EKS the access entry stands before it, as a command in comments; --format prints it, or a policy of IAM, alone.

    Exit status: 0 printed, 2 wrong usage or configuration, or a pattern of which nobody says what it stands for.

    \b
    l7gw rbac render prod | kubectl apply -f -
    l7gw rbac render prod --group team-a --group team-b
    l7gw rbac render prod --to serviceaccount:l7gw/gateway     # where the credential is not on this machine
    l7gw rbac render prod --format cli | sh                    # makes the access entry
    l7gw rbac render prod --format trust-policy --gateway arn:aws:iam::111122223333:role/bastion
    l7gw rbac render prod --format role-policy --ways-round
    """
    settings, cluster, policy = settled(config, name)
    to = holder_of(cluster, holder)
    entry = access_of(cluster, to, own, ways_round=also["ways_round"])
    if form != "yaml":
        click.echo(alone(cluster, entry, form), nl=False)
        return
    accounts = [_account(text) for text in as_accounts]
    acted_as: list[As] = [("users", one) for one in as_users] + [("groups", one) for one in as_groups]
    given = Names(frozenset(groups), frozenset(users), frozenset([*acted_as, *accounts]))
    try:
        wanted = [one for one, option in ALSO.items() if also[option]]
        found = Rendering(cluster, policy, to, given=given, recorded=_recorded(settings.state, cluster.name), also=wanted)
        parts = list(found.parts())
    except Unresolved as error:
        raise click.UsageError(f"{safe(str(error))}\n  hint: {safe(error.hint)}") from None
    if output == "json":
        click.echo(json.dumps([made for part in parts for made in part.objects], indent=2))
        return
    click.echo(text_of([*(in_comments(name, entry) if entry is not None else ()), *parts, Part(found.hints(), ())]), nl=False)


def _account(text: str) -> As:
    space, _, name = text.partition("/")
    if not space or not name or "/" in name:
        raise click.UsageError(f"--as-service-account {text!r} is no service account\n  hint: NAMESPACE/NAME, such as dev/ci")
    return "serviceaccounts", text


def _recorded(state: Path, cluster: str) -> Names:
    """Who was there: users and groups of the sessions on this cluster. Nothing where there are no recordings, or they cannot be
    read, which is told."""
    try:
        sessions = [one.started for one in summaries(state) if one.started.cluster == cluster and not one.started.attempts]
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            click.echo(f"l7gw: the recordings cannot be read, so that they say nothing here: {told(error)}", err=True)
        return Names()
    return Names(frozenset(group for one in sessions for group in one.groups), frozenset(one.user for one in sessions))
