"""Rules that are probably mistakes: they name a cluster that is not configured, a resource or subresource that Kubernetes does not
have, or keys that no single call matches.

A guardrail with such a mistake guards nothing. It is a doubt and no error, because one policy may serve several gateways with
other clusters, and a resource may be a custom or an aggregated one. What is certainly a mistake is an error of `load`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from l7gw.config.document import nearest
from l7gw.kube.act import Act
from l7gw.kube.builtin import BUILT_IN, GROUPS, SUBRESOURCES, plurals_of
from l7gw.kube.effects import path_effects, resource_effects
from l7gw.policy.commands import Command
from l7gw.policy.patterns import glob
from l7gw.policy.rules import Rule
from l7gw.policy.vocabulary import CONNECTS, METHODS, VERBS


def doubts(rules: Iterable[Rule], clusters: Collection[str] | None) -> list[str]:
    """Each doubt as a sentence, in the order of the rules. `clusters` are the configured ones, None where they are not known."""
    found: list[str] = []
    for rule in rules:
        what = f"{'guardrail' if rule.guardrail else 'rule'} {rule.name!r}"
        if rule.clusters is not None and clusters is not None:
            found += [f"{what} {doubt}" for doubt in _clusters(rule.clusters.texts, clusters)]
        if not rule.allow:
            found += [f"{what} {doubt}" for doubt in _short_commands(rule.commands or ())]
        strange = list(_resources(rule.resources.texts)) if rule.resources is not None else []
        if not strange and not _can_match(rule):
            strange = ["matches no call: none has its `verbs`, `resources` and `effects` together"]
        found += [f"{what} {doubt}" for doubt in strange]
    return found


def _can_match(rule: Rule) -> bool:
    """Whether the rule matches one of `_calls()`, whoever makes the call, in whichever namespace."""
    resources = rule.resources
    if resources is not None and any(_is_others(text) for text in resources.texts):
        return True  # a group that is not Kubernetes' own may have any resource
    anywhere = replace(rule, namespaces=None, names=None, commands=None)
    return any(
        not anywhere.mismatch(act)
        for act in _calls()
        if resources is None or (act.is_resource and resources.match(act.resource, act.group, act.subresource))
    )


@lru_cache(maxsize=1)
def _calls() -> tuple[Act, ...]:
    """One call of each sort: each verb on each resource and subresource of Kubernetes and on a custom resource, and some paths."""
    kinds = [(group, plural, sub) for (group, plural), subs in BUILT_IN.items() for sub in ("", *subs)]
    kinds += [("example.com", "widgets", sub) for sub in ("", "status", "scale", "more")]
    found = [
        Act(
            verb,
            path="",
            query="",
            effects=resource_effects(verb, group, resource, subresource),
            is_resource=True,
            group=group,
            resource=resource,
            subresource=subresource,
        )
        for group, resource, subresource in kinds
        for verb in VERBS
        if verb not in CONNECTS and verb not in METHODS
    ]
    paths = [(verb, path) for verb in ("get", "patch", "delete", *METHODS) for path in ("/version", "/metrics")]
    return (*found, *(Act(verb, path=path, query="", effects=path_effects(verb, path)) for verb, path in paths))


def _is_others(text: str) -> bool:
    """Whether a pattern of resources is about a group that is not Kubernetes' own."""
    group = text.partition("/")[0].partition(".")[2]
    return group not in GROUPS and "*" not in group


def _clusters(texts: tuple[str, ...], known: Collection[str]) -> Iterator[str]:
    strange = [text for text in texts if not any(map(glob(text), known))]
    if strange:
        yield f"is about clusters that are not configured: {', '.join(strange)}{_meant(strange[0], known)}"


def _short_commands(commands: tuple[Command, ...]) -> Iterator[str]:
    """Denied commands that do not end with `**`: `cat /etc/shadow /dev/null` evades a deny of `cat /etc/*`."""
    short = [f"`{command.text}`" for command in commands if not command.further]
    if short:
        yield f"denies {', '.join(short)} without further arguments alone: with `**` behind it, any may follow"


def _resources(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        if _is_others(text):
            continue
        base, slash, sub = text.partition("/")
        plural, _, group = base.partition(".")
        if "*" not in base and (group, plural) not in BUILT_IN:
            near = nearest(plural, plurals_of(group))
            hint = f"; did you mean {near}.{group}?" if near else ""
            yield f"is about a resource that Kubernetes' own group {group} does not have: {base}{hint}"
        elif slash and not any(map(glob(sub), SUBRESOURCES)):
            yield f"is about a subresource that Kubernetes itself does not have: {text}{_meant(sub, SUBRESOURCES)}"


def _meant(word: str, known: Collection[str]) -> str:
    near = nearest(word, sorted(known))
    return f"; did you mean {near}?" if near else ""
