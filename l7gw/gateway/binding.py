"""One RoleBinding that the gateway makes, and what a call needs to be bound."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from l7gw.errors import Refusal
from l7gw.gateway.far_side import FarSide
from l7gw.kube import role_bindings
from l7gw.kube.role_bindings import OwnerKind, SubjectKind
from l7gw.policy.binds import Bind
from l7gw.recording.call_record import OfCalls


class Wanted(msgspec.Struct, frozen=True):
    """What a call needs to be bound: `owner` is the id of a grant or a session, with whose end it ends; `ends` is when that is, in
    seconds since 1970, 0 where nobody knows."""

    kind: OwnerKind
    owner: str
    bind: Bind
    subject_kind: SubjectKind
    subject: str
    user: str  # of the caller, for people who look at the binding
    ends: float = 0.0


Done = Callable[[Refusal | None], None]  # is told that all is bound, or why not
Key = tuple[str, str, Wanted]  # cluster, namespace, and what is wanted there


class Binding:
    """One RoleBinding. `made` is whether the cluster has it; `waiting` are calls that wait for that."""

    def __init__(self, far: FarSide, namespace: str, wanted: Wanted, session: OfCalls | None) -> None:
        self.far, self.namespace, self.wanted, self.session = far, namespace, wanted, session
        self.name = ""
        self.expires = 0.0  # seconds since 1970
        self.made = False
        self.waiting: list[Done] = []
        self.used = False  # whether a call has asked for it since it was made
        self.renew_at: float | None = 0.0  # monotonic second from which on another may be made in its place; None: it is, or was
        self.tries = 0
        self.remove_at: float | None = None  # monotonic second from which on it is to be removed; None as long as it is needed
        self.busy = False  # whether a call about it is under way

    @property
    def target(self) -> str:
        return role_bindings.path_of(self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.name} ({self.wanted.bind.kind} {self.wanted.bind.role}) in namespace {self.namespace} of {self.far.name}"
