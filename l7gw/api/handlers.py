"""What each path of the API does. A request and a caller in, an answer out by a callback: no bytes of HTTP here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import parse_qsl

import msgspec

from l7gw.api.callers import Caller, as_seen, sees
from l7gw.api.messages import LARGEST_PAGE, PREFIX, USUAL_LIST, Fault, Page, Said, decode_said
from l7gw.approval.messages import STATES, Hold, Message, Review, ReviewVerdict, State, encode
from l7gw.errors import Refusal
from l7gw.name_rules import quoted, visible

if TYPE_CHECKING:
    from l7gw.approval.desk import Desk
    from l7gw.approval.rows import Page as Listed

MOST_LISTED = 500  # holds of one answer, as the desk lists them
LONGEST_QUERY = 2048  # characters; the longest useful one has 200
LIST_KEYS = ("state", "limit", "before", "watch")
VERBS: dict[str, ReviewVerdict] = {"approve": "approve", "deny": "deny"}
OPEN: tuple[State, ...] = ("pending", "approved")


class ApiRequest(Message, frozen=True, kw_only=True):
    """`target` is path and query as they came. `body` is "" where there is none."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = ""


class Answer(Message, frozen=True, kw_only=True):
    """JSON, with the status of HTTP. `about` says in words for the log what was done; "" where nothing was changed."""

    status: int
    body: bytes
    about: str = ""


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
    """What the handlers ask for."""

    @property
    def desk_if_any(self) -> Desk | None:
        """The desk; None as long as nothing was ever held."""


def takes_body(method: str) -> bool:
    """Whether a request of this method may have a body."""
    return method == "POST"


def answer(desks: Desks, request: ApiRequest, caller: Caller, then: Then) -> None:
    """Answer a request. Raises Refusal where that is known at once, else `then` is called."""
    path, _, query = request.target.partition("?")
    parts = path.removeprefix(PREFIX).split("/") if path.startswith(PREFIX) else []
    match parts:
        case ["holds"]:
            only("GET", request, path)
            _list(desks, query_of(query, LIST_KEYS), caller, then)
        case ["holds", hold] if hold:
            only("GET", request, path)
            query_of(query, ())
            _found(desks, hold, caller, lambda found: then(_told(found)))
        case ["holds", hold, verb] if hold and verb in VERBS:
            only("POST", request, path)
            query_of(query, ())
            review(desks, hold, VERBS[verb], _said(request), caller, then)
        case _:
            raise Refusal(
                404,
                "NotFound",
                f"the API has no {quoted(path)}; it has {PREFIX}holds, below it ID, ID/approve and ID/deny, and {PREFIX}sessions",
            )


def only(method: str, request: ApiRequest, path: str) -> None:
    """Raises Refusal 405 for another method."""
    if request.method != method:
        raise Refusal(405, "MethodNotAllowed", f"{visible(path)} takes {method} alone")


def query_of(query: str, known: tuple[str, ...]) -> dict[str, list[str]]:
    """The parameters of a query, each with its values. Raises Refusal 400 for one that is not known."""
    if len(query) > LONGEST_QUERY:
        raise bad(f"the query has more than {LONGEST_QUERY} characters")
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=32)
    except ValueError as error:
        raise bad("the query cannot be read") from error
    for name, value in pairs:
        if name not in known:
            raise bad(f"there is no parameter {quoted(name)} here" + (f"; there are {', '.join(known)}" if known else ""))
        found.setdefault(name, []).append(value)
    return found


# ---------------------------------------------------------------------- looking


def _list(desks: Desks, query: dict[str, list[str]], caller: Caller, then: Then) -> None:
    states = tuple(state for value in query.get("state", ()) for state in value.split(",") if state)
    for state in states:
        if state not in STATES:
            raise bad(f"a hold is never {quoted(state)}; the states are {', '.join(STATES)}")
    chosen = cast(tuple[State, ...], states)
    watch = _one(query, "watch") or "0"
    if watch not in ("0", "1", "true", "false"):
        raise bad("`watch` is 1 or 0")
    if watch in ("1", "true"):
        then(Watch(states=chosen or OPEN))
        return
    limit = _one(query, "limit") or str(USUAL_LIST)
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST_LISTED):
        raise bad(f"`limit` is a number within 1 and {MOST_LISTED}")
    before = _one(query, "before")
    if len(before) > 36:
        raise bad("`before` is the id of a hold")
    desk = desks.desk_if_any
    if desk is None:
        then(_page([], ""))
        return

    def listed(found: Listed | Refusal) -> None:
        if isinstance(found, Refusal):
            then(found)
            return
        then(_page([as_seen(caller, hold, desk.person) for hold in found.holds], found.before))

    desk.page(chosen, lambda hold: sees(caller, hold, desk.person), listed, most=int(limit), before=before)


def _one(query: dict[str, list[str]], name: str) -> str:
    values = query.get(name, [])
    if len(values) > 1:
        raise bad(f"`{name}` stands twice")
    return values[0] if values else ""


def _page(holds: list[Hold], before: str) -> Answer:
    """The answer with these holds, or with as many of them as an answer may have. `before` is where the list goes on behind them;
    "" where it ends."""
    told: list[msgspec.Raw] = []
    size = 0
    for hold in holds:
        text = encode(hold)
        size += len(text)
        if told and size > LARGEST_PAGE:
            break
        told.append(msgspec.Raw(text))
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


def check_json(request: ApiRequest) -> None:
    """Raises Refusal 415 for another content type."""
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind != "application/json":  # a web page of somebody else can send no such type without asking us first
        raise Refusal(415, "UnsupportedMediaType", "a review is sent as `content-type: application/json`")


def _said(request: ApiRequest) -> Said:
    check_json(request)
    try:
        return decode_said(request.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(f"the review cannot be read: {visible(str(error))}") from error


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


def bad(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)
