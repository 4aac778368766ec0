"""Looks at what a held call would do: dry run and readings, made as the requester (`hold_views.py` says what is asked)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar

from l7gw.clock import Clock
from l7gw.errors import Refusal
from l7gw.gateway.guard import Step
from l7gw.gateway.hold_deletes import look_at_collection, look_at_delete
from l7gw.gateway.hold_execs import look_at_pod
from l7gw.gateway.hold_views import Look, Subject, View, as_sent, can_be_rehearsed, look_at_write
from l7gw.gateway.side_calls import Asked, AskingCall, SideAnswer, SideCall
from l7gw.kube.act import Act
from l7gw.kube.dry_runs import is_eviction, is_rehearsal
from l7gw.kube.requestinfo import STREAMING

OWN = "the gateway's own call for the reviewer's view, as the requester and not counted as an act"

T = TypeVar("T")
Answers = dict[Asked, SideAnswer | Refusal]  # what was asked of the cluster for one call, and what it said
Known = Mapping[Asked, SideAnswer | Refusal]
NOTHING: Final[Known] = MappingProxyType({})


class Timed(Protocol):
    """What a look asks of the worker."""

    clock: Clock


def look(subject: Subject, shown: Act) -> Look:
    """The look that fits a call. `shown` is the act as it is recorded."""
    act = subject.act
    if act.is_resource and act.subresource in STREAMING:
        return (yield from look_at_pod(subject, shown))
    if act.is_resource and is_rehearsal(act, subject.node) and (yield from can_be_rehearsed(subject)):
        view = as_sent(subject)
        return View(shown=view.shown, changes=view.changes, free="it is a dry run of the client's own, and changes nothing")
    if act.verb == "delete" and act.subresource:
        return as_sent(subject)  # a proxy's, as nothing else is deleted below an object: to read there is an act of its own
    if act.verb == "delete" or is_eviction(act):
        return (yield from look_at_delete(subject))
    if act.verb == "deletecollection":
        return (yield from look_at_collection(subject))
    if act.is_resource and act.verb in ("create", "update", "patch"):
        return (yield from look_at_write(subject))
    return as_sent(subject)


class Looking(Generic[T]):
    """One look of a call, with all that it asks. `then` gets what it found, and returns the call's next step. It is not called
    where the call ended first. All of it has `within` seconds; what is asked later gets a Refusal 504 for an answer.

    What was answered before, `known`, is not asked again. Answers go into `keep`. `own` says in the record what the calls are for.
    """

    __slots__ = ("_asked", "_call", "_clock", "_ends", "_keep", "_known", "_look", "_own", "_then")

    def __init__(
        self,
        call: AskingCall,
        clock: Clock,
        look: Generator[Asked, SideAnswer | Refusal, T],
        then: Callable[[T], Step | None],
        *,
        within: float,
        known: Known = NOTHING,
        keep: Answers | None = None,
        own: str = OWN,
    ) -> None:
        self._call = call
        self._clock = clock
        self._look = look
        self._then = then
        self._ends = clock.monotonic() + within
        self._known = known
        self._keep = keep
        self._own = own
        self._asked: Asked | None = None

    def begin(self) -> Step | None:
        return self._go_on(None)

    def _said(self, said: SideAnswer | Refusal) -> Step | None:
        """Raises Refusal where the cluster cannot be asked at all; only its slowness is shown to the reviewer."""
        if isinstance(said, Refusal) and said.code != 504:
            raise said
        if self._keep is not None and self._asked is not None:
            self._keep[self._asked] = said
        return self._go_on(said)

    def _go_on(self, said: SideAnswer | Refusal | None) -> Step | None:
        try:
            asked = next(self._look) if said is None else self._look.send(said)
            while (known := self._without_asking(asked)) is not None:
                asked = self._look.send(known)
        except StopIteration as stop:
            found: T = stop.value
            return self._then(found)
        record = self._call.call_record
        assert record is not None
        record.verdict("allow", reason=f"{self._own}: {asked.method} {asked.target.partition('?')[0]}", own=True)
        self._asked = asked
        SideCall(self._call, asked, self._said).begin()
        return None

    def _without_asking(self, asked: Asked) -> SideAnswer | Refusal | None:
        """The answer that is known before anything is asked; None where the cluster is to be asked."""
        if (known := self._known.get(asked)) is not None:
            return known
        late = self._clock.monotonic() > self._ends
        return Refusal(504, "Timeout", "the cluster does not answer in time") if late else None
