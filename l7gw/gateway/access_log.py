"""The access log: what the gateway's log says of each call. docs/log.md has its fields.

The event loop gathers what is known of a call at its end, and hands it on; the writer's thread makes a line of it
(`access_lines.py`). Who made the call, what it is about and why it ended are told as the recording tells them: what is masked or
left out there stands in no line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from l7gw.api.call_sides import Told
from l7gw.config.settings import LogAccess
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.recording.call_record import UNREAD, CallRecord
from l7gw.recording.events import Outcome

AccessEvent = Literal["call", "open", "close", "refused"]

# Statuses below 500 by which a call counts as failed: the credential, the permission or the rate is refused. Others, such as 404,
# 409 and 422, are everyday answers to kubectl and controllers.
FAILED = frozenset((401, 403, 407, 429))


class Access(msgspec.Struct, gc=False):
    """One line of the access log. Times are seconds, `at` since 1970; sizes are bytes."""

    event: AccessEvent
    at: float
    address: str
    principal: Principal | None
    session: str
    run: str
    cluster: str
    act: Act
    verdict: str
    rule: str
    status: int
    up: int
    down: int
    whole: float
    at_cluster: float
    for_disk: float
    for_human: float
    audit_id: str
    http: str
    reason: str


def of_attempt(record: CallRecord, at: float, address: str, http: str, audit_id: str, reason: str) -> Access:
    """The line about bytes that were no request, or none that could be read."""
    return Access(
        "refused",
        at,
        address,
        None,
        record.session.id,
        "",
        "",
        UNREAD,
        record.said,
        "",
        record.status,
        record.up,
        record.down,
        0.0,
        -1.0,
        0.0,
        0.0,
        audit_id,
        http,
        reason,
    )


def of_api(told: Told, at: float) -> Access:
    """The line about a call of the gateway's own API: its path stands where that of a cluster's would."""
    event: AccessEvent = "open" if told.event == "open" else "close" if told.event == "close" else "call"
    return Access(
        event,
        at,
        told.address,
        told.principal,
        "",
        "",
        "",
        Act(verb=told.method, path=told.path, query="", effects=frozenset()),
        "",
        "",
        told.status,
        told.up,
        told.down,
        told.seconds,
        -1.0,
        0.0,
        0.0,
        told.audit_id,
        told.http,
        told.reason,
    )


class AccessLog:
    """Says which calls have a line, and hands the lines on. `mode` is the configuration's `log.access`."""

    __slots__ = ("_put", "mode")

    def __init__(self, put: Callable[[Access], None], mode: LogAccess = "on") -> None:
        self._put = put
        self.mode = mode

    def opened(self, line: Access) -> None:
        """A stream is open."""
        if self.mode == "on":
            self._put(line)

    def ended(self, line: Access, outcome: Outcome) -> None:
        """A call is over."""
        if self.mode == "on" or (self.mode == "errors" and is_error(line, outcome)):
            self._put(line)


def is_error(line: Access, outcome: Outcome) -> bool:
    """Whether the line stands in a log of `errors`: the call was refused, or failed. A stream that its client left did not."""
    if line.event == "close":
        return outcome not in ("complete", "aborted")
    return outcome != "complete" or line.status >= 500 or line.status in FAILED
