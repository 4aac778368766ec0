"""What callers of one cluster needed of its RBAC, from the calls of a journal, by whom RBAC may answer there.

Counted is what the cluster let pass: calls that the policy denied, that nobody approved, that the gateway could not send on, or
that the cluster itself refused, are left out and named. What everybody may whom the API server knows is counted alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from l7gw.config.settings import Cluster
from l7gw.errors import Refusal
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.in_kubectl import in_kubectl
from l7gw.kube.least_rights import NAMES, SPACES, Need
from l7gw.kube.needed_rights import Inexpressible, is_everybodys, is_made_up, rights_of
from l7gw.kube.rbac import Right, Subject
from l7gw.kube.requestinfo import describe
from l7gw.masking.placeholder import BEGINNING
from l7gw.recording.past_calls import PastCall
from l7gw.recording.past_grants import BY_GRANT

MOST_USES = 100_000  # different rights that are told apart: a hundred times what a busy platform's pipelines use
MOST_LEFT_OUT = 200  # kinds of calls that are left out and named; the rest is counted
MOST_USERS = 1000  # of one subject, counted to find the narrower of two groups
_OWN_READ = re.compile(r": GET (/\S+)$")  # in the reason of what the gateway read for a reviewer (`gateway.looking`)

By = Literal["user", "group"]
Why = Literal[
    "denied",  # by the policy
    "not-approved",  # held, and not let through
    "not-sent",  # the gateway could not pass it on
    "refused-there",  # by the cluster
    "unanswered",  # no answer is recorded
    "nobody",  # the cluster is told nothing of the caller that tells him from all others
    "masked",  # the object's name is masked in the recording
    "inexpressible",  # no rule can be about it alone
]


class Used(msgspec.Struct):
    """How often a right was needed, and the first call that did, as SESSION/EXCHANGE."""

    count: int
    example: str


class LeftOut(msgspec.Struct, frozen=True):
    """Calls that are left out, in words of kubectl without the object's name."""

    why: Why
    what: str


class _Key(msgspec.Struct, frozen=True):
    subjects: tuple[Subject, ...]
    right: Right  # without a name


class _Names(msgspec.Struct):
    """The names of one right. None where there are too many to list, or one that will not come again."""

    named: dict[str, Used] | None
    all: Used


@dataclass(frozen=True)
class Reading:
    """How calls are read: for which cluster, which groups go up to it (`going_up`, without the prefix), whom the cluster takes the
    gateway for, to what callers' rights are bound, and how many names are listed. `everything` counts what everybody may too."""

    cluster: Cluster
    going_up: Callable[[str], bool]
    gateway: Subject
    by: By = "group"
    names: int = NAMES
    everything: bool = False


