"""The list of sessions, made from the headers of the journal's blocks and the few blocks that hold no bodies."""

from __future__ import annotations

import uuid
from collections import deque
from pathlib import Path
from typing import Any, Literal

from l7gw.clock import moment
from l7gw.recording import reader
from l7gw.recording.events import ClockStepped, RunStarted, SessionEnded, SessionStarted, header_text
from l7gw.recording.layout import HOLDS_SESSION_EVENTS, NO_SESSION

NEWEST_RUNS = 100  # runs of a session that the list has; `show` has all

SessionState = Literal[
    "open",
    "closed",
    "torn",  # the process died during the session
]


class Summary:
    """One session as the list shows it. `run_count` counts all runs; `runs` holds the newest NEWEST_RUNS, or all where asked for.
    Steps of the wall clock are taken out of the times."""

    __slots__ = ("alive", "content", "denied", "ended", "exchanges", "held", "last", "run_count", "runs", "started", "stepped")

    def __init__(self, started: SessionStarted, most_runs: int | None = NEWEST_RUNS) -> None:
        self.started = started
        self.runs: deque[RunStarted] = deque(maxlen=most_runs)
        self.run_count = 0
        self.last = started.time  # microseconds since 1970 when the last block was made
        self.stepped = 0  # microseconds by which the wall clock was set ahead since the session began
        self.ended = False
        self.alive = False
        self.exchanges = self.denied = self.held = self.content = 0

    @property
    def id(self) -> str:
        return self.started.id

    @property
    def state(self) -> SessionState:
        return "closed" if self.ended else "open" if self.alive else "torn"

    def document(self, *, all_runs: bool) -> dict[str, Any]:
        """The session as a JSON object. Its keys stay from release to release. `bytes` counts bodies and channels."""
        about = self.started
        runs = list(reversed(self.runs))
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
                for r in (runs if all_runs else runs[:NEWEST_RUNS])
            ],
            "started": moment(about.time),
            "ended": None if self.state == "open" else moment(self.last),
            "exchanges": self.exchanges,
            "bytes": self.content,
            "held": self.held,
            "denied": self.denied,
            "state": self.state,
        }
        if not all_runs:
            document["runs_total"] = self.run_count
        return document


def summaries(state: Path, *, all_runs_of: str | None = None) -> list[Summary]:
    """Every session of a state, newest first. All runs are kept of sessions whose id begins with `all_runs_of`. Raises OSError.
    Blocks that cannot be read are left out."""
    found: dict[bytes, Summary] = {}
    paths = reader.segments(state)
    living = reader.living_writer(paths)
    for path in paths:
        alive = living is not None and reader.writer_of(path) == living
        for place in reader.places(path):
            header = place.header
            if header.session == NO_SESSION:
                continue
            summary = found.get(header.session)
            if header.flags & HOLDS_SESSION_EVENTS:
                summary = _look_inside(place, summary, all_runs_of)
                if summary is not None:
                    found[header.session] = summary
            if summary is None:
                continue
            summary.alive = alive
            summary.last = header.last - summary.stepped
            summary.exchanges, summary.denied, summary.held = header.exchanges, header.denied, header.held
            summary.content = header.content
    return sorted(found.values(), key=lambda summary: (summary.started.time, summary.id), reverse=True)


def _look_inside(place: reader.Place, summary: Summary | None, all_runs_of: str | None) -> Summary | None:
    try:
        events = reader.events_at(place)
    except reader.Unreadable:
        return summary
    for event in events:
        if isinstance(event, SessionStarted):
            every = all_runs_of is not None and event.id.startswith(all_runs_of)
            summary = Summary(event, None if every else NEWEST_RUNS)
        elif summary is not None and isinstance(event, RunStarted):
            event.time -= summary.stepped
            summary.runs.append(event)
            summary.run_count += 1
        elif summary is not None and isinstance(event, ClockStepped):
            summary.stepped += event.by
        elif summary is not None and isinstance(event, SessionEnded):
            summary.ended = True
    return summary


class NoSuch(Exception):
    """No session, or more than one, has an id that begins so."""


def find(state: Path, prefix: str) -> Summary:
    """The session whose id begins with `prefix`, with all its runs. Raises NoSuch, in words for the user, and OSError."""
    wanted = prefix.lower()
    matching = [one for one in summaries(state, all_runs_of=wanted) if one.id.startswith(wanted)] if wanted else []
    if not matching:
        raise NoSuch(f"there is no session {prefix!r}; `l7gw sessions list` shows those that are")
    if len(matching) > 1:
        listed = ", ".join(summary.id for summary in matching[:5])
        raise NoSuch(f"{len(matching)} sessions begin with {prefix!r}: {listed}; type more of the id")
    return matching[0]


def key_of(session: str) -> bytes:
    return uuid.UUID(session).bytes
