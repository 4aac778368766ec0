"""Searches all recordings of a state in one pass over its journal, oldest first, as they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from l7gw.recording import events as e
from l7gw.recording.partial_events import reading
from l7gw.recording.search.byte_lines import Part
from l7gw.recording.search.calls import Call, Text, request_texts, said_texts
from l7gw.recording.search.pattern import Match, Pattern
from l7gw.recording.session_walk import SessionWalk, WalkedSession

LONGEST_CALL = (
    48 * 3600 * 1_000_000
)  # microseconds from the request of a call to its end, at most: a hold's wait, and a stream's day
MOST_HELD = 128 * 1024 * 1024  # bytes of lines without an end and of screens; beyond it the oldest calls are searched in pieces
AT_ONCE = 1024 * 1024  # bytes that are searched together
LONGEST_SHOWN = 4096  # bytes of a line that are given around a match

CHANNELS = (
    "command", "request", "argv", "request-body", "response-body", "log", "stdin", "stdout", "stderr", "error", "verdict", "note",
)  # fmt: skip
_NO_FRAMES = frozenset(CHANNELS) - {"stdin", "stdout", "stderr", "error"}
_SAID = (e.VerdictRecorded, e.ReviewRecorded, e.KillRecorded, e.GrantRecorded)


class Found(NamedTuple):
    """A line that matches. Where it is longer than LONGEST_SHOWN, `line` is what stands around the match."""

    session: e.SessionStarted
    exchange: int  # 0 of what belongs to none
    time: int  # microseconds since 1970 when the line was whole
    channel: str
    up: bool
    line: str  # invalid UTF-8 as U+FFFD
    begin: int  # of the match, in characters of `line`
    end: int
    clipped: tuple[bool, bool]  # whether something is missing before, and behind


class _Session(WalkedSession, kw_only=True):
    started: e.SessionStarted
    exchange: int | None  # the one that is asked for, None for all
    runs: dict[int, e.RunStarted] = {}  # whose first call did not come yet
    run_count: int = 0
    calls: dict[int, Call] = {}


class JournalSearch:
    """Finds the lines that match, from `since` on (microseconds since 1970), in sessions on clusters and of users that the globs
    match. `sessions`: only these, by the bytes of their ids, each with the exchange that is asked for, or None. `channels`: globs.
    `read` is told how many bytes of the journal were read since it was told last.

    `unreadable` counts blocks that are changed, missing, or of a session whose beginning is gone; `in_pieces` counts calls of which
    lines may have been searched in pieces (MOST_HELD). Iterating raises OSError."""

    def __init__(
        self,
        state: Path,
        pattern: Pattern,
        *,
        since: int = 0,
        cluster: str = "*",
        user: str = "*",
        sessions: Mapping[bytes, int | None] | None = None,
        channels: tuple[str, ...] = ("*",),
        most_held: int = MOST_HELD,
        read: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.in_pieces = 0
        self._pattern, self._since = pattern, since
        self._cluster, self._user, self._only = cluster, user, sessions
        self._channels, self._most_held = channels, most_held
        self._wanted = frozenset(name for name in CHANNELS if self._is_wanted(name))
        self._walk = SessionWalk(state, reading(*self._kinds()), self._begun, since=since - LONGEST_CALL, only=sessions, read=read)
        self._last: _Session | None = None
        self._held = 0
        self._gathered: list[tuple[_Session, int, Text]] = []
        self._size = 0

    def leave(self) -> None:
        """Nothing more is wanted of the session of the last find."""
        if (session := self._last) is not None:
            session.wanted = False
            self._held -= sum(call.held for call in session.calls.values())
            session.calls = {}

    @property
    def unreadable(self) -> int:
        return self._walk.unreadable

    def __iter__(self) -> Iterator[Found]:
        for session, events in self._walk:
            if events is None:
                self._over(session)
                continue
            for event in events:
                self._take(session, event)
            self._bound()
            if self._size >= AT_ONCE:
                yield from self._searched()
        yield from self._searched()

    # ------------------------------------------------------------------ sessions

    def _kinds(self) -> Iterator[Any]:
        yield from (e.SessionStarted, e.SessionEnded, e.RunStarted, e.RequestRecorded, e.ExchangeEnded, *_SAID)
        if "request-body" in self._wanted:
            yield e.RequestBody
        if self._wanted & {"response-body", "log"}:
            yield from (e.ResponseRecorded, e.ResponseBody)
        if not all(glob in _NO_FRAMES for glob in self._channels):
            yield e.Frame

    def _is_wanted(self, channel: str) -> bool:
        return any(fnmatchcase(channel, glob) for glob in self._channels)

    def _begun(self, started: e.SessionStarted, key: bytes) -> _Session:
        wanted = fnmatchcase(started.cluster, self._cluster) and fnmatchcase(started.user, self._user)
        return _Session(started=started, wanted=wanted, exchange=self._only.get(key) if self._only is not None else None)

    # ------------------------------------------------------------------ events

    def _take(self, session: _Session, event: Any) -> None:
        kind = type(event)
        if kind is e.RunStarted:
            session.runs[session.run_count] = event
            session.run_count += 1
            return
        exchange = getattr(event, "exchange", 0)
        if session.exchange is not None and exchange != session.exchange:
            return
        if kind is e.RequestRecorded:
            session.calls[exchange] = Call(event)
            self._gather(session, exchange, request_texts(event, session.runs.pop(event.run, None), self._wanted))
        elif kind in _SAID:
            self._gather(session, exchange, said_texts(event, self._wanted))
        elif (call := session.calls.get(exchange)) is not None:
            before = call.held
            if kind is e.Frame:
                self._gather(session, exchange, call.frame(event))
            elif kind is e.ResponseBody:
                self._gather(session, exchange, call.answer(event))
            elif kind is e.RequestBody:
                self._gather(session, exchange, call.body(event))
            elif kind is e.ResponseRecorded:
                call.response(event)
            elif kind is e.ExchangeEnded:
                del session.calls[exchange]
                self._gather(session, exchange, call.end())
            self._held += call.held - before

    def _over(self, session: _Session) -> None:
        for exchange, call in session.calls.items():
            self._held -= call.held
            self._gather(session, exchange, call.end())
        session.calls = {}

    def _bound(self) -> None:
        """Where too much is kept, search what the oldest calls have, as if their lines ended here."""
        if self._held <= self._most_held:
            return
        for session in self._walk.sessions.values():
            for exchange, call in session.calls.items():
                if self._held <= self._most_held:
                    return
                if call.held:
                    self._held -= call.held
                    self.in_pieces += 1
                    self._gather(session, exchange, call.end())

    # ------------------------------------------------------------------ searching

    def _gather(self, session: _Session, exchange: int, texts: Iterator[Text]) -> None:
        for text in texts:
            if text.time < self._since:
                continue
            if text.channel in self._wanted or (text.channel not in CHANNELS and self._is_wanted(text.channel)):
                self._gathered.append((session, exchange, text))
                self._size += len(text.plain)

    def _searched(self) -> Iterator[Found]:
        """Search all that was gathered: as a whole first, because most of it has no match."""
        gathered, self._gathered, self._size = self._gathered, [], 0
        whole = [text.lines for *_, text in gathered if not isinstance(text.lines, Part)]
        plain = [text.plain for *_, text in gathered if text.plain is not text.lines and not isinstance(text.lines, Part)]
        may = self._pattern.may_match(b"".join(whole)) or (bool(plain) and self._pattern.may_match(b"".join(plain)))
        for session, exchange, text in gathered:
            for match in self._matches(text, may=may):
                if session.wanted:
                    self._last = session
                    yield _found(session.started, exchange, text, match)

    def _matches(self, text: Text, *, may: bool) -> Iterator[Match]:
        lines = text.lines
        if isinstance(lines, Part):
            match = self._pattern.match_in_part(lines.data, lines.known, goes_on=lines.goes_on)
            if match is None and text.plain is not lines.data:
                known = len(text.plain) * lines.known // len(lines.data)
                match = self._pattern.match_in_part(text.plain, known, goes_on=lines.goes_on)
            if match is not None:
                yield match
        elif may and text.plain is lines:
            if text.shown:
                yield from self._pattern.matches(lines)
        elif may and (self._pattern.may_match(lines) or self._pattern.may_match(text.plain)):
            for line, plain in zip(lines.split(b"\n")[:-1], text.plain.split(b"\n")):
                match = self._pattern.match(plain)
                if match is not None and not text.shown:
                    continue
                match = match or self._pattern.match(line)
                if match is not None:
                    yield match


def _found(started: e.SessionStarted, exchange: int, text: Text, match: Match) -> Found:
    room = max(0, LONGEST_SHOWN - (match.end - match.begin)) // 2
    begin, end = max(0, match.begin - room), min(len(match.line), match.end + room, match.begin + LONGEST_SHOWN)
    while begin < match.begin and match.line[begin] & 0xC0 == 0x80:  # not in the middle of a character
        begin += 1
    while match.end < end < len(match.line) and match.line[end] & 0xC0 == 0x80:
        end -= 1
    before, found, behind = (
        match.line[first:last].decode("utf-8", "replace")
        for first, last in ((begin, match.begin), (match.begin, min(match.end, end)), (min(match.end, end), end))
    )
    goes_on = isinstance(text.lines, Part) and text.lines.goes_on
    began = isinstance(text.lines, Part) and text.lines.known > 0
    clipped = begin > 0 or began, end < len(match.line) or goes_on
    length = len(before), len(before) + len(found)
    return Found(started, exchange, text.time, text.channel, text.up, before + found + behind, *length, clipped)