class UsedRights:
    """The rights that calls needed. `take` is given them one by one."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._uses: dict[_Key, _Names] = {}
        self._spaces: dict[_Key, set[str]] = {}  # by a key without a namespace
        self._users: dict[Subject, set[str]] = {}
        self.calls = self.everybodys = self.too_many = 0
        self.left_out: dict[LeftOut, Used] = {}
        self.more_left_out = 0
        self.views: set[str] = set()  # what the gateway listed for reviewers, as the requesters

    def take(self, call: PastCall) -> None:
        """Count one call."""
        why = _why_not(call)
        if why is None:
            try:
                why = self._count(call)
            except Inexpressible:
                why = "inexpressible"
        if why is None:
            self.calls += 1
        else:
            self._leave_out(call, why)

    def needs(self) -> Iterator[tuple[Need, Used]]:
        """What was needed, and how often."""
        merged: dict[_Key, _Names] = {}
        for key, names in self._uses.items():
            if len(self._spaces.get(_anywhere(key), ())) > SPACES:
                key = _anywhere(key)
            _merge(merged, key, names, self._reading.names)
        for key, names in merged.items():
            if key.right.path or names.named is None:
                yield Need(key.subjects, key.right, any_name=not key.right.path), names.all
                continue
            for name, used in names.named.items():
                yield Need(key.subjects, replace(key.right, name=name)), used

    def rank(self, subject: Subject) -> int:
        """How many users were seen who are the subject or in it."""
        return len(self._users.get(subject, ()))

    def users(self, subject: Subject) -> set[str]:
        """The users who are the subject or in it, at most MOST_USERS."""
        return self._users.get(subject, set())

    # ------------------------------------------------------------------ one call

    def _count(self, call: PastCall) -> Why | None:
        """Count what the call needed; or say why it is left out."""
        act = call.act
        if BEGINNING in act.name or BEGINNING in act.namespace or BEGINNING in act.path:
            return "masked"
        rights = [*rights_of(act, call.status), *self._own(call)]
        if act.acts_as is not None:
            callers = self._callers(call)
            if not callers:
                return "nobody"
            for right in _acting(act.acts_as):
                self._use(callers, right, call)
        subjects = self._callers(call) if act.acts_as is None else (_acted(act.acts_as),)
        if not self._reading.everything:
            wanted = [right for right in rights if not is_everybodys(right)]
            self.everybodys += not wanted
            rights = wanted
        if rights and not subjects:
            return "nobody"
        for right in rights:
            self._use(subjects, right, call)
        return None

    def _own(self, call: PastCall) -> Iterator[Right]:
        """What the gateway needed of the caller's rights to do its own part: to read the object that the call is about."""
        path = call.act.path.removesuffix(f"/{call.act.subresource}") if call.act.subresource else call.act.path
        for own in call.own:
            read = _OWN_READ.search(own.reason)
            if (read is not None and read[1] == path) or (own.rule and call.act.is_resource):
                yield Right("get", call.act.group, call.act.resource, call.act.namespace, call.act.name)
            elif read is not None and len(self.views) < MOST_LEFT_OUT:
                self._view(read[1])

    def _view(self, path: str) -> None:
        """A reading for a reviewer, who is told "not known" where it is not allowed. It is named, and no right is made of it."""
        with suppress(Refusal):
            act = describe("GET", path)
            if act.is_resource and not act.name:
                self.views.add(f"list {act.kind}" + (f" -n {act.namespace}" if act.namespace else ""))

    def _callers(self, call: PastCall) -> tuple[Subject, ...]:
        """By whom RBAC may answer for the caller, in order. Nobody where it cannot tell him from the others."""
        cluster, who = self._reading.cluster, call.principal
        if cluster.impersonate == "none":
            return (self._reading.gateway,)
        if cluster.impersonate == "user" and self._reading.by == "user":
            return (self._seen(Subject("User", cluster.prefix + who.user), who.user),)
        by_grant = set(BY_GRANT.findall(call.verdict.reason))
        groups = tuple(one.group for one in call.granted if one.id in by_grant) or who.groups
        found = (Subject("Group", cluster.prefix + group) for group in dict.fromkeys(groups) if self._reading.going_up(group))
        return tuple(sorted(self._seen(subject, who.user) for subject in found))

    def _seen(self, subject: Subject, user: str) -> Subject:
        users = self._users.setdefault(subject, set())
        if len(users) < MOST_USERS:
            users.add(user)
        return subject

    def _use(self, subjects: tuple[Subject, ...], right: Right, call: PastCall) -> None:
        key = _Key(subjects, right if right.path else replace(right, name=""))
        names = self._uses.get(key)
        if names is None:
            if len(self._uses) >= MOST_USES:
                self.too_many += 1
                return
            names = self._uses[key] = _Names({}, Used(0, _example(call)))
            if right.namespace:
                spaces = self._spaces.setdefault(_anywhere(key), set())
                if len(spaces) <= SPACES:
                    spaces.add(right.namespace)
        names.all.count += 1
        if names.named is None or right.path:
            return
        used = names.named.setdefault(right.name, Used(0, _example(call)))
        used.count += 1
        if not right.name or is_made_up(right.name) or len(names.named) > self._reading.names:
            names.named = None

    def _leave_out(self, call: PastCall, why: Why) -> None:
        one = LeftOut(why, in_kubectl(call.request.method, msgspec.structs.replace(call.act, name="", argv=None)))
        used = self.left_out.get(one)
        if used is None:
            if len(self.left_out) >= MOST_LEFT_OUT:
                self.more_left_out += 1
                return
            used = self.left_out[one] = Used(0, _example(call))
        used.count += 1


def _why_not(call: PastCall) -> Why | None:
    """Why the call says nothing about what the cluster must let pass; None where it says something."""
    if call.verdict.verdict == "deny":
        return "denied"
    if call.outcome == "denied":
        return "not-approved"
    if call.outcome in ("refused", "failed"):
        return "not-sent"
    if call.status in (401, 403):
        return "refused-there"
    return None if call.status else "unanswered"


def _acting(acts_as: ActsAs) -> Iterator[Right]:
    """What RBAC must let a caller do who acts as somebody else (`kube.access_reviews`)."""
    space, slash, name = acts_as.account.partition("/")
    yield Right("impersonate", "", "serviceaccounts", space, name) if slash else Right("impersonate", "", "users", "", acts_as.user)
    for group in acts_as.groups:
        yield Right("impersonate", "", "groups", "", group)


def _acted(acts_as: ActsAs) -> Subject:
    """Whose rights count in a call that is made as somebody else."""
    space, slash, name = acts_as.account.partition("/")
    return Subject("ServiceAccount", name, space) if slash else Subject("User", acts_as.user)


def _anywhere(key: _Key) -> _Key:
    return _Key(key.subjects, replace(key.right, namespace=""))


def _example(call: PastCall) -> str:
    return f"{call.session}/{call.request.exchange}"


def _merge(into: dict[_Key, _Names], key: _Key, names: _Names, most: int) -> None:
    """Add the names of one right to those of the same right elsewhere."""
    found = into.get(key)
    if found is None:
        into[key] = _Names(None if names.named is None else dict(names.named), Used(names.all.count, names.all.example))
        return
    found.all.count += names.all.count
    if found.named is None or names.named is None or len(found.named.keys() | names.named.keys()) > most:
        found.named = None
        return
    for name, used in names.named.items():
        former = found.named.get(name)
        found.named[name] = used if former is None else Used(former.count + used.count, former.example)
