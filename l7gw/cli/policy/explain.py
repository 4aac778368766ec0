"""`l7gw policy explain`: what the policy says to a call, or to every call of a kubectl command."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from l7gw import name_rules
from l7gw.cli import completing
from l7gw.cli.kubeconfig.command import the_cluster
from l7gw.cli.options import output_option
from l7gw.cli.policy.explained import document, show_all, show_openings
from l7gw.cli.policy.file import chosen, file_options
from l7gw.cli.policy.typed_call import Typed
from l7gw.config.document import nearest
from l7gw.config.settings import KINDS, Kind, Settings
from l7gw.identity.principal import Principal
from l7gw.policy.cases import look_at_sent, result_of, worst
from l7gw.policy.explanation import Considered, Explanation
from l7gw.policy.grants import first_for
from l7gw.policy.judge import Policy
from l7gw.policy.kubectl.calls import Call
from l7gw.policy.kubectl.words import CannotTell, MakesNoCall, NotRead


class _Explain(click.Command):
    """`explain ... kubectl WORDS` takes the words as they are typed: what follows `kubectl` is kubectl's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name for option in self.params if isinstance(option, click.Option) and not option.is_flag for name in option.opts
        }
        for number, word in enumerate(args):
            if word == "--":
                break
            if word == "kubectl" and not (number and args[number - 1] in takes_value):
                args = [*args[:number], "--", *args[number:]]
                break
        return super().parse_args(ctx, args)


@click.command(short_help="Would this call pass, and by which rule?", cls=_Explain)
@file_options
@click.option("--user", metavar="U", required=True, help="As the identity gives it.", shell_complete=completing.users)
@click.option("--group", "groups", metavar="G", multiple=True, help="May be repeated.", shell_complete=completing.groups)
@click.option("--granted", metavar="G", multiple=True, help="A group that a grant gives; the policy must list it for this user.")
@click.option("--kind", type=click.Choice(KINDS), default="human", show_default=True)
@click.option(
    "--cluster",
    metavar="C",
    help="May be left out where the configuration has one alone.",
    shell_complete=completing.clusters,
)
@click.option("--as", "as_user", metavar="U", default="", help="Of whom acts as somebody else of the cluster, as kubectl's.")
@click.option("--as-group", "as_groups", metavar="G", multiple=True, help="May be repeated.")
@click.option("--rule", metavar="NAME", help="What this rule or guardrail alone says to it.", shell_complete=completing.rules)
@click.option(
    "-f", "--filename", "sent", metavar="FILE", type=click.Path(readable=False, path_type=Path), help="The object that is sent."
)
@click.option(
    "--result", "given", metavar="FILE", type=click.Path(readable=False, path_type=Path), help="What a dry run of the call gives."
)
@click.option("-n", "--namespace", metavar="NS", help="Default: `default`, as for kubectl.")
@click.option("-A", "--all-namespaces", is_flag=True, help="No namespace: all of them, or an object of the cluster.")
@click.option("--subresource", metavar="S", help="Such as scale, status, log.")
@click.option("-i", "--stdin", is_flag=True, help="Of an exec or attach.")
@click.option("-t", "--tty", is_flag=True, help="Of an exec or attach.")
@output_option
@click.argument("verb", metavar="VERB|kubectl")
@click.argument("resource", metavar="RESOURCE[/NAME]", required=False, default="")
@click.argument("argv", metavar="[-- ARGV...]", nargs=-1)
def explain(
    *, file: Path | None, config: Path | None, user: str, groups: tuple[str, ...], granted: tuple[str, ...], kind: Kind,
    cluster: str | None, rule: str | None, given: Path | None, output: str, **said: Any
) -> None:  # fmt: skip
    """Ask the policy about one call, or about every call of a kubectl command: would it pass, by which rule, and why not by those
    before it? And what would be masked for the caller?

    A command is typed as for kubectl; its verdict is that of its worst call. Of those that kubectl does without, such as the events
    of `describe`, it is said so.

    VERB and RESOURCE are what kubectl users say: `get pods`, `delete pods/web-0`, `logs pods/web-0`, `exec`, `port-forward`,
    `scale deployments.apps/web`; a RESOURCE that begins with a slash is a path. A `delete` without a name deletes them all.

    Exit status: 0 allowed or held, 1 denied, 2 wrong usage or configuration, 3 an object or result decides that was not given.

    \b
    l7gw policy explain --user ann --group engineers --cluster prod -- kubectl exec -it web-0 -n dev -- sh
    l7gw policy explain --user ann --cluster prod -- kubectl drain node-1 --ignore-daemonsets
    l7gw policy explain --user ann --group engineers --cluster prod delete pods -n prod
    l7gw policy explain --user bot --kind agent --cluster prod exec pods/web-0 -- cat /var/log/app.log
    l7gw policy explain --user ann --granted oncall --cluster prod list secrets -A
    l7gw policy explain --user ann --cluster prod get /metrics
    l7gw policy explain --user ann --cluster prod --rule 'engineers read' -- kubectl get pods
    l7gw policy explain --user ann --cluster prod -f web.yaml update deployments.apps/web -n dev
    """
    which = chosen(file, config)
    asked = Typed(**said)
    name = cluster_of(which.settings, cluster, asked)
    try:
        calls = asked.calls()
    except MakesNoCall as none:
        _end_without_calls(asked, none, output, verdict="none", status=0)
    except CannotTell as unknown:
        _end_without_calls(asked, unknown, output, verdict="unknown", status=3)
    rules = which.load()
    principal = _with_granted(rules, _principal(user, groups, kind), name, granted)
    explained = _explained(rules, principal, name, calls, given)
    if rule is not None:
        explained = [_by(rules, rule, each) for each in explained]
    number = worst([explanation.verdict for explanation in explained], calls)
    verdict = explained[number].verdict
    if output == "json":
        documents = [document(each, principal, name, call) for call, each in zip(calls, explained)]
        of_command = {"command": asked.command, "calls": documents} if asked.command else {}
        click.echo(json.dumps({**documents[number], **of_command}, indent=2))
    else:
        show_all(asked.command, calls, explained, number)
        show_openings(rules, principal, name, calls[number], verdict)
    sys.exit(3 if verdict.needs else 1 if verdict.decision == "deny" else 0)


