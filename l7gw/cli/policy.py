"""`l7gw policy check|explain`: is the policy in order, and what would it say to a call?"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from l7gw import name_rules
from l7gw.cli.options import config_option, output_option
from l7gw.config.document import nearest
from l7gw.config.load import find, load
from l7gw.config.settings import KINDS, Kind
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.masking.configured import configured
from l7gw.policy import masks
from l7gw.policy.doubts import doubts
from l7gw.policy.judge import Explanation, Policy
from l7gw.policy.rules import in_words, verb_of
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


@policy.command(short_help="Is the policy in order?")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@config_option
@output_option
def check(file: Path | None, config: Path | None, output: str) -> None:
    """Name every mistake in a policy, with its line. FILE is a policy; without it, that of the configuration, whose clusters
    are then known.

    \b
    Exit status: 0 in order, 2 not.

    \b
    l7gw policy check                  # the one in force
    l7gw policy check new-policy.yaml  # one that shall be
    """
    if file is not None and config is not None:
        raise click.UsageError("FILE and --config exclude each other")
    clusters: Collection[str] | None = None
    detectors: Collection[str] | None = None
    if file is not None:
        path = file.absolute()
    else:
        settings = load(find(config))
        path, clusters = settings.policy, settings.clusters
        detectors = configured(settings.masking, settings.path).names(settings.hooks)
    found = Policy.load(path, detectors)
    warnings = doubts((*found.guardrails, *found.rules), clusters)
    if output == "json":
        counts = {"guardrails": len(found.guardrails), "rules": len(found.rules)}
        click.echo(json.dumps({"file": str(path), **counts, "warnings": warnings}, indent=2))
        return
    click.echo(f"{path} is in order: guardrails {len(found.guardrails)}, rules {len(found.rules)}")
    for warning in warnings:
        click.echo(f"l7gw: {warning}", err=True)


@policy.command(short_help="Would this call pass, and by which rule?")
@config_option
@click.option("--policy", "file", metavar="FILE", type=click.Path(path_type=Path), help="A policy, in place of the one in force.")
@click.option("--user", metavar="U", required=True, help="As the identity gives it, with its prefix.")
@click.option("--group", "groups", metavar="G", multiple=True, help="May be repeated.")
@click.option("--kind", type=click.Choice(KINDS), default="human", show_default=True)
@click.option("--cluster", metavar="C", required=True, help="A cluster of the configuration.")
@click.option("-n", "--namespace", metavar="NS", help="Default: `default`, as for kubectl.")
@click.option("-A", "--all-namespaces", is_flag=True, help="No namespace: all of them, or an object of the cluster.")
@click.option("--subresource", metavar="S", help="Such as scale, status, log.")
@click.option("-i", "--stdin", is_flag=True, help="Of an exec or attach.")
@click.option("-t", "--tty", is_flag=True, help="Of an exec or attach.")
@output_option
@click.argument("verb")
@click.argument("resource", metavar="RESOURCE[/NAME]")
@click.argument("argv", metavar="[-- ARGV...]", nargs=-1)
def explain(
    config: Path | None, file: Path | None, user: str, groups: tuple[str, ...], kind: Kind, cluster: str, namespace: str | None,
    all_namespaces: bool, subresource: str | None, stdin: bool, tty: bool, output: str, verb: str, resource: str,
    argv: tuple[str, ...],
) -> None:  # fmt: skip
    """Ask the policy about one call: would it pass, by which rule, and why not by those before it? And what would be masked for the
    caller?

    VERB and RESOURCE are what kubectl users say: `get pods`, `delete pods/web-0`, `logs pods/web-0`, `exec`, `port-forward`,
    `scale deployments.apps/web`; a RESOURCE that begins with a slash is a path. A `delete` without a name deletes them all.

    \b
    Exit status: 0 allowed, 1 denied, 2 wrong usage or configuration.

    \b
    l7gw policy explain --user ann --group engineers --cluster prod delete pods -n prod
    l7gw policy explain --user ann --group engineers --cluster prod get deployments.apps/web -n dev
    l7gw policy explain --user bot --kind agent --cluster prod exec pods/web-0 -- cat /var/log/app.log
    l7gw policy explain --user bot --kind agent --cluster prod list secrets -A
    l7gw policy explain --user ann --cluster prod get /metrics
    """
    if namespace is not None and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    method, target = _request(verb, resource, None if all_namespaces else namespace or "default", subresource, argv, stdin, tty)
    rules = _policy(config, file, cluster)
    try:
        act = describe(method, target)
    except Refusal as refusal:
        raise click.UsageError(f"the gateway refuses {method} {target} before it asks the policy: {refusal.message}") from None
    principal = _principal(user, groups, kind)
    explanation = rules.explain(principal, cluster, act)
    if output == "json":
        click.echo(json.dumps(_document(explanation, principal, cluster, method, act), indent=2))
    else:
        _show(explanation, method, act)
    sys.exit(0 if explanation.verdict.allowed else 1)


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


def _policy(config: Path | None, file: Path | None, cluster: str) -> Policy:
    if file is not None:
        return Policy.load(file.absolute())
    settings = load(find(config))
    if cluster not in settings.clusters:
        near = nearest(cluster, list(settings.clusters))
        hint = f"did you mean {near}?" if near else "one of " + ", ".join(settings.clusters)
        raise click.UsageError(f"no cluster {cluster!r} is configured\n  hint: {hint}")
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


def _show(explanation: Explanation, method: str, act: Act) -> None:
    verdict = explanation.verdict
    click.echo(f"{'allowed' if verdict.allowed else 'denied'}: {verdict.reason}")
    click.echo(f"\n  {method} {act.target}\n  {in_words(act)}")
    click.echo(f"  effects: {', '.join(sorted(act.effects))}")
    click.echo(f"  {masks.in_words(verdict.obligations)}\n" if verdict.allowed else "")
    for one in explanation.considered:
        sort = "guardrail" if one.guardrail else "rule"
        outcome = f"no: {one.why}" if one.why else f"yes, and it says {one.verdict}"
        click.echo(f"  {sort:<9}  {one.name}  ({one.verdict})\n{'':13}{outcome}")


def _document(explanation: Explanation, principal: Principal, cluster: str, method: str, act: Act) -> dict[str, Any]:
    verdict = explanation.verdict
    return {
        "allowed": verdict.allowed,
        "verdict": verdict.decision,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "obligations": masks.document(verdict.obligations),
        "principal": {"user": principal.user, "groups": list(principal.groups), "kind": principal.kind},
        "cluster": cluster,
        "request": {
            "method": method,
            "target": act.target,
            "verb": verb_of(act),
            "group": act.group,
            "resource": act.resource,
            "subresource": act.subresource,
            "namespace": act.namespace,
            "name": act.name,
            "effects": sorted(act.effects),
            "argv": None if act.argv is None else list(act.argv),
        },
        "considered": [
            {
                "name": one.name,
                "guardrail": one.guardrail,
                "verdict": one.verdict,
                "matched": not one.why,
                "why": one.why or "it matches",
            }
            for one in explanation.considered
        ],
    }
