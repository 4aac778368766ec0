"""The judge, in this order: a guardrail that matches denies, and nothing overrides it; discovery is allowed; the first rule that
matches decides; everything else is denied. A guardrail that holds turns an allow into a hold: deny beats hold beats allow."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from l7gw import hold_terms
from l7gw.config.settings import Kind
from l7gw.errors import ConfigurationError
from l7gw.hold_terms import HoldTerms
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.self_reviews import Question
from l7gw.obligations import Obligations
from l7gw.policy.binds import Bind, together
from l7gw.policy.budgets import swept
from l7gw.policy.can_i import Can, answer
from l7gw.policy.cases import run
from l7gw.policy.conditions import Context, Outcome
from l7gw.policy.explanation import Considered, Explanation
from l7gw.policy.grants import GrantEntry
from l7gw.policy.handling import until_decided
from l7gw.policy.load import load
from l7gw.policy.looked import Looked
from l7gw.policy.narrowing import Caller, Decided, Kinds
from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import Key, Rule, verb_of
from l7gw.policy.verdict import Needed, Verdict
from l7gw.quantities import many

DISCOVERY = "built-in: discovery"
UNMATCHED = "no rule allows it"  # the reason of a denial by no rule; what the gateway says of such a denial begins with it
MOST_KEPT = 4096  # callers whose rules are remembered; one more, and all are forgotten and looked up anew
MOST_LISTED = 6  # patterns of a key that a sentence lists

_OPEN: frozenset[Effect] = frozenset(("discovery",))
_OPEN_AS: frozenset[Effect] = frozenset(("discovery", "impersonate"))
_DISCOVERED = Verdict(
    allowed=True, rule=DISCOVERY, reason="discovery, version, health and self reviews are open to everybody who is known"
)
_UNMATCHED = Verdict(allowed=False, rule="", reason=UNMATCHED)


class Policy:
    """An immutable snapshot of a policy file.

    A verdict depends only on this object and on the arguments of `judge`. Of the principal `user`, `groups`, `unfit` and `kind`
    count; of the act everything but `path`, `query`, `version`, `container`, `port` and `long_running`. A cache of verdicts must
    use these as its key, and must be emptied when another object becomes the policy in force.
    """

    __slots__ = ("_going_up", "_kinds", "_of_caller", "grants", "guardrails", "rules", "tests")

    def __init__(
        self, guardrails: tuple[Rule, ...], rules: tuple[Rule, ...], tests: int = 0, grants: tuple[GrantEntry, ...] = ()
    ) -> None:
        """`tests` is the number of tests that the file has and has passed. `grants` are the groups that may be asked for."""
        self.tests = tests
        self.grants = grants
        self.guardrails = guardrails
        self.rules = rules
        self._of_caller: dict[tuple[str, tuple[str, ...], tuple[str, ...], str, str], Caller] = {}
        self._kinds = Kinds()
        self._going_up: dict[tuple[str, tuple[str, ...]], Globs] = {}

    @classmethod
    def load(cls, path: Path, detectors: Collection[str] | None = None) -> Policy:
        """The policy in a file. `detectors` are the names that `mask` and `reveal` may have beside those of structure; None where
        they are not known. Its tests are run. Raises ConfigurationError with every mistake in it, failed tests included."""
        found = load(path, detectors)
        policy = cls(found.guardrails, found.rules, len(found.cases), found.grants)
        failed = run(found.cases, path, policy.judge)
        if failed:
            raise ConfigurationError(failed)
        return policy

    @property
    def counts(self) -> dict[str, int]:
        """How many guardrails, rules and grants it has."""
        return {"guardrails": len(self.guardrails), "rules": len(self.rules), "grants": len(self.grants)}

    @property
    def holds(self) -> bool:
        """Whether reviewers are asked anything, or calls are counted: a rule holds or counts calls, or a group may be asked for."""
        rules = (*self.guardrails, *self.rules)
        return bool(self.grants) or any(rule.holding is not None or rule.budget is not None for rule in rules)

    def judge(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Verdict:
        """Whether the principal may do this on the cluster, by which rule, and why.

        `looked` is what was read of the call beside its head, None as long as nothing was. Where a condition needs more of it, the
        verdict's `needs` says what, and the call is to be judged again with it.
        """
        candidates = self._about(principal, cluster).candidates(act, self._kinds)
        held: list[Verdict] | None = None  # by guardrails
        for beyond, rule, verdict in candidates.guardrails:
            if beyond is None or not beyond(act):
                if rule.when is not None:
                    return self._look(principal, cluster, act, looked)
                if verdict.hold is None:
                    return verdict
                held = [verdict] if held is None else [*held, verdict]
        if act.effects == _OPEN:  # without discovery kubectl cannot even show a refusal
            return _DISCOVERED if held is None else _held(held, _DISCOVERED)
        if act.acts_as is not None:
            return self._look(principal, cluster, act, looked)
        for beyond, rule, verdict in candidates.rules:
            if beyond is None or not beyond(act):
                if rule.when is not None:
                    return self._look(principal, cluster, act, looked)
                if verdict.budget is not None:
                    verdict = swept(verdict, act)
                return verdict if held is None else _held(held, verdict)
        return _UNMATCHED

    def _look(self, principal: Principal, cluster: str, act: Act, looked: Looked | None) -> Verdict:
        """As `judge`, where a rule that matches by its other keys has a condition, or the call is made as somebody else."""
        about = self._about(principal, cluster)
        return _Conditional(Context(principal, act, verb_of(act), looked)).verdict(about.guardrails, about.rules, act)

    def can_i(self, principal: Principal, cluster: str, question: Question, acts_as: ActsAs | None) -> Can | None:
        """What the policy says to a self review of the principal's; None where the question is about no call."""
        about = self._about(principal, cluster)
        return answer(about.guardrails, about.rules, principal, question, acts_as)

    def _about(self, principal: Principal, cluster: str) -> Caller:
        """The guardrails and the rules that are about this caller on this cluster. They are remembered for each caller."""
        key = (principal.user, principal.groups, principal.unfit, principal.kind, cluster)
        found = self._of_caller.get(key)
        if found is None:
            if len(self._of_caller) >= MOST_KEPT:
                self._of_caller.clear()
            found = self._of_caller[key] = Caller(
                tuple((rule, _verdict(rule, principal.kind)) for rule in self.guardrails if not rule.stranger(principal, cluster)),
                tuple((rule, _verdict(rule, principal.kind)) for rule in self.rules if not rule.stranger(principal, cluster)),
            )
        return found

    def groups_going_up(self, cluster: str, also: tuple[str, ...]) -> Globs:
        """Which of a caller's groups the cluster is told: those that rules about the cluster name, and `also`, the globs of its
        configuration; of a grant that binds a role its group. A `*` alone in a rule names none. Guardrails do not count, as they
        only deny."""
        found = self._going_up.get((cluster, also))
        if found is None:
            named = {text for rule in self.rules if rule.is_about(cluster) for text in rule.group_names}
            named |= {entry.group for entry in self.grants if entry.bind is not None and entry.is_about(cluster)}
            found = self._going_up[cluster, also] = Globs(sorted(named | set(also)))
        return found

    def binds(self, cluster: str) -> tuple[Bind, ...]:
        """What the gateway may have to bind in the cluster, for grants and for rules."""
        of_grants = [entry.bind for entry in self.grants if entry.is_about(cluster)]
        return together((*of_grants, *(rule.bind for rule in self.rules if rule.is_about(cluster))))

    def acted_as(self, cluster: str) -> tuple[str, ...]:
        """Whom rules about the cluster let callers act as, as RBAC calls them; patterns stand as they are written."""
        rules = [rule for rule in self.rules if rule.acts_as is not None and rule.says != "deny" and rule.is_about(cluster)]
        return tuple(dict.fromkeys(name for rule in rules if rule.acts_as is not None for name in rule.acts_as.named))

    def explain(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Explanation:
        """As `judge`, with every rule that was compared with the call and why it did not match."""
        judged = _Conditional(Context(principal, act, verb_of(act), looked))
        about = self._about(principal, cluster)
        verdict = judged.verdict(about.guardrails, about.rules, act)
        considered: list[Considered] = []

        def consider(rule: Rule) -> Considered:
            key = rule.stranger(principal, cluster) or rule.mismatch(act)
            one = _considered(rule, _why(rule, key, principal, cluster, act) if key else "", judged)
            considered.append(one)
            return one

        for rule in self.guardrails:
            if not consider(rule).why and rule.says == "deny":
                return Explanation(verdict, tuple(considered))
        is_open = act.effects == _OPEN or verdict.rule == DISCOVERY
        considered.append(Considered(DISCOVERY, "allow", guardrail=False, why="" if is_open else _why_not_open(act)))
        for rule in () if is_open else self.rules:
            if not consider(rule).why or judged.is_open(rule):
                break
        return Explanation(verdict, tuple(considered))


class _Conditional:
    """One judgement with conditions. `outcomes` maps the name of each rule whose condition was judged to what came of it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.outcomes: dict[str, tuple[Outcome, str]] = {}

    def is_open(self, rule: Rule) -> bool:
        """Whether the rule's condition needs what was not read."""
        return self.outcomes.get(rule.name, ("yes", ""))[0] in ("object", "result")

    def verdict(self, guardrails: Decided, rules: Decided, act: Act) -> Verdict:
        found = self._verdict(guardrails, rules, act)
        if found.needs is not None:  # until it is known which rule decides, the record is as strict as any of them says
            may = [verdict for rule, verdict in rules if not rule.mismatch(act) and rule.says != "deny"]
            masks = Obligations(mask=frozenset().union(*(verdict.obligations.mask for verdict in may)))
            return replace(found, obligations=masks, handling=until_decided([verdict.handling for verdict in may]))
        return replace(found, remember=False) if self.context.asked and found.remember else found

    def _verdict(self, guardrails: Decided, rules: Decided, act: Act) -> Verdict:
        held: list[Verdict] = []
        needing: Verdict | None = None  # a guardrail that cannot say yet whether it matches
        for rule, verdict in guardrails:
            if rule.mismatch(act):
                continue
            outcome = self._outcome(rule)
            if outcome == "object" or outcome == "result":
                needing = needing or _needing(rule, outcome)
            elif outcome != "no":
                if verdict.hold is None:
                    return verdict
                held.append(verdict)
        decided = self._decided(rules, act)
        if decided.needs is not None:
            return needing if needing is not None and needing.needs == "object" else decided
        if needing is not None and decided.decision != "deny":
            return needing
        return _held(held, decided) if held else decided

    def _decided(self, rules: Decided, act: Act) -> Verdict:
        if act.effects == _OPEN:
            return _DISCOVERED
        for rule, verdict in rules:
            if act.acts_as is not None and act.effects == _OPEN_AS and rule.lets_act_as(act.acts_as):
                if self._outcome(rule) == "yes":
                    return replace(
                        _DISCOVERED, reason=f"discovery is open, and rule {rule.name!r} lets the caller act as {act.acts_as}"
                    )
                continue
            if rule.mismatch(act):
                continue
            outcome = self._outcome(rule)
            if outcome == "object" or outcome == "result":
                return _needing(rule, outcome)
            if outcome == "yes" or (outcome == "error" and not rule.allow):
                reaches = act.acts_as is None or rule.says == "deny" or rule.lets_act_as(act.acts_as)
                return swept(verdict, act) if reaches else _for_nobody(rule)
        return _UNMATCHED

    def _outcome(self, rule: Rule) -> Outcome:
        if rule.when is None:
            return "yes"
        found = self.outcomes[rule.name] = self.context.judge(rule.when)
        return found[0]


def _for_nobody(rule: Rule) -> Verdict:
    """Of a hold that reaches a call made as somebody else, and has no `as`: an approval must not give what no rule allows."""
    return Verdict(allowed=False, rule=rule.name, reason=f"rule {rule.name!r} holds the call, and lets nobody act as somebody else")


def _needing(rule: Rule, needed: Needed) -> Verdict:
    reason = f"rule {rule.name!r} decides by the {needed}, which was not read"
    return Verdict(allowed=False, rule=rule.name, reason=reason, needs=needed, remember=False)


def _considered(rule: Rule, why: str, judged: _Conditional) -> Considered:
    """A rule in an explanation. `why` says why its other keys do not match, "" where they do."""
    outcome, error = judged.outcomes.get(rule.name, ("yes", ""))
    saw: tuple[tuple[str, str], ...] = ()
    if not why and rule.when is not None:
        saw = tuple(judged.context.saw(rule.when))
        if outcome == "no":
            why = "when: the condition is false"
        elif outcome == "error" and rule.allow:
            why = f"when: the condition cannot be judged, and so allows nothing: {error}"
        elif outcome == "object" or outcome == "result":
            why = f"when: {error}"
    note = f"the condition cannot be judged, which counts as a match: {error}" if not why and outcome == "error" else ""
    return Considered(rule.name, rule.says, guardrail=rule.guardrail, why=why, saw=saw, note=note)


def _verdict(rule: Rule, kind: Kind) -> Verdict:
    if rule.allow:
        reason = rule.reason or f"allowed by rule {rule.name!r}"
        said = Verdict(
            allowed=True, rule=rule.name, reason=reason, obligations=rule.obligations, handling=rule.handling, bind=rule.bind
        )
        return said if rule.budget is None else replace(said, budget=rule.budget.terms(rule.name, kind), remember=False)
    what = "guardrail" if rule.guardrail else "rule"
    why = f": {rule.reason}" if rule.reason else ""
    if rule.holding is not None:
        terms = rule.holding.terms(rule.name, kind)
        reason = f"held by {what} {rule.name!r}{why}"
        held = Verdict(allowed=False, rule=rule.name, reason=reason, hold=terms, remember=False)
        return replace(held, obligations=rule.obligations, handling=rule.handling)
    return Verdict(allowed=False, rule=rule.name, reason=f"denied by {what} {rule.name!r}{why}")


def _held(held: list[Verdict], verdict: Verdict) -> Verdict:
    """The verdict of a rule, under the guardrails that hold the call. A denial stays one."""
    if not verdict.allowed and verdict.hold is None:
        return verdict
    terms: list[HoldTerms] = [one.hold for one in (*held, verdict) if one.hold is not None]
    first = held[0]
    more = len(terms) - 1
    reason = f"{first.reason} (and {many(more, 'more rule')})" if more else first.reason
    together = hold_terms.together(terms)
    return replace(verdict, allowed=False, rule=first.rule, reason=reason, hold=together, remember=False)


def _why_not_open(act: Act) -> str:
    if act.effects == _OPEN_AS:
        return f"no rule that is asked before a denial lets the caller act as {act.acts_as}"
    return "the call is more than discovery"


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
        case "as":
            if act.acts_as is None:
                return "as: the call is made as the caller himself"
            named = "names another" if rule.acts_as is not None else "lets nobody act as somebody else"
            return f"as: the call is made as {act.acts_as}, and the rule {named}"
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
