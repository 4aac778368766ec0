"""A verdict: what the policy says of one act, by which rule, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` is the deciding rule's name, `built-in: discovery` for the built-in one, "" when nothing matched."""

    allowed: bool
    rule: str
    reason: str  # the rule's `reason:`, or plain words
