"""Calls under way that are none: they keep who ended them."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.api.running import RunningCall
from l7gw.approval.messages import Requester
from l7gw.hold_terms import Reviewers


class Call:
    """A call under way of ann, or of an agent for her. `killed` are those who ended it."""

    def __init__(self, requester: Requester, *reviewers: Reviewers, session: str = "01a2", exchange: int = 1) -> None:
        self.requester = requester
        self.reviewers = reviewers
        self.session_id = session
        self.exchange = exchange
        self.killed: list[tuple[str, str, bool]] = []
        self.error: Exception | None = None

    def about(self) -> RunningCall:
        return RunningCall(
            session=self.session_id, exchange=self.exchange, cluster="prod", principal=self.requester, command="kubectl exec",
            started=f"2026-01-01T00:00:{self.exchange:02}.000000Z", stream=True,
        )  # fmt: skip

    def kill(self, user: str, reason: str, *, local: bool) -> None:
        self.killed.append((user, reason, local))

    def durable(self, then: Callable[[Exception | None], None]) -> None:
        then(self.error)
