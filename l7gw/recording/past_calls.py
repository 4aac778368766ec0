"""The calls of a journal, each with the verdict that it got: what `policy backtest` looks at.

The journal is read once, segment by segment. What is kept meanwhile are the sessions that run and their calls without a verdict.
Answers, frames and runs are skipped without being decoded: their bytes are most of a journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

from l7gw.config.settings import Kind
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act, Effect
from l7gw.kube.acting_as import ActsAs
from l7gw.kube.requestinfo import describe
from l7gw.recording.events import (
    ExchangeEnded,
    GrantRecorded,
    MaskRecorded,
    RequestBody,
    RequestRecorded,
    ResponseRecorded,
    SessionEnded,
    SessionStarted,
    VerdictRecorded,
)
from l7gw.recording.partial_events import reading
from l7gw.recording.past_grants import LONGEST, Granted, PastGrants
from l7gw.recording.session_walk import SessionWalk, WalkedSession

MOST_ACTS = 4096  # request lines whose act is remembered; clients repeat them
LONGEST_ACT = 2048  # characters of a target that is remembered: 8 MiB of them at most


class PastCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the policy judged, as it is recorded. Its `Act` has what is recorded of path and query."""

    session: str
    cluster: str
    principal: Principal
    request: RequestRecorded
    act: Act
    verdict: VerdictRecorded  # the first one; later ones are about a running stream, or say that a held call goes on
    granted: tuple[Granted, ...] = ()  # what the caller had beside the groups of the principal
    masked: tuple[str, ...] = ()  # where values are masked in what the caller sent
    body: bytes | None = None  # None where there was none, or it is not recorded
    # Where they were asked for:
    status: int = 0  # of the answer that the client was sent; 0 for none
    outcome: str = ""  # as in `ExchangeEnded`; "" of a call that has no end yet
    own: tuple[VerdictRecorded, ...] = ()  # what the gateway itself asked within the call

    @property
    def content_type(self) -> str:
        return self._header("content-type")

    @property
    def lacks_body(self) -> bool:
        """Whether the caller sent, or may have sent, a body that is not recorded: of a denied call none is."""
        if self.body is not None or not self.request.may_have_body:
            return False
        if self.request.method != "DELETE" or self.verdict.verdict == "deny":
            return True
        return self.request.says_body

    def _header(self, name: str) -> str:
        return next((value for header, value in self.request.headers if header == name), "")


class _Begun(msgspec.Struct):
    """A call that has no verdict yet, or whose body or answer may come yet."""

    request: RequestRecorded
    masked: list[str] = []
    verdict: VerdictRecorded | None = None
    body: bytes | None = None
    status: int = 0
    outcome: str = ""
    own: list[VerdictRecorded] = []


class _Session(WalkedSession, kw_only=True):
    """A session as far as it was read."""

    started: SessionStarted
    principal: Principal
    calls: dict[int, _Begun] = {}


_READ = (SessionStarted, SessionEnded, RequestRecorded, VerdictRecorded, MaskRecorded, GrantRecorded)
_ANSWERS = (ResponseRecorded, ExchangeEnded)


