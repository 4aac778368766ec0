"""The gateway's own refusals, told to the client and recorded: every one goes out by `tell`."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.errors import Refusal
from l7gw.kube.status import encode
from l7gw.recording.session import CallRecord
from l7gw.wire.events import Body, End, HttpEvent, Request, Response


def tell(
    refusal: Refusal,
    send: Callable[[HttpEvent], None],
    record: CallRecord,
    *,
    audit_id: str,
    request: Request | None = None,
    session: str = "",
    close: bool = False,
) -> None:
    """Say a refusal to the client by `send`, and record what was said.

    `request` is the call's, None where none could be read; `session` is the caller's, "" where nobody is known. `close` ends the
    connection with it; where it is false the codec knows whether the connection can go on: not behind a body that was not read, nor
    a refused upgrade.
    """
    for event in _events(refusal, request, audit_id, session, close=close):
        send(event)
        if type(event) is Response:
            record.response(event.status, event.headers)
        elif type(event) is Body:
            record.response_body(event.data)


def _events(refusal: Refusal, request: Request | None, audit_id: str, session: str, *, close: bool) -> list[HttpEvent]:
    """A refusal as the client's own protocol says it: a `metav1.Status` in the encoding that it asked for."""
    accept = None
    upgrade = False
    head_only = False
    if request is not None:
        accept = next((value for name, value in request.headers if name == "accept"), None)
        upgrade = bool(request.upgrade)
        head_only = request.method == "HEAD"
    content_type, body = encode(
        accept, refusal.code, refusal.reason, refusal.message, session=session or None, rule=refusal.rule, upgrade=upgrade
    )
    headers = [("content-type", content_type), ("cache-control", "no-cache, private"), ("audit-id", audit_id)]
    if session:
        headers.append(("l7gw-session", session))
    response = Response(refusal.code, tuple(headers), len(body), keep_alive=not close)
    return [response, End()] if head_only else [response, Body(body), End()]
