"""What the client is told: the gateway's own refusals, and the cluster's answers after a look at them."""

from __future__ import annotations

from l7gw.cluster.headers import offered_protocols, one_value
from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.status import encode
from l7gw.wire.events import Body, End, Headers, HttpEvent, Request, Response
from l7gw.wire.websocket import accept_key

# Of the cluster's answer these stay behind: they would set a browser's state, point the client past the gateway, or name
# the gateway's own credential's troubles. `audit-id` is the gateway's, sent up with the request.
WITHHELD = frozenset(("set-cookie", "alt-svc", "www-authenticate", "audit-id", "sec-websocket-accept", "l7gw-session"))

# Whatever a pod serves, it does so from the gateway's name: what a browser would run, it runs without the gateway's origin.
RUN_BY_BROWSERS = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml")


def refusal_events(
    refusal: Refusal, request: Request | None, audit_id: str | None, session: str | None, *, close: bool
) -> list[HttpEvent]:
    """A refusal as the client's own protocol says it: a `metav1.Status` in the encoding that it asked for."""
    accept = None
    upgrade = False
    head_only = False
    if request is not None:
        accept = next((value for name, value in request.headers if name == "accept"), None)
        upgrade = bool(request.upgrade)
        head_only = request.method == "HEAD"
    content_type, body = encode(
        accept, refusal.code, refusal.reason, refusal.message, session=session, rule=refusal.rule, upgrade=upgrade
    )
    headers: list[tuple[str, str]] = [("content-type", content_type), ("cache-control", "no-cache, private")]
    if audit_id:
        headers.append(("audit-id", audit_id))
    if session:
        headers.append(("l7gw-session", session))
    response = Response(refusal.code, tuple(headers), len(body), keep_alive=not close)
    return [response, End()] if head_only else [response, Body(body), End()]


def checked_response(response: Response) -> None:
    """Raises Refusal 502 for answers that must not be passed on: redirects are never followed nor shown, as they would lead
    round the gateway (threats A15); a 401 is about the gateway's credential, not the client's."""
    if 300 <= response.status < 400 and response.status != 304:
        raise Refusal(502, "BadGateway", f"the cluster answered with a redirect ({response.status}), which is not followed")
    if response.status == 401:
        raise Refusal(502, "BadGateway", "the cluster does not accept the gateway's own credential; tell whoever runs l7gw")


def acceptable_upgrade(request: Request, act: Act, response: Response) -> None:
    """A tunnel opens only on a 101 that fits what was asked (threats A11): the token was checked by the codec, here the
    accept key and the subprotocol. `request` is the one that went upstream. Raises Refusal 502."""
    websocket = request.upgrade == "websocket"
    if websocket:
        key = one_value(request.headers, "sec-websocket-key")
        if one_value(response.headers, "sec-websocket-accept") != accept_key(key):
            raise Refusal(502, "BadGateway", "the cluster's answer to the upgrade does not prove that it read it")
        if any(name == "sec-websocket-extensions" for name, _ in response.headers):
            raise Refusal(502, "BadGateway", "the cluster chose a WebSocket extension that nobody offered")
    chosen = chosen_protocol(response, websocket=websocket)
    if chosen not in offered_protocols(request, act):
        raise Refusal(502, "BadGateway", "the cluster chose a subprotocol that was not offered")


def chosen_protocol(response: Response, *, websocket: bool) -> str:
    """The subprotocol of a 101; "" where it names none, or several."""
    return one_value(response.headers, "sec-websocket-protocol" if websocket else "x-stream-protocol-version")


def shown_headers(response: Response, audit_id: str, session: str, websocket_key: str) -> Headers:
    """The header fields of the cluster's answer as the client gets them."""
    headers = [(name, value) for name, value in response.headers if name not in WITHHELD]
    if any(name == "content-type" and value.lower().startswith(RUN_BY_BROWSERS) for name, value in headers):
        headers.append(("content-security-policy", "sandbox"))  # beside the pod's own: a browser obeys both (threats D7)
    if response.status == 101 and websocket_key:
        headers.append(("sec-websocket-accept", accept_key(websocket_key)))
    headers.append(("audit-id", audit_id))
    headers.append(("l7gw-session", session))
    return tuple(headers)
