"""Calls as they are read from a recording, for tests of what is told of them."""

from __future__ import annotations

import datetime
from typing import Any

from l7gw.kube.requestinfo import describe
from l7gw.recording import events as e
from l7gw.recording.session_calls import SessionCall

BEGAN = int(datetime.datetime(2026, 11, 28, 10, 2, 11).timestamp() * 1e6)  # in local time, as stories are told
POD = "/api/v1/namespaces/dev/pods/web-0"


def made(number: int, run: e.RunStarted | None, method: str, target: str, *, seconds: int = 0, **known: Any) -> SessionCall:
    """A call of a client process, that began so many seconds behind BEGAN and took 12 ms. It was allowed and answered, unless `known`
    says otherwise."""
    act = describe(method, target)
    request = e.RequestRecorded(
        BEGAN, number, sum(run.id.encode()) if run is not None else 0, method, target, (), act.verb, act.group, act.resource, act.subresource, act.namespace, act.name,
        tuple(sorted(act.effects)), "", act.argv, act.container,
    )  # fmt: skip
    began = BEGAN + seconds * 1_000_000
    usual: dict[str, Any] = {"verdict": "allow", "rule": "readers", "status": 200, "outcome": "complete", "ended": began + 12_000}
    return SessionCall(request, began, run, **usual | known)
