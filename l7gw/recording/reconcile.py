"""Compares a cluster's own audit log with the recordings, call by call, by the Audit-Id that the gateway gave each of them.

A call that the cluster saw and nobody recorded went round the gateway. An Audit-Id alone proves nothing: a client reads it in the
gateway's answer, and kube-apiserver takes it from whoever sends it (AS pkg/endpoints/filters/audit_init.go). So a call of the log
that has the id of a recorded one must also come by the gateway's credential, name its caller and session, be made within its time,
and ask for the same, or for what the gateway itself asks within a call: a reading, a dry run, a review of access, a binding of its
own.

A call that was recorded, and that the cluster answered, stands in the log, or either of both was changed. Only calls that lie
wholly within the time of the log count, less a margin, and none of a kind that the cluster's audit policy leaves out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import msgspec

from l7gw.config.settings import Impersonate
from l7gw.policy.patterns import Globs
from l7gw.recording.audit_event import AuditEvent, AuditUser
from l7gw.recording.recorded_calls import RecordedCall, RecordedCalls, is_dry

SKEW = 300 * 1_000_000  # microseconds by which the clocks of cluster and gateway may differ
MARGIN = 120 * 1_000_000  # microseconds at both ends of the log in which its streams may lack a call that others have
MINUTE = 60 * 1_000_000  # microseconds
SILENCE = 15  # minutes without an event that are told; a cluster's own parts renew leases every few seconds
MOST_MINUTES = 4 * 366 * 24 * 60  # that are told apart: four years of a log, 150 MB
MOST_KINDS = 1000  # different ways round that are told apart; the rest is one number
MOST_UNSEEN = 1000  # calls that the cluster never saw, of which each is told; all are counted
MOST_NAMES = 1000  # users that are ignored, and counted by name

# What a cluster itself does, by its users. EKS gives none of these names to a person: an access entry may not begin so
IGNORED = (
    "system:apiserver",
    "system:kube-*",
    "system:cloud-controller-manager",
    "system:node:*",
    "system:serviceaccount:kube-system:*",
    "eks:*",
)
# What EKS's audit policy leaves out, as VERB KIND: it never reaches the log
UNAUDITED = ("* events", "* events.events.k8s.io", "* /healthz*", "* /version", "* /version/", "* /swagger*")
# Nothing of the cluster is read or changed so, by whomever
_HARMLESS = ("/livez", "/readyz", "/healthz", "/version")
_SELF_REVIEWS = frozenset(("selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"))
_ACCESS_REVIEWS = frozenset(("subjectaccessreviews", "localsubjectaccessreviews"))
_READS = frozenset(("get", "list", "watch"))
_TUNNELS = frozenset(("exec", "attach", "portforward", "proxy"))  # of which a client may begin some by a GET
_UNPROVEN = 401  # the status of who proves nothing: the event names no user, and nothing was done
OWN_BINDINGS = "l7gw-"  # the beginning of the names of bindings that the gateway makes

Why = Literal[
    "not recorded",  # no recording has its Audit-Id
    "not recorded, by the gateway's credential",
    "recorded as refused",  # the recording says that the call went nowhere
    "the id of another call",  # a recording has its Audit-Id, and is about something else, somebody else or another time
]


@dataclass(frozen=True)
class Gateway:
    """How the cluster knows the gateway. `users` are the names of its credential's user, as globs; `role` is the canonical ARN of
    its role, "" for none. Without either, the first user counts by whom a recorded call came. `mode` is None where it is not known.
    `unrecorded`: which calls may be made without a recording, by its configuration."""

    users: Globs | None = None
    role: str = ""
    mode: Impersonate | None = None
    unrecorded: Literal["none", "reads", "all"] = "none"


class Round(msgspec.Struct, frozen=True):
    """One way round: all calls that have this in common."""

    why: Why
    user: str
    acts_as: str  # the user that was impersonated, "" for none
    address: str
    agent: str
    verb: str
    kind: str
    namespace: str


class Counted(msgspec.Struct):
    """How many calls went a way, and one of them: the last one. `time` is microseconds since 1970."""

    count: int = 0
    time: int = 0
    audit_id: str = ""
    uri: str = ""
    status: int = 0


class Reconciliation:
    """Takes the events of a log one by one, and then says what the cluster never saw. `since` leaves out what came before.

    `calls` counts the cluster's calls by what became of them; `begin` and `end` are the time that the log covers. `rounds` has
    MOST_KINDS ways at most, and `more_rounds` counts the calls of the others."""

    def __init__(
        self,
        recorded: RecordedCalls,
        gateway: Gateway,
        *,
        since: int = 0,
        margin: int = MARGIN,
        ignored: Iterable[str] = IGNORED,
        unaudited: Iterable[str] = UNAUDITED,
    ) -> None:
        self.matched = 0  # events of calls that are recorded
        self.harmless = 0
        self.earlier = 0  # calls from before the oldest recording
        self.unrecorded = 0  # calls through the gateway that by its configuration are not recorded
        self.ignored: dict[str, int] = {}
        self.rounds: dict[Round, Counted] = {}
        self.more_rounds = 0
        self.never_seen = 0
        self.begin = self.end = 0
        self._recorded, self._gateway = recorded, gateway
        self._since, self._margin = since, margin
        self._ignores, self._unaudited = tuple(ignored), tuple(unaudited)
        self._learned = ""
        self._minutes: set[int] = set()  # in which the log has an event, since 1970
        self._strangers = sqlite3.connect("", isolation_level=None)  # a file without a name, once it is large
        self._strangers.execute("CREATE TABLE calls (key BLOB PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        self._strangers.close()

    # ------------------------------------------------------------------ the cluster's calls

    def take(self, event: AuditEvent) -> None:
        """Take the next event of the log."""
        reached = event.reached
        if event.received < self._since:
            return
        if reached:  # an event without a time says nothing of the time that the log covers
            self.begin = min(self.begin or reached, reached)
            self.end = max(self.end, reached)
            if len(self._minutes) < MOST_MINUTES:
                self._minutes.add(reached // MINUTE)
        call = self._recorded.of(event.audit_id)
        if call is not None:
            why = self._other(event, call)
            if not why:
                self.matched += 1
                if event.user.username and _is_main(event, call):  # and none of what the gateway asked for it
                    self._recorded.seen(call, event.received if _is_done(event) else 0)
                return
        else:
            why = self._unknown(event)
        if why and self._is_new(event):
            self._went_round(why, event)

    def _unknown(self, event: AuditEvent) -> Why | None:
        """Why a call without a recording went round the gateway; None where it did not, or nobody need know."""
        if _harmless(event):
            self.harmless += event.is_last
            return None
        user = event.user.username
        if event.impersonated_user is None and any(fnmatchcase(user, one) for one in self._ignores):
            if event.is_last:
                name = user if user in self.ignored or len(self.ignored) < MOST_NAMES else ""
                self.ignored[name] = self.ignored.get(name, 0) + 1
            return None
        if event.received < self._recorded.oldest:
            self.earlier += event.is_last
            return None
        if not self._is_gateway(event.user):
            return "not recorded"
        allowed, who = self._gateway.unrecorded, event.impersonated_user
        may = allowed == "all" or (allowed == "reads" and event.verb in _READS)
        if may and (who is None or self._recorded.has_session(who.says("l7gw-session"), who.says("l7gw-user"))):
            self.unrecorded += event.is_last
            return None
        return "not recorded, by the gateway's credential"

    def _other(self, event: AuditEvent, call: RecordedCall) -> Why | None:
        """Why a call that has the id of a recorded one is another call. None where it is that one, or the gateway's own within
        it."""
        if event.status == _UNPROVEN and not event.user.username:
            return None  # the gateway's token was over, and it came again with another
        if not call.time - SKEW <= event.received or (call.ended and event.received > call.ended + SKEW):
            return "the id of another call"
        who, own, is_main = event.impersonated_user, _is_of_gateway(event), _is_main(event, call)
        if not self._is_gateway(event.user, learn=is_main and (_names(who, call) or self._gateway.mode == "none")):
            return "the id of another call"
        if who is not None and not _names(who, call):
            return "the id of another call"
        if who is None and not own and self._gateway.mode in ("groups", "user"):
            return "the id of another call"
        if is_main:
            if call.sent == "no":
                return "recorded as refused"
            # The gateway sends a change once. Who has its credential could make it again, by the id of the first.
            return "the id of another call" if self._is_again(event, call) else None
        return None if own or event.verb in _READS or is_dry(event.request_uri) else "the id of another call"

    def _is_again(self, event: AuditEvent, call: RecordedCall) -> bool:
        """Whether a call that changes something, or runs something, was made before."""
        acts = event.verb not in _READS or call.subresource in _TUNNELS
        return acts and not call.dry and _is_done(event) and self._recorded.done_at(call) not in (0, event.received)

    def _is_gateway(self, user: AuditUser, *, learn: bool = False) -> bool:
        known = self._gateway
        if known.role:
            return known.role.lower() == user.says("canonicalArn").lower()  # IAM tells no names by case
        if known.users is not None:
            return known.users.match(user.username)
        if learn and not self._learned:
            self._learned = user.username
        return bool(self._learned) and user.username == self._learned

    def _is_new(self, event: AuditEvent) -> bool:
        """Whether no other stage of this call was taken."""
        said = (event.audit_id, event.user.username, event.verb, event.request_uri, str(event.received))
        key = blake2b("\0".join(said).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return self._strangers.execute("INSERT OR IGNORE INTO calls VALUES (?)", (key,)).rowcount == 1

    def _went_round(self, why: Why, event: AuditEvent) -> None:
        who, ref = event.impersonated_user, event.object_ref
        way = Round(
            why=why,
            user=event.user.username,
            acts_as=who.username if who is not None else "",
            address=event.address,
            agent=event.user_agent,
            verb=event.verb,
            kind=event.about,
            namespace=ref.namespace if ref is not None else "",
        )
        found = self.rounds.get(way)
        if found is None:
            if len(self.rounds) >= MOST_KINDS:
                self.more_rounds += 1
                return
            found = self.rounds[way] = Counted()
        found.count += 1
        found.time, found.audit_id, found.uri = event.received, event.audit_id, event.request_uri
        found.status = event.status

    def silences(self) -> list[tuple[int, int]]:
        """The times, in microseconds since 1970, between two events of the log that lie SILENCE or more apart: a part of the log
        may be missing. To the minute."""
        there = sorted(self._minutes)
        return [((one + 1) * MINUTE, other * MINUTE) for one, other in pairwise(there) if other - one > SILENCE]

    # ------------------------------------------------------------------ the recorded calls

    def unseen(self) -> Iterator[RecordedCall]:
        """The recorded calls that the cluster never saw, MOST_UNSEEN at most: `never_seen` counts all. Called once, at the end."""
        if not self.begin:
            return
        for call in self._recorded.unseen(max(self.begin, self._since) + self._margin, self.end - self._margin):
            if any(fnmatchcase(f"{call.verb} {call.kind}", one) for one in self._unaudited):
                continue
            self.never_seen += 1
            if self.never_seen <= MOST_UNSEEN:
                yield call


def _harmless(event: AuditEvent) -> bool:
    """Whether a call asks for the cluster's health or version, or who the caller is and what he may."""
    ref = event.object_ref
    if ref is None or not ref.resource:
        return any(event.path == one or event.path.startswith(f"{one}/") for one in _HARMLESS) and event.verb in ("get", "head")
    return ref.resource in _SELF_REVIEWS and event.verb == "create"


