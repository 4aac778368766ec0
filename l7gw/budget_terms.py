"""What the budget of a rule says: how many calls of which kind it lets pass in which time, and what becomes of one more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

import msgspec

from l7gw.config.document import lasting
from l7gw.hold_terms import HoldTerms

BudgetKind = Literal[
    "calls",  # every call of the rule, reads too
    "writes",  # those with the effect write
    "deletes",  # those with the effect delete
    "executes",  # those with the effect execute
]
BUDGET_KINDS: tuple[BudgetKind, ...] = get_args(BudgetKind)
_EFFECTS: dict[BudgetKind, str] = {"writes": "write", "deletes": "delete", "executes": "execute"}


class Limit(msgspec.Struct, frozen=True):
    """At most so many calls of a kind."""

    kind: BudgetKind
    most: int

    def counts(self, effects: Collection[str]) -> bool:
        """Whether a call with these effects is of this kind."""
        return self.kind == "calls" or _EFFECTS[self.kind] in effects

    def in_words(self, per: int) -> str:
        """As `5 deletes per 10m`. `per` is in seconds."""
        return f"{self.most} {self.kind if self.most != 1 else self.kind[:-1]} per {lasting(per)}"


def effect_of(kind: BudgetKind) -> str:
    """The effect that a call of this kind has; "" of `calls`, which have any."""
    return _EFFECTS.get(kind, "")


class BudgetTerms(msgspec.Struct, frozen=True):
    """The budget of the rule of this name. `limits` has one entry at least, of each kind one at most. `per` is in seconds.

    `beyond` is what a call beyond it is held by; None where nobody reviews, so that it is denied.
    """

    rule: str
    limits: tuple[Limit, ...]
    per: int
    beyond: HoldTerms | None = None

    def in_words(self) -> str:
        """As `20 writes per 10m, 5 deletes per 10m`."""
        return ", ".join(limit.in_words(self.per) for limit in self.limits)
