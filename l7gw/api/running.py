"""The calls that are under way at a gateway, and who may end them.

Root at the socket and the gateway's own user there may end any: they could end the gateway. A person may end his own calls and
those of agents that act for him, and the calls that were held by a rule whose reviewers name him. Agents, workloads and who proves
himself by AWS end nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from l7gw.api.callers import Caller, is_person, names
from l7gw.approval.messages import Message, Requester
from l7gw.approval.people import People
from l7gw.hold_terms import Reviewers

LONGEST_REASON = 300  # characters; it goes into a refused upgrade, which has 900 bytes


class RunningCall(Message, frozen=True, kw_only=True):
    """A call that is under way. `exchange` is 0 on a cluster that is not recorded."""

    session: str
    exchange: int
    cluster: str
    principal: Requester
    command: str
    started: str  # RFC 3339, microseconds, UTC
    stream: bool  # whether it may last for hours


class RunningCalls(Message, frozen=True, kw_only=True):
    """The answer with those that the caller may end, or that he has ended."""

    calls: list[RunningCall]
    version: int = 1


class KillSaid(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to end calls. `exchange` names one of the session; without it all are ended."""

    exchange: Annotated[int, Meta(ge=1)] | None = None
    reason: Annotated[str, Meta(max_length=LONGEST_REASON)] = ""
    version: Literal[1] = 1


class Endable(Protocol):
    """A call under way, as its gateway gives it."""

    @property
    def session_id(self) -> str:
        """The session in which it is recorded; "" as long as it is in none."""

    @property
    def reviewers(self) -> tuple[Reviewers, ...]:
        """Whom the rules name that held it."""

    @property
    def requester(self) -> Requester: ...

    def about(self) -> RunningCall: ...

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        """End it: who did is recorded, and the client is told."""

    def durable(self, then: Callable[[Exception | None], None]) -> None:
        """Call `then` once what is recorded of its session is on the disk, or with the error."""


class Running(Protocol):
    """What is asked of the gateway."""

    @property
    def running(self) -> Sequence[Endable]: ...

    @property
    def people(self) -> People: ...


def may_end(caller: Caller, call: Endable, people: People) -> bool:
    """Whether the caller may end this call, which is in a session."""
    if caller.sees_all:
        return True
    if caller.reviewer is None or not is_person(caller.reviewer):
        return False
    who = caller.reviewer.principal
    if people.person(who.user) in people.behind(call.requester):
        return True
    return any(names(reviewers, who) for reviewers in call.reviewers)


def ends_calls(caller: Caller) -> bool:
    """Whether the caller is of those who may end any call at all."""
    return caller.sees_all or (caller.reviewer is not None and is_person(caller.reviewer))


decode_kill = msgspec.json.Decoder(KillSaid).decode
decode_running = msgspec.json.Decoder(RunningCalls).decode
