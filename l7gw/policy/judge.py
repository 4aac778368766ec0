"""The judge: discovery is open, guardrails come next and nothing overrides them, then rules in order; unmatched is denied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.load import load
from l7gw.policy.rules import Rule
from l7gw.policy.verdict import Verdict

DISCOVERY = "built-in: discovery"
_DISCOVERED = Verdict(True, DISCOVERY, "discovery, version, health and self reviews are open to everybody who is known")
_UNMATCHED = Verdict(False, "", "no rule allows it")


@dataclass(frozen=True)
class Considered:
    """One rule as it was looked at: `mismatch` says why it did not match, "" for the one that decided."""

    name: str
    verdict: str  # allow | deny
    guardrail: bool
    mismatch: str


@dataclass(frozen=True)
class Explanation:
    verdict: Verdict
    considered: tuple[Considered, ...]


class Policy:
    """An immutable snapshot of a policy file."""

    def __init__(self, guardrails: tuple[Rule, ...], rules: tuple[Rule, ...]) -> None:
        self.guardrails = guardrails
        self.rules = rules

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Raises ConfigurationError with every mistake of the file."""
        return cls(*load(path))

    def judge(self, principal: Principal, cluster: str, act: Act) -> Verdict:
        """Whether the principal may do this on the cluster, by which rule, and why."""
        if act.effects == {"discovery"}:  # without it kubectl cannot even show a refusal; guardrails are about the rest
            return _DISCOVERED
        for rules in (self.guardrails, self.rules):
            for rule in rules:
                if not rule.mismatch(principal, cluster, act):
                    return _verdict(rule)
        return _UNMATCHED

    def explain(self, principal: Principal, cluster: str, act: Act) -> Explanation:
        """The verdict, and every rule that was looked at on the way."""
        if act.effects == {"discovery"}:
            return Explanation(_DISCOVERED, (Considered(DISCOVERY, "allow", False, ""),))
        considered = [Considered(DISCOVERY, "allow", False, "it is more than discovery")]
        for guardrail, rules in ((True, self.guardrails), (False, self.rules)):
            for rule in rules:
                mismatch = rule.mismatch(principal, cluster, act)
                considered.append(Considered(rule.name, "allow" if rule.allow else "deny", guardrail, mismatch))
                if not mismatch:
                    return Explanation(_verdict(rule), tuple(considered))
        return Explanation(_UNMATCHED, tuple(considered))


def _verdict(rule: Rule) -> Verdict:
    if rule.allow:
        return Verdict(True, rule.name, rule.reason or "allowed")
    return Verdict(False, rule.name, f"denied by rule {rule.name!r}" + (f": {rule.reason}" if rule.reason else ""))
