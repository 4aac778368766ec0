"""The step `hold` of a call: nothing of it goes up before a reviewer has said yes.

    look      a dry run and readings: what would it do?  It passes where it changes nothing
    cover     is it the rest of a run that was approved?
    ask       a hold, or the one that it had before
    wait      for the reviewer; or come back: it is refused, and passes when it is made again after the approval
    release   who asks, the policy and what it would do are looked at again; another view is another hold
    claim     the approval is used, once, in the store and on the disk: then the call goes on

What remains between the last look and the call stands in docs/approvals.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from l7gw.approval.messages import Asked, Hold
from l7gw.errors import Refusal
from l7gw.gateway import hold_words
from l7gw.gateway.budgeting import Budgeting
from l7gw.gateway.guard import Step
from l7gw.gateway.hold_asking import HeldCall, asked_of, shown_act, subject_of
from l7gw.gateway.hold_views import View
from l7gw.gateway.looking import NOTHING, Known, Looking, look
from l7gw.gateway.rehearsing import judge_by_result
from l7gw.hold_terms import HoldTerms, RuleTerms
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.policy.verdict import Verdict
from l7gw.wire.events import Informational

MOST_PROCESSING = 5  # interim answers of one call: kubectl 1.28 fails on the sixth


class Holding:
    """One held call, from the first look to its release. `go_on` is the call's step behind this one."""

    __slots__ = ("_asked", "_asked_at", "_beats", "_call", "_go_on", "_hold", "_passed", "_since", "_view", "_waits")

    def __init__(self, call: HeldCall, go_on: Step) -> None:
        self._call = call
        self._go_on = go_on
        self._asked: Asked | None = None
        self._view: View | None = None  # what the reviewer is shown
        self._hold: Hold | None = None
        self._waits = False  # whether the hold is live, and ends with the call
        self._passed: tuple[RuleTerms, ...] | None = None  # what the call has passed
        self._since = call.worker.clock.monotonic()
        self._beats = 0
        self._asked_at = 0.0  # monotonic second since which a reviewer is waited for; 0 where none is

    def covers(self, terms: HoldTerms) -> bool:
        """Whether the call has passed what these terms ask for."""
        return self._passed is not None and set(terms.rules) <= set(self._passed)

    @property
    def waits(self) -> bool:
        """Whether the call waits for a reviewer."""
        return self._waits

    def has_passed(self, rule: str) -> bool:
        """Whether the call has passed a hold of this rule."""
        return any(one.rule == rule for one in self._passed or ())

    # ------------------------------------------------------------------ look, cover, ask

    def begin(self, known: Known = NOTHING) -> Step | None:
        """Look at the call. What is `known` of the cluster's answers is not asked again."""
        return self._look(self._seen, known)

    def _look(self, then: Callable[[View], Step | None], known: Known) -> Step | None:
        call, worker = self._call, self._call.worker
        looks = look(subject_of(call), shown_act(call))
        return Looking(call, worker.clock, looks, then, within=worker.timeouts.view, known=known).begin()

    def _seen(self, view: View) -> Step | None:
        if view.free:
            return self._pass(f"not held: {view.free}")
        self._view = view
        self._asked = asked = asked_of(self._call, view)
        self._call.worker.desk.covered(asked, self._entry(self._covered))
        return None

    def _covered(self, hold: str | None) -> Step | None:
        if hold is not None:
            return self._pass(f"covered by the approval of hold {hold}, as the rest of its run")
        assert self._asked is not None
        waiter = self if self._asked.terms.wait == "wait" else None
        self._call.worker.desk.ask(self._asked, waiter, self._told)
        return None

    def _told(self, hold: Hold | Refusal) -> None:
        """The desk has made or found the hold. Where the call is over by now, the hold is."""
        if self._call.over and isinstance(hold, Hold) and hold.wait == "wait":
            self._call.worker.desk.cancel(hold.id, "the client left")
        self._call.enter(partial(self._asked_for, hold))

    def _asked_for(self, hold: Hold | Refusal) -> Step | None:
        if self._call.over:
            return None
        if isinstance(hold, Refusal):
            raise hold
        assert self._asked is not None
        self._hold = hold
        if hold.wait == "wait":
            self._waits = hold.state == "pending"
            self._asked_at = self._call.worker.clock.monotonic() if self._waits else 0.0
            self._call.result = None  # it may have a megabyte, and is asked for anew at the release
            if not self._waits:
                raise hold_words.ended(hold)
            return None
        if hold.state == "approved":
            return self._claim(self._asked.intent)
        raise hold_words.come_back(hold, self._asked.terms)

    # ------------------------------------------------------------------ wait

    def tick(self, now: float) -> None:
        """Once a second: keep the connection of a client of HTTP/1.1 alive. HTTP/2 has pings."""
        call = self._call
        if not self._waits or self._beats >= MOST_PROCESSING or call.request.upgrade or not call.client.takes_interim:
            return
        if now - self._since >= (self._beats + 1) * call.worker.timeouts.processing_every:
            self._beats += 1
            if hold_words.bears_processing(call.request.headers):
                call.client.send(Informational(102))

    def hold_changed(self, hold: Hold) -> None:
        """The hold has come to another state."""
        self._call.enter(partial(self._changed, hold))

    def _changed(self, hold: Hold) -> Step | None:
        if self._call.over or self._hold is None or self._hold.id != hold.id:
            return None
        self._hold = hold
        self._waited()
        if hold.state == "approved":
            return self._release
        self._waits = False
        raise hold_words.ended(hold)

    def _waited(self) -> None:
        """No reviewer is waited for any more: count the time."""
        if self._asked_at:
            self._call.for_human += self._call.worker.clock.monotonic() - self._asked_at
            self._asked_at = 0.0

    def leave(self, why: str) -> None:
        """The call is over. A hold that waits for it is cancelled."""
        self._waited()
        if self._waits and self._hold is not None:
            self._waits = False
            self._call.worker.desk.cancel(self._hold.id, why or "the call is over")

    def stopped(self, why: str) -> Refusal:
        """The gateway ends the waiting call: its hold is void, so that nobody approves what cannot go on. Gives the refusal."""
        assert self._hold is not None
        self._waits = False
        self._call.worker.desk.void(self._hold.id, f"nothing was sent: {why.partition(';')[0]}")
        return hold_words.stopped(self._hold, why)

    def upgrade_refused(self) -> None:
        """The cluster refused the upgrade of an approved exec: the client's retry over SPDY is the same call."""
        if self._hold is not None and self._passed:
            self._call.worker.desk.upgrade_refused(self._hold.id)

    # ------------------------------------------------------------------ release

    def _release(self) -> Step | None:
        call = self._call
        assert call.far is not None
        who = call.worker.identity.of(call.token, call.client.certificates, call.client.address, call.far.name)
        if isinstance(who, Pending):
            who.then(self._entry(self._identified))
            return None
        return self._identified(who)

    def _identified(self, who: Principal | Refusal) -> Step | None:
        if isinstance(who, Refusal):
            raise who
        call = self._call
        call.principal, call.result = who, None
        call.verdict = call.judged()
        if call.verdict.needs is not None:
            return judge_by_result(call, self._judged_again)
        return self._judged_again(NOTHING)

    def _judged_again(self, known: Known) -> Step | None:
        verdict = self._call.verdict
        if verdict is None or verdict.hold is None:
            self.leave("the policy allows the call now")
            return self._pass("not held: the policy allows it now")
        return self._look(self._seen_again, known)

    def _seen_again(self, view: View) -> Step | None:
        call, hold, former = self._call, self._hold, self._asked
        assert hold is not None and former is not None and self._view is not None
        if view.free:
            self.leave(view.free)
            return self._pass(f"not held any more: {view.free}")
        asked = asked_of(self._call, view)
        if view.is_as(self._view) and asked.terms.rules == former.terms.rules:
            return self._claim(asked.binding)
        self._view, self._asked, self._waits = view, asked, False
        call.worker.desk.replace(hold.id, asked, self, self._told)
        return None

    def _claim(self, bound: str) -> Step | None:
        assert self._hold is not None
        self._call.worker.desk.claim(self._hold.id, bound, self._entry(self._claimed))
        return None

    def _claimed(self, taken: bool) -> Step | None:
        hold = self._hold
        assert hold is not None
        self._waits = False
        if not taken:
            raise hold_words.used(hold)
        words = hold_words.warning(hold, self._call.worker.clock.monotonic() - self._since)
        self._call.warning = words
        return self._pass(words)

    def _pass(self, why: str) -> Step | None:
        call = self._call
        assert call.verdict is not None and call.call_record is not None
        self._passed = call.verdict.hold.rules if call.verdict.hold is not None else ()
        call.call_record.verdict("allow", rule=call.verdict.rule, reason=why)
        return self._go_on

    # ------------------------------------------------------------------ what is asked

    def _entry(self, inside: Callable[..., Step | None]) -> Callable[..., None]:
        """A callback for the desk: it goes on behind the guard of the call, unless the call is over."""
        call = self._call
        return lambda told: call.enter(lambda: None if call.over else inside(told))


def has_passed(verdict: Verdict, holding: Holding | None, budgeting: Budgeting | None) -> bool:
    """Whether a call was looked at, held and counted as this verdict asks. `holding` and `budgeting` are the call's."""
    held = verdict.hold is None or (holding is not None and holding.covers(verdict.hold))
    counted = verdict.budget is None or (budgeting is not None and budgeting.covers(verdict.budget))
    return verdict.needs is None and held and counted
