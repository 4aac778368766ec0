"""What `policy explain` found, as text and as JSON."""

from __future__ import annotations

from typing import Any

import click

from l7gw.identity.principal import Principal
from l7gw.policy import binds, budgets, handling, holds, masks
from l7gw.policy.cases import look_at_sent
from l7gw.policy.explanation import Explanation
from l7gw.policy.judge import Policy
from l7gw.policy.kubectl.calls import Call
from l7gw.policy.looked import is_dry_run
from l7gw.policy.openings import openings
from l7gw.policy.rules import in_words, verb_of
from l7gw.policy.verdict import Decision, Needed, Verdict

_SAID: dict[Decision, str] = {"allow": "allowed", "hold": "held", "deny": "denied"}
_GIVEN: dict[Needed, str] = {"object": "; -f FILE gives it", "result": "; --result FILE gives what a dry run of the call gives"}


def show_all(command: str, calls: list[Call], explained: list[Explanation], number: int) -> None:
    """All calls of a command, of which the one of this number is the worst: in a line each, then each with its rules."""
    if command:
        worst = f", as its worst of {len(calls)} calls is: {in_words(calls[number].act)}" if len(calls) > 1 else ""
        click.echo(f"{command}: {_said(explained[number].verdict)}{worst}\n")
    if len(calls) > 1:
        for call, each in zip(calls, explained):
            spare = "  (kubectl goes on without it)" if call.spare else ""
            click.echo(f"  {_said(each.verdict):<9}  {in_words(call.act)}{spare}")
        click.echo()
    for call, each in zip(calls, explained):
        _show(each, call)


def show_openings(rules: Policy, principal: Principal, cluster: str, call: Call, verdict: Verdict) -> None:
    """What the caller could ask for, where the call is denied."""
    for command in openings(rules, principal, cluster, call.act, look_at_sent(call)) if verdict.decision == "deny" else ():
        click.echo(f"\n  with a grant it would pass: {command}")


def _show(explanation: Explanation, call: Call) -> None:
    verdict, act = explanation.verdict, call.act
    click.echo(f"{_said(verdict)}: {verdict.reason}{_GIVEN[verdict.needs] if verdict.needs is not None else ''}")
    click.echo(f"\n  {call.method} {act.target}\n  {in_words(act)}")
    click.echo(f"  effects: {', '.join(sorted(act.effects))}")
    for line in holds.in_words(verdict.hold) if verdict.hold is not None else ():
        click.echo(f"  {line}")
    for line in budgets.in_words(verdict.budget) if verdict.budget is not None else ():
        click.echo(f"  {line}")
    if verdict.bind is not None:
        click.echo(f"  {binds.in_words(verdict.bind)}")
    for line in handling.in_words(verdict.handling):
        click.echo(f"  {line}")
    if verdict.hold is not None and is_dry_run(act, call.object):
        click.echo("  it is a dry run, which changes nothing and passes without a hold")
    click.echo(f"  {masks.in_words(verdict.obligations)}\n" if verdict.decision != "deny" else "")
    for one in explanation.considered:
        sort = "guardrail" if one.guardrail else "rule"
        outcome = f"no: {one.why}" if one.why else f"yes, and it says {one.verdict}"
        click.echo(f"  {sort:<9}  {one.name}  ({one.verdict})\n{'':13}{outcome}")
        for line in (*((one.note,) if one.note else ()), *(f"when saw {name} = {value}" for name, value in one.saw)):
            click.echo(f"{'':13}{line}")


def _said(verdict: Verdict) -> str:
    return "not known" if verdict.needs else _SAID[verdict.decision]


def document(explanation: Explanation, principal: Principal, cluster: str, call: Call) -> dict[str, Any]:
    verdict, act = explanation.verdict, call.act
    return {
        "allowed": verdict.allowed,
        "verdict": "unknown" if verdict.needs else verdict.decision,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "hold": None if verdict.hold is None else holds.document(verdict.hold),
        "budget": None if verdict.budget is None else budgets.document(verdict.budget),
        "needs": verdict.needs,
        "obligations": {**masks.document(verdict.obligations), **handling.document(verdict.handling)},
        "principal": {"user": principal.user, "groups": list(principal.groups), "kind": principal.kind},
        "cluster": cluster,
        "request": {
            "method": call.method,
            "target": act.target,
            "verb": verb_of(act),
            "group": act.group,
            "resource": act.resource,
            "subresource": act.subresource,
            "namespace": act.namespace,
            "name": act.name,
            "effects": sorted(act.effects),
            "argv": None if act.argv is None else list(act.argv),
            "dry_run": is_dry_run(act, call.object),
            "spare": call.spare,
            "as": None if act.acts_as is None else {"user": act.acts_as.user, "groups": list(act.acts_as.groups)},
        },
        "considered": [
            {
                "name": one.name,
                "guardrail": one.guardrail,
                "verdict": one.verdict,
                "matched": not one.why,
                "why": one.why or one.note or "it matches",
                "saw": dict(one.saw),
            }
            for one in explanation.considered
        ],
    }
