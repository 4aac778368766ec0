"""Judges a call by what it would do, where the policy asks for that: one dry run, made as the requester, then the verdict."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.gateway.guard import Step
from l7gw.gateway.hold_asking import HeldCall, subject_of
from l7gw.gateway.looking import Answers, Looking
from l7gw.gateway.results import Result, reading_of, result_of, untold

OWN = "the gateway's own call for a condition of the policy, as the requester and not counted as an act"


def judge_by_result(call: HeldCall, then: Callable[[Answers], Step | None]) -> Step | None:
    """Make the dry run of a call whose verdict needs its result, and give the call its verdict by that. Then `then` gets what was
    asked, so that a view for a reviewer asks nothing twice, and returns the call's next step. Raises Refusal 403 for a denial."""
    answers: Answers = {}

    def judge(result: Result) -> Step | None:
        call.result = untold(result) if result.quotes and not _may_read(call) else result
        call.verdict = call.judged()
        return then(answers)

    worker = call.worker
    look = result_of(subject_of(call))
    return Looking(call, worker.clock, look, judge, within=worker.timeouts.view, keep=answers, own=OWN).begin()


def _may_read(call: HeldCall) -> bool:
    """Whether the policy lets the caller read the object that the call is about."""
    assert call.act is not None and call.principal is not None and call.far is not None
    reading = reading_of(call.act)
    return reading is None or call.worker.judge(call.principal, call.far.name, reading).allowed
