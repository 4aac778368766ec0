"""What the policy says to `kubectl auth can-i`: a question about calls that nobody has made yet.

A question may be about many calls: each name, each verb (`*`). The policy allows it only where it covers it whole. What is not
known of the call (the command of an exec, what is sent) may decide: then it is allowed, and the reason says what it depends on. A
hold counts as allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal

import msgspec

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect, acting
from l7gw.kube.acting_as import ACCOUNT, ActsAs
from l7gw.kube.builtin import CLUSTER_SCOPED
from l7gw.kube.effects import path_effects, resource_effects
from l7gw.kube.self_reviews import Question
from l7gw.policy.conditions import Context
from l7gw.policy.every_call import every_call
from l7gw.policy.patterns import Globs
from l7gw.policy.rules import Rule, verb_of
from l7gw.policy.verdict import Verdict
from l7gw.policy.vocabulary import CONNECTS

CALLED: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")  # verbs that a call can have
EVERYWHERE: Final = ("list", "watch", "deletecollection")  # verbs of calls that may be about all namespaces
NAMELESS: Final = (*EVERYWHERE, "create")  # verbs of calls that name no object, unless they name a subresource
OPEN: Final[frozenset[Effect]] = frozenset(("discovery", "impersonate"))
ON_PATHS: Final = ("get", "post")  # stand for all methods: the first reads, all others write
# Fields of `request` that a question does not say
UNSAID: Final = frozenset(("argv", "container", "stdin", "tty", "ports", "dry_run", "path"))
DEPENDS: Final = {"object": "depends on the object", "command": "depends on the command", "call": "depends on the call"}

Fit = Literal["no", "yes", "object", "command", "call"]  # the last three: it depends
Decided = Sequence[tuple[Rule, Verdict]]  # rules that are about a caller, each with its verdict


class Can(msgspec.Struct, frozen=True):
    """`reason` is "" where there is nothing to say beside a plain yes."""

    allowed: bool
    reason: str
    rule: str = ""


def asked_act(question: Question, acts_as: ActsAs | None) -> Act | None:
    """The act that a question is about; None where no call has its verb. `acts_as` is as whom the question is asked."""
    if question.path is not None:
        verbs = ON_PATHS if question.verb == "*" else (question.verb,)
        path = question.path if question.path.startswith("/") else f"/{question.path}"
        return acting(Act(question.verb, path=path, query="", effects=_union(path_effects(verb, path) for verb in verbs)), acts_as)
    if question.verb != "*" and question.verb not in CALLED:
        return None
    cluster_wide = question.resource in CLUSTER_SCOPED
    space = (
        question.name if (question.group, question.resource) == ("", "namespaces") else "" if cluster_wide else question.namespace
    )
    act = Act(
        question.verb,
        path="",
        query="",
        effects=_effects(question),
        is_resource=True,
        group=question.group,
        version=question.version,
        resource=question.resource,
        subresource=question.subresource,
        namespace=space,
        name=question.name,
    )
    return acting(act, acts_as)


def _effects(question: Question) -> frozenset[Effect]:
    asked = (question.group, question.resource, question.subresource)
    verbs = CALLED if question.verb == "*" else (question.verb,)
    if "*" not in asked:
        return _union(resource_effects(verb, *asked) for verb in verbs)
    group, resource, subresource = asked
    found = _union(
        act.effects
        for act in every_call()
        if act.verb in verbs
        and group in ("*", act.group)
        and resource in ("*", act.resource)
        and (resource == "*" or subresource in ("*", act.subresource))
    )
    return found - {"discovery"} | {"other"}  # of what a cluster adds


def _union(several: Iterable[frozenset[Effect]]) -> frozenset[Effect]:
    return frozenset().union(*several)


def _impersonating(question: Question) -> ActsAs | None:
    """Whom a question with the verb impersonate is about; None where the gateway lets nobody act so. A question about a group has
    no user."""
    name = question.name or "*"
    if question.group or question.subresource or question.path is not None:
        return None
    match question.resource:
        case "users":
            return None if name.startswith("system:") else ActsAs(name)
        case "groups":
            return None if name.startswith("system:") else ActsAs("", (name,))
        case "serviceaccounts":
            return ActsAs(f"{ACCOUNT}{question.namespace}:{name}") if question.namespace and question.name else None
        case _:
            return None


def _may_act_as(guardrails: Decided, rules: Decided, asked: ActsAs | None) -> Can:
    """Whether a rule lets somebody act as this identity, whatever else it says of the calls."""
    for rule, verdict in guardrails:
        if asked is not None and _denies_acting(rule, asked):
            return Can(allowed=False, reason=verdict.reason, rule=rule.name)
    for rule, verdict in rules:
        if asked is None:
            break
        if _denies_acting(rule, asked):
            return Can(allowed=False, reason=verdict.reason, rule=rule.name)
        of = rule.acts_as
        if of is not None and rule.says != "deny" and (of.covers(asked) if asked.user else all(map(of.groups.match, asked.groups))):
            return Can(allowed=True, reason=_reason([rule.name], "") if rule.says == "hold" else "", rule=rule.name)
    return Can(allowed=False, reason="no rule allows it")


def _denies_acting(rule: Rule, asked: ActsAs) -> bool:
    """Whether the rule denies whatever is done as this identity."""
    narrow = (rule.verbs, rule.resources, rule.namespaces, rule.names, rule.commands, rule.when)
    if rule.says != "deny" or "impersonate" not in rule.effects or any(key is not None for key in narrow):
        return False
    return rule.acts_as is None or rule.acts_as.overlaps(asked)


def answer(guardrails: Decided, rules: Decided, principal: Principal, question: Question, acts_as: ActsAs | None) -> Can | None:
    """What a caller's guardrails and rules say to a question, which may be asked as somebody else. None where it is about no call:
    RBAC asks for verbs such as bind or use within other calls."""
    if question.verb == "impersonate":
        return _may_act_as(guardrails, rules, _impersonating(question))
    act = asked_act(question, acts_as)
    return None if act is None else _can(guardrails, rules, act, Context(principal, act, verb_of(act), None))


def _can(guardrails: Decided, rules: Decided, act: Act, context: Context) -> Can:
    held: list[str] = []
    depends = ""
    for rule, verdict in guardrails:
        fit = _fit(rule, act, context)
        if fit == "yes" and rule.says == "deny":
            return Can(allowed=False, reason=verdict.reason, rule=rule.name)
        if fit == "yes":
            held.append(rule.name)
        elif fit != "no":
            depends = depends or DEPENDS[fit]
    if act.effects <= OPEN and (act.acts_as is None or any(rule.lets_act_as(act.acts_as) for rule, _ in rules)):
        return Can(allowed=True, reason=_reason(held, depends))
    maybe = ""  # the first rule that lets the call pass, or not
    for rule, verdict in rules:
        fit = _fit(rule, act, context)
        if fit == "no":
            continue
        passes = rule.says != "deny" and (act.acts_as is None or rule.lets_act_as(act.acts_as))
        if passes and rule.says == "hold" and not _holds_all(rule, act):
            held.append(rule.name)  # of the calls that are asked about, it is about some
            continue
        if fit != "yes":
            depends = depends or DEPENDS[fit]
            maybe = maybe or (rule.name if passes else "")
            continue
        if passes:
            return Can(allowed=True, reason=_reason([*held, rule.name] if rule.says == "hold" else held, depends), rule=rule.name)
        if maybe:
            break
        return Can(allowed=False, reason=verdict.reason, rule=rule.name)
    return Can(allowed=True, reason=_reason(held, depends), rule=maybe) if maybe else Can(allowed=False, reason="no rule allows it")


def _reason(held: list[str], depends: str) -> str:
    by = f"held for approval by rule {', '.join(map(repr, held))}" if held else ""
    return "; ".join(filter(None, (by, depends)))


def _is_wild(act: Act) -> bool:
    """Whether the question is about calls that one rule may hold and another allow."""
    return "*" in (act.verb, act.group, act.resource, act.subresource)


def _holds_all(rule: Rule, act: Act) -> bool:
    """Whether a hold that reaches some of the calls that are asked about reaches all of them."""
    if _is_wild(act):
        return not replace(rule, allow=True).mismatch(act)
    any_name = not act.name and (act.subresource != "" or act.verb not in NAMELESS)
    any_space = not act.namespace and act.resource not in CLUSTER_SCOPED and act.verb not in EVERYWHERE
    return not (any_name and _narrows(rule.names)) and not (any_space and _narrows(rule.namespaces))


def _narrows(patterns: Globs | None) -> bool:
    return patterns is not None and not patterns.everything


def _unsaid(act: Act) -> frozenset[str]:
    """The fields of `request` that the question leaves open."""
    texts = {"group": act.group, "resource": act.resource, "subresource": act.subresource, "verb": act.verb}
    found = {name for name, text in texts.items() if text == "*"}
    found |= {name for name, text in (("name", act.name), ("namespace", act.namespace)) if not text}
    return UNSAID | found | ({"effects"} if "*" in texts.values() else set())


def _fit(rule: Rule, act: Act, context: Context) -> Fit:
    """Whether the rule matches the calls that the question is about: all of them for an allow, any for a deny or a hold."""
    command = rule.commands is not None and act.subresource == "exec" and act.resource == "pods" and not act.group
    if (replace(rule, commands=None) if command else rule).mismatch(act):
        return "no"
    if rule.allow and act.resource == "*" and rule.resources is not None and not rule.resources.everything:
        return "no"  # `*.apps` has no subresources, which `*` asks for too
    if (
        rule.allow
        and rule.verbs is not None
        and "*" in (act.resource, act.subresource)
        and not all(map(rule.verbs.match, CONNECTS))
    ):
        return "no"  # to policy exec is a verb of its own
    if rule.when is not None:
        if rule.when.reads:
            return "object"
        unsaid = _unsaid(act)
        if any(named.root == "request" and not unsaid.isdisjoint(named.path[:1]) for named in rule.when.named):
            return "call"
        outcome, _ = context.judge(rule.when)
        if outcome == "no" or (outcome == "error" and rule.allow):
            return "no"
    return "command" if command else "yes"
