"""What a rule says of its budget, and what the policy says to a call beyond it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

import msgspec
import yaml

from l7gw.budget_terms import BUDGET_KINDS, BudgetKind, BudgetTerms, Limit, effect_of
from l7gw.config.document import Reader, lasting, plain
from l7gw.config.settings import DAY, Kind
from l7gw.hold_terms import LONGEST_MESSAGE, together
from l7gw.kube.act import Act
from l7gw.name_rules import clipped
from l7gw.obligations import NO_HANDLING, NO_OBLIGATIONS
from l7gw.policy import holds
from l7gw.policy.holds import Holding
from l7gw.policy.verdict import Verdict

KEYS = ("budget",)
LEAST_PER = 10  # seconds; a loop makes hundreds of calls in less
MOST_PER = DAY  # seconds; so long each counted call is remembered
MOST_COUNTED = 1000  # of one kind: the time of each is kept, and read whenever the rule lets a call pass
EXAMPLE = "budget: {deletes: 5, per: 10m}"
SWEEPING = "a deletecollection exceeds any budget: nobody knows how much it deletes"


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of one rule. `holding` says how a call beyond it is held; None where it is denied."""

    limits: tuple[Limit, ...]
    per: int
    holding: Holding | None

    def terms(self, rule: str, kind: Kind) -> BudgetTerms:
        """The terms for a caller of this kind by the rule of this name."""
        return BudgetTerms(rule, self.limits, self.per, None if self.holding is None else self.holding.terms(rule, kind))


def budget(reader: Reader, defaults: Holding) -> Budget | None:
    """The budget of a rule that allows, None where it has none. Who reviews a call beyond it is said by the rule or `defaults`.
    Mistakes are reported."""
    if not reader.has("budget"):
        return None
    inner = reader.inner("budget", (*BUDGET_KINDS, "per"))
    limits = tuple(Limit(kind, most) for kind in BUDGET_KINDS if inner.has(kind) and (most := _most(inner, kind)))
    if isinstance(inner.node, yaml.MappingNode):
        if not any(map(inner.has, BUDGET_KINDS)):
            reader.wrong("budget", f"`budget` counts none of {', '.join(BUDGET_KINDS)}", EXAMPLE)
        if not inner.has("per"):
            inner.missing("per", EXAMPLE)
    per = inner.duration("per", DAY, least=LEAST_PER, most=MOST_PER)
    held = holds.holding(reader, defaults)
    named = held.reviewers.users or held.reviewers.groups or held.reviewers.owner
    if not named and not reader.has("reviewers"):
        holds.refuse(reader)
    return Budget(limits, per, held if named else None)


def check_counts(reader: Reader, found: Budget, effects: frozenset[str]) -> None:
    """Report a kind of calls that the rule never allows."""
    for limit in found.limits:
        effect = effect_of(limit.kind)
        if effect and effect not in effects:
            reader.wrong("budget", f"`budget` counts {limit.kind}, and the rule allows no {effect}", f"effects: [{effect}]")


def refuse(reader: Reader) -> None:
    """Report a budget of a rule that does not allow."""
    if reader.has("budget"):
        reader.wrong("budget", "`budget` is for a rule that allows", "what is held or denied is not counted")


def _most(reader: Reader, kind: BudgetKind) -> int:
    """How many calls of the kind; 0 after a mistake, which is reported."""
    node = reader.node_of(kind)
    value = plain(node) if node is not None else None
    if type(value) is int and 1 <= value <= MOST_COUNTED:
        return value
    reader.wrong(kind, f"`{kind}` must be a number from 1 to {MOST_COUNTED}", "what shall never pass does not stand in `effects`")
    return 0


# ---------------------------------------------------------------------- verdicts


def swept(verdict: Verdict, act: Act) -> Verdict:
    """The verdict of a rule. A deletecollection exceeds its budget, if it has one, whatever was counted."""
    return verdict if verdict.budget is None or act.verb != "deletecollection" else beyond(verdict, SWEEPING)


def beyond(verdict: Verdict, why: str) -> Verdict:
    """The verdict on a call beyond the budget of the rule that allows it: it is held by the rule's reviewers, together with the
    guardrails that hold it, or denied where there are none. `why` is a sentence without its full stop."""
    terms = verdict.budget
    assert terms is not None
    if terms.beyond is None:
        reason = f"denied by rule {terms.rule!r}: {why}. Nothing was done"
        return replace(
            verdict, allowed=False, rule=terms.rule, reason=reason, hold=None, obligations=NO_OBLIGATIONS, handling=NO_HANDLING
        )
    own = terms.beyond
    held = together([one for one in (verdict.hold, own) if one is not None])
    message = clipped(f"{why}. {own.message}" if own.message else why, LONGEST_MESSAGE)
    reason = f"held by rule {terms.rule!r}: {why}"
    held = msgspec.structs.replace(held, message=message)
    return replace(verdict, allowed=False, rule=held.rules[0].rule, reason=reason, hold=held)


def used_up(limit: Limit, per: int, goes_on: int) -> str:
    """Why a call is beyond a budget. `goes_on` is when it lets a call pass again, in microseconds since 1970."""
    when = datetime.datetime.fromtimestamp(-(-goes_on // 1_000_000), datetime.UTC)
    return f"the budget of {limit.in_words(per)} is used up until {when:%Y-%m-%d %H:%M:%S}Z"


# ---------------------------------------------------------------------- people and programs


def document(terms: BudgetTerms) -> dict[str, object]:
    """The budget as JSON. Times are in seconds."""
    counted: dict[str, object] = {limit.kind: limit.most for limit in terms.limits}
    return {**counted, "per": terms.per, "beyond": None if terms.beyond is None else holds.document(terms.beyond)}


def in_words(terms: BudgetTerms) -> list[str]:
    """What the budget says, as lines."""
    lines = [f"rule {terms.rule!r} has a budget of {terms.in_words()}, for each person"]
    if terms.beyond is None:
        return [*lines, f"beyond it the call is denied, until fewer have passed in the last {lasting(terms.per)}"]
    return [*lines, *(f"beyond it {line}" for line in holds.in_words(terms.beyond))]
