"""A refusal is a `metav1.Status` that the client can read, and the record holds what was sent."""

from __future__ import annotations

import json

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.refusal import tell
from l7gw.wire.events import Body, End, Headers, HttpEvent, Request, Response

REFUSAL = Refusal(403, "Forbidden", "no rule allows it", rule="prod-only")


UPGRADE = Request("GET", "/api/v1/namespaces/n/pods/p/exec", (("accept", "*/*"),), upgrade="websocket")


class Record:
    """A call's record that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def response(self, status: int, headers: Headers) -> None:
        self.told.append((status, headers))

    def response_body(self, data: bytes) -> None:
        self.told.append(data)


def told(request: Request | None, session: str = "s-1", *, close: bool = False) -> tuple[list[HttpEvent], list[object]]:
    sent: list[HttpEvent] = []
    record = Record()
    tell(REFUSAL, sent.append, record, audit_id="a-1", request=request, session=session, close=close)  # type: ignore[arg-type]
    return sent, record.told


def response_of(request: Request | None) -> Response:
    first = told(request)[0][0]
    assert isinstance(first, Response)
    return first


def test_a_refusal_is_a_status_with_its_ids_and_the_record_holds_the_same() -> None:
    (response, body, end), record = told(Request("GET", "/api", (("accept", "application/json"),)))
    assert isinstance(response, Response) and isinstance(body, Body) and end == End()
    status = json.loads(body.data)
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 403, "Forbidden")
    assert "no rule allows it" in status["message"]
    assert (response.status, response.length) == (403, len(body.data))
    assert {("audit-id", "a-1"), ("l7gw-session", "s-1"), ("cache-control", "no-cache, private")} <= set(response.headers)
    assert record == [(403, response.headers), body.data]


def test_a_refusal_warns_in_the_words_of_its_status_and_of_nothing_that_differs_between_its_calls() -> None:
    warnings = {
        value
        for request in (None, Request("GET", "/api", ()), Request("HEAD", "/apis?timeout=32s", ()), UPGRADE)
        for name, value in response_of(request).headers
        if name == "warning"
    }
    assert warnings == {'299 - "l7gw: no rule allows it"'}


def test_a_refused_head_request_gets_no_body_and_the_record_none() -> None:
    (response, end), record = told(Request("HEAD", "/api", ()))
    assert isinstance(response, Response) and response.length > 0 and end == End()
    assert record == [(403, response.headers)]


def test_a_caller_who_is_not_known_is_told_no_session() -> None:
    (response, _, _), _ = told(None, session="")
    assert isinstance(response, Response)
    assert not [value for name, value in response.headers if name == "l7gw-session"]


@pytest.mark.parametrize("close", [True, False])
def test_a_refusal_ends_its_connection_where_it_is_told_to(close: bool) -> None:
    (response, _, _), _ = told(Request("GET", "/api", ()), close=close)
    assert isinstance(response, Response) and response.keep_alive is not close
