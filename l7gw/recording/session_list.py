"""The list of sessions, made from the headers of the journal's blocks and the few blocks that hold no bodies."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from l7gw.clock import moment
from l7gw.recording.events import AnyEvent, ClockStepped, RunStarted, SessionEnded, SessionStarted, header_text
from l7gw.recording.failed_logins import FailedLogins
from l7gw.recording.session_scan import MOST_CALLS, Scanned, scan

NEWEST_RUNS = 100  # runs of a session that the list has; `show` has all

SessionState = Literal[
    "open",
    "closed",
    "torn",  # the process died during the session
]


class Summary:
    """One session as the list shows it. Who it is of, when it began and its totals are known at once. The rest is read from the
    journal when it is first asked for, since a list of thousands asks it of few. `runs` holds the newest NEWEST_RUNS, `run_count`
    counts all; steps of the wall clock are taken out of the times."""

    __slots__ = (
        *("_commands", "_ended", "_last", "_run_count", "_runs", "_scanned", "_stepped"),
        *("content", "denied", "exchanges", "held", "started"),
    )

    def __init__(self, scanned: Scanned) -> None:
        header = scanned.header()
        self._scanned = scanned
        self._runs: deque[RunStarted] | None = None  # None until it was read
        self._run_count = 0
        self._commands: dict[str, None] = {}
        self._last = header.last
        self._stepped = 0  # microseconds by which the wall clock was set ahead since the session began
        self._ended = False
        self.started: SessionStarted = scanned.started
        self.exchanges, self.denied, self.held, self.content = header.exchanges, header.denied, header.held, header.content

    @property
    def id(self) -> str:
        return self.started.id

    @property
    def begins_in(self) -> Path:
        """The segment that has the session's first block."""
        return self._scanned.path

    @property
    def runs(self) -> deque[RunStarted]:
        return self._looked_at()

    @property
    def run_count(self) -> int:
        self._looked_at()
        return self._run_count

    @property
    def commands(self) -> list[str]:
        """What the clients of its runs say that they are, once each: a command (`kubectl delete`), or else the User-Agent."""
        self._looked_at()
        return [*self._commands]

    @property
    def last(self) -> int:
        """Microseconds since 1970 when the last block was made."""
        self._looked_at()
        return self._last - self._stepped

    @property
    def state(self) -> SessionState:
        self._looked_at()
        return "closed" if self._ended else "open" if self._scanned.alive else "torn"

    def every_run(self) -> Iterator[RunStarted]:
        """All runs, in the order of their beginning."""
        stepped = 0
        for events in self._scanned.blocks():
            for event in events:
                if isinstance(event, RunStarted):
                    yield _earlier(event, stepped)
                elif isinstance(event, ClockStepped):
                    stepped += event.by

    def failed_logins(self) -> FailedLogins | None:
        """The calls without a principal, by where they came from: the newest, where there are many. None of a session that is
        somebody's."""
        if not self.started.attempts:
            return None
        return FailedLogins(self._scanned.attempts(FailedLogins.decode), whole=len(self._scanned.calls) < MOST_CALLS)

    def _looked_at(self) -> deque[RunStarted]:
        if self._runs is None:
            self._runs = deque(maxlen=NEWEST_RUNS)
            for events in self._scanned.blocks():
                for event in events:
                    self._take(event, self._runs)
        return self._runs

    def _take(self, event: AnyEvent, runs: deque[RunStarted]) -> None:
        if isinstance(event, RunStarted):
            runs.append(_earlier(event, self._stepped))
            self._run_count += 1
            self._commands[header_text(event.command or event.client)] = None
        elif isinstance(event, ClockStepped):
            self._stepped += event.by
        elif isinstance(event, SessionEnded):
            self._ended = True

    def document(self, *, all_runs: bool) -> dict[str, Any]:
        """The session as a JSON object. Its keys stay from release to release. `bytes` counts bodies and channels. `failed_logins`
        is null of a session that is somebody's."""
        about = self.started
        runs = [*self.every_run()] if all_runs else self.runs
        failed = self.failed_logins()
        document: dict[str, Any] = {
            "id": about.id,
            "cluster": about.cluster,
            "principal": {
                "user": about.user,
                "groups": list(about.groups),
                "kind": about.kind,
                "issuer": about.issuer,
                "actor": about.actor,
                "address": about.address,
            },
            "runs": [
                {"id": r.id, "client": header_text(r.client), "command": header_text(r.command), "started": moment(r.time)}
                for r in reversed(runs)
            ],
            "started": moment(about.time),
            "ended": None if self.state == "open" else moment(self.last),
            "exchanges": self.exchanges,
            "bytes": self.content,
            "held": self.held,
            "denied": self.denied,
            "state": self.state,
            "failed_logins": failed.document() if failed is not None else None,
        }
        if not all_runs:
            document["runs_total"] = self.run_count
        return document


def _earlier(run: RunStarted, by: int) -> RunStarted:
    """The run, with the steps of the clock taken out of its time. The event itself may be read again."""
    return replace(run, time=run.time - by) if by else run


def summaries(state: Path) -> list[Summary]:
    """Every session of a state, newest first. Raises OSError. Blocks that cannot be read are left out."""
    found = [Summary(one) for one in scan(state)]
    return sorted(found, key=lambda summary: (summary.started.time, summary.id), reverse=True)


class NoSuch(Exception):
    """No session, or more than one, has an id that begins so."""


def find(state: Path, prefix: str) -> Summary:
    """The session whose id begins with `prefix`. Raises NoSuch, in words for the user, and OSError."""
    wanted = prefix.lower()
    matching = [one for one in summaries(state) if one.id.startswith(wanted)] if wanted else []
    if not matching:
        raise NoSuch(f"there is no session {prefix!r}; `l7gw sessions list` shows those that are")
    if len(matching) > 1:
        listed = ", ".join(summary.id for summary in matching[:5])
        raise NoSuch(f"{len(matching)} sessions begin with {prefix!r}: {listed}; type more of the id")
    return matching[0]


def key_of(session: str) -> bytes:
    return uuid.UUID(session).bytes
