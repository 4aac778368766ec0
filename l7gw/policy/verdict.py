"""A verdict: whether the policy allows one act, by which rule, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l7gw.obligations import NO_OBLIGATIONS, Obligations

Decision = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` is the name of the rule that decided, `built-in: discovery` for the built-in one, "" where no rule matched."""

    allowed: bool
    rule: str
    reason: str  # the rule's `reason:`, or plain words
    obligations: Obligations = NO_OBLIGATIONS  # of an allow: what is masked and what is shown

    @property
    def decision(self) -> Decision:
        """The verdict as a rule, the record and the output spell it."""
        return "allow" if self.allowed else "deny"
