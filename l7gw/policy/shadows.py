"""Rules that are never reached, because an earlier one decides every call that they match.

A shadow is only found where it is certain: by one earlier rule alone, and from the patterns as they are written.
"""

from __future__ import annotations

from heapq import merge
from operator import itemgetter

from l7gw.policy.every_call import every_call
from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import Rule


class Earlier:
    """The rules before one that is looked at, in their order.

    A rule hides another only where it names whoever that names. So a rule that names groups, users or clusters without stars is
    kept by each of these names, and only compared with a rule whose first name it has: 2,000 rules of different groups take 0.2 s
    and not 6, in which a gateway that reads its policy again answers nobody.
    """

    def __init__(self) -> None:
        self._any: list[tuple[int, Rule]] = []  # those that name nobody, or by stars; each with its place
        self._named: dict[tuple[str, str], list[tuple[int, Rule]]] = {}
        self._added = 0

    def add(self, rule: Rule) -> None:
        """Add the next rule. A guardrail that holds decides nothing alone, nor does a rule with a condition, which may be false."""
        self._added += 1
        if rule.when is not None or (rule.guardrail and rule.holding is not None):
            return
        place = (self._added, rule)
        for key, globs in _who(rule):
            if globs is not None and not any("*" in text for text in globs.texts):
                for text in dict.fromkeys(globs.texts):
                    self._named.setdefault((key, text), []).append(place)
                return
        self._any.append(place)

    def hiding(self, rule: Rule) -> Rule | None:
        """The first rule that decides every call that `rule` matches; None where there is none."""
        lists = [self._any]
        for key, globs in _who(rule):
            if globs is not None and globs.texts:
                lists.append(self._named.get((key, globs.texts[0]), []))
        return next((one for _, one in merge(*lists, key=itemgetter(0)) if hides(one, rule)), None)


def _who(rule: Rule) -> tuple[tuple[str, Globs | None], ...]:
    return ("groups", rule.groups), ("users", rule.users), ("clusters", rule.clusters)


def hides(first: Rule, rule: Rule) -> bool:
    """Whether a rule that decides decides every call that the other matches."""
    # An allow covers, a deny or a hold overlaps: what overlaps a pattern need not be covered by it.
    looser = first.allow and not rule.allow
    return (
        _kinds_within(first, rule)
        and _within(first.clusters, rule.clusters)
        and _within(first.users, rule.users)
        and _within(first.groups, rule.groups if not looser else None, everything=False)
        and _extent_within(first, first.namespaces, rule.namespaces, looser=looser)
        and _extent_within(first, first.names, rule.names, looser=looser)
        and (first.verbs is None or (not looser and _within(first.verbs, rule.verbs)))
        and _resources_within(first, rule)
        and _commands_within(first, rule, looser=looser)
        and _acting_within(first, rule)
        and _effects_within(first, rule, looser=looser)
    )


def _kinds_within(first: Rule, rule: Rule) -> bool:
    return first.kinds is None or (rule.kinds is not None and rule.kinds <= first.kinds)


def _within(outer: Globs | None, inner: Globs | None, *, everything: bool = True) -> bool:
    """Whether every text that `inner` matches is matched by `outer`. Without `everything` a `*` does not stand for what has no text
    at all, as a caller without groups."""
    if outer is None or (everything and outer.everything):
        return True
    if inner is None:
        return False
    # A glob that matches another glob as a text, stars included, matches whatever that one does.
    return all(map(outer.match, inner.texts))


def _extent_within(first: Rule, outer: Globs | None, inner: Globs | None, *, looser: bool) -> bool:
    """As `_within`, of namespaces or names. A call that names none overlaps each pattern, and is covered by `*` alone; a path that
    is no resource is not covered."""
    if outer is None:
        return True
    if inner is None:
        return outer.everything and not first.allow
    return outer.everything if looser or (inner.everything and first.allow) else _within(outer, inner)


def _resources_within(first: Rule, rule: Rule) -> bool:
    outer, inner = first.resources, rule.resources
    if outer is None:
        return True
    if inner is None:
        return outer.everything and not first.allow
    return outer.everything or all(text in outer.texts or _is_one_of(outer, text) for text in inner.texts)


def _is_one_of(outer: Resources, text: str) -> bool:
    base, _, subresource = text.partition("/")
    plural, _, group = base.partition(".")
    return "*" not in text and outer.match(plural, group, subresource)


def _commands_within(first: Rule, rule: Rule, *, looser: bool) -> bool:
    if first.commands is None:
        return True
    if rule.commands is None or looser or (first.allow and rule.interactive and not first.interactive):
        return False
    return {command.text for command in rule.commands} <= {command.text for command in first.commands}


def _acting_within(first: Rule, rule: Rule) -> bool:
    """Whether the first decides the calls that are made as somebody else too, or they are denied either way: a rule without `as`
    lets none of them pass."""
    if first.acts_as is None:
        return not first.allow or rule.acts_as is None
    return rule.acts_as is None and not first.guardrail and first.says != "deny"


def _effects_within(first: Rule, rule: Rule, *, looser: bool) -> bool:
    if not looser:
        # A call that is discovery alone is open before the rules are asked.
        in_rules = not (first.allow or rule.guardrail)
        return (rule.effects - {"discovery"} if in_rules else rule.effects) <= first.effects
    matched = [
        act
        for act in every_call()
        if not rule.effects.isdisjoint(act.effects)
        and (rule.resources is None or (act.is_resource and rule.resources.match(act.resource, act.group, act.subresource)))
    ]
    return bool(matched) and all(act.effects <= first.effects for act in matched)
