"""A verdict: whether the policy allows one act, holds it for a human, or denies it; by which rule, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from l7gw.budget_terms import BudgetTerms
from l7gw.hold_terms import HoldTerms
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS, Handling, Obligations
from l7gw.policy.binds import Bind

Decision = Literal["allow", "hold", "deny"]
Needed = Literal[
    "object",  # what the request's body holds
    "result",  # what a dry run made of it
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` is the name of the rule that decided, `built-in: discovery` for the built-in one, "" where no rule matched. Of a hold
    it is the first of the rules that hold the call; `hold` names all.

    A held call is not `allowed`. `obligations` are those of the rule of `rules` that decided: they count once the call passes.
    `needs` is not None where the policy cannot decide yet, because a rule's `when` reads what was not given to the judge. Such a
    verdict is a denial for whoever does not ask again with it; it masks what any rule masks that may decide, and records as much.
    `remember` is false where the same act may get another verdict: a hold, and a verdict in which an object, a result, a budget or
    a grant took part. `budget` is that of the rule that allows the call. `grants` are those without which the verdict would be
    another, each with its id and its group. `bind` is what the rule that allows the call wants bound in the cluster first.
    """

    allowed: bool
    rule: str
    reason: str  # the rule's `reason:`, or plain words
    obligations: Obligations = NO_OBLIGATIONS  # of an allow or a hold: what is masked and what is shown
    hold: HoldTerms | None = None
    needs: Needed | None = None
    remember: bool = True
    budget: BudgetTerms | None = None
    handling: Handling = NO_HANDLING  # of an allow or a hold: how it is recorded, and how long it may stream
    grants: tuple[tuple[str, str], ...] = ()
    bind: Bind | None = None

    @property
    def decision(self) -> Decision:
        """The verdict as a rule, the record and the output spell it."""
        if self.allowed:
            return "allow"
        return "deny" if self.hold is None else "hold"
