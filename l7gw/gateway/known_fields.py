"""What the gateway knows of calls that a client makes with the same header fields, whatever their targets are.

An agent asks for one object after the other, a dashboard for one list after the other, and each says who it is in the same words.
What routes, identity and recording make of these words is kept here, with the verdict under which it was found (`HeaderFields`
keeps one for each of few verdicts). A call with a target that never came before is then a `KnownCall` once its target was read,
judged and searched: `known_call.known_of`.
"""

from __future__ import annotations

from typing import Protocol

from l7gw.approval.active_grants import ActiveGrants
from l7gw.config.settings import Settings
from l7gw.gateway.access_form import AccessForm
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.known_answer import KnownAnswer, can_be_known
from l7gw.identity.principal import Principal
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.masking import Masking
from l7gw.policy.judge import Policy
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_form import NOT_BEGUN, FieldsForm
from l7gw.recording.call_record import CallRecord
from l7gw.wire.events import Headers, ReadyFields, ReadyHead, Request, Response

MOST_ANSWERS = 4  # shapes of answers that are known: an object, its absence, and a server that says either otherwise
MOST_VERDICTS = 4  # under which calls with the same fields are known: a client has reads, and seldom more than two rules allow them


class Said(Protocol):
    """What a worker's configuration and policy say now."""

    policy: Policy
    grants: ActiveGrants
    masking: Masking
    settings: Settings


class KnownFields:
    """What is known of the calls of one connection with one method, the same header fields and one verdict. They have no body and
    ask for no upgrade."""

    __slots__ = (
        "access", "agent", "answers", "command", "far", "form", "length", "method", "principal",
        "ready", "session", "token", "values", "verdict",
        "_authority", "_authorization", "_grants", "_masking", "_policy", "_settings", "_up",
    )  # fmt: skip

    def __init__(
        self,
        worker: Said,
        *,
        far: FarSide,
        token: str | None,
        principal: Principal,
        verdict: Verdict,
        record: CallRecord,
        recorded: tuple[Headers, str],
        access: AccessForm,
        request: Request,
        up: Request,
        client: tuple[str, str],
    ) -> None:
        """`recorded` is what `HeaderFields.recorded` gives, `access` the form of the first such call. `request` is about to go
        up as `up`, whose last header is the audit id. `client` are its client and command, as they are recorded."""
        headers, self.values = recorded
        self.agent, self.command = client
        self.access = access
        self.ready = ReadyFields()
        self.far = far
        self.token = token
        self.principal = principal
        self.verdict = verdict
        self.method = request.method
        self.length = request.length
        self.session = record.session
        self.form = FieldsForm(
            run=record.run,
            run_id=record.run_id,
            content=record.content,
            method=request.method,
            headers=headers,
            verdict=verdict.decision,
            rule=verdict.rule,
            reason=verdict.reason,
        )
        self.answers: list[KnownAnswer] = []
        self._policy, self._grants = worker.policy, worker.grants.generation
        self._masking, self._settings = worker.masking, worker.settings
        self._up = up
        self._authority = far.endpoint.authority
        self._authorization = far.pool_of(principal).credential.authorization

    def in_run(self, run: str, recorded: tuple[Headers, str]) -> KnownFields:
        """The same of another run of this principal's, whose fields are `recorded` so. Its id is `run`, or "" where that of the
        connection will be it. How answers are handed on stays shared."""
        return _InRun(self, run, recorded)

    def begin_run(self, run_id: str) -> int:
        """A call of this run is about to be recorded: the number of the run, which is recorded where this is its first call."""
        if self.form.run == NOT_BEGUN:
            self.access.run = run_id
            self.form.begin(self.session.run_of(run_id, self.agent, self.command), run_id)
        return self.form.run

    def hold(self, worker: Said) -> bool:
        """Whether all but the caller's identity, and what was registered, is as it was when this was found."""
        return (
            worker.policy is self._policy
            and worker.settings is self._settings  # clusters, routes and hooks are made anew with them
            and worker.grants.generation == self._grants
            and worker.masking is self._masking
            and self.session.takes_calls
            and self.form.run >= self.session.runs_forgotten  # the oldest are forgotten, and are recorded anew
        )

    def going_up(self, target: str, audit_id: str, ready: ReadyHead) -> Request | None:
        """The request that goes up for a call of this target and audit id; None where the cluster's address or the credential is
        another now."""
        far = self.far
        if (
            far.pool_of(self.principal).credential.authorization is not self._authorization
            or far.endpoint.authority != self._authority
        ):
            return None
        up = self._up
        return Request(up.method, target, (*up.headers[:-1], ("audit-id", audit_id)), up.length, ready=ready)

    def answered(self, response: Response) -> KnownAnswer | None:
        """How answers of this shape were handed on; None where none was."""
        for answer in self.answers:
            if answer.shape is response.shape:
                return answer.at(response.date)
        return None

    def remember_answer(self, response: Response, shown: Headers, choice: Choice) -> None:
        """Remember how an answer is handed on, in whose head nothing is masked: `shown` is what the client gets of it."""
        if not can_be_known(response, choice) or any(one.shape is response.shape for one in self.answers):
            return
        del self.answers[: -MOST_ANSWERS + 1]
        self.answers.append(KnownAnswer(response, shown, choice))


class _InRun(KnownFields):
    """What is known of calls of another run than those of which it was found. See `KnownFields.in_run`."""

    __slots__ = ()

    def __init__(self, found: KnownFields, run: str, recorded: tuple[Headers, str]) -> None:
        headers, self.values = recorded
        self.agent, self.command = found.agent, found.command
        self.access = found.access.in_run(run)
        self.form = found.form.in_run(run, headers)
        self.ready, self.answers = found.ready, found.answers
        self.far, self.token, self.principal, self.verdict = found.far, found.token, found.principal, found.verdict
        self.method, self.length, self.session = found.method, found.length, found.session
        self._policy, self._grants, self._masking, self._settings = found._policy, found._grants, found._masking, found._settings
        self._up, self._authority, self._authorization = found._up, found._authority, found._authorization
