"""Journals made for a test by the recorder itself, without a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from l7gw.cli.main import main
from l7gw.clock import Clock, SystemClock
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.recording.call_record import CallRecord
from l7gw.recording.events import AnyEvent
from l7gw.recording.reader import Blocks
from l7gw.recording.recorder import Recorder
from l7gw.recording.session import Session

ANN = Principal("ann@example.com", ("engineers",), "human", "https://idp", "", "10.0.0.1")
TTY = "/api/v1/namespaces/d/pods/web-0/exec?command=sh&stdin=true&stdout=true&tty=true"
PLAIN = "/api/v1/namespaces/d/pods/web-0/exec?command=ls&stdout=true&stderr=true"


def recorded(
    state: Path, fill: Callable[[Recorder], None], *, close: bool = True, clock: Clock | None = None, limits: Limits = USUAL_LIMITS
) -> None:
    """Open a recorder on `state`, let `fill` write, and close it. Without `close`, leave the journal as a crash would. The default
    clock is the machine's."""
    state.mkdir(mode=0o700, exist_ok=True)

    async def run() -> None:
        recorder = Recorder(
            state, clock=clock or SystemClock(), reserve=0, loop=asyncio.get_running_loop(), version="test", limits=limits
        )
        recorder.open()
        fill(recorder)
        if close:
            recorder.close()
        else:
            done = asyncio.Event()
            for session in [*recorder._sessions.values(), *recorder._attempts.values()]:
                session.durable(lambda _: done.set())
                await done.wait()
            recorder._journal.close()  # events that were handed over are written, but no session is ended

    asyncio.run(run())


def call(session: Session, target: str, method: str = "GET", *, run: str = "run-1") -> CallRecord:
    """Record a call as the gateway does, up to its verdict."""
    exchange = session.begin(run_id=run, client="kubectl/v1.33", command="kubectl exec")
    act = describe(method, target)
    exchange.request(
        method=method, target=target, headers=(("accept", "*/*"), ("authorization", "(credential)")), act=act, audit_id="audit-1"
    )
    exchange.verdict("allow", rule="all", reason="allowed")
    return exchange


def shell(session: Session, frames: list[tuple[str, bool, bytes]], target: str = TTY) -> CallRecord:
    """Record an exec with these frames, each as (channel, whether from the client, bytes)."""
    exchange = call(session, target)
    exchange.response(101, (("upgrade", "websocket"),))
    for channel, up, data in frames:
        exchange.frame(channel, up=up, stream={"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}[channel], data=data)
    exchange.end("complete")
    return exchange


def cli_run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run `l7gw ARGUMENTS` in this process. Returns exit status, stdout and stderr."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["l7gw", *map(str, arguments)])
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def session_events(state: Path, session: bytes) -> Iterator[AnyEvent]:
    """Every event of a session, in order. Raises as `reader.Blocks`."""
    for _, events in Blocks(state, session)():
        yield from events
