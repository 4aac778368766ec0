"""What the relay of an answer asks of the call whose answer it is, and of the worker."""

from __future__ import annotations

from typing import Protocol

from l7gw.clock import Clock
from l7gw.cluster.upstream import Upstream
from l7gw.config.settings import Settings
from l7gw.gateway.answer import HeldAnswer
from l7gw.gateway.client import Client
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_sides import TunnelOwner
from l7gw.kube.self_reviews import Question
from l7gw.policy.can_i import Can
from l7gw.recording.events import Outcome
from l7gw.steps import Steps
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Request


class AnsweredCall(TunnelOwner, Protocol):
    """What the relay asks of the call whose answer it handles."""

    audit_id: str
    client: Client
    upstream: Upstream | None
    tunnel: Tunnel | None
    warning: str
    over: bool

    def can_i(self, question: Question) -> Can | None:
        """What the policy says to a self review of the caller's."""

    def beside(self, held: HeldAnswer) -> str:
        """What the caller is told beside this answer of the cluster's; "" for nothing."""

    def answers(self) -> None:
        """The head of the cluster's answer has come."""

    def opens(self) -> Request:
        """The answer is a stream, and its head goes to the client. Returns what stands for its request from now on."""

    def upgrade_refused(self) -> None:
        """The cluster answers an upgrade by something else. Clients then try another protocol."""

    def masked(self) -> None:
        """What the mask did in steps is done: call the relay's `masked`."""

    def finish(self, outcome: Outcome, reason: str) -> None:
        """End the call: the answer is whole."""


class Timed(Protocol):
    """What the relay asks of the worker."""

    clock: Clock
    timeouts: Timeouts
    steps: Steps
    settings: Settings
