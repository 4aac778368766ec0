"""The budget of the rule that allows a call: the call is counted before it goes on, and beyond the budget held or denied.

begin    the call is counted, in the store; where guardrails hold it too, it is only looked whether its budget is used up, so that
         the reviewers are asked once for both
settle   a held call goes on: it is counted now. One that was approved beyond its budget is not asked again
leave    a call that was counted and never went up counts no more
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from l7gw.approval.messages import Exceeded, Spending, Spent
from l7gw.budget_terms import BudgetTerms
from l7gw.errors import Refusal
from l7gw.gateway.guard import Step
from l7gw.gateway.request_body import RequestBody
from l7gw.gateway.sent_object import look_into
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.policy.budgets import beyond, used_up
from l7gw.policy.looked import dry_run_needs_object, is_dry_run
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.wire.events import Request

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk


class Counts(Protocol):
    """What a counted call asks of its worker."""

    @property
    def desk(self) -> Desk:
        """Where budgets are counted."""


class CountedCall(Protocol):
    """What the steps ask of the call."""

    @property
    def worker(self) -> Counts: ...

    request: Request
    body: RequestBody
    principal: Principal | None
    act: Act | None
    verdict: Verdict | None
    call_record: CallRecord | None
    over: bool

    def judged(self) -> Verdict:
        """The verdict of the policy in force. Raises Refusal 403 where it is a denial."""

    def enter(self, inside: Step) -> Step | None:
        """What was waited for has come: go on with `inside`."""


class Budgeting:
    """The budget of one call. `again` is the call's step that begins here: it is taken once the budget is found used up."""

    __slots__ = ("_again", "_call", "_spent", "_why")

    def __init__(self, call: CountedCall, again: Step) -> None:
        self._call = call
        self._again = again
        self._spent: list[Spent] = []  # of each rule one at most; several where the policy changed meanwhile
        self._why: dict[str, str] = {}  # of each rule whose budget is used up, why the call is beyond it

    def of(self, verdict: Verdict) -> Verdict:
        """The policy's verdict, with what is known of its budget."""
        why = self._why.get(verdict.budget.rule) if verdict.budget is not None else None
        return verdict if why is None else beyond(verdict, why)

    def covers(self, budget: BudgetTerms) -> bool:
        """Whether the call is counted by this rule."""
        return any(spent.rule == budget.rule for spent in self._spent)

    def begin(self, then: Step) -> Step | None:
        verdict = self._call.verdict
        assert verdict is not None and verdict.budget is not None
        held = verdict.hold.names if verdict.hold is not None else ()
        spending = self._spending(verdict.budget)
        if spending is None or verdict.budget.rule in held:
            return then
        budgets = self._call.worker.desk.budgets
        if verdict.hold is None:
            budgets.take(spending, partial(self._told, then))
        else:
            budgets.look(spending, partial(self._told, then))
        return None

    def settle(self, then: Step, *, approved: bool) -> Step | None:
        """The call may go on, but for its budget. `approved`: reviewers were asked about that."""
        budget = self._call.verdict.budget if self._call.verdict is not None else None
        spending = self._spending(budget) if budget is not None else None
        if spending is None:
            return then
        self._call.worker.desk.budgets.take(spending, partial(self._told, then), approved=approved)
        return None

    def _spending(self, budget: BudgetTerms) -> Spending | None:
        """What is counted of the call; None where nothing is, or it was before."""
        call = self._call
        assert call.act is not None and call.principal is not None
        kinds = tuple(limit.kind for limit in budget.limits if limit.counts(call.act.effects))
        swept = call.act.verb == "deletecollection"
        if not (kinds or swept) or self.covers(budget) or _changes_nothing(call, call.act):
            return None
        return Spending(person=call.worker.desk.person(call.principal.user), budget=budget, kinds=kinds)

    def _told(self, then: Step, found: Spent | Exceeded | Refusal | None) -> None:
        if self._call.over:
            if isinstance(found, Spent):
                self._call.worker.desk.budgets.give_back(found)
            return
        self._call.enter(partial(self._go_on, then, found))

    def _go_on(self, then: Step, found: Spent | Exceeded | Refusal | None) -> Step | None:
        if isinstance(found, Refusal):
            raise found
        if isinstance(found, Exceeded):
            return self._exceeded(found)
        if found is not None:
            self._spent.append(found)
        return then

    def _exceeded(self, found: Exceeded) -> Step:
        """Judge the call anew, as one beyond its budget; the policy may be another one by now. Raises Refusal 403 where nobody
        reviews that."""
        call = self._call
        assert call.verdict is not None and call.verdict.budget is not None and call.call_record is not None
        budget = call.verdict.budget
        self._why[budget.rule] = used_up(found.limit, budget.per, found.goes_on)
        call.verdict = verdict = call.judged()
        if verdict.decision == "hold":
            call.call_record.verdict("hold", rule=budget.rule, reason=verdict.reason)
        return self._again

    def leave(self) -> None:
        """The call did not go up, or the cluster refused its upgrade, so that the client makes it again: it counts no more."""
        for spent in self._spent:
            self._call.worker.desk.budgets.give_back(spent)
        self._spent.clear()


def _changes_nothing(call: CountedCall, act: Act) -> bool:
    """Whether the call is the client's own dry run, as kube-apiserver reads it. A body that cannot be read makes none."""
    if not dry_run_needs_object(act):
        return is_dry_run(act, None)
    looked = look_into(call.request, call.body.joined())
    return not looked.fault and is_dry_run(act, looked.object)
