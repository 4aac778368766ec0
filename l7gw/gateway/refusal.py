"""The gateway's own refusals. Every refusal is sent to the client and recorded by `tell`."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.errors import Refusal
from l7gw.kube.status import encode, shown_code
from l7gw.kube.warning_header import warning_field
from l7gw.recording.call_record import CallRecord
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Body, End, HttpEvent, Request, Response

LARGEST_BODY = 3 * 1024 * 1024  # bytes; kube-apiserver's own limit (kubernetes-wire 6.3), so nothing valid is refused


class LastWords(Refusal):
    """The gateway ends a stream, for a reason that its client is told in the stream where that has a form for it."""


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
    """Send a refusal to the client by `send`, and record what was sent.

    `request` is the call's; None where no request could be read. `session` is the id of the caller's session; "" where the caller
    is unknown. `close` ends the connection after the refusal. Without `close` the codec decides whether the connection can go on:
    it cannot after a body that was not read, or a refused upgrade.
    """
    for event in _events(refusal, request, audit_id, session, close=close):
        send(event)
        if type(event) is Response:
            record.response(event.status, event.headers)
        elif type(event) is Body:
            record.response_body(event.data)


def _events(refusal: Refusal, request: Request | None, audit_id: str, session: str, *, close: bool) -> list[HttpEvent]:
    """The events of an answer that holds the refusal as a `metav1.Status`, in the encoding that the client asked for. Its message
    is a Warning too: of a failed discovery kubectl shows no Status."""
    accept = None
    upgrade = False
    head_only = False
    if request is not None:
        accept = next((value for name, value in request.headers if name == "accept"), None)
        upgrade = bool(request.upgrade)
        head_only = request.method == "HEAD"
    content_type, body = encode(
        accept,
        refusal.code,
        refusal.reason,
        refusal.message,
        session=session or None,
        rule=refusal.rule,
        hold=refusal.hold,
        upgrade=upgrade,
    )
    warning = warning_field(refusal.message)
    headers = [("content-type", content_type), ("cache-control", "no-cache, private"), warning, ("audit-id", audit_id)]
    if session:
        headers.append(("l7gw-session", session))
    response = Response(shown_code(accept, refusal.code), tuple(headers), len(body), keep_alive=not close)
    return [response, End()] if head_only else [response, Body(body), End()]


def too_large() -> Refusal:
    """Of a request whose body is beyond LARGEST_BODY."""
    return Refusal(413, "RequestEntityTooLarge", f"the request body is larger than {LARGEST_BODY // 1024 // 1024} MiB")


def unrecordable() -> Refusal:
    """Of a call whose record did not reach the disk."""
    return Refusal(503, "ServiceUnavailable", "this call cannot be recorded, so it does not pass")


def bad_answer(error: Exception | None) -> Refusal:
    """Of a call whose answer is not whole. `error` says why; None: the cluster closed the connection."""
    why = str(error) if isinstance(error, PeerError) else "it closed the connection"
    return Refusal(502, "BadGateway", f"no whole answer from the cluster: {why}; the call may have been carried out")
