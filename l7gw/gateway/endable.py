"""A call under way, as whoever may end it sees it (`api/running.py`)."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.api.running import RunningCall
from l7gw.approval.messages import Requester
from l7gw.clock import moment
from l7gw.gateway.exchange import Exchange
from l7gw.gateway.hold_asking import shown_act
from l7gw.hold_terms import Reviewers
from l7gw.kube.in_kubectl import in_kubectl


class EndableCall:
    """One exchange. It has a session once it is recorded; then its caller and its act are known."""

    __slots__ = ("_call",)

    def __init__(self, call: Exchange) -> None:
        self._call = call

    @property
    def session_id(self) -> str:
        """The session in which the call is recorded; "" as long as it is in none, or among the attempts."""
        call = self._call
        if call.over or call.call_record is None or call.principal is None or call.act is None:
            return ""
        return call.call_record.session.id

    @property
    def requester(self) -> Requester:
        who = self._call.principal
        assert who is not None
        return Requester(user=who.user, groups=who.groups, kind=who.kind, issuer=who.issuer, actor=who.actor, address=who.address)

    @property
    def reviewers(self) -> tuple[Reviewers, ...]:
        """Whom the rules name that held the call."""
        verdict = self._call.verdict
        held = verdict.hold if verdict is not None else None
        return tuple(rule.reviewers for rule in held.rules) if held is not None else ()

    def about(self) -> RunningCall:
        """The call in words, masked as its record is."""
        call = self._call
        assert call.far and call.call_record
        clock = call.worker.clock
        return RunningCall(
            session=self.session_id,
            exchange=call.call_record.number,
            cluster=call.far.name,
            principal=self.requester,
            command=in_kubectl(call.request.method, shown_act(call)),
            started=moment(int((clock.wall() - clock.monotonic() + call.began) * 1e6)),
            stream=call.is_stream,
        )

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        self._call.kill(user, reason, local=local)

    def durable(self, then: Callable[[Exception | None], None]) -> None:
        """Call `then` once what is recorded of the call's session is on the disk, or with the error."""
        assert self._call.call_record
        self._call.call_record.durable(then)
