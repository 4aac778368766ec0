"""The rules that can decide a caller's calls of one kind: those about him, and about their verb, resource, effects and namespace.

A policy has many rules, and few of them are about one kind of call. They are looked for when a caller first makes such a call, and
remembered. Of the calls that follow, only name and command are compared. A call of a kind that was seen costs 7,500
instructions under 11 rules and under 100 alike, instead of 58,000 and 590,000 (callgrind).
"""

from __future__ import annotations

from collections.abc import Callable

from l7gw.generations import Generations
from l7gw.kube.act import Act, Effect
from l7gw.policy.rules import Key, NoKey, Rule
from l7gw.policy.verdict import Verdict

MOST_KINDS = 4096  # kinds of calls that are remembered of all callers, twice (`Generations`); with LONGEST_KIND, 8 MiB
LONGEST_KIND = 512  # characters of resource, group, subresource and namespace together; no API has longer ones
MOST_LISTS = 256  # different lists of one caller that are shared by the kinds that have them

# The keys that say the same of every call of one kind that is made as the caller himself. `Rule.mismatch` looks at them before it
# looks at the namespace, and at that before the others.
_OF_KIND: frozenset[Key] = frozenset(("effects", "as", "verbs", "resources", "path"))

Decided = tuple[tuple[Rule, Verdict], ...]
# A rule, its verdict, and what gives the key by which it does not match an act, "" where it matches; None: it matches every act
Candidate = tuple[Callable[[Act], Key | NoKey] | None, Rule, Verdict]
Places = tuple[int, ...]


class Candidates:
    """The rules that may match, in their order. Many kinds of calls share one."""

    __slots__ = ("guardrails", "rules")

    def __init__(self, guardrails: tuple[Candidate, ...], rules: tuple[Candidate, ...]) -> None:
        self.guardrails = guardrails
        self.rules = rules


class Caller:
    """One caller on one cluster: the guardrails and the rules that are about him there, each with its verdict."""

    __slots__ = ("_all", "_lists", "guardrails", "rules")

    def __init__(self, guardrails: Decided, rules: Decided) -> None:
        self.guardrails = guardrails
        self.rules = rules
        self._all = Candidates(_all(guardrails), _all(rules))
        self._lists: dict[tuple[bool, Places, Places], Candidates] = {}

    def candidates(self, act: Act, kinds: Kinds) -> Candidates:
        """The guardrails and rules that may match the act."""
        if act.acts_as is not None:  # as whom it is made decides in many places
            return self._all
        kind = (self, act.verb, act.effects, act.resource, act.group, act.subresource, act.is_resource, act.namespace)
        found = kinds.narrowed.get(kind)
        if found is not None:
            return found
        is_short = len(act.resource) + len(act.group) + len(act.subresource) + len(act.namespace) <= LONGEST_KIND
        anywhere = kind[:-1]  # in any namespace: a caller who walks through many does not have all rules compared for each
        places = kinds.places.get(anywhere)
        if places is None:
            places = _of_kind(self.guardrails, act), _of_kind(self.rules, act)
            if is_short:
                kinds.places.keep(anywhere, places)
        found = self._shared(act.is_resource, _there(self.guardrails, places[0], act), _there(self.rules, places[1], act))
        if is_short:
            kinds.narrowed.keep(kind, found)
        return found

    def _shared(self, is_resource: bool, guardrails: Places, rules: Places) -> Candidates:
        which = (is_resource, guardrails, rules)
        found = self._lists.get(which)
        if found is None:
            if len(self._lists) >= MOST_LISTS:
                self._lists.clear()
            of_guardrails, of_rules = [
                _candidates(of, places, is_resource=is_resource)
                for of, places in ((self.guardrails, guardrails), (self.rules, rules))
            ]
            found = self._lists[which] = Candidates(of_guardrails, of_rules)
        return found


class Kinds:
    """The kinds of calls that a policy remembers, of all callers: which rules may match in some namespace, and in one."""

    __slots__ = ("narrowed", "places")

    def __init__(self, most: int = MOST_KINDS) -> None:
        self.places: Generations[tuple[Caller, str, frozenset[Effect], str, str, str, bool], tuple[Places, Places]]
        self.narrowed: Generations[tuple[Caller, str, frozenset[Effect], str, str, str, bool, str], Candidates]
        self.places, self.narrowed = Generations(most), Generations(most)


def _all(decided: Decided) -> tuple[Candidate, ...]:
    return tuple((rule.mismatch, rule, verdict) for rule, verdict in decided)


def _of_kind(decided: Decided, act: Act) -> Places:
    """Which rules may match an act of this kind in some namespace."""
    return tuple(place for place, (rule, _) in enumerate(decided) if rule.mismatch(act) not in _OF_KIND)


def _there(decided: Decided, places: Places, act: Act) -> Places:
    """Which of these rules may match an act in this namespace."""
    return tuple(place for place in places if decided[place][0].mismatch(act) != "namespaces")


def _candidates(decided: Decided, places: Places, *, is_resource: bool) -> tuple[Candidate, ...]:
    found = [decided[place] for place in places]
    return tuple((rule.beyond if is_resource and rule.is_narrow else None, rule, verdict) for rule, verdict in found)
