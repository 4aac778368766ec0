"""The recorded calls of one cluster by their Audit-Id, for whoever has the cluster's own audit log: did it see them, and no others?

They are kept in a temporary database, which SQLite keeps in memory as long as it is small, and in a file without a name where it is
not: of a call about 150 bytes. What is kept of a call says who made it, what it was about, and whether it went to the cluster; of
what it sent or got nothing is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from l7gw.masking.placeholder import BEGINNING
from l7gw.recording.events import (
    ExchangeEnded,
    RequestRecorded,
    ResponseRecorded,
    SessionEnded,
    SessionStarted,
    VerdictRecorded,
)
from l7gw.recording.partial_events import reading
from l7gw.recording.session_walk import SessionWalk, WalkedSession

LONGEST = 48 * 3600 * 1_000_000  # microseconds from the request of a call to its end, at most: a hold's wait, and a stream's day
AT_ONCE = 1000  # rows that are inserted together
CACHE = 16 * 1024  # KiB of the temporary database that stay in memory

Sent = Literal[
    "yes",  # the cluster answered
    "no",  # it was refused before
    "maybe",  # the gateway or the client ended it before an answer
]

_TABLES = """
PRAGMA cache_size = -%d;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE sessions (number INTEGER PRIMARY KEY, id TEXT, user TEXT, issuer TEXT);
CREATE TABLE calls (
    number INTEGER PRIMARY KEY, key BLOB, session INTEGER, exchange INTEGER, time INTEGER, answered INTEGER, ended INTEGER,
    sent TEXT, verb TEXT, grp TEXT, resource TEXT, subresource TEXT, namespace TEXT, name TEXT, path TEXT, dry INTEGER,
    done INTEGER
);
"""
_COLUMNS = (
    "c.number, s.id, exchange, user, time, answered, ended, sent, verb, grp, resource, subresource, namespace, name, path, dry"
)
_JOINED = f"SELECT {_COLUMNS} FROM calls c JOIN sessions s ON s.number = c.session"


class RecordedCall(NamedTuple):
    """A recorded call. Times are microseconds since 1970; `answered` and `ended` are 0 where it was not yet. `user` is the
    session's, "" of a call without a principal. `path` stands in calls that are about no object; names that are masked are "" here.
    `dry` is 1 where it asked for a dry run."""

    number: int
    session: str
    exchange: int
    user: str
    time: int
    answered: int
    ended: int
    sent: Sent
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    path: str
    dry: int

    @property
    def kind(self) -> str:
        """The resource as a policy spells it; of a call about none its path."""
        base = f"{self.resource}.{self.group}" if self.group else self.resource or self.path
        return f"{base}/{self.subresource}" if self.subresource else base


class _Begun(msgspec.Struct):
    """A call that has not ended yet, as far as it was read."""

    request: RequestRecorded
    answered: int = 0
    allowed: bool = False
    verdict: str = ""  # the last one


class _Session(WalkedSession, kw_only=True):
    """A session of the cluster that has not ended yet."""

    number: int
    cluster: str
    calls: dict[int, _Begun] = {}


class RecordedCalls:
    """The calls of a cluster in the journals of `states`, from `since` on (microseconds since 1970). `clusters` counts the sessions
    of each cluster, also of others; `oldest` is when the oldest journal begins, 0 for none. `unreadable` counts blocks that are
    changed, missing, or of a session whose beginning is gone. Raises OSError."""

    def __init__(
        self, states: list[Path], cluster: str, *, since: int = 0, told: Callable[[int], None] = lambda size: None
    ) -> None:
        self.unreadable = 0
        self.count = 0
        self.oldest = 0
        self._cluster, self._since, self._told = cluster, since - LONGEST, told
        self._rows: list[tuple[Any, ...]] = []
        self._session_count = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES % CACHE)
        self._read = reading(SessionStarted, SessionEnded, RequestRecorded, VerdictRecorded, ResponseRecorded, ExchangeEnded)
        for state in states:
            self._load(state)
        self._write()
        self._database.execute("CREATE INDEX by_key ON calls (key)")
        self._database.execute("CREATE INDEX by_id ON sessions (id)")
        self._seen = bytearray(self.count // 8 + 1)

    def close(self) -> None:
        self._database.close()

    # ------------------------------------------------------------------ asked

    def of(self, audit_id: str) -> RecordedCall | None:
        """The call that has this Audit-Id."""
        row = self._database.execute(f"{_JOINED} WHERE key = ?", (_key(audit_id),)).fetchone()
        return RecordedCall._make(row) if row is not None else None

    def has_session(self, session: str, user: str) -> bool:
        """Whether this user's session of this id is recorded for the cluster."""
        found = self._database.execute("SELECT 1 FROM sessions WHERE id = ? AND user = ?", (session, user)).fetchone()
        return found is not None

    def seen(self, call: RecordedCall, done: int) -> None:
        """Note that the cluster saw this call. `done` is when it got it, in microseconds since 1970, if it did what was asked, else
        0."""
        self._seen[call.number >> 3] |= 1 << (call.number & 7)
        if done:
            self._database.execute("UPDATE calls SET done = ? WHERE number = ? AND done = 0", (done, call.number))

    def done_at(self, call: RecordedCall) -> int:
        """When the cluster got the call that did this, as it was noted first; 0 where it was not."""
        row = self._database.execute("SELECT done FROM calls WHERE number = ?", (call.number,)).fetchone()
        return int(row[0])

    @property
    def seen_count(self) -> int:
        """How many calls were noted as seen."""
        return int.from_bytes(self._seen).bit_count()

    def unseen(self, begin: int, end: int) -> Iterator[RecordedCall]:
        """The calls that the cluster answered, and that were not noted as seen. Their whole time lies within `begin` and `end`."""
        where = "sent = 'yes' AND answered >= ? AND ended > 0 AND ended <= ? ORDER BY time"
        for row in self._database.execute(f"{_JOINED} WHERE {where}", (begin, end)):
            if not self._seen[row[0] >> 3] & 1 << (row[0] & 7):
                yield RecordedCall._make(row)

    # ------------------------------------------------------------------ read

    def _load(self, state: Path) -> None:
        walk = SessionWalk(state, self._read, self._begun, since=self._since, read=self._told)
        for session, events in walk:
            if events is None:
                self._end(session)
            else:
                for event in events:
                    self._take(session, event)
        self.unreadable += walk.unreadable
        self.oldest = min(self.oldest or walk.oldest, walk.oldest or self.oldest)

    def _begun(self, started: SessionStarted, key: bytes) -> _Session:
        wanted = started.cluster == self._cluster
        if wanted:
            self._session_count += 1
            row = (self._session_count, started.id, "" if started.attempts else started.user, started.issuer)
            self._database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", row)
        return _Session(number=self._session_count, wanted=wanted, cluster=started.cluster)

    def _take(self, session: _Session, event: Any) -> None:
        kind = type(event)
        if kind is RequestRecorded:
            session.calls[event.exchange] = _Begun(event)
            return
        call = session.calls.get(getattr(event, "exchange", 0))
        if call is None:
            return
        if kind is VerdictRecorded and not event.own:
            call.verdict = event.verdict
            call.allowed = call.allowed or event.verdict == "allow"
        elif kind is ResponseRecorded:
            call.answered = call.answered or event.time
        elif kind is ExchangeEnded:
            del session.calls[event.exchange]
            self._keep(session, call, event)

    def _end(self, session: _Session) -> None:
        for call in session.calls.values():
            self._keep(session, call, None)

    def _keep(self, session: _Session, call: _Begun, end: ExchangeEnded | None) -> None:
        request = call.request
        if end is None:
            sent: Sent = "maybe"
        elif not call.allowed and end.outcome in ("denied", "refused"):
            sent = "no"
        elif call.answered and call.verdict == "allow" and end.outcome in ("complete", "cut", "aborted"):
            sent = "yes"
        else:
            sent = "maybe"
        path = request.target.partition("?")[0].removeprefix(f"/{session.cluster}") if not request.resource else ""
        names = ("" if BEGINNING in text else text for text in (request.namespace, request.name, path))
        self.count += 1
        ended = end.time if end is not None else 0
        about = (request.verb, request.group, request.resource, request.subresource, *names)
        where = (session.number, request.exchange, request.time, call.answered, ended)
        self._rows.append((self.count, _key(request.audit_id), *where, sent, *about, is_dry(request.target), 0))
        if len(self._rows) >= AT_ONCE:
            self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        self._database.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * 17)})", rows)


def is_dry(target: str) -> bool:
    """Whether a request's target asks for a dry run."""
    query = target.partition("?")[2]
    return "dryRun" in query and ("dryRun", "All") in parse_qsl(query)


def _key(audit_id: str) -> bytes:
    return blake2b(audit_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
