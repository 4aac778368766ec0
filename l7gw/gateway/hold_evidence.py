"""What happens to holds, recorded in the session of the call that is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from l7gw.approval.messages import Asked, Hold, Requester, ReviewView, encode
from l7gw.config.settings import RecordMode
from l7gw.identity.principal import Principal
from l7gw.recording.events import HoldRecorded, ReviewRecorded
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import Session

SEEN = ("pending", "consumed")  # the states whose event says what the reviewer is shown

Then = Callable[[Exception | None], None]


class HoldEvidence:
    """The desk's evidence. `mode` is the `record` of a cluster, by its name, for calls whose rule says none. Of `metadata` no view
    is kept, of `none` nothing."""

    def __init__(self, recorder: Recorder, mode: Callable[[str], RecordMode]) -> None:
        self._recorder = recorder
        self._mode = mode

    def changed(self, hold: Hold, review: ReviewView | None, then: Then) -> None:
        """Record that a hold has come to its state, and what somebody said of it. `then` gets None once that is on the disk."""
        mode = hold.record or self._mode(hold.cluster)
        session = session_of(self._recorder, mode, hold.principal, hold.cluster, then)
        if session is None:
            return
        number, elsewhere = _place(session, hold.session, hold.exchange)
        if review is not None:
            session.append(
                ReviewRecorded(
                    session.now(),
                    number,
                    hold=hold.id,
                    user=review.user,
                    verdict=review.verdict,
                    note=review.note,
                    local=review.local,
                    forced=review.forced,
                    reason=review.reason,
                    rest_of_run=review.rest_of_run,
                    session=elsewhere,
                    issuer=review.issuer,
                )
            )
        if review is None or hold.state not in ("pending", "consumed"):  # a review then changed no state
            session.count(held=hold.state == "pending")
            event = _event(session, hold, number, elsewhere)
            if mode != "all":
                event.shown = ""
            session.append(event)
        session.durable(then)

    def covered(self, hold: str, asked: Asked, then: Then) -> None:
        """Record that a call passes as the rest of a run that was approved with this hold."""
        mode = asked.record or self._mode(asked.cluster)
        session = session_of(self._recorder, mode, asked.principal, asked.cluster, then)
        if session is None:
            return
        number, elsewhere = _place(session, asked.session, asked.exchange)
        session.append(
            HoldRecorded(
                session.now(),
                number,
                hold=hold,
                state="covered",
                rule=asked.terms.rules[0].rule,
                wait=asked.terms.wait,
                command=asked.command,
                session=elsewhere,
            )
        )
        session.durable(then)


def session_of(recorder: Recorder, mode: RecordMode, who: Requester, cluster: str, then: Then) -> Session | None:
    """The running session of a requester. None where nothing is recorded: `then` is told at once."""
    if mode == "none":
        asyncio.get_running_loop().call_soon(then, None)
        return None
    principal = Principal(who.user, who.groups, kind=who.kind, issuer=who.issuer, actor=who.actor, address=who.address)
    return recorder.session(principal, cluster)


def _event(session: Session, hold: Hold, number: int, elsewhere: str) -> HoldRecorded:
    event = HoldRecorded(session.now(), number, hold=hold.id, state=hold.state, rule=hold.rule, wait=hold.wait, why=hold.why)
    event.command = hold.command
    if hold.state in SEEN:
        event.shown = encode(hold.shown).decode()
    if hold.state == "consumed":
        event.reviews = encode(hold.reviews).decode()
    event.session = elsewhere
    return event


def _place(session: Session, of_call: str, exchange: int) -> tuple[int, str]:
    """The exchange and the call's session, as an event says them: the session is "" where it is this one, else the exchange 0."""
    return (exchange, "") if session.id == of_call else (0, of_call)