def _names(who: AuditUser | None, call: RecordedCall) -> bool:
    """Whether the caller and the session of the recorded call are named."""
    return who is not None and who.says("l7gw-session") == call.session and who.says("l7gw-user") == call.user


def _is_main(event: AuditEvent, call: RecordedCall) -> bool:
    """Whether an event asks what the recorded call asked. What is masked in the recording is not compared."""
    if event.verb != call.verb or is_dry(event.request_uri) != bool(call.dry):
        return False
    ref = event.object_ref
    if ref is None or not ref.resource:
        return not call.resource and (not call.path or call.path == event.path)
    if (ref.resource, ref.api_group, ref.subresource) != (call.resource, call.group, call.subresource):
        return False
    if call.namespace and ref.namespace != call.namespace and ref.resource != "namespaces":
        return False
    return not call.name or ref.name == call.name


def _is_of_gateway(event: AuditEvent) -> bool:
    """Whether an event is one of those that the gateway makes for itself within a call: it asks for somebody's rights, or makes or
    removes a binding of its own. It names nobody."""
    ref = event.object_ref
    if ref is None or event.impersonated_user is not None:
        return False
    if ref.resource in _ACCESS_REVIEWS:
        return event.verb == "create"
    is_named = ref.name.startswith(OWN_BINDINGS) or (event.status == 403 and not ref.name)  # of what is refused it says no name
    is_own = event.verb == "list" or (event.verb in ("create", "delete") and is_named)
    return ref.resource == "rolebindings" and is_own


def _is_done(event: AuditEvent) -> bool:
    """Whether the cluster did what a call asked: the gateway sends a call again that was turned away."""
    return event.is_last and 0 < event.status < 400
