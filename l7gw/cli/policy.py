"""`l7gw policy check|explain|packs`: is the policy in order, what would it say to a call, and which one to start from? Its command
`backtest` stands in a module of its own."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import click

from l7gw import name_rules
from l7gw.cli.backtest import backtest
from l7gw.cli.explained import document, show_all, show_openings
from l7gw.cli.kubeconfig import the_cluster
from l7gw.cli.options import config_option, output_option
from l7gw.config.document import nearest
from l7gw.config.load import find, load
from l7gw.config.settings import KINDS, Kind, Settings
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, acting
from l7gw.kube.acting_as import identity
from l7gw.kube.requestinfo import describe
from l7gw.masking.configured import configured
from l7gw.policy.all_doubts import policy_doubts
from l7gw.policy.bind_faults import check_binds
from l7gw.policy.cases import kubectl_calls, look_at_sent, result_of, worst
from l7gw.policy.grants import first_for
from l7gw.policy.judge import Explanation, Policy
from l7gw.policy.kubectl.calls import Call
from l7gw.policy.kubectl.manifests import Manifest, objects_of
from l7gw.policy.kubectl.words import NotRead
from l7gw.policy.packs import NAMES, about, text_of
from l7gw.policy.vocabulary import CLUSTER_SCOPED, KUBECTL, SPELLINGS, VERBS

METHODS = {
    **dict.fromkeys(("get", "list", "watch", "head"), "GET"),
    **dict.fromkeys(("delete", "deletecollection"), "DELETE"),
    "create": "POST",
    "post": "POST",
    "update": "PUT",
    "put": "PUT",
    "patch": "PATCH",
    "options": "OPTIONS",
    "exec": "POST",
    "attach": "POST",
    "portforward": "POST",
    "proxy": "GET",
}
COLLECTIVE = ("create", "deletecollection")  # their path names no object; a create's is in the body, which policy cannot read


@click.group(short_help="Check the policy, or ask it about a call.")
def policy() -> None:
    """Check the policy, or ask what it would say to a call."""


policy.add_command(backtest)


@policy.command(short_help="Is the policy in order?")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@config_option
@output_option
def check(file: Path | None, config: Path | None, output: str) -> None:
    """Name every mistake in a policy, with its line, and run its tests. FILE is a policy; without it, that of the
    configuration, whose clusters are then known.

    \b
    Exit status: 0 in order, 2 not.

    \b
    l7gw policy check                  # the one in force
    l7gw policy check new-policy.yaml  # one that shall be
    """
    if file is not None and config is not None:
        raise click.UsageError("FILE and --config exclude each other")
    settings: Settings | None = None
    detectors: Collection[str] | None = None
    if file is not None:
        path = file.absolute()
    else:
        settings = load(find(config))
        path = settings.policy
        detectors = configured(settings.masking, settings.path).names(settings.hooks)
    found = Policy.load(path, detectors)
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


@policy.command(short_help="Would this call pass, and by which rule?", cls=_Explain)
@config_option
@click.option("--policy", "file", metavar="FILE", type=click.Path(path_type=Path), help="A policy, in place of the one in force.")
@click.option("--user", metavar="U", required=True, help="As the identity gives it, with its prefix.")
@click.option("--group", "groups", metavar="G", multiple=True, help="May be repeated.")
@click.option("--granted", metavar="G", multiple=True, help="A group that a grant gives; the policy must list it for this user.")
@click.option("--kind", type=click.Choice(KINDS), default="human", show_default=True)
@click.option("--cluster", metavar="C", required=True, help="A cluster of the configuration.")
@click.option("--as", "as_user", metavar="U", default="", help="Of whom acts as somebody else of the cluster, as kubectl's.")
@click.option("--as-group", "as_groups", metavar="G", multiple=True, help="May be repeated.")
@click.option("-f", "--filename", "sent", metavar="FILE", type=click.Path(path_type=Path), help="The object that is sent.")
@click.option("--result", "given", metavar="FILE", type=click.Path(path_type=Path), help="What a dry run of the call gives.")
@click.option("-n", "--namespace", metavar="NS", help="Default: `default`, as for kubectl.")
@click.option("-A", "--all-namespaces", is_flag=True, help="No namespace: all of them, or an object of the cluster.")
@click.option("--subresource", metavar="S", help="Such as scale, status, log.")
@click.option("-i", "--stdin", is_flag=True, help="Of an exec or attach.")
@click.option("-t", "--tty", is_flag=True, help="Of an exec or attach.")
@output_option
@click.argument("verb")
@click.argument("resource", metavar="RESOURCE[/NAME]", required=False, default="")
@click.argument("argv", metavar="[-- ARGV...]", nargs=-1)
def explain(
    config: Path | None, file: Path | None, user: str, groups: tuple[str, ...], kind: Kind, cluster: str, namespace: str | None,
    all_namespaces: bool, subresource: str | None, stdin: bool, tty: bool, output: str, verb: str, resource: str,
    argv: tuple[str, ...], granted: tuple[str, ...], sent: Path | None, given: Path | None, as_user: str, as_groups: tuple[str, ...]
) -> None:  # fmt: skip
    """Ask the policy about one call: would it pass, by which rule, and why not by those before it? And what would be masked for the
    caller?

    VERB and RESOURCE are what kubectl users say: `get pods`, `delete pods/web-0`, `logs pods/web-0`, `exec`, `port-forward`,
    `scale deployments.apps/web`; a RESOURCE that begins with a slash is a path. A `delete` without a name deletes them all.
    Or they are a whole kubectl command, of which each call is judged; its verdict is that of the worst.

    \b
    Exit status: 0 allowed or held, 1 denied, 2 wrong usage or configuration, 3 an object or result decides that was not given.

    \b
    l7gw policy explain --user ann --group engineers --cluster prod delete pods -n prod
    l7gw policy explain --user ann --group engineers --cluster prod get deployments.apps/web -n dev
    l7gw policy explain --user bot --kind agent --cluster prod exec pods/web-0 -- cat /var/log/app.log
    l7gw policy explain --user ann --granted oncall --cluster prod list secrets -A
    l7gw policy explain --user ann --cluster prod get /metrics
    l7gw policy explain --user ann --cluster prod kubectl drain node-1 --ignore-daemonsets
    l7gw policy explain --user ann --cluster prod --as jane get pods -n dev
    l7gw policy explain --user ann --cluster prod -f web.yaml update deployments.apps/web -n dev
    """
    if namespace is not None and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    if verb == "kubectl":
        typed = [word for word in (resource, *argv) if word]
        calls = _kubectl(typed, namespace, sent, all_namespaces=all_namespaces)
    elif resource:
        method, target = _request(verb, resource, None if all_namespaces else namespace or "default", subresource, argv, stdin, tty)
        calls = [Call(method, _act(method, target), _objects(sent)[0] if sent is not None else None)]
    else:
        raise click.UsageError("Missing argument 'RESOURCE[/NAME]'.")
    calls = _as(calls, as_user, as_groups)
    rules = _policy(config, file, cluster)
    principal = _with_granted(rules, _principal(user, groups, kind), cluster, granted)
    explained = _explained(rules, principal, cluster, calls, given)
    number = worst([explanation.verdict for explanation in explained])
    command = shlex.join(("kubectl", *typed)) if verb == "kubectl" else ""
    if output == "json":
        documents = [document(each, principal, cluster, call) for call, each in zip(calls, explained)]
        of_command = {"command": command, "calls": documents} if command else {}
        click.echo(json.dumps({**documents[number], **of_command}, indent=2))
    else:
        show_all(command, calls, explained, number)
        show_openings(rules, principal, cluster, calls[number], explained[number].verdict)
    verdict = explained[number].verdict
    sys.exit(3 if verdict.needs else 1 if verdict.decision == "deny" else 0)


def _explained(rules: Policy, principal: Principal, cluster: str, calls: list[Call], given: Path | None) -> list[Explanation]:
    """What the policy says to each call. `given` is a file with what a dry run of them gives. Raises UsageError."""
    try:
        result = result_of(given) if given is not None else None
    except NotRead as error:
        raise click.UsageError(str(error)) from None
    return [rules.explain(principal, cluster, call.act, look_at_sent(call, result)) for call in calls]


def _as(calls: list[Call], user: str, groups: tuple[str, ...]) -> list[Call]:
    """The calls, made as somebody else where `--as` names one. Raises UsageError."""
    if not user and not groups:
        return calls
    try:
        acts_as = identity(user, list(groups))
    except Refusal as refusal:
        raise click.UsageError(f"the gateway refuses this before it asks the policy: {refusal.message}") from None
    return [Call(call.method, acting(call.act, acts_as), call.object) for call in calls]


def _objects(sent: Path) -> list[Manifest]:
    try:
        return objects_of(sent)
    except NotRead as error:
        raise click.UsageError(str(error)) from None


def _kubectl(words: list[str], namespace: str | None, sent: Path | None, *, all_namespaces: bool) -> list[Call]:
    """The calls of a kubectl command. What stands before `kubectl` of -n and -A counts too. Raises UsageError."""
    before = [f"--namespace={namespace}"] if namespace is not None else ["--all-namespaces"] if all_namespaces else []
    try:
        return kubectl_calls([*before, *words], _objects(sent) if sent is not None else None, Path())
    except NotRead as error:
        raise click.UsageError(f"{error}\n  hint: {error.hint}" if error.hint else str(error)) from None


def _act(method: str, target: str) -> Act:
    try:
        return describe(method, target)
    except Refusal as refusal:
        raise click.UsageError(f"the gateway refuses {method} {target} before it asks the policy: {refusal.message}") from None


@policy.command(short_help="Policies to start from.")
@output_option
@click.argument("name", required=False)
def packs(name: str | None, output: str) -> None:
    """List the packs, or print the one called NAME: a policy with its tests, to be copied and changed.

    \b
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


