"""A session as a story: what each client process did, when, and what became of it."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from l7gw.cli.columns import WORDS, wrapped
from l7gw.kube.in_kubectl import in_kubectl
from l7gw.quantities import many
from l7gw.recording.events import RequestRecorded, RunStarted, header_text
from l7gw.recording.past_calls import act_of
from l7gw.recording.recorded_calls import is_dry
from l7gw.recording.session_calls import SessionCall
from l7gw.recording.terminal.unseen import safe

INDENT = " " * 4  # of what belongs to a run
HANGING = " " * 8  # of the further lines of a call
WRITES = frozenset(("write", "workload", "delete"))  # effects

Only = Literal["denied", "writes", "execs"]
_HOLDS = {"consumed": "approved", "covered": "approved with the rest of its run", "pending": "nobody has answered yet"}
_VERDICTS = {"allow": "allowed", "deny": "denied", "hold": "held"}  # what the others are is said as it is recorded


class Folded(msgspec.Struct):
    """Calls of a run that asked what the cluster serves, all of them answered. `number` is the run's place in its session."""

    number: int
    run: RunStarted | None
    time: int
    exchange: int
    count: int


class Story:
    """The calls of a session that are to be shown: the newest `most` of those that `only` lets through; None for all. Discovery of
    a run that was answered is folded into one, unless `unfolded`. `left_out` counts those before them."""

    def __init__(self, calls: Iterable[SessionCall], *, only: Only | None, unfolded: bool, most: int | None) -> None:
        self.left_out = 0
        self._folds: dict[int, Folded] = {}
        self._shown: deque[SessionCall | Folded] = deque()
        for call in calls:
            if only is not None and not matches(call, only):
                continue
            if unfolded or not _is_plain_discovery(call):
                self._shown.append(call)
            elif (fold := self._folds.get(call.request.run)) is not None:
                fold.count += 1
            else:
                fold = self._folds[call.request.run] = Folded(call.request.run, call.run, call.time, call.request.exchange, 1)
                self._shown.append(fold)
            if most is not None and len(self._shown) > most:
                self._drop(self._shown.popleft())

    def _drop(self, oldest: SessionCall | Folded) -> None:
        if isinstance(oldest, SessionCall):
            self.left_out += 1
            return
        self.left_out += oldest.count
        del self._folds[oldest.number]

    def lines(self, cluster: str, began: int, within: int | None) -> Iterator[str]:
        """The story in lines: a run, and below it its calls. `began` is when the session did; `within` are the columns of a
        terminal, None where each call is to be one line."""
        runs: dict[int, list[SessionCall | Folded]] = {}
        for one in self._shown:
            runs.setdefault(id(one.run), []).append(one)
        for of_run in runs.values():
            yield ""
            yield from broken(_about(of_run[0].run), within, "     ")
            for one in of_run:
                yield from broken(f"{INDENT}{_when(one.time, began)}  {_told(one, cluster)}", within, HANGING)


def matches(call: SessionCall, only: Only) -> bool:
    """Whether a call is denied (or refused, or held and never let through), a write, or runs something in a container."""
    if only == "denied":
        return call.verdict in ("deny", "refused") or call.outcome in ("denied", "refused")
    effects = call.request.effects
    return "execute" in effects if only == "execs" else not WRITES.isdisjoint(effects)


def _is_plain_discovery(call: SessionCall) -> bool:
    answered = call.verdict == "allow" and call.outcome == "complete" and call.status < 400
    return answered and call.request.effects == ("discovery",) and not call.request.resource  # `auth can-i` is no less an act


def broken(line: str, within: int | None, hanging: str) -> Iterator[str]:
    """A line that is not wider than `within` columns, or several: those behind the first have the indent `hanging`."""
    if within is None:
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    for number, part in enumerate(wrapped(line.lstrip(), max(20, within - len(max(indent, hanging, key=len))), WORDS)):
        yield (hanging if number else indent) + part


def _about(run: RunStarted | None) -> str:
    """A client process: its command, its program and its id."""
    words = [header_text(run.command), header_text(run.client), run.id] if run is not None else []
    return f"run  {'  '.join(safe(text) for text in words if text) or '(a client without a name)'}"


def _when(microseconds: int, began: int) -> str:
    """`10:02:11`, with the date where that is not the day on which the session began."""
    moment, first = (datetime.datetime.fromtimestamp(time / 1e6) for time in (microseconds, began))
    return moment.strftime("%H:%M:%S" if moment.date() == first.date() else "%m-%d %H:%M:%S")


def _told(one: SessionCall | Folded, cluster: str) -> str:
    if isinstance(one, Folded):
        return f"#{one.exchange}  discovery, {many(one.count, 'call')}"
    return f"#{one.request.exchange}  {safe(words_of(one.request, cluster))} -> {safe(_verdict(one))}; {_end(one)}"


def words_of(request: RequestRecorded, cluster: str) -> str:
    """A call as people would type it."""
    if not request.verb:
        return f"{request.method} {request.target}".strip() or "bytes that were no request"
    act = act_of(request, cluster)
    words = in_kubectl(request.method, act, longest=None)
    if act.subresource == "log" and act.verb == "get":
        container = f" -c {act.container}" if act.container else ""
        words = words.replace("kubectl get --subresource=log pods", "kubectl logs", 1) + container
    return words + (" --dry-run=server" if is_dry(request.target) else "")


def _verdict(call: SessionCall) -> str:
    """`allowed by engineers read`, `denied by no deletes: ask sre`, `held by writes: approved by rob`."""
    if not call.verdict:
        return "no verdict"
    text = _VERDICTS.get(call.verdict, call.verdict) + (f" by {call.rule}" if call.rule else "")
    if call.hold:
        by = f" by {', '.join(call.reviewers)}" if call.reviewers else ""
        return f"{text}: {_HOLDS.get(call.hold, call.hold)}{by}"
    if not call.reason or call.verdict == "allow":
        return text
    says_so = call.reason.startswith(f"{text.partition(' ')[0]} ")  # as the judge's reasons do: denied by guardrail 'x': why
    return call.reason if says_so else f"{text}: {call.reason}"


def _end(call: SessionCall) -> str:
    """`403, denied, 1,234 bytes down, 12 ms`."""
    why = f": {safe(call.why)}" if call.why and call.why not in call.reason else ""
    took = call.milliseconds
    parts = [
        str(call.status or ""),
        safe(call.outcome) + why or "no end recorded",
        *(f"{many(size, 'byte')} {way}" for way, size in (("up", call.sent), ("down", call.got)) if size),
        _took(took) if took is not None else "",
        safe(str(call.masked)) if call.masked is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _took(milliseconds: float) -> str:
    """`0.4 ms`, `12 ms`, `3.2 s`, `4m05s`, `3h04m`."""
    seconds = milliseconds / 1000
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes // 60}h{minutes % 60:02d}m" if minutes >= 60 else f"{minutes}m{int(seconds) % 60:02d}s"
