"""What a policy says that is hardly meant, and yet may be: a cluster that is not configured here, a resource or subresource that
Kubernetes does not have. A guardrail about it guards nothing; but one file may serve several gateways, and a resource may be a
custom or an aggregated one. What is known to be a mistake is an error of `load`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from l7gw.config.document import nearest
from l7gw.kube.builtin import BUILT_IN, GROUPS, SUBRESOURCES, plurals_of
from l7gw.policy.patterns import glob
from l7gw.policy.rules import Rule


def doubts(rules: Iterable[Rule], clusters: Collection[str] | None) -> list[str]:
    """Each doubt in words, in the order of the rules. `clusters` are those of the configuration, None where it is not known."""
    found = []
    for rule in rules:
        what = f"{'guardrail' if rule.guardrail else 'rule'} {rule.name!r}"
        if rule.clusters is not None and clusters is not None:
            found += [f"{what} {doubt}" for doubt in _clusters(rule.clusters.texts, clusters)]
        if rule.resources is not None:
            found += [f"{what} {doubt}" for doubt in _resources(rule.resources.texts)]
    return found


def _clusters(texts: tuple[str, ...], known: Collection[str]) -> Iterator[str]:
    strange = [text for text in texts if not any(map(glob(text), known))]
    if strange:
        yield f"is about clusters that are not configured: {', '.join(strange)}{_meant(strange[0], known)}"


def _resources(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        base, slash, sub = text.partition("/")
        plural, _, group = base.partition(".")
        if group not in GROUPS and "*" not in group:
            continue  # of others' resources nothing is known
        if "*" not in base and (group, plural) not in BUILT_IN:
            near = nearest(plural, plurals_of(group))
            hint = f"; did you mean {near}.{group}?" if near else ""
            yield f"is about a resource that Kubernetes' own group {group} does not have: {base}{hint}"
        elif slash and not any(map(glob(sub), SUBRESOURCES)):
            yield f"is about a subresource that Kubernetes itself does not have: {text}{_meant(sub, SUBRESOURCES)}"


def _meant(word: str, known: Collection[str]) -> str:
    near = nearest(word, sorted(known))
    return f"; did you mean {near}?" if near else ""
