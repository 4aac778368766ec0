"""The access log: what the gateway's log says of each call. docs/log.md has its fields.

The event loop gathers what is known of a call at its end, and hands it on; a line is made of it later, with those of other calls
(`access_lines.py`). Of a call whose head came before that takes the least: what is alike is known, and the rest stands in a tuple.

Who made the call, what it is about and why it ended are told as the recording tells them: what is masked or
left out there stands in no line.
"""

from __future__ import annotations

from collections.abc import Callable

from l7gw.api.call_sides import Told
from l7gw.config.settings import LogAccess
from l7gw.gateway.access_form import KEPT, AccessEvent, AccessForm, brief
from l7gw.kube.act import Act
from l7gw.recording.call_record import UNREAD, CallRecord
from l7gw.recording.events import Outcome

# Statuses below 500 by which a call counts as failed: the credential, the permission or the rate is refused. Others, such as 404,
# 409 and 422, are everyday answers to kubectl and controllers.
FAILED = frozenset((401, 403, 407, 429))


# One line of the access log: its form; event; time in seconds since 1970; status; bytes up and down; seconds in all, at the cluster
# (negative where the call never went up), waiting for the disk and for a human; audit id, a UUID; reason. It is a plain tuple,
# because each call makes one: that takes 630 instructions, where an object with named fields takes 1,100 and each look 50.
Access = tuple[AccessForm, AccessEvent, float, int, int, int, float, float, float, float, str, str]

# The same of a `call` that is complete, sent nothing up, and waited for nothing but the cluster: its form; time; status; bytes
# down; seconds in all; monotonic seconds at which it went up (0: it did not) and was answered; audit id
Short = tuple[AccessForm, float, int, int, float, float, float, str]


def whole(line: Access | Short) -> Access:
    """All of a line that may be a short one."""
    if len(line) == 8:
        form, at, status, down, took, went_up, answered, audit_id = line
        return form, "call", at, status, 0, down, took, answered - went_up if went_up else -1.0, 0.0, 0.0, audit_id, ""
    return line


def of_attempt(record: CallRecord, at: float, address: str, http: str, audit_id: str, reason: str) -> Access:
    """The line about bytes that were no request, or none that could be read."""
    form = AccessForm(address, None, record.session.id, "", "", UNREAD, http, record.said, "")
    return form, "refused", at, record.status, record.up, record.down, 0.0, -1.0, 0.0, 0.0, audit_id, reason[:KEPT]


def of_api(told: Told, at: float) -> Access:
    """The line about a call of the gateway's own API: its path stands where that of a cluster's would."""
    event: AccessEvent = "open" if told.event == "open" else "close" if told.event == "close" else "call"
    act = brief(Act(verb=told.method, path=told.path, query="", effects=frozenset()))
    form = AccessForm(told.address, told.principal, "", "", "", act, told.http, "", "")
    return form, event, at, told.status, told.up, told.down, told.seconds, -1.0, 0.0, 0.0, told.audit_id, told.reason[:KEPT]


class AccessLog:
    """Says which calls have a line. `put` hands a line on, and `mode` is the configuration's `log.access`: a call makes no line
    that is not wanted."""

    __slots__ = ("mode", "put")

    def __init__(self, put: Callable[[Access | Short], None], mode: LogAccess = "on") -> None:
        self.put = put
        self.mode = mode

    def opened(self, line: Access) -> None:
        """A stream is open."""
        if self.mode == "on":
            self.put(line)

    def ended(self, line: Access, outcome: Outcome) -> None:
        """A call is over."""
        _, event, _, status, *_ = line
        if self.mode == "on" or (self.mode == "errors" and is_error(event, status, outcome)):
            self.put(line)


def is_error(event: AccessEvent, status: int, outcome: Outcome) -> bool:
    """Whether the line stands in a log of `errors`: the call was refused, or failed. A stream that its client left did not."""
    if event == "close":
        return outcome not in ("complete", "aborted")
    return outcome != "complete" or status >= 500 or status in FAILED
