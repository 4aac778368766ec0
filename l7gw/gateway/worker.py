"""A worker: everything that the calls of one process share, the second's tick, and the drain."""

from __future__ import annotations

import asyncio
import logging
import resource
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from l7gw.api.call import Api
from l7gw.api.call_sides import Told
from l7gw.api.replies import Webhook
from l7gw.approval.active_grants import ActiveGrant, ActiveGrants
from l7gw.approval.people import People
from l7gw.clock import Clock
from l7gw.cluster.pools import MOST_POOLS
from l7gw.cluster.transport import Arrival
from l7gw.config.settings import Durable, RecordMode, Settings
from l7gw.errors import ConfigurationError
from l7gw.file_stamp import Stamp
from l7gw.gateway import granted
from l7gw.gateway.access_log import AccessLog, of_api
from l7gw.gateway.bindings import Bindings
from l7gw.gateway.call_services import DiskWaiter
from l7gw.gateway.client import Client, run_of
from l7gw.gateway.desks import Desks, Opened
from l7gw.gateway.door import Door
from l7gw.gateway.downstream import RESTARTED, Downstream
from l7gw.gateway.downstream_http1 import Http1Downstream
from l7gw.gateway.downstream_http2 import Http2Downstream
from l7gw.gateway.endable import EndableCall
from l7gw.gateway.exchange import Exchange
from l7gw.gateway.familiar import Familiar
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.far_sides import FarSides
from l7gw.gateway.header_fields import HeaderFields
from l7gw.gateway.policy_file import policy_of
from l7gw.gateway.tls import Listening
from l7gw.hooking.call_texts import AsRecorded
from l7gw.hooking.hook_set import HookSet
from l7gw.hooking.loader import load_hooks
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.known_lines import KnownLines
from l7gw.kube.self_reviews import Question
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.log import CountedLog
from l7gw.masking.bodies.bodies import Budget
from l7gw.masking.configured import configured
from l7gw.masking.masking import Masking
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS, Handling
from l7gw.policy.can_i import Can, asked_act
from l7gw.policy.looked import Looked
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord, Silent
from l7gw.recording.gateway_id import gateway_id
from l7gw.recording.masking_key import masking_key
from l7gw.recording.recorder import Recorder
from l7gw.recording.redact import Hide
from l7gw.steps import Steps
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.approval.grant_desk import GrantDesk

log = logging.getLogger(__name__)

REJUDGE_EVERY = 30.0  # seconds between two judgements of a running stream (threats F6, D17: within 60)
OWN_DESCRIPTORS = 24  # file descriptors for the loop, the listeners, the journal and the fetching of an issuer's keys
DESCRIPTORS_FOR_CLIENTS = 0.4  # share of the others: each client may need a connection to a cluster too, and 20 % stay in reserve
DESCRIPTORS_FOR_PEOPLE = 0.1  # share for people of a cluster who each have a pool: it keeps a connection or two for a minute
CHANGES: frozenset[Effect] = frozenset(("write", "workload", "delete", "execute", "tunnel", "escalate", "impersonate"))


