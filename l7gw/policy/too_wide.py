"""Rules that are probably wider than meant: an allow that names nobody and nothing, and a guardrail that denies everything."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import ALLOWED_EFFECTS, DENIED_EFFECTS, Rule


def of_width(rule: Rule) -> Iterator[str]:
    """Doubts of how much a rule decides. An allow that says whom it is for, were it `kinds: ["*"]`, says that it is meant."""
    if rule.allow and rule.effects >= ALLOWED_EFFECTS and _names_nobody(rule) and _is_about_everything(rule):
        yield (
            "allows everything that is not decided before it, to everybody whom `identity` lets in: it has neither `users`, "
            '`groups` nor `kinds`, and nothing that says what is allowed; where that is meant, `kinds: ["*"]` says so'
        )
    denies = rule.guardrail and rule.says == "deny" and rule.effects >= DENIED_EFFECTS
    if denies and _is_for_everybody(rule) and _is_about_everything(rule):
        yield "denies everything but discovery to everybody: no rule counts beside it"


def _names_nobody(rule: Rule) -> bool:
    return rule.users is None and rule.groups is None and rule.kinds is None


def _is_for_everybody(rule: Rule) -> bool:
    return rule.groups is None and rule.kinds is None and _is_open(rule.users)


def _is_about_everything(rule: Rule) -> bool:
    """Whether nothing says on which clusters, in which namespaces, to what, by what or under which condition."""
    narrows = (rule.acts_as, rule.commands, rule.when, rule.budget, rule.bind)
    patterns = (rule.clusters, rule.namespaces, rule.names, rule.verbs, rule.resources)
    return all(one is None for one in narrows) and all(map(_is_open, patterns))


def _is_open(patterns: Globs | Resources | None) -> bool:
    return patterns is None or patterns.everything