def _end_without_calls(asked: Typed, why: NotRead, output: str, *, verdict: str, status: int) -> NoReturn:
    """End the command where there is no call to be judged, or none that can be known."""
    hint = f"\n  hint: {why.hint}" if why.hint else ""
    if output == "json":
        said = {"allowed": not status, "verdict": verdict, "reason": str(why), "command": asked.command, "calls": []}
        click.echo(json.dumps(said, indent=2))
    else:
        click.echo(f"{'not known' if status else 'nothing to judge'}: {why}{hint}")
    sys.exit(status)


def cluster_of(settings: Settings | None, named: str | None, asked: Typed) -> str:
    """The cluster that is meant: the one named, else kubectl's `--context` where a cluster is called so, else the only one. Raises
    UsageError."""
    if named is not None:
        return named if settings is None else the_cluster(settings, named).name
    if settings is None:
        raise click.UsageError("--policy alone does not say which clusters there are\n  hint: --cluster NAME, or --config FILE too")
    if asked.context in settings.clusters:
        return asked.context
    if len(settings.clusters) == 1:
        return next(iter(settings.clusters))
    raise click.UsageError(f"which cluster is meant?\n  hint: --cluster NAME, one of {', '.join(settings.clusters)}")


def _explained(rules: Policy, principal: Principal, cluster: str, calls: list[Call], given: Path | None) -> list[Explanation]:
    """What the policy says to each call. `given` is a file with what a dry run of them gives. Raises UsageError."""
    try:
        result = result_of(given) if given is not None else None
    except NotRead as error:
        raise click.UsageError(str(error)) from None
    return [rules.explain(principal, cluster, call.act, look_at_sent(call, result)) for call in calls]


def _by(rules: Policy, name: str, explained: Explanation) -> Explanation:
    """An explanation with what one rule says alone. Raises UsageError where no rule is named so."""
    found = next((one for one in (*rules.guardrails, *rules.rules) if one.name == name), None)
    if found is None:
        near = nearest(name, [one.name for one in (*rules.guardrails, *rules.rules)])
        hint = f"\n  hint: did you mean {near!r}?" if near else "\n  hint: without --rule every rule is listed"
        raise click.UsageError(f"no rule is named {name_rules.quoted(name)}{hint}")
    asked = tuple(one for one in explained.considered if one.name == name)
    before = f"it is not asked: {explained.verdict.rule!r} decides before it"
    return replace(explained, considered=asked or (Considered(name, found.says, found in rules.guardrails, before),))


def _principal(user: str, groups: tuple[str, ...], kind: Kind) -> Principal:
    """The principal that identity would give. A group that is no valid name is mentioned on stderr; only rules that deny look at
    it."""
    if fault := name_rules.fault(user):
        raise click.UsageError(f"--user {name_rules.quoted(user)} {fault}: identity lets nobody in under it")
    faults = {group: fault for group in groups if (fault := name_rules.fault(group))}
    for group, fault in faults.items():
        click.echo(f"l7gw: identity leaves the group {name_rules.quoted(group)} out, only denials look at it: it {fault}", err=True)
    unfit = tuple(spelling for group in faults for spelling in name_rules.spellings(group))
    return Principal(user, groups=tuple(group for group in groups if group not in faults), kind=kind, unfit=unfit)


def _with_granted(rules: Policy, principal: Principal, cluster: str, granted: tuple[str, ...]) -> Principal:
    """The principal with the groups of grants. Raises UsageError for one that the policy does not let him ask for."""
    for group in granted:
        if first_for(rules.grants, principal, cluster, group) is None:
            raise click.UsageError(f"the policy does not let {principal.user} ask for {name_rules.quoted(group)} on {cluster}")
    return replace(principal, groups=(*principal.groups, *granted))