class PastCalls:
    """The calls of a journal whose request came within a span of time, in microseconds since 1970, on clusters and of users that
    the globs match. `bodies`: with what they sent. `answers`: with what came of them, so that a call is given when it ended. `read`
    is told how many bytes of the journal were read since it was told last.

    `unreadable` counts blocks that are changed, missing, or of a session whose beginning is gone.
    """

    def __init__(
        self,
        state: Path,
        *,
        since: int = 0,
        until: int | None = None,
        cluster: str = "*",
        user: str = "*",
        bodies: bool = True,
        answers: bool = False,
        read: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._since, self._until = since, until
        self._cluster, self._user = cluster, user
        self._bodies, self._answers = bodies, answers
        decode = reading(*_READ, *((RequestBody,) if bodies else ()), *(_ANSWERS if answers else ()))
        self._walk = SessionWalk(state, decode, self._begun, since=since - LONGEST, read=read)
        self._grants = PastGrants()
        self._acts: dict[tuple[object, ...], Act] = {}

    @property
    def unreadable(self) -> int:
        return self._walk.unreadable

    def __iter__(self) -> Iterator[PastCall]:
        for session, events in self._walk:
            if events is None:
                yield from self._over(session)
                continue
            for event in events:
                if (call := self._taken(session, event)) is not None:
                    yield call

    def _begun(self, started: SessionStarted, key: bytes) -> _Session:
        kind = cast(Kind, started.kind)
        principal = Principal(
            started.user, started.groups, kind=kind, issuer=started.issuer, actor=started.actor, address=started.address
        )
        wanted = not started.attempts and fnmatchcase(started.cluster, self._cluster) and fnmatchcase(started.user, self._user)
        return _Session(started=started, principal=principal, wanted=wanted)

    def _taken(self, session: _Session, event: Any) -> PastCall | None:
        """Take an event of a session. A call is given as soon as all of it is there that may be asked for."""
        kind = type(event)
        if kind is RequestRecorded:
            if session.wanted and self._since <= event.time and (self._until is None or event.time <= self._until):
                session.calls[event.exchange] = _Begun(event)
            return None
        if kind is GrantRecorded:
            self._grants.take(session.started, event)
            return None
        call = session.calls.get(getattr(event, "exchange", 0))
        if call is None:
            return None
        if kind is MaskRecorded:
            if event.up:
                call.masked.append(event.where)
            return None
        if kind is RequestBody:
            call.body = (call.body or b"") + event.data if self._bodies else None
            return None
        if kind is VerdictRecorded and event.own:  # what the gateway itself asked, before it had the verdict or later
            call.own.append(event)
            return None
        if kind is VerdictRecorded and call.verdict is None:
            call.verdict = event
            if self._bodies and event.verdict != "deny" and call.request.may_have_body:
                return None
        if self._answers:
            if kind is ResponseRecorded:
                call.status = event.status
            if kind is not ExchangeEnded:
                return None
            call.outcome = event.outcome
        return self._whole(session, event.exchange)

    def _over(self, session: _Session) -> Iterator[PastCall]:
        for exchange in list(session.calls):
            if (call := self._whole(session, exchange)) is not None:
                yield call

    def _whole(self, session: _Session, exchange: int) -> PastCall | None:
        """A call that the policy judged; None of one that was refused before that, which has no verb or another verdict."""
        call = session.calls.pop(exchange)
        if call.verdict is None or call.verdict.verdict not in ("allow", "hold", "deny") or not call.request.verb:
            return None
        return PastCall(
            session=session.started.id,
            cluster=session.started.cluster,
            principal=session.principal,
            request=call.request,
            act=self._act(call.request, session.started.cluster),
            verdict=call.verdict,
            granted=self._grants.at(session.started, call.request.time),
            masked=tuple(call.masked),
            body=call.body,
            status=call.status,
            outcome=call.outcome,
            own=tuple(call.own),
        )

    def _act(self, request: RequestRecorded, cluster: str) -> Act:
        # The recorded fields beside the target say how the version that recorded it read it
        as_whom = (request.as_user, request.as_groups)
        key = (request.method, request.target, request.verb, request.effects, request.argv, cluster, as_whom)
        act = self._acts.get(key)
        if act is None:
            act = act_of(request, cluster)
            if len(request.target) <= LONGEST_ACT:
                if len(self._acts) >= MOST_ACTS:
                    self._acts.clear()
                self._acts[key] = act
        return act


def act_of(request: RequestRecorded, cluster: str) -> Act:
    """The act as it was read when it was recorded. Path and query are those of the recorded target, without the path prefix by
    which the cluster may have been named."""
    target = request.target
    prefix = f"/{cluster}/"
    if target.startswith(prefix):
        target = target[len(prefix) - 1 :]
    read = _read(request, target)
    return Act(
        verb=request.verb,
        path=read.path,
        query=read.query,
        effects=frozenset(cast(tuple[Effect, ...], request.effects)),
        is_resource=bool(request.resource),
        group=request.group,
        resource=request.resource,
        subresource=request.subresource,
        namespace=request.namespace,
        name=request.name,
        argv=request.argv if request.argv is not None else read.argv,
        container=request.container or read.container,
        tty=read.tty if request.tty is None else request.tty,
        stdin=read.stdin if request.stdin is None else request.stdin,
        ports=request.ports or read.ports,
        label_selector=request.label_selector,
        field_selector=request.field_selector,
        acts_as=None if request.as_user is None else ActsAs(request.as_user, request.as_groups or ()),
    )


def _read(request: RequestRecorded, target: str) -> Act:
    """What the recorded target says, which is not what was sent where something in it is masked. The fields that the record has
    beside it beat it; of a version before those fields it is all there is."""
    try:
        return describe(request.method, target)
    except Refusal:
        path, _, query = target.partition("?")
        argv = tuple(value for key, value in parse_qsl(query, keep_blank_values=True) if key == "command")
        return Act(request.verb, path, query, frozenset(), argv=argv if request.subresource == "exec" else None)
