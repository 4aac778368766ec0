"""A policy, run over the calls of a journal: which of them would get another verdict?

A call's verdict is a new one where the word differs: allow, hold or deny. What is asked is the policy alone: budgets are as if
nothing had been counted, a group that was granted counts where the policy lists it, and what a hook denied stays denied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import msgspec
from msgspec import structs

from l7gw.identity.principal import Principal
from l7gw.kube.in_kubectl import in_kubectl
from l7gw.policy.grants import first_for
from l7gw.policy.judge import UNMATCHED, Policy
from l7gw.policy.looked import Looked
from l7gw.policy.rules import Rule
from l7gw.policy.verdict import Decision, Verdict
from l7gw.recording.past_calls import PastCall
from l7gw.recording.past_grants import BY_GRANT

HOOK = "hook-"  # how the names of hooks begin in the place of a rule's (`hooking.hooked`)

Why = Literal[
    "object-not-recorded",  # a condition reads the object, which is not recorded: of a denied call, or with `record: metadata`
    "object-masked",  # a condition reads a value of the object that is masked in the recording
    "argv-masked",  # a rule reads the command, in which something is masked
    "result",  # a condition reads what a dry run made of the call
    "grant-not-recorded",  # a group counted that was granted, and of the grant nothing is recorded here
    "groups-not-recorded",  # a denial was for a group that is no name, and which the recording does not have
]

Look = Callable[[str, bytes], Looked]
"""What conditions see of a body, by its Content-Type (`gateway.sent_object`)."""


class Change(msgspec.Struct, frozen=True):
    """Calls that change in one way. A rule is "" where none decided."""

    before: Decision
    after: Decision
    rule_before: str
    rule_after: str


class Counted(msgspec.Struct):
    """How many calls, and the last of them."""

    count: int
    example: PastCall


class Backtest:
    """`policy` over the calls that `take` is given. `reads_objects` says whether it needs what they sent.

    `calls` counts all of them, `unknown` those of which the new verdict cannot be said, by reason, and `other_rule` those that
    have the same verdict by another rule. `changes` has the others.
    """

    def __init__(self, policy: Policy, look: Look) -> None:
        self._policy, self._look = policy, look
        self._rules = (*policy.guardrails, *policy.rules)
        self.calls = self.other_rule = 0
        self.unknown: Counter[Why] = Counter()
        self.changes: dict[Change, Counted] = {}

    @property
    def reads_objects(self) -> bool:
        return any(_by_object(rule) for rule in self._rules)

    def take(self, call: PastCall) -> None:
        """Compare one call."""
        said = call.verdict
        before: Decision = said.verdict  # type: ignore[assignment]  # `PastCalls` gives no other
        if before == "deny" and not said.rule and not said.reason.startswith(UNMATCHED):
            return  # the gateway refused it before the policy was asked
        self.calls += 1
        after = self._judged(call)
        if not isinstance(after, Verdict):
            self.unknown[after] += 1
            return
        if after.decision == before:
            self.other_rule += after.rule != said.rule
            return
        if before == "deny" and said.rule.startswith(HOOK):
            return
        if before == "deny" and self._by_unfit_group(call):
            self.unknown["groups-not-recorded"] += 1
            return
        change = Change(before, after.decision, said.rule, after.rule)
        call = structs.replace(call, body=None)  # which may have megabytes, and an example is kept for each change
        counted = self.changes.get(change)
        if counted is None:
            self.changes[change] = Counted(1, call)
        else:
            counted.count += 1
            counted.example = call

    def _judged(self, call: PastCall) -> Verdict | Why:
        if not {one.id for one in call.granted}.issuperset(BY_GRANT.findall(call.verdict.reason)):
            return "grant-not-recorded"
        who, cluster, act = self._who(call), call.cluster, call.act
        verdict = self._policy.judge(who, cluster, act)
        if verdict.needs == "object":
            if call.lacks_body:
                return "object-not-recorded"
            if call.masked and any(_sees(rule, where) for rule in self._near(call) for where in call.masked):
                return "object-masked"
            looked = self._look(call.content_type, call.body) if call.body is not None else Looked()
            verdict = self._policy.judge(who, cluster, act, looked)
        if verdict.needs is not None:
            return "result"
        if call.masked and any(where.startswith("target:") for where in call.masked) and self._reads_target(call):
            return "argv-masked"
        return verdict

    def _who(self, call: PastCall) -> Principal:
        """The caller, with the granted groups that count by this policy."""
        who = call.principal
        if not call.granted:
            return who
        groups = dict.fromkeys(one.group for one in call.granted if first_for(self._policy.grants, who, call.cluster, one.group))
        new = tuple(group for group in groups if group not in who.groups)
        return replace(who, groups=(*who.groups, *new)) if new else who

    def _near(self, call: PastCall) -> list[Rule]:
        """The rules that match the call by all keys but `commands` and `when`."""
        unsaid, who = structs.replace(call.act, argv=None), self._who(call)
        return [rule for rule in self._rules if not rule.stranger(who, call.cluster) and rule.mismatch(unsaid) in ("", "commands")]

    def _reads_target(self, call: PastCall) -> bool:
        """Whether a rule may read what is masked in the call's target."""
        return any(rule.commands is not None or _names(rule, "request", "argv", "path") for rule in self._near(call))

    def _by_unfit_group(self, call: PastCall) -> bool:
        """Whether the denial was by a rule of this policy that looks at groups, and at none of those that are recorded."""
        return any(
            rule.name == call.verdict.rule and rule.says == "deny" and rule.stranger(call.principal, call.cluster) == "groups"
            for rule in self._rules
        )


def _by_object(rule: Rule) -> bool:
    return rule.when is not None and ("object" in rule.when.reads or _names(rule, "request", "dry_run"))


def _names(rule: Rule, root: str, *fields: str) -> bool:
    """Whether the rule's condition names one of these fields."""
    return rule.when is not None and any(
        one.root == root and one.path[:1] in {(field,) for field in fields} for one in rule.when.named
    )


def _sees(rule: Rule, where: str) -> bool:
    """Whether the rule's condition reads the value at `where`, what holds it, or what is in it."""
    for one in rule.when.named if rule.when is not None else ():
        if one.root == "object":
            named = ".".join(one.path)
            if not named or _within(where, named) or _within(named, where):
                return True
    return False


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


def command_of(call: PastCall) -> str:
    """The call in words."""
    return in_kubectl(call.request.method, call.act, call.content_type)
