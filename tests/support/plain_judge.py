"""The judge and its rules without anything that is remembered: every rule is compared with every call, key by key. What the policy says
must be the same (`l7gw.policy.judge`, `l7gw.policy.narrowing`)."""

from __future__ import annotations

import dataclasses

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.acting_as import ActsAs
from l7gw.policy import judge as judging
from l7gw.policy.budgets import swept
from l7gw.policy.conditions import Context
from l7gw.policy.looked import Looked
from l7gw.policy.rules import DENIED_EFFECTS, PATH, Key, NoKey, Rule, _any_of, _covers_name, _narrows, _verbs_of, verb_of
from l7gw.policy.verdict import Verdict

UNKNOWN = frozenset(("other",))
DISCOVERY = frozenset(("discovery",))


@dataclasses.dataclass(frozen=True, slots=True)
class PlainRule(Rule):
    """A rule that compares all of its keys, in their order."""

    def mismatch(self, act: Act) -> Key | NoKey:
        """The key by which the rule does not match the act, "" where it matches."""
        return self._uncovered(act) if self.allow else self._apart(act)

    # ------------------------------------------------------------------ allow: every effect, and the whole extent

    def lets_act_as(self, asked: ActsAs) -> bool:
        """Whether the rule lets calls pass that are made as this identity."""
        lets = (self.allow or self.holding is not None) and not self.guardrail and "impersonate" in self.effects
        return lets and self.acts_as is not None and self.acts_as.covers(asked)

    def _uncovered(self, act: Act) -> Key | NoKey:
        if not (act.effects or UNKNOWN) <= self.effects:
            return "effects"
        if act.acts_as is not None and not self.lets_act_as(act.acts_as):
            return "as"
        if self.verbs is not None and not self.verbs.match(verb_of(act)):
            return "verbs"
        if not act.is_resource:
            about_objects = self.resources or self.namespaces or self.names or self.commands
            return PATH if about_objects else ""
        if self.resources is not None and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        # A call without a namespace is about all namespaces, or about an object of the cluster; one without a name is about any
        # name. Only `*` covers such a call.
        spaces, names = self.namespaces, self.names
        if spaces is not None and not spaces.everything and not (act.namespace and spaces.match(act.namespace)):
            return "namespaces"
        if names is not None and not names.everything and not (act.name and _covers_name(names, act)):
            return "names"
        return self._other_command(act) if self.commands is not None else ""

    def _other_command(self, act: Act) -> Key | NoKey:
        assert self.commands is not None
        if act.argv is None:
            return "commands"
        if (act.tty or act.stdin) and not self.interactive:
            return "interactive"
        argv = act.argv
        return "" if any(command.covers(argv) for command in self.commands) else "commands"

    # ------------------------------------------------------------------ deny and hold: any effect, and any part of the extent

    def _apart(self, act: Act) -> Key | NoKey:
        if self.effects.isdisjoint(act.effects or UNKNOWN):
            return "effects"
        if (self.acts_as is not None or act.acts_as is not None) and (key := self._apart_by_identity(act)):
            return key
        if self.verbs is not None and not any(map(self.verbs.match, _verbs_of(act))):
            return "verbs"
        if not act.is_resource:
            narrowed = _narrows(self.resources) or _narrows(self.namespaces) or _narrows(self.names) or self.commands
            return PATH if narrowed else ""
        if self.resources is not None and not _any_of(act) and not self.resources.match(act.resource, act.group, act.subresource):
            return "resources"
        if self.namespaces is not None and act.namespace and not self.namespaces.match(act.namespace):
            return "namespaces"
        if self.names is not None and act.name and not (self.names.match(act.name) or self.names.match(act.object_name)):
            return "names"
        return self._apart_by_command(act) if self.commands is not None else ""

    def _apart_by_identity(self, act: Act) -> Key | NoKey:
        """As `_apart`, where the rule has `as`, or the call is made as somebody else. A hold in `rules` lets calls pass: it covers
        whom it names. Discovery, made as somebody else, is reached by a hold that names discovery, and by a deny that does or that
        lists effects or identities at all: each of kubectl's many calls of discovery would else be held."""
        asked = act.acts_as
        if asked is None:
            return "" if self.holding is not None and not self.guardrail else "as"
        if self.acts_as is not None:
            is_named = self.acts_as.overlaps if self.guardrail or self.holding is None else self.acts_as.covers
            if not is_named(asked):
                return "as"
        general = self.holding is not None or (self.acts_as is None and self.effects == DENIED_EFFECTS)
        return "effects" if general and "discovery" in act.effects and "discovery" not in self.effects else ""

    def _apart_by_command(self, act: Act) -> Key | NoKey:
        """As `_apart`, for `commands`. An unknown argv may be any argv. Through a terminal or
        stdin any command may be given later."""
        assert self.commands is not None
        if "execute" not in act.effects:
            return "commands"
        argv = act.argv
        if argv is None or act.tty or act.stdin or any(command.overlaps(argv) for command in self.commands):
            return ""
        return "commands"


def plain(rule: Rule) -> PlainRule:
    return PlainRule(**{field.name: getattr(rule, field.name) for field in dataclasses.fields(Rule)})


def judge(
    guardrails: tuple[Rule, ...],
    rules: tuple[Rule, ...],
    principal: Principal,
    cluster: str,
    act: Act,
    looked: Looked | None = None,
) -> Verdict:
    """What a policy of these guardrails and rules says."""
    about_guardrails, about_rules = [
        tuple((plain(rule), judging._verdict(rule, principal.kind)) for rule in them if not rule.stranger(principal, cluster))
        for them in (guardrails, rules)
    ]

    def look() -> Verdict:
        conditional = judging._Conditional(Context(principal, act, verb_of(act), looked))
        return conditional.verdict(about_guardrails, about_rules, act)

    held: list[Verdict] = []
    for rule, verdict in about_guardrails:
        if not rule.mismatch(act):
            if rule.when is not None:
                return look()
            if verdict.hold is None:
                return verdict
            held.append(verdict)
    if act.effects == DISCOVERY:
        return judging._held(held, judging._DISCOVERED) if held else judging._DISCOVERED
    if act.acts_as is not None:
        return look()
    for rule, verdict in about_rules:
        if not rule.mismatch(act):
            if rule.when is not None:
                return look()
            verdict = swept(verdict, act) if verdict.budget is not None else verdict
            return judging._held(held, verdict) if held else verdict
    return judging._UNMATCHED
