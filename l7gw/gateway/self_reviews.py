"""The cluster's answer to a self review (`kubectl auth can-i`): the policy's answer is put to it before the client gets it.

Allowed is what both allow. The reason says which of them says no, and what a yes depends on. The rules of a rules review are RBAC's
alone, so that review says that it is incomplete.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from l7gw.cluster.standing import Standing
from l7gw.errors import Refusal
from l7gw.gateway.answer import HeldAnswer
from l7gw.kube.act import Act
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.self_reviews import LARGEST, Answer, Kind, Question, Said, asks, unpacked
from l7gw.policy.can_i import Can
from l7gw.wire.events import Body, HttpEvent, Request, Response

Ask = Callable[[Question], Can | None]
INCOMPLETE = (
    "l7gw: these are the rights in the cluster alone; the policy of the gateway may deny or hold what they allow. Ask for one call"
)
NO_CALL = "l7gw: no call has this verb, so that the cluster alone decides"


class ReviewAnswer:
    """A self review's answer, held back until it is whole. `ask` is asked what the policy says."""

    __slots__ = ("body", "head", "_ask", "_kind", "_size")

    def __init__(self, head: Response, kind: Kind, ask: Ask) -> None:
        self.head = head
        self.body: list[Body] = []
        self._kind: Kind = kind
        self._ask = ask
        self._size = 0

    def takes(self, event: HttpEvent) -> bool:
        """Take one more event of the answer. False at its end. Raises Refusal 502 for one that is too large."""
        if type(event) is not Body:
            return False
        self._size += len(event.data)
        if self._size > LARGEST:
            raise _unreadable("it is too large")
        self.body.append(event)
        return True

    def refusal(self, cluster: str, standing: Standing, request: Request) -> Refusal | None:
        """Write the answer anew. A Refusal where it cannot be read."""
        said = b"".join(body.data for body in self.body)
        named = dict(self.head.headers)
        try:
            if "content-encoding" in named:
                said = unpacked(said)
            body = self._combined(Answer(self._kind, named.get("content-type", ""), said))
        except Unreadable as error:
            return _unreadable(str(error))
        headers = tuple(pair for pair in self.head.headers if pair[0] != "content-encoding")
        self.head = replace(self.head, headers=headers, length=len(body))
        self.body = [Body(body)]
        return None

    def _combined(self, answer: Answer) -> bytes:
        if answer.question is None:
            return answer.incomplete("; ".join(filter(None, (answer.said.error, INCOMPLETE))))
        allowed, reason = combined(self._ask(answer.question), answer.said)
        return answer.answering(allowed=allowed, reason=reason)


Held = HeldAnswer | ReviewAnswer


def held_back(head: Response, act: Act, ask: Ask, *, guarded: bool) -> Held | None:
    """What holds an answer back until it is whole; None where it goes on as it comes. `guarded` is as in `HeldAnswer.needed`."""
    if HeldAnswer.needed(head, act, guarded=guarded):
        return HeldAnswer(head)
    kind = asks(act)
    return ReviewAnswer(head, kind, ask) if kind is not None and 200 <= head.status < 300 else None


def combined(can: Can | None, said: Said) -> tuple[bool, str]:
    """Whether both allow it, and why, or why not. `can` is what the policy says."""
    if can is None:
        return said.allowed, "; ".join(filter(None, (NO_CALL, said.reason)))
    if not can.allowed:
        return False, f"l7gw: {can.reason}"
    if not said.allowed:
        return False, said.reason or "l7gw: a rule allows it, and the cluster's RBAC does not"
    return True, "; ".join(filter(None, (can.reason and f"l7gw: {can.reason}", said.reason)))


def _unreadable(why: str) -> Refusal:
    return Refusal(502, "BadGateway", f"the cluster's answer to the review cannot be read, so it does not pass: {why}")
