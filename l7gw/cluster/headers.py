"""What travels to the cluster: a request written anew from an allow-list (kubernetes-wire 7, threats D15).

Nothing is copied and then cleaned: what is not named here does not exist upstream.
"""

from __future__ import annotations

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.channels import requested_ports
from l7gw.wire.events import NO_BODY, Headers, Request
from l7gw.wire.websocket import new_key, valid_key

PASSED_ON = frozenset(("content-type", "user-agent", "if-match", "if-none-match", "if-modified-since", "traceparent", "tracestate"))
WITHHELD_TYPES = ("application/cbor", "application/yaml")  # no masker reads them (kubernetes-wire 3.1)
TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
# Offers that the gateway understands, whole: the others hide bytes from masks and recorders (threats C8).
WEBSOCKET_PROTOCOLS = {
    "exec": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "attach": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "portforward": (TUNNEL_PROTOCOL, "v4.channel.k8s.io"),
}
SPDY_PROTOCOLS = {
    "exec": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "attach": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "portforward": ("portforward.k8s.io",),
}


def upstream_request(request: Request, act: Act, own: Headers, *, host: str, address: str, body: int, audit_id: str) -> Request:
    """The request as it goes to the cluster: `own` are the gateway's credential and impersonation, `body` the length of the
    body or NO_BODY. `request` was found acceptable before."""
    headers = [("host", host)]
    for name, value in request.headers:
        if name in PASSED_ON:
            headers.append((name, value))
        elif name == "accept":
            accepted = _accept(value)
            if accepted:
                headers.append((name, accepted))
        elif name == "accept-encoding" and not request.upgrade and _takes_gzip(value):
            headers.append((name, "gzip"))
    if request.upgrade:
        headers += _upgrade_headers(request, act)
    headers += own
    headers.append(("x-forwarded-for", address))
    headers.append(("audit-id", audit_id))
    return Request(request.method, act.target, tuple(headers), body, upgrade=request.upgrade)


def check_acceptable(request: Request, act: Act) -> None:
    """Raises Refusal for what will not be passed on: asked before anything is judged, recorded as allowed, or dialled."""
    for name, value in request.headers:
        if name.startswith("impersonate-"):  # dropped in silence it would act as oneself (kubernetes-wire 7.2)
            raise Refusal(403, "Forbidden", "acting as somebody else (--as) is not allowed yet; run the command as yourself")
        if name == "origin" and request.upgrade and value.lower() != f"https://{_host(request)}":
            # a browser page of somebody else's (threats C11); the Python client names the server itself
            raise Refusal(403, "Forbidden", "upgrades from web pages are not taken: the Origin is another than this server")
        if name == "content-type" and value.lower().startswith("application/cbor"):  # client-go then falls back to JSON
            raise Refusal(415, "UnsupportedMediaType", "CBOR is not taken; send JSON or protobuf")
    if request.upgrade:
        if request.upgrade == "websocket":
            version, key = one_value(request.headers, "sec-websocket-version"), one_value(request.headers, "sec-websocket-key")
            if version != "13" or not valid_key(key):
                raise Refusal(400, "BadRequest", "the WebSocket handshake lacks its version 13 or a key of 16 bytes")
        protocols = offered_protocols(request, act)
        if act.subresource == "portforward" and request.upgrade == "websocket" and TUNNEL_PROTOCOL not in protocols:
            _check_ports(act)


def _check_ports(act: Act) -> None:
    """The older port-forward names its ports in the query: the channels mean nothing without them."""
    try:
        requested_ports(act.query)
    except ValueError as error:
        raise Refusal(400, "BadRequest", str(error)) from error


def _host(request: Request) -> str:
    return next((value.lower() for name, value in request.headers if name == "host"), "")


def one_value(headers: Headers, name: str) -> str:
    """The value of a header that stands once; "" where it stands not at all, or again: one reader takes the first, another the last
    (RFC 6455 section 11.3 allows one line of each but the client's Sec-WebSocket-Protocol)."""
    values = [value for header, value in headers if header == name]
    return values[0] if len(values) == 1 else ""


def offered_protocols(request: Request, act: Act) -> list[str]:
    """The subprotocols of an upgrade that the client offers and the gateway understands, in the client's order, each once.

    Every line counts, as for httpstream; wsstream would read the first alone. Raises Refusal 400 where none is left.
    """
    name = "sec-websocket-protocol" if request.upgrade == "websocket" else "x-stream-protocol-version"
    known = (WEBSOCKET_PROTOCOLS if request.upgrade == "websocket" else SPDY_PROTOCOLS).get(act.subresource, ())
    offers = [p.strip() for n, value in request.headers if n == name for p in value.split(",")]
    kept = list(dict.fromkeys(p for p in offers if p in known))
    if not kept:
        raise Refusal(
            400,
            "BadRequest",
            f"the client offers no subprotocol that can be recorded; offer one of {', '.join(known)} in {name}",
        )
    return kept


def _upgrade_headers(request: Request, act: Act) -> list[tuple[str, str]]:
    protocols = offered_protocols(request, act)
    if request.upgrade == "websocket":
        # A key of our own: frames are re-framed, so each leg is a handshake of its own (RFC 6455 section 4).
        return [
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", new_key()),
            ("sec-websocket-protocol", ",".join(protocols)),  # upstream reads only the first line
        ]
    return [("x-stream-protocol-version", p) for p in protocols]


def _accept(value: str) -> str:
    clauses = [clause for clause in value.split(",") if clause.strip()]
    kept = [c for c in clauses if not c.strip().lower().startswith(WITHHELD_TYPES)]
    if len(kept) == len(clauses):
        return value
    return ",".join(kept).strip() or "application/json"


def _takes_gzip(value: str) -> bool:
    """As the API server reads it (endpoints/handlers/responsewriters/writers.go): a weight, as in `gzip;q=0`, makes it another."""
    return any(coding.strip() == "gzip" for coding in value.split(","))


def own_length(stated: int, body: int) -> int:
    """How the body is framed upstream: as many bytes as were read; none where none was announced."""
    return body if body or stated >= 0 else NO_BODY
