"""What a call asks of its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from l7gw.approval.active_grants import ActiveGrant, ActiveGrants
from l7gw.clock import Clock
from l7gw.config.settings import Settings
from l7gw.gateway.access_log import AccessLog
from l7gw.gateway.bindings import Bindings
from l7gw.gateway.client import Client
from l7gw.gateway.familiar import Familiar
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.routing import Routes
from l7gw.hooking.hook_set import HookSet
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.self_reviews import Question
from l7gw.log import CountedLog
from l7gw.masking.masking import Masking
from l7gw.obligations import Handling
from l7gw.policy.can_i import Can
from l7gw.policy.judge import Policy
from l7gw.policy.looked import Looked
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.recording.recorder import Recorder
from l7gw.recording.redact import Hide
from l7gw.steps import Steps
from l7gw.timeouts import Timeouts

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk


class DiskWaiter(Protocol):
    """A call that has stopped reading because the disk is behind."""

    def disk_caught_up(self) -> None:
        """The disk is behind no more: read on."""


class CallServices(Protocol):
    """What a call asks of its worker. A call keeps no attribute of it: a reload may put another object in its place."""

    clock: Clock
    timeouts: Timeouts
    recorder: Recorder
    policy: Policy
    grants: ActiveGrants
    bindings: Bindings
    masking: Masking
    steps: Steps
    routes: Routes[FarSide]
    of_peers: CountedLog
    settings: Settings
    familiar: Familiar
    hooks: HookSet
    access: AccessLog

    @property
    def identity(self) -> IdentityChain: ...

    @property
    def desk(self) -> Desk:
        """Where holds are asked for. There is one where the policy holds anything."""

    def judge(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Verdict:
        """The verdict on a new call, or on a connection inside a port-forward: the policy's and, after an allow, the hooks'.
        `looked` is what was read of its body, None before that."""

    def can_i(self, principal: Principal, cluster: str, question: Question, acts_as: ActsAs | None) -> Can | None:
        """What the policy and the hooks say to a self review; None where the question is about no call."""

    def judge_by_policy(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Verdict:
        """The policy's verdict alone, as on a stream that is judged again."""

    def acting(self, principal: Principal, cluster: str) -> tuple[Principal, tuple[ActiveGrant, ...]]:
        """The principal with the groups that are granted to him on this cluster now, and by which grants."""

    def waits_for_disk(self, act: Act, handling: Handling) -> bool:
        """Whether the call must be on the disk before its first byte goes upstream."""

    def begin_record(
        self, principal: Principal | None, far: FarSide | None, client: Client, said: HeaderFields, hide: Hide, handling: Handling
    ) -> CallRecord:
        """The record of a new call, in the principal's session or among the attempts."""

    def when_written(self, slowed: DiskWaiter) -> None:
        """Call `disk_caught_up` of `slowed` once, when the recorder has written what it holds."""
