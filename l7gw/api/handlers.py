"""What each path of the API does. A request and a caller in, an answer out by a callback: no bytes of HTTP here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from l7gw.api import grant_handlers
from l7gw.api.callers import Caller, as_seen, sees
from l7gw.api.grant_handlers import GrantDesks
from l7gw.api.messages import PREFIX, Fault, Page, Said, decode_said
from l7gw.api.requests import LIST_KEYS, Answer, ApiRequest, as_many_as_fit, bad, once, only, part_of, query_of, said_in, states_of
from l7gw.approval.messages import STATES, Hold, Message, Review, ReviewVerdict, State, encode
from l7gw.errors import Refusal
from l7gw.name_rules import quoted, visible

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.approval.rows import Page as Listed

VERBS: dict[str, ReviewVerdict] = {"approve": "approve", "deny": "deny"}
OPEN: tuple[State, ...] = ("pending", "approved")


class Watch(Message, frozen=True, kw_only=True):
    """The caller watches: `states` are those whose holds he is told at the beginning."""

    states: tuple[State, ...]


class OverAlready(Refusal):
    """A review that comes too late."""

    def __init__(self, message: str, hold: Hold) -> None:
        super().__init__(409, "Conflict", message, hold=hold.id)
        self.state = hold.state


Then = Callable[[Answer | Watch | Refusal], None]


class Desks(Protocol):
    """What the handlers of holds ask for."""

    @property
    def desk_if_any(self) -> Desk | None:
        """The desk; None as long as nothing was ever held."""


class AllDesks(Desks, GrantDesks, Protocol):
    """What all handlers ask for."""


def takes_body(method: str) -> bool:
    """Whether a request of this method may have a body."""
    return method == "POST"


def answer(desks: AllDesks, request: ApiRequest, caller: Caller, then: Then) -> None:
    """Answer a request. Raises Refusal where that is known at once, else `then` is called."""
    path, _, query = request.target.partition("?")
    parts = path.removeprefix(PREFIX).split("/") if path.startswith(PREFIX) else []
    match parts:
        case ["holds"]:
            only("GET", request, path)
            _list(desks, query_of(query, (*LIST_KEYS, "watch")), caller, then)
        case ["holds", hold] if hold:
            only("GET", request, path)
            query_of(query, ())
            _found(desks, hold, caller, lambda found: then(_told(found)))
        case ["holds", hold, verb] if hold and verb in VERBS:
            only("POST", request, path)
            query_of(query, ())
            review(desks, hold, VERBS[verb], said_in(request, decode_said, "review"), caller, then)
        case ["grants", *rest]:
            grant_handlers.answer(desks, request, rest, query, caller, then)
        case _:
            raise grant_handlers.no_such_path(path)


# ---------------------------------------------------------------------- looking


def _list(desks: Desks, query: dict[str, list[str]], caller: Caller, then: Then) -> None:
    chosen = states_of(query, STATES, "hold")
    watch = once(query, "watch") or "0"
    if watch not in ("0", "1", "true", "false"):
        raise bad("`watch` is 1 or 0")
    if watch in ("1", "true"):
        then(Watch(states=chosen or OPEN))
        return
    limit, before = part_of(query, "hold")
    desk = desks.desk_if_any
    if desk is None:
        then(_page([], ""))
        return

    def listed(found: Listed | Refusal) -> None:
        if isinstance(found, Refusal):
            then(found)
            return
        then(_page([as_seen(caller, hold, desk.person) for hold in found.holds], found.before))

    desk.page(chosen, lambda hold: sees(caller, hold, desk.person), listed, most=limit, before=before)


def _page(holds: list[Hold], before: str) -> Answer:
    """The answer with these holds, or with as many of them as an answer may have. `before` is where the list goes on behind them;
    "" where it ends."""
    told = as_many_as_fit(holds)
    if len(told) < len(holds):
        before = holds[len(told) - 1].id
    return Answer(status=200, body=encode(Page(holds=told, before=before)))


def _found(desks: Desks, prefix: str, caller: Caller, then: Callable[[Hold | Refusal], None]) -> None:
    """The hold whose id begins so, where the caller may see it."""
    desk = desks.desk_if_any
    if desk is None:
        then(_unknown(prefix, caller))
        return

    def got(found: Hold | Refusal) -> None:
        if isinstance(found, Refusal):
            then(_unknown(prefix, caller) if found.code == 404 else found)
        else:
            then(as_seen(caller, found, desk.person))

    desk.get(prefix, got, lambda hold: sees(caller, hold, desk.person))


def _unknown(prefix: str, caller: Caller) -> Refusal:
    """The answer is the same for a hold that is not there and for one that the caller may not see."""
    which = "" if caller.sees_all else " that you asked for, or could review"
    return Refusal(404, "NotFound", f"there is no hold {quoted(prefix)}{which}")


def _told(found: Hold | Refusal) -> Answer | Refusal:
    return found if isinstance(found, Refusal) else Answer(status=200, body=encode(found))


# ---------------------------------------------------------------------- reviewing


def review(desks: Desks, prefix: str, verdict: ReviewVerdict, said: Said, caller: Caller, then: Then) -> None:
    """Let a caller say something to the hold whose id begins so. Raises Refusal, or calls `then`."""
    reviewer = caller.reviewer
    if reviewer is None:
        raise Refusal(403, "Forbidden", "who reviews proves who he is: send a token (--token-file FILE, or $L7GW_TOKEN)")
    its = Review(
        verdict=verdict,
        note=said.note,
        rest_of_run=said.rest_of_run,
        for_seconds=said.for_seconds,
        force=said.force,
        reason=said.reason,
    )

    def reviewed(found: Hold | Refusal) -> None:
        if isinstance(found, Refusal):
            then(found)
            return
        then(Answer(status=200, body=encode(found), about=f"{verdict} of hold {found.id}, which is {found.state}"))

    def got(found: Hold | Refusal) -> None:
        if isinstance(found, Refusal):
            then(found)
        elif why := _over(found, verdict):
            then(OverAlready(why, found))
        else:
            desk = desks.desk_if_any
            assert desk is not None, "it gave the hold"
            desk.review(found.id, reviewer, its, reviewed)

    _found(desks, prefix, caller, got)


def _over(hold: Hold, verdict: ReviewVerdict) -> str:
    """Why a review comes too late; "" where it does not, as far as is known."""
    if hold.state == "pending" or (hold.state == "approved" and verdict == "deny"):
        return ""
    if hold.rest is not None and verdict == "deny":
        return ""  # it takes back the rest of the run
    last = hold.reviews[-1] if hold.reviews else None
    if hold.state == "approved" and last is not None:
        return f"it is approved already, by {quoted(last.user)} at {last.time}; the approval may be used until {hold.expires}"
    if hold.state == "denied" and last is not None:
        said = f": {quoted(last.note)}" if last.note else ""
        return f"it is denied already, by {quoted(last.user)} at {last.time}{said}; the requester must ask again"
    if hold.state == "consumed":
        return f"the call was approved and went on at {hold.ended}"
    why = f": {visible(hold.why)}" if hold.why else ""
    return f"it is {hold.state} since {hold.ended}{why}; the requester must ask again"


def fault_of(refusal: Refusal) -> Fault:
    """A refusal as the API tells it."""
    state = refusal.state if isinstance(refusal, OverAlready) else ""
    return Fault(code=refusal.code, reason=refusal.reason, message=refusal.message, hold=refusal.hold or "", state=state)
