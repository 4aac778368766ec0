"""What a call of the API asks, read from its head and body, and what it is answered: the same for holds and for grants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from l7gw.api.messages import LARGEST_PAGE, USUAL_LIST
from l7gw.approval.messages import Message, encode
from l7gw.errors import Refusal
from l7gw.name_rules import quoted, visible

MOST_LISTED = 500  # holds or grants of one answer, as the desks list them
LONGEST_QUERY = 2048  # characters; the longest useful one has 200
LIST_KEYS = ("state", "limit", "before")

T = TypeVar("T")
S = TypeVar("S", bound=str)
Query = dict[str, list[str]]


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


def only(method: str, request: ApiRequest, path: str) -> None:
    """Raises Refusal 405 for another method."""
    if request.method != method:
        raise Refusal(405, "MethodNotAllowed", f"{visible(path)} takes {method} alone")


def query_of(query: str, known: tuple[str, ...]) -> Query:
    """The parameters of a query, each with its values. Raises Refusal 400 for one that is not known."""
    if len(query) > LONGEST_QUERY:
        raise bad(f"the query has more than {LONGEST_QUERY} characters")
    found: Query = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=32)
    except ValueError as error:
        raise bad("the query cannot be read") from error
    for name, value in pairs:
        if name not in known:
            raise bad(f"there is no parameter {quoted(name)} here" + (f"; there are {', '.join(known)}" if known else ""))
        found.setdefault(name, []).append(value)
    return found


def once(query: Query, name: str) -> str:
    """The value of a parameter that may stand once; "" where it is absent."""
    values = query.get(name, [])
    if len(values) > 1:
        raise bad(f"`{name}` stands twice")
    return values[0] if values else ""


def states_of(query: Query, known: Sequence[S], what: str) -> tuple[S, ...]:
    """The states that a list is asked for; none for all."""
    states = tuple(state for value in query.get("state", ()) for state in value.split(",") if state)
    for state in states:
        if state not in known:
            raise bad(f"a {what} is never {quoted(state)}; the states are {', '.join(known)}")
    return cast(tuple[S, ...], states)


def part_of(query: Query, what: str) -> tuple[int, str]:
    """How many are asked for at most, and those older than which id."""
    limit = once(query, "limit") or str(USUAL_LIST)
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST_LISTED):
        raise bad(f"`limit` is a number within 1 and {MOST_LISTED}")
    before = once(query, "before")
    if len(before) > 36:
        raise bad(f"`before` is the id of a {what}")
    return int(limit), before


def check_json(request: ApiRequest, what: str = "review") -> None:
    """Raises Refusal 415 for another content type."""
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind != "application/json":  # a web page of somebody else can send no such type without asking us first
        raise Refusal(415, "UnsupportedMediaType", f"a {what} is sent as `content-type: application/json`")


def said_in(request: ApiRequest, decode: Callable[[bytes], T], what: str) -> T:
    """The JSON of a request. Raises Refusal 415 and 400."""
    check_json(request, what)
    try:
        return decode(request.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(f"the {what} cannot be read: {visible(str(error))}") from error


def as_many_as_fit(found: Sequence[Message]) -> list[msgspec.Raw]:
    """As many of these as an answer may have, one at least, as JSON."""
    told: list[msgspec.Raw] = []
    size = 0
    for one in found:
        text = encode(one)
        size += len(text)
        if told and size > LARGEST_PAGE:
            break
        told.append(msgspec.Raw(text))
    return told


def bad(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)
