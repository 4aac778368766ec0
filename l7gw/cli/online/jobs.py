"""Jobs beside each other, each in a thread of its own, with bounds: of how many run at once, and of how long one may take.

A thread cannot be stopped. A job that takes too long is told and left alone: its thread ends with the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from l7gw.cli.online.findings import Finding
from l7gw.os_faults import in_words

AT_ONCE = 32  # jobs; each is a thread that mostly waits, and twenty dead clusters take as long as one
SILENT = 40.0  # seconds for one step; four addresses, or three attempts at AWS, take less
LONGEST = 120.0  # seconds for a job; hundreds of permissions of a cluster far away take so long
LOOKED = 0.2  # seconds between two looks for jobs that take too long


@dataclass
class Report:
    """What a job tells: what it is at, and what it found. Nothing is taken of a job that was given up."""

    name: str
    found: list[Finding] = field(default_factory=list)
    skews: list[tuple[str, float]] = field(default_factory=list)  # a clock, and by how many seconds ours is ahead of it
    doing: str = ""
    began: float = 0.0  # monotonic seconds, as the next
    since: float = 0.0
    given_up: bool = False

    def begun(self, what: str) -> None:
        self.doing, self.since = what, time.monotonic()

    def tell(self, finding: Finding | None) -> None:
        if finding is not None and not self.given_up:
            self.found.append(finding)
        self.since = time.monotonic()

    def skewed(self, clock: str, ahead: float) -> None:
        self.skews.append((clock, ahead))


class Job(NamedTuple):
    name: str
    work: Callable[[Report], None]


def run(
    jobs: Sequence[Job],
    shown: Callable[[int, list[str]], None] = lambda over, doing: None,
    *,
    at_once: int = AT_ONCE,
    silent: float = SILENT,
    longest: float = LONGEST,
) -> list[Report]:
    """Run all jobs. Gives what each told, in the order of the jobs. `shown` is called now and then with how many are over and with
    what the others are at."""
    reports = [Report(job.name) for job in jobs]
    waiting = deque(zip(jobs, reports, strict=True))
    running: dict[int, Report] = {}
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    while waiting or running:
        while waiting and len(running) < at_once:
            job, report = waiting.popleft()
            running[id(report)] = report
            report.began = report.since = time.monotonic()
            threading.Thread(target=_work, args=(job, report, ended), daemon=True, name=job.name).start()
        try:
            running.pop(ended.get(timeout=LOOKED), None)
        except queue.Empty:
            _give_up(running, silent, longest)
        shown(len(reports) - len(running) - len(waiting), [_doing(report) for report in running.values()])
    return reports


def _doing(report: Report) -> str:
    return f"{report.name}: {report.doing}" if report.doing else report.name


def _work(job: Job, report: Report, ended: queue.SimpleQueue[int]) -> None:
    try:
        job.work(report)
    except Exception as error:  # a bug, or what nobody thought of: the others go on
        said = f": {in_words(error)}" if isinstance(error, OSError) else ""  # another's text can hold what was read
        what = f"it could not be looked at: {type(error).__name__}{said}"
        report.tell(Finding(job.name, "red", what, "this is probably a bug of l7gw: report it, with the configuration's part"))
    ended.put(id(report))


def _give_up(running: dict[int, Report], silent: float, longest: float) -> None:
    """Let go of the jobs that take too long, and tell it in their place."""
    now = time.monotonic()
    for number, report in [*running.items()]:
        if now - report.since > silent or now - report.began > longest:
            seconds = now - report.since if now - report.since > silent else longest
            what = f"no end within {seconds:.0f} s" + (f", at {report.doing}" if report.doing else "")
            report.tell(Finding(report.name, "red", what, "what is between here and there lets packets vanish, or is very slow"))
            report.given_up = True
            del running[number]
