"""What happens to grants, recorded in the session of the one who asked, on the cluster that the grant is for."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.approval.grant_messages import Grant, GrantDone
from l7gw.approval.messages import encode
from l7gw.config.settings import RecordMode
from l7gw.gateway.hold_evidence import Then, session_of
from l7gw.recording.events import GrantRecorded
from l7gw.recording.recorder import Recorder


class GrantEvidence:
    """The grants' evidence. `mode` is the `record` of a cluster, by its name: of `none` nothing is kept."""

    def __init__(self, recorder: Recorder, mode: Callable[[str], RecordMode]) -> None:
        self._recorder = recorder
        self._mode = mode

    def changed(self, grant: Grant, done: GrantDone, then: Then) -> None:
        """Record what was done to a grant, and its state then. `then` gets None once that is on the disk."""
        session = session_of(self._recorder, self._mode(grant.cluster), grant.principal, grant.cluster, then)
        if session is None:
            return
        session.append(
            GrantRecorded(
                session.now(),
                grant=grant.id,
                state=grant.state,
                group=grant.group,
                cluster=grant.cluster,
                did=done.did,
                user=done.user,
                note=done.note,
                seconds=grant.seconds,
                starts=grant.starts or "",
                ends=grant.ends or "",
                local=done.local,
                forced=done.forced,
                reason=done.reason,
                reviews=encode(grant.reviews).decode() if grant.state == "approved" else "",
            )
        )
        session.durable(then)