class Worker:
    """The shared state of one process's calls. `configure` may be called again; running calls keep what they began with."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        clock: Clock,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
        *,
        open_desks: Callable[[ActiveGrants], Opened],
        access: AccessLog,
    ) -> None:
        self.clock = clock
        self.access = access
        self._desks = Desks(open_desks, clock)
        self.grants = self._desks.active
        self.grants.when_changed(self._rejudge_soon)
        self.api = Api(self)
        self.timeouts = timeouts
        self.limits = limits
        self.lines = KnownLines() if limits.remembered else KnownLines(0)
        self.familiar = Familiar(limits.remembered)
        self.recorder = recorder
        self.draining = False
        self._clients: dict[Downstream, None] = {}  # the connections past their handshake, in the order in which they came
        self._slowed: dict[DiskWaiter, None] = {}  # in the order in which they began to wait
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_DESCRIPTORS
        self._next_rejudging = 0.0
        self.of_peers = CountedLog(log, clock.monotonic)  # for events that a client or a cluster can cause as often as it likes
        self.door = Door(max(1, int(descriptors * DESCRIPTORS_FOR_CLIENTS)), self.of_peers)
        most_people = max(1, min(MOST_POOLS, int(descriptors * DESCRIPTORS_FOR_PEOPLE)))
        self._far = FarSides(clock, timeouts, most_people=most_people, remembered=limits.remembered)
        self._identity: IdentityChain | None = None
        self._masking_key = masking_key(settings.state)
        self._budget = Budget()
        self.steps = Steps()
        self._registry = Registry(self._masking_key, clock.monotonic)
        self.bindings = Bindings(self, gateway_id(settings.state), timeouts)
        self.configure(settings)
        recorder.on_failure(self._recording_failed)
        recorder.on_written(self._written)

    def configure(self, settings: Settings) -> None:
        """Put a configuration into force. Raises ConfigurationError, OSError or ssl.SSLError, and then changes nothing."""
        policy_file = Stamp(settings.policy)  # taken before the file is read, so that a change in between is noticed
        masking = configured(settings.masking, settings.path)
        policy = policy_of(settings, masking)
        listening = Listening(settings)
        hooks = HookSet(load_hooks(settings.hooks, settings.path))
        far = self._far.wanted(settings)
        webhook = Webhook(settings.webhook.secret_file, settings.webhook.users) if settings.webhook is not None else None
        desks = self._desks.wanted(policy, settings)
        identity = IdentityChain(
            settings.identity,
            self.clock,
            former=self._identity,
            cluster_ids={name: cluster.aws_id for name, cluster in settings.clusters.items()},
            timeouts=self.timeouts,
            limits=self.limits,
        )
        self._desks.use(desks, settings)
        self.webhook = webhook
        self.settings = settings
        self.masking = Masking(self._masking_key, masking, registry=self._registry, budget=self._budget, hooks=hooks)
        self.policy = policy
        self._policy_file = policy_file
        self.listening = listening
        self.hooks = hooks
        self._identity = identity
        self._far.use(far)
        self.routes = self._far.routes
        self.bindings.configure(self._far.in_force, policy)
        self._durable: Durable = settings.recording.durable
        self.recorder.disk.reserve = settings.recording.reserve
        self.access.mode = settings.log.access

    def warm(self) -> None:
        """Have a thread compile what the first call that is masked would wait for. The worker serves meanwhile."""
        threading.Thread(target=self.masking.warm, name="l7gw-warm", daemon=True).start()

    @property
    def identity(self) -> IdentityChain:
        assert self._identity is not None
        return self._identity

    # ------------------------------------------------------------------ holds

    @property
    def desk(self) -> Desk:
        assert self._desks.holds is not None, "the policy holds nothing"
        return self._desks.holds

    @property
    def desk_if_any(self) -> Desk | None:
        """The desk; None as long as nothing was ever held."""
        return self._desks.holds

    def has_cluster(self, name: str) -> bool:
        """Whether a cluster of this name is configured."""
        return name in self._far

    def records(self, cluster: str) -> RecordMode:
        """What is recorded of a cluster's calls."""
        return self._far.records(cluster)

    @property
    def grants_if_any(self) -> GrantDesk | None:
        """The desk at which groups are asked for; None as long as nothing was ever held."""
        return self._desks.grants

    @property
    def people(self) -> People:
        """Which names are one person's."""
        return People(self.settings.people)

    @property
    def running(self) -> list[EndableCall]:
        """The calls of clusters that are under way."""
        return [EndableCall(call) for client in self._clients for call in client.exchanges if isinstance(call, Exchange)]

    # ------------------------------------------------------------------ connections

    def client(self) -> Arrival:
        """A protocol for a new connection of a listener."""
        return Arrival(lambda spoken: Http2Downstream(self) if spoken == "h2" else Http1Downstream(self))

    def api_called(self, told: Told) -> None:
        """Log a call of the API."""
        line = of_api(told, self.clock.wall())
        if told.event == "open":
            self.access.opened(line)
        else:
            self.access.ended(line, "complete" if not told.reason else "failed" if told.status else "aborted")

    def admit(self, client: Downstream) -> None:
        """Add a connection whose handshake is done: from now on it gets ticks and takes part in drains."""
        self._clients[client] = None

    def dismiss(self, client: Downstream) -> None:
        self._clients.pop(client, None)

    # ------------------------------------------------------------------ verdicts

    def judge(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Verdict:
        """The verdict on a new call, or on a connection inside a port-forward: the policy's and, where that is no denial, the
        hooks'."""
        verdict = self.judge_by_policy(principal, cluster, act, looked)
        if not self.hooks.acts or verdict.decision == "deny":
            return verdict
        masks = self.masking.of_call(cluster, act, principal, verdict.obligations).objects(sender=principal.user)
        return self.hooks.judge(verdict, self.acting(principal, cluster)[0], cluster, act, AsRecorded(masks))

    def judge_by_policy(self, principal: Principal, cluster: str, act: Act, looked: Looked | None = None) -> Verdict:
        """The policy's verdict, with the groups that are granted to the principal now."""
        return granted.judged(self.policy, self.grants, principal, cluster, act, looked)

    def acting(self, principal: Principal, cluster: str) -> tuple[Principal, tuple[ActiveGrant, ...]]:
        """The principal with the groups that are granted to him on this cluster, and by which grants."""
        return granted.acting(self.policy, self.grants, principal, cluster)

    def can_i(self, principal: Principal, cluster: str, question: Question, acts_as: ActsAs | None) -> Can | None:
        """What the policy and the hooks say to a self review; None where the question is about no call."""
        who = self.acting(principal, cluster)[0]
        can = self.policy.can_i(who, cluster, question, acts_as)
        if can is None or not can.allowed or not self.hooks.acts:
            return can
        act = asked_act(question, acts_as)
        if act is None:  # about impersonation: hooks are asked about the calls that are made so
            return can
        masks = self.masking.of_call(cluster, act, principal, NO_OBLIGATIONS).objects(sender=principal.user)
        said = self.hooks.judge(Verdict(allowed=True, rule=can.rule, reason=can.reason), who, cluster, act, AsRecorded(masks))
        return can if said.allowed else Can(allowed=False, reason=said.reason, rule=said.rule)

    # ------------------------------------------------------------------ recording

    def waits_for_disk(self, act: Act, handling: Handling) -> bool:
        """Whether the call must be on the disk before its first byte goes upstream."""
        durable = handling.durable or self._durable
        match durable:
            case "writes":
                return not act.effects.isdisjoint(CHANGES)
            case "all":
                return True
            case "none":
                return False
            case _:
                assert_never(durable)

    def begin_record(
        self, principal: Principal | None, far: FarSide | None, client: Client, said: HeaderFields, hide: Hide, handling: Handling
    ) -> CallRecord:
        """The record of a new call: in the principal's session and the run of the client process or, without a principal, among the
        day's attempts."""
        cluster = far.name if far is not None else ""
        if principal is None or far is None:
            return self.recorder.attempts(cluster).begin()
        session = self.recorder.session(principal, cluster)
        mode = handling.record or far.record
        match mode:
            case "all":
                content = True
            case "metadata":
                content = False
            case "none":
                return Silent(session)
            case _:
                assert_never(mode)
        named = said.named
        agent, command = hide(named.get("user-agent", "")), hide(named.get("kubectl-command", ""))
        return session.begin(run_id=run_of(said, client), client=agent, command=command, content=content)

    def begin_attempt(self, client: Downstream) -> CallRecord:
        """A new record, among the day's attempts, of bytes that were no request."""
        host = self.routes.of_host(client.server_name)
        return self.recorder.attempts(host.name if host else "").begin()

    def when_written(self, slowed: DiskWaiter) -> None:
        """Call `disk_caught_up` of `slowed` once, when the recorder has written what it holds."""
        self._slowed[slowed] = None

    def _written(self) -> None:
        slowed, self._slowed = self._slowed, {}
        for one in slowed:
            one.disk_caught_up()

    def _recording_failed(self) -> None:
        """End all running calls, because what cannot be recorded does not pass. `route` refuses new ones in the same words."""
        refusal = self.recorder.refusal()
        why = refusal.message if refusal is not None else "recording has failed, and nothing passes unrecorded"
        for client in list(self._clients):
            for exchange in client.exchanges:
                exchange.cut(why)

    # ------------------------------------------------------------------ time

    def tick(self) -> None:
        """Once a second."""
        now = self.clock.monotonic()
        self.recorder.tick()
        self.of_peers.tick()
        self._registry.tick()
        self.familiar.tick()
        self.hooks.tick()
        self._desks.tick(now)
        self.api.tick()
        self.door.tick()
        for client in list(self._clients):
            try:
                if client.is_lost(now):
                    self.of_peers.info(client.address, "the client is gone without a word")
                    client.abort("the client's system acknowledges nothing any more")
                else:
                    client.tick(now)
            except Exception:  # a bug at one connection must not stop the ticks of the others
                log.exception("a connection of %s is cut", client.address)
                client.abort("the gateway failed at this connection")
        self._far.tick()
        self.bindings.tick(now)
        self.listening.refresh()
        self._reload_policy()
        if now >= self._next_rejudging:
            self._next_rejudging = now + REJUDGE_EVERY
            for client in list(self._clients):
                for exchange in client.exchanges:
                    exchange.rejudge()

    def _rejudge_soon(self) -> None:
        """Judge the running streams again at the next tick: policy or grants have changed."""
        self._next_rejudging = 0.0

    def _reload_policy(self) -> None:
        if not self._policy_file.changed():
            return
        try:
            policy = policy_of(self.settings, self.masking.configured)
            self._desks.use(self._desks.wanted(policy, self.settings), self.settings)
            self.policy = policy
            self._far.policy_changed()
            self.bindings.configure(self._far.in_force, policy)
            log.info("policy read again: %s", self.settings.policy)
            self._rejudge_soon()
        except (ConfigurationError, OSError) as error:
            log.error("the changed policy is not used, the former stays in force:\n%s", error)

    async def drain(self, accepted_no_more: Callable[[], None]) -> None:
        """Accept no more, let short calls and streams end in their time, then end what is left with a failure Status.

        A client that was let in just now, or sends call after call, may have sent one that is not read yet. Its connection of
        HTTP/1.1 gets a moment for that call, and ends with the answer.
        """
        self.draining = True
        accepted_no_more()
        self.api.drain(RESTARTED)
        began = self.clock.monotonic()
        while self._clients or (self.door.open and self.clock.monotonic() - began < self.timeouts.drain_next_call):
            now = self.clock.monotonic()
            for client in list(self._clients):
                if client.exchanges or not client.expects_request(now):
                    client.drain(now - began)
            if now - began >= self.timeouts.drain_streams + self.timeouts.drain_last_words:
                break
            await asyncio.sleep(0.05)
        for client in list(self._clients):
            client.abort(RESTARTED)
        await self.bindings.close()
        self._far.close()