def _policy(config: Path | None, file: Path | None, cluster: str) -> Policy:
    if file is not None:
        return Policy.load(file.absolute())
    settings = load(find(config))
    the_cluster(settings, cluster)
    return Policy.load(settings.policy, configured(settings.masking, settings.path).names(settings.hooks))


def _request(
    verb: str, resource: str, namespace: str | None, subresource: str | None, argv: tuple[str, ...], stdin: bool, tty: bool
) -> tuple[str, str]:
    """Method and target of the request that the client would make. Raises UsageError."""
    verb, of_verb = KUBECTL.get(verb, (verb, verb if verb in ("exec", "attach", "portforward", "proxy") else ""))
    if verb not in METHODS:
        near = nearest(verb, [*VERBS, *KUBECTL])
        hint = f"did you mean {near}?" if near else "such as get, list, delete, exec, logs, port-forward"
        raise click.UsageError(f"{verb!r} is no verb\n  hint: {hint}")
    if resource.startswith("/"):
        return METHODS[verb] if verb != "head" else "HEAD", resource
    subresource = subresource or of_verb
    plural, _, name = resource.partition("/")
    _check_command(verb, subresource, name, argv, stdin or tty)
    full = SPELLINGS.get(plural, plural)
    base, _, group = full.partition(".")
    segments = ["apis", group, "v1"] if group else ["api", "v1"]
    if namespace is not None and base not in CLUSTER_SCOPED:
        segments += ["namespaces", namespace]
    segments.append(base)
    query: list[tuple[str, str]] = []
    if name and verb in ("list", "watch"):
        query.append(("fieldSelector", f"metadata.name={name}"))
    elif name and (verb not in COLLECTIVE or subresource):
        segments.append(name)
    if subresource:
        segments.append(subresource)
    if verb == "watch":
        query.append(("watch", "true"))
    query += [("command", argument) for argument in argv]
    query += [(key, "true") for key, given in (("stdin", stdin), ("tty", tty)) if given]
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    return METHODS[verb], f"{path}?{urlencode(query)}" if query else path


def _check_command(verb: str, subresource: str, name: str, argv: tuple[str, ...], interactive: bool) -> None:
    if subresource and not name:
        raise click.UsageError(f"{verb} needs a name\n  hint: such as pods/web-0")
    if "/" in name:
        raise click.UsageError(f"{name!r} is no name\n  hint: --subresource {name.partition('/')[2]}")
    if verb == "exec" and not argv:
        raise click.UsageError("exec needs a command\n  hint: ... exec pods/web-0 -- ls -l")
    if argv and verb != "exec":
        hint = "an object is one word, such as pods/web-0; a command follows exec RESOURCE/NAME --"
        raise click.UsageError(f"{verb} takes no command, and here is one: {shlex.join(argv)}\n  hint: {hint}")
    if interactive and verb not in ("exec", "attach"):
        raise click.UsageError("-i and -t belong to exec and attach")
