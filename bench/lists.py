"""How long the lists of recordings take, as whole processes: `l7gw sessions list` of 5,000 sessions, `sessions show` of one with
10,000 calls. Run by `make bench`."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from l7gw.clock import SteadyClock
from l7gw.identifiers import uuid7
from l7gw.kube.requestinfo import describe
from l7gw.limits import Limits
from l7gw.recording.batches import Batch
from l7gw.recording.events import SessionStarted
from l7gw.recording.journal import Journal
from l7gw.recording.reader import segments
from l7gw.recording.session import Attempts, Session
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.manual_clock import ManualClock

SESSIONS = 5_000
AT_ONCE = 50  # sessions whose calls lie between each other's, as people work beside each other
COMMANDS = 8  # of each session
LONG = 10_000  # calls of one session more
SEGMENT = 4 * 1024 * 1024  # bytes; a gateway that is started anew each day has many small ones
RUNS = 5
GOAL = 1000.0  # ms
POD = "/api/v1/namespaces/shop/pods"
L7GW = str(Path(sys.executable).parent / "l7gw")


class Written:
    """What a session asks of an outbox, and a journal behind it: each `flush` is a block, as within a tenth of a second."""

    held = 0
    backlogged = False
    failure = ""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._dirty: dict[Session, None] = {}
        self._room = threading.Semaphore(1000)  # batches that wait for the journal's threads

    def dirty(self, session: Session) -> None:
        self._dirty[session] = None

    def flush(self) -> None:
        pieces = [piece for session in self._dirty for piece in session.take()]
        self._dirty.clear()
        self._room.acquire()
        self._journal.put(Batch(pieces, sync=False, done=lambda left, error: self._room.release()))


def fill(state: Path, sessions: int, *, calls_of_one: int) -> None:
    """Make a journal: so many sessions of a few kubectl commands each, a day of failed log-ins, and a session of many calls."""
    state.mkdir(mode=0o700, exist_ok=True)
    limits = Limits(segment=SEGMENT)
    journal = Journal(state, "bench", lambda error: None, USUAL_TIMEOUTS, limits)
    journal.open()
    clock = ManualClock(time.time() - 60 * 86400)
    steady, outbox = SteadyClock(clock), Written(journal)

    def session(user: str, kind: str = "human") -> Session:
        started = SessionStarted(
            int(clock.wall() * 1e6),
            uuid7(),
            "prod",
            user,
            ("engineers", "on-call"),
            kind,
            "https://idp.example.com",
            "",
            "10.0.0.1",
        )
        return Session(outbox, steady, started, limits)  # type: ignore[arg-type]

    for first in range(0, sessions, AT_ONCE):
        some = [session(f"user{number % 300}@example.com") for number in range(first, min(first + AT_ONCE, sessions))]
        for number in range(COMMANDS):
            for one in some:
                kubectl(one, outbox, f"{first}-{number}-{one.id}", denied=number == 3 and first % 200 == 0)
                clock.advance(60 * 86400 / sessions / COMMANDS)
        for one in some:
            one.end("idle")
        outbox.flush()
    started = SessionStarted(int(clock.wall() * 1e6), uuid7(), "prod", "", (), "", "", "", "", attempts=True)
    strangers = Attempts(outbox, steady, started, limits, None)  # type: ignore[arg-type]
    for number in range(1000):
        record = strangers.begin()
        record.request(method="GET", target="/api", headers=(), act=None, audit_id="a")
        record.verdict("refused", reason=f"from 10.1.0.{number % 40}: the token has expired")
        record.end("refused", "the token has expired")
        clock.advance(1)
    agent = session("agent@example.com", "agent")
    for number in range(calls_of_one // COMMANDS):
        kubectl(agent, outbox, f"agent-{number}", calls=COMMANDS)
        clock.advance(1)
    outbox.flush()
    journal.close()


def kubectl(session: Session, outbox: Written, run: str, *, denied: bool = False, calls: int = 4) -> None:
    """One kubectl command: its discovery, and its calls, each of them in two blocks."""
    for number in range(calls):
        target = "/api" if number < 2 else f"{POD}/web-{number}"
        method = "DELETE" if denied else "GET"
        record = session.begin(run_id=run, client="kubectl/v1.33.1 (linux/amd64) kubernetes/1234567", command="kubectl get")
        headers = (("accept", "application/json;as=Table;v=v1;g=meta.k8s.io"), ("authorization", "(credential)"))
        record.request(method=method, target=target, headers=headers, act=describe(method, target), audit_id=run)
        record.verdict("deny" if denied else "allow", rule="engineers read", reason="allowed")
        if number == 0:
            outbox.flush()
        record.response(200, (("content-type", "application/json"), ("audit-id", run)))
        record.response_body(BODY[: 2000 + 97 * (hash(run) % 20)])
        record.end("complete")
        if number != 1:
            outbox.flush()


BODY = b"".join(b'{"name":"web-%d","status":"Running"},' % number for number in range(200))


def commands(state: Path) -> Iterator[tuple[str, list[str]]]:
    here, find = ["--state", str(state)], [L7GW, "sessions", "list", "-o", "json", "--user", "agent@*", "--state", str(state)]
    session = json.loads(subprocess.run(find, capture_output=True, check=True).stdout)[0]["id"]
    yield "python -c pass", [sys.executable, "-c", "pass"]
    yield "l7gw sessions list --help", [L7GW, "sessions", "list", "--help"]
    for options in ([], ["--all"], ["--command", "get"], ["-o", "json"]):
        yield f"{' '.join(['sessions list', *options])}, {SESSIONS:,} sessions", [L7GW, "sessions", "list", *options, *here]
    for options in ([], ["--all"], ["-o", "json"]):
        yield f"{' '.join(['sessions show', *options])}, {LONG:,} calls", [L7GW, "sessions", "show", session, *options, *here]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "state")
        fill(state, options.sessions, calls_of_one=LONG)
        sizes = [path.stat().st_size for path in segments(state)]
        for name, command in [*commands(state)] * options.runs:
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            times.setdefault(name, []).append((1e3 * wall, 1e3 * spent))
    table = Table("command", "ms", "ms of CPU", f"goal {GOAL:g} ms", title=f"{len(sizes)} segments, {sum(sizes) / 1e6:.0f} MB")
    for name, rows in times.items():
        walls, spents = zip(*rows, strict=True)
        median = statistics.median(walls)
        goal = ("held" if median < GOAL else "MISSED") if name.startswith("sessions list") else ""
        table.add_row(name, f"{median:.0f} [{min(walls):.0f}-{max(walls):.0f}]", f"{statistics.median(spents):.0f}", goal)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
