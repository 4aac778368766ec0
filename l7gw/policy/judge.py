"""The judge, in this order: a guardrail that matches denies, and nothing overrides it; discovery is allowed; the first rule that
matches decides; everything else is denied."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from l7gw.config.settings import Kind
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect
from l7gw.policy.load import load
from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import Key, Rule, verb_of
from l7gw.policy.verdict import Decision, Verdict

DISCOVERY = "built-in: discovery"
MOST_KEPT = 4096  # callers whose rules are remembered; one more, and all are forgotten and looked up anew
MOST_LISTED = 6  # patterns of a key that a sentence lists

_OPEN: frozenset[Effect] = frozenset(("discovery",))
_DISCOVERED = Verdict(
    allowed=True, rule=DISCOVERY, reason="discovery, version, health and self reviews are open to everybody who is known"
)
_UNMATCHED = Verdict(allowed=False, rule="", reason="no rule allows it")

_Decided = tuple[tuple[Rule, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule that was compared with the call. `why` says why it did not match, "" for the rule that decided."""

    name: str
    verdict: Decision
    guardrail: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and every rule that was compared with the call before it, in order."""

    verdict: Verdict
    considered: tuple[Considered, ...]


class Policy:
    """An immutable snapshot of a policy file.

    A verdict depends only on this object and on the arguments of `judge`. Of the principal `user`, `groups`, `unfit` and `kind`
    count; of the act everything but `path`, `query`, `version`, `container`, `port` and `long_running`. A cache of verdicts must
    use these as its key, and must be emptied when another object becomes the policy in force.
    """

    __slots__ = ("_going_up", "_of_caller", "guardrails", "rules")

    def __init__(self, guardrails: tuple[Rule, ...], rules: tuple[Rule, ...]) -> None:
        self.guardrails = guardrails
        self.rules = rules
        self._of_caller: dict[tuple[str, tuple[str, ...], tuple[str, ...], str, str], tuple[_Decided, _Decided]] = {}
        self._going_up: dict[tuple[str, tuple[str, ...]], Globs] = {}

    @classmethod
    def load(cls, path: Path, detectors: Collection[str] | None = None) -> Policy:
        """The policy in a file. `detectors` are the names that `mask` and `reveal` may have beside those of structure; None where
        they are not known. Raises ConfigurationError with every mistake in it."""
        return cls(*load(path, detectors))

    def judge(self, principal: Principal, cluster: str, act: Act) -> Verdict:
        """Whether the principal may do this on the cluster, by which rule, and why."""
        guardrails, rules = self._about(principal, cluster)
        for rule, verdict in guardrails:
            if not rule.mismatch(act):
                return verdict
        if act.effects == _OPEN:  # without discovery kubectl cannot even show a refusal
            return _DISCOVERED
        for rule, verdict in rules:
            if not rule.mismatch(act):
                return verdict
        return _UNMATCHED

    def _about(self, principal: Principal, cluster: str) -> tuple[_Decided, _Decided]:
        """The guardrails and the rules that are about this caller on this cluster. They are remembered for each caller."""
        key = (principal.user, principal.groups, principal.unfit, principal.kind, cluster)
        found = self._of_caller.get(key)
        if found is None:
            if len(self._of_caller) >= MOST_KEPT:
                self._of_caller.clear()
            found = self._of_caller[key] = (
                tuple((rule, _verdict(rule)) for rule in self.guardrails if not rule.stranger(principal, cluster)),
                tuple((rule, _verdict(rule)) for rule in self.rules if not rule.stranger(principal, cluster)),
            )
        return found

    def groups_going_up(self, cluster: str, also: tuple[str, ...]) -> Globs:
        """Which of a caller's groups the cluster is told: those that rules about the cluster name, and `also`, the globs of its
        configuration. A `*` alone in a rule names no group. Guardrails do not count, as they only deny."""
        found = self._going_up.get((cluster, also))
        if found is None:
            named = {text for rule in self.rules if rule.is_about(cluster) for text in rule.group_names}
            found = self._going_up[cluster, also] = Globs(sorted(named | set(also)))
        return found

    def explain(self, principal: Principal, cluster: str, act: Act) -> Explanation:
        """As `judge`, with every rule that was compared with the call and why it did not match."""
        considered: list[Considered] = []

        def decides(rule: Rule) -> bool:
            key = rule.stranger(principal, cluster) or rule.mismatch(act)
            why = _why(rule, key, principal, cluster, act) if key else ""
            considered.append(Considered(rule.name, "allow" if rule.allow else "deny", guardrail=rule.guardrail, why=why))
            return not key

        def decided(verdict: Verdict) -> Explanation:
            return Explanation(verdict, tuple(considered))

        for rule in self.guardrails:
            if decides(rule):
                return decided(_verdict(rule))
        is_open = act.effects == _OPEN
        considered.append(Considered(DISCOVERY, "allow", guardrail=False, why="" if is_open else "the call is more than discovery"))
        if is_open:
            return decided(_DISCOVERED)
        for rule in self.rules:
            if decides(rule):
                return decided(_verdict(rule))
        return decided(_UNMATCHED)


def _verdict(rule: Rule) -> Verdict:
    if rule.allow:
        reason = rule.reason or f"allowed by rule {rule.name!r}"
        return Verdict(allowed=True, rule=rule.name, reason=reason, obligations=rule.obligations)
    what = "guardrail" if rule.guardrail else "rule"
    why = f": {rule.reason}" if rule.reason else ""
    return Verdict(allowed=False, rule=rule.name, reason=f"denied by {what} {rule.name!r}{why}")


def _why(rule: Rule, key: Key, principal: Principal, cluster: str, act: Act) -> str:
    """Why a rule does not match, as a sentence. `key` is what `Rule.stranger` or `Rule.mismatch` gave."""
    match key:
        case "users":
            return _not_within(key, f"user {principal.user}", rule.users)
        case "groups":
            assert rule.groups is not None  # without the key the rule would match
            if principal.groups:
                return f"groups: none of the groups {_listed(principal.groups)} is within {_listed(rule.groups.texts)}"
            return _not_within(key, "a caller without groups", rule.groups)
        case "kinds":
            return _not_within(key, f"kind {principal.kind}", rule.kinds)
        case "clusters":
            return _not_within(key, f"cluster {cluster}", rule.clusters)
        case "effects":
            missing = act.effects - rule.effects
            return f"effects: {_listed(missing)} is not among those allowed" if rule.allow else "effects: the call has none of them"
        case "verbs":
            return _not_within(key, f"verb {verb_of(act)}", rule.verbs)
        case "resources":
            return _not_within(key, act.kind, rule.resources)
        case "namespaces":
            asked = f"namespace {act.namespace}" if act.namespace else "a call that names no namespace"
            return _not_within(key, asked, rule.namespaces)
        case "names":
            asked = f"the name {act.name}" if act.name else "a call that names no object"
            return _not_within(key, asked, rule.names)
        case "commands":
            return f"commands: {_why_commands(rule, act)}"
        case "interactive":
            has = "a terminal" if act.tty else "stdin"
            return f"interactive: the call has {has}, and the rule does not say `interactive: true`"
        case "path":
            return "it is about objects, and this path is none"
        case _:
            assert_never(key)


def _not_within(key: Key, asked: str, patterns: Globs | Resources | frozenset[Kind] | None) -> str:
    assert patterns is not None  # without the key the rule would match
    return f"{key}: {asked} is not within {_listed(patterns if isinstance(patterns, frozenset) else patterns.texts)}"


def _why_commands(rule: Rule, act: Act) -> str:
    if act.argv is None:
        return "the call's command is not known" if "execute" in act.effects else "the call runs no command"
    return f"the argv is none of {_listed([command.text for command in rule.commands or ()])}"


def _listed(values: frozenset[str] | tuple[str, ...] | list[str]) -> str:
    texts = sorted(values) if isinstance(values, frozenset) else list(values)
    more = f" and {len(texts) - MOST_LISTED} more" if len(texts) > MOST_LISTED else ""
    return ", ".join(texts[:MOST_LISTED]) + more
