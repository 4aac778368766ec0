"""RoleBindings that the gateway makes for the time of a grant or a session: just-in-time rights in the cluster (`bind` of the
policy).

A binding is made before the first call that needs it, and all calls that need it meanwhile wait for the same one. It is removed
when its grant or session is over, when the policy does not ask for it any more, and when the gateway ends. What a killed gateway
leaves is removed by the same gateway when it starts, and by any other one once the time on its label is over: bindings of sessions
are made anew, under another name, well before that. A binding that cannot be made refuses the call: nothing goes up by rights that
nobody gave. One that cannot be removed is tried again.

A name that is taken is never trusted, and never changed: the next name is tried.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from l7gw.approval.active_grants import ActiveGrants
from l7gw.errors import Refusal
from l7gw.gateway.binding import Binding, Done, Key, Wanted
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.own_call import OwnCall, Services
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube import role_bindings
from l7gw.kube.role_bindings import Listed
from l7gw.policy.binds import Bind
from l7gw.policy.judge import Policy
from l7gw.recording.call_record import OfCalls
from l7gw.timeouts import Timeouts

log = logging.getLogger(__name__)

SKEW = 5 * 60  # seconds by which the clocks of two gateways may differ
SWEEP_EVERY = 300.0  # seconds between two looks for what others left
SOON = 5.0  # seconds from the end of a grant to a look for what a dead gateway had bound for it
RETRY = 30.0  # seconds until a removal, or a renewal, that failed is tried again
MOST_NAMES = 4  # names that are tried for one binding
LARGEST = 2 * 1024 * 1024  # bytes of an answer: a list of 500 bindings
WHY = "the gateway binds a role for the time of this call's rights"


class Worker(Services, Protocol):
    """What the bindings ask of the worker."""

    policy: Policy
    grants: ActiveGrants


class Bindings:
    """The bindings of this process. `gateway` is the gateway's id."""

    def __init__(self, worker: Worker, gateway: str, timeouts: Timeouts) -> None:
        self._worker = worker
        self._gateway = gateway
        self._timeouts = timeouts
        self._far: Mapping[str, FarSide] = {}
        self._binds: dict[str, tuple[Bind, ...]] = {}  # of each cluster, by the policy in force
        self._current: dict[Key, Binding] = {}
        self._all: list[Binding] = []  # those, and the ones that are on their way out
        self._calls: set[OwnCall] = set()
        self._sweep_at = 0.0
        self._closing = False
        worker.grants.when_changed(self._grants_changed)

    @property
    def active(self) -> bool:
        """Whether the policy asks for any binding. Asked for each call."""
        return bool(self._binds)

    def configure(self, far: Mapping[str, FarSide], policy: Policy) -> None:
        """Put clusters and a policy into force. What it asks for no more is removed, and what others left is looked for."""
        self._far = far
        self._binds = {name: binds for name in far if (binds := policy.binds(name))}
        for one in self._all:
            if one.wanted.bind not in self._binds.get(one.far.name, ()):
                one.remove_at = one.remove_at or 0.0
        self._sweep_at = 0.0

    # ------------------------------------------------------------------ making

    def has(self, cluster: str, wanted: Wanted) -> bool:
        """Whether all of this is bound. What no call asks for is not made anew."""
        for namespace in wanted.bind.namespaces:
            one = self._current.get((cluster, namespace, wanted))
            if one is None or not one.made or one.remove_at is not None:
                return False
            one.used = True
        return True

    def make(self, far: FarSide, wanted: Wanted, session: OfCalls | None, then: Done) -> None:
        """Bind it, and call `then` once: with None when all is bound, or with the Refusal that says why not. `session` is whose end
        counts, None for a grant's."""
        left = set(wanted.bind.namespaces)

        def done(namespace: str, refusal: Refusal | None) -> None:
            if namespace in left:
                left.discard(namespace)
                if refusal is not None:
                    left.clear()
                if not left:
                    then(refusal)

        for namespace in wanted.bind.namespaces:
            key = far.name, namespace, wanted
            binding = self._current.get(key)
            if binding is None or binding.remove_at is not None:
                binding = self._begun(key, Binding(far, namespace, wanted, session))
            if binding.made:
                done(namespace, None)
            else:
                binding.waiting.append(partial(done, namespace))
                self._create(binding)

    def _begun(self, key: Key, binding: Binding) -> Binding:
        self._current[key] = binding
        self._all.append(binding)
        return binding

    def _create(self, binding: Binding) -> None:
        if binding.busy:
            return
        if self._closing:
            self._failed(binding, Refusal(503, "ServiceUnavailable", "the gateway is ending; nothing was bound"), certain=True)
            return
        wanted, wall = binding.wanted, self._worker.clock.wall()
        binding.name = self._name(binding)
        binding.expires = wanted.ends or wall + self._timeouts.binding_lasts
        binding.busy = True
        labels = {
            role_bindings.GATEWAY: self._gateway,
            role_bindings.EXPIRES: str(int(binding.expires)),
            role_bindings.OWNER[wanted.kind]: wanted.owner,
        }
        body = role_bindings.manifest(
            binding.name,
            role=wanted.bind.role,
            role_kind=wanted.bind.kind,
            subject=wanted.subject,
            subject_kind=wanted.subject_kind,
            labels=labels,
            about={"l7gw/user": wanted.user},
        )
        to = f"{wanted.subject_kind} {wanted.subject} for {wanted.kind} {wanted.owner}"
        why = f"the gateway binds {wanted.bind.kind} {wanted.bind.role} to {to}"
        asked = self._asked("POST", role_bindings.path_of(binding.namespace), body)
        far = self._far.get(binding.far.name, binding.far)
        self._call(far, asked, why, partial(self._created, binding), needs_record=True)

    def _name(self, binding: Binding) -> str:
        """The next name to try: that of the owner alone, then with the gateway's, then with a number of its own."""
        base = f"l7gw-{binding.wanted.owner}"
        taken = any(one.name == base and one is not binding for one in self._all if one.namespace == binding.namespace)
        if binding.tries == 0 and not taken:
            return base
        if binding.tries == 1 and not taken:
            return f"{base}-{self._gateway[:8]}"
        return f"{base}-{uuid.uuid4().hex[:8]}"

    def _created(self, binding: Binding, said: SideAnswer | Refusal) -> None:
        if isinstance(said, SideAnswer) and said.status == 201:
            log.info("bound: %s, for %s %s", binding, binding.wanted.kind, binding.wanted.owner)
            asyncio.get_running_loop().call_later(self._timeouts.bound, self._settled, binding)
            return
        binding.busy = False
        if isinstance(said, SideAnswer) and said.status == 409 and binding.tries < MOST_NAMES:
            binding.tries += 1
            self._create(binding)
        else:
            certain = isinstance(said, SideAnswer) and 400 <= said.status < 500
            self._failed(binding, self._refusal(binding, said), certain=certain)

    def _settled(self, binding: Binding) -> None:
        """Every API server has heard of it by now."""
        binding.busy = False
        binding.made = True
        self._tell(binding, None)

    def _failed(self, binding: Binding, refusal: Refusal, *, certain: bool) -> None:
        """It is not bound, as far as anybody can say. Where the answer was lost it may be: it is removed all the same."""
        log.error("%s cannot be bound: %s", binding, refusal.message)
        self._drop(binding)
        if certain:
            self._all.remove(binding)
        else:
            binding.remove_at = 0.0
        self._tell(binding, refusal)

    def _refusal(self, binding: Binding, said: SideAnswer | Refusal) -> Refusal:
        bind, where = binding.wanted.bind, f"namespace {binding.namespace} of cluster {binding.far.name}"
        if isinstance(said, Refusal):
            return Refusal(said.code, said.reason, f"{bind.kind} {bind.role} cannot be bound in {where}: {said.message}")
        told = said.refusal("").message.partition("the cluster says: ")[2]
        hint = (
            "RBAC there must let the gateway create, delete and list rolebindings, and bind this role: l7gw rbac render prints that"
        )
        words = f"{bind.kind} {bind.role} cannot be bound in {where}: the cluster says: {told}"
        return Refusal(502, "BadGateway", f"{words}; {hint}; tell whoever runs l7gw" if said.status == 403 else words)

    def _tell(self, binding: Binding, refusal: Refusal | None) -> None:
        waiting, binding.waiting = binding.waiting, []
        for then in waiting:
            then(refusal)

    # ------------------------------------------------------------------ removing

    def _drop(self, binding: Binding) -> None:
        """It is not what calls look for any more."""
        key = binding.far.name, binding.namespace, binding.wanted
        if self._current.get(key) is binding:
            del self._current[key]

    def _remove(self, binding: Binding) -> None:
        self._drop(binding)
        binding.busy = True
        why = f"the gateway removes a binding of its own: {binding.wanted.kind} {binding.wanted.owner} needs it no more"
        asked = self._asked("DELETE", binding.target)
        self._call(self._far.get(binding.far.name, binding.far), asked, why, partial(self._removed, binding))

    def _removed(self, binding: Binding, said: SideAnswer | Refusal) -> None:
        binding.busy = False
        if isinstance(said, SideAnswer) and said.status in (200, 202, 404):
            self._all.remove(binding)
            log.info("removed: %s", binding)
            return
        binding.remove_at = self._worker.clock.monotonic() + RETRY
        log.error("%s cannot be removed, and is tried again: %s", binding, _words(said))

    def _grants_changed(self) -> None:
        for one in self._all:
            if one.wanted.kind == "grant" and not self._worker.grants.has(one.wanted.owner):
                one.remove_at = one.remove_at or 0.0
        if self._binds:
            self._sweep_at = min(self._sweep_at, self._worker.clock.monotonic() + SOON)

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Once a second, `now` in monotonic seconds."""
        wall = self._worker.clock.wall()
        for call in list(self._calls):
            call.tick(now)
        for one in list(self._all):
            if one.session is not None and one.session.ended and one.remove_at is None:
                one.remove_at = now
            if one.remove_at is not None:
                if not one.busy and now >= one.remove_at and one.name:
                    self._remove(one)
            elif one.made and one.expires <= wall:  # it could not be made anew: any gateway may remove it now
                one.remove_at = now
            elif self._ends_soon(one, now, wall):
                if one.used:
                    self._renew(one)
                else:  # the caller's rules ask for it no more, or he does nothing that needs it
                    one.remove_at = now
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            self._sweep()

    def _ends_soon(self, one: Binding, now: float, wall: float) -> bool:
        """Whether a session's binding is to be made anew now. Those of grants end with them."""
        soon = one.expires - wall < self._timeouts.binding_lasts / 2
        return one.made and one.session is not None and soon and one.renew_at is not None and now >= one.renew_at

    def _renew(self, binding: Binding) -> None:
        """Make another one in the place of this, which goes once that is there."""
        binding.renew_at = None
        following = Binding(binding.far, binding.namespace, binding.wanted, binding.session)
        key = binding.far.name, binding.namespace, binding.wanted

        def made(refusal: Refusal | None) -> None:
            if refusal is not None:
                binding.renew_at = self._worker.clock.monotonic() + RETRY
            elif self._current.get(key) is binding:
                self._current[key] = following
                binding.remove_at = self._worker.clock.monotonic()
            else:  # nobody needs it any more
                following.remove_at = self._worker.clock.monotonic()

        self._all.append(following)
        following.waiting.append(made)
        self._create(following)

    def _sweep(self) -> None:
        """Look for bindings that a gateway left: a former process of this one, or another one that died."""
        for name, binds in self._binds.items():
            far = self._far[name]
            for namespace in dict.fromkeys(n for bind in binds for n in bind.namespaces):
                why = "the gateway looks for bindings that were left"
                asked = self._asked("GET", role_bindings.list_of_ours(namespace))
                made = [one for one in self._all if one.made and one.far.name == name and one.namespace == namespace]
                self._call(far, asked, why, partial(self._listed, far, namespace, made))

    def _listed(self, far: FarSide, namespace: str, made: list[Binding], said: SideAnswer | Refusal) -> None:
        """`made` are those of this process that were there when the cluster was asked."""
        try:
            if isinstance(said, Refusal) or said.status != 200:
                raise ValueError(_words(said))
            found = role_bindings.listed(said.body)
        except ValueError as error:
            log.error("cluster %s: the bindings in namespace %s cannot be looked at: %s", far.name, namespace, error)
            return
        there = {one.name for one in found}
        for mine in made:
            if mine.name not in there and len(found) < role_bindings.MOST_LISTED and mine.remove_at is None:
                log.warning("%s is gone, or has lost its labels: the next call that needs it makes it anew", mine)
                mine.remove_at = 0.0
        ours = {one.name for one in self._all if one.far.name == far.name and one.namespace == namespace}
        for one in found:
            if one.name.startswith("l7gw-") and one.name not in ours and (why := self._left(one)):
                log.warning("cluster %s: %s in namespace %s was left, and is removed: %s", far.name, one.name, namespace, why)
                asked = self._asked("DELETE", role_bindings.path_of(namespace, one.name))
                self._call(far, asked, f"the gateway removes a binding that was left: {why}", _unasked)

    def _left(self, one: Listed) -> str:
        """Why nobody needs a binding any more, that is none of this process; "" where that cannot be said."""
        grant = one.labels.get(role_bindings.OWNER["grant"], "")
        if one.labels.get(role_bindings.GATEWAY) == self._gateway:
            return "a former process of this gateway made it"
        if one.expires and one.expires + SKEW < self._worker.clock.wall():
            return "its time is over"
        return "its grant is over" if grant and self._worker.grants.is_over(grant) else ""

    async def close(self) -> None:
        """Remove all of them, because the gateway ends. What is left then is removed at its next
        start, or by another gateway."""
        self._closing = True
        until = self._worker.clock.monotonic() + self._timeouts.unbind
        while self._all and self._worker.clock.monotonic() < until:
            for one in list(self._all):
                if not one.busy and (one.remove_at is None or one.remove_at <= self._worker.clock.monotonic()):
                    if one.name:
                        self._remove(one)
                    else:
                        self._all.remove(one)
            await asyncio.sleep(0.02)
        for one in self._all:
            log.error("%s is left in the cluster: the gateway ends", one)

    # ------------------------------------------------------------------ inside

    def _asked(self, method: str, target: str, body: bytes = b"") -> Asked:
        return Asked(method=method, target=target, why=WHY, largest=LARGEST, within=self._timeouts.dry_run, body=body, own=True)

    def _call(
        self, far: FarSide, asked: Asked, why: str, then: Callable[[SideAnswer | Refusal], None], *, needs_record: bool = False
    ) -> None:
        def done(said: SideAnswer | Refusal) -> None:
            self._calls.discard(call)
            then(said)

        call = OwnCall(self._worker, far, asked, why, done, needs_record=needs_record)
        self._calls.add(call)
        call.begin()


def _words(said: SideAnswer | Refusal) -> str:
    return said.message if isinstance(said, Refusal) else said.refusal("").message.lstrip(", ")


def _unasked(_said: SideAnswer | Refusal) -> None:
    """Nobody waits for the answer: what is left is found at the next look."""
