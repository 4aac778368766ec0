"""What the paths of the API below `sessions` do: which calls are under way, and ending them."""

from __future__ import annotations

import re
from collections.abc import Callable

from l7gw.api.callers import Caller
from l7gw.api.messages import PREFIX
from l7gw.api.requests import Answer, ApiRequest, bad, only, query_of, said_in
from l7gw.api.running import Endable, KillSaid, Running, RunningCalls, decode_kill, ends_calls, may_end
from l7gw.approval.messages import encode
from l7gw.errors import Refusal
from l7gw.name_rules import quoted
from l7gw.quantities import many

ROOT = f"{PREFIX}sessions"
MOST_LISTED = 1000  # calls of one answer, the newest; each has 1 kB
ID = re.compile("[0-9a-f-]{1,36}")

Then = Callable[[Answer | Refusal], None]


def takes(request: ApiRequest) -> bool:
    """Whether the request is for one of these paths."""
    path = request.target.partition("?")[0]
    return path == ROOT or path.startswith(f"{ROOT}/")


def answer(running: Running, request: ApiRequest, caller: Caller, then: Then) -> None:
    """Answer a request. Raises Refusal where that is known at once, else `then` is called."""
    path, _, query = request.target.partition("?")
    match path.removeprefix(PREFIX).split("/"):
        case ["sessions"]:
            only("GET", request, path)
            if query_of(query, ("running",)).get("running") != ["1"]:
                raise bad("`running=1` asks for the calls under way; `l7gw sessions list` reads the recordings")
            found = [call.about() for call in _endable(running, caller)]
            newest = sorted(found, key=lambda call: call.started, reverse=True)[:MOST_LISTED]
            then(Answer(status=200, body=encode(RunningCalls(calls=newest))))
        case ["sessions", session, "kill"] if session:
            only("POST", request, path)
            query_of(query, ())
            said = said_in(request, decode_kill, "reason")
            _kill(_chosen(running, session, said, caller), said, caller, then)
        case _:
            raise Refusal(404, "NotFound", f"the API has no {quoted(path)}; it has {ROOT}?running=1 and {ROOT}/ID/kill")


def _endable(running: Running, caller: Caller, prefix: str = "") -> list[Endable]:
    """The calls that the caller may end, of sessions whose id begins so."""
    if not ends_calls(caller):
        raise Refusal(403, "Forbidden", "agents, workloads and who proves himself by AWS end no calls; a person does, by a token")
    people = running.people
    known = (call for call in running.running if call.session_id and call.session_id.startswith(prefix))
    return [call for call in known if may_end(caller, call, people)]


def _chosen(running: Running, prefix: str, said: KillSaid, caller: Caller) -> list[Endable]:
    """The calls that are meant: of the only session whose id begins so."""
    if ID.fullmatch(prefix.lower()) is None:
        raise bad(f"{quoted(prefix)} is no id of a session")
    found = _endable(running, caller, prefix.lower())
    sessions = {call.session_id for call in found}
    which = "" if caller.sees_all else " that you may end"
    if len(sessions) > 1:
        raise Refusal(409, "Conflict", f"{len(sessions)} sessions begin with {quoted(prefix)}; write more of the id")
    if said.exchange is not None:
        found = [call for call in found if call.about().exchange == said.exchange]
    if not found:
        what = f"call {said.exchange}" if said.exchange is not None else "call"
        raise Refusal(404, "NotFound", f"no {what}{which} is under way here in a session {quoted(prefix)}")
    return found


def _kill(calls: list[Endable], said: KillSaid, caller: Caller, then: Then) -> None:
    told = [call.about() for call in calls]
    local = caller.reviewer is None or caller.reviewer.local
    for call in calls:
        call.kill(caller.name, said.reason, local=local)
    about = f"ended {many(len(calls), 'call')} of session {told[0].session}" + (f": {quoted(said.reason)}" if said.reason else "")

    def recorded(error: Exception | None) -> None:
        if error is not None:
            then(Refusal(503, "ServiceUnavailable", "the calls were ended, but that could not be recorded"))
        else:
            then(Answer(status=200, body=encode(RunningCalls(calls=told)), about=about))

    calls[0].durable(recorded)
