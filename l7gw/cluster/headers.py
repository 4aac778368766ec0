"""The request that goes to the cluster. It is written anew from an allow-list (kubernetes-wire 7, threats D15).

The client's header fields are not copied and then cleaned: a field that is not named here never reaches the cluster.
"""

from __future__ import annotations

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.channels import requested_ports
from l7gw.wire.events import NO_BODY, Headers, Request
from l7gw.wire.websocket_handshake import new_key, valid_key

PASSED_ON = frozenset(("content-type", "user-agent", "if-match", "if-none-match", "if-modified-since", "traceparent", "tracestate"))
WITHHELD_TYPES = ("application/cbor", "application/yaml")  # answers in these could not be masked (kubernetes-wire 3.1)
TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
# The subprotocols that the gateway understands. Any other would hide its bytes from masks and recorders (threats C8).
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


def upstream_request(
    request: Request, act: Act, own: Headers, *, host: str, address: str, body: int, audit_id: str, passed: Headers | None = None
) -> Request:
    """The request that goes to the cluster. `own` are the header lines of the gateway's credential and of impersonation. `body` is
    the length of the body in bytes, or NO_BODY. `request` has passed `check_acceptable`. `passed` is what `passed_on` gives of it,
    where that is known."""
    headers = [("host", host), *(passed_on(request) if passed is None else passed)]
    if request.upgrade:
        headers += _upgrade_headers(request, act)
    headers += own
    headers.append(("x-forwarded-for", address))
    headers.append(("audit-id", audit_id))
    return Request(request.method, act.target, tuple(headers), body, upgrade=request.upgrade)


def passed_on(request: Request) -> Headers:
    """The client's own header fields that go to the cluster."""
    headers: list[tuple[str, str]] = []
    for field in request.headers:
        name, value = field
        if name in PASSED_ON:
            headers.append(field)
        elif name == "accept":
            accepted = _accept(value)
            if accepted:
                headers.append((name, accepted))
        elif name == "accept-encoding" and not request.upgrade and _takes_gzip(value):
            headers.append((name, "gzip"))
    return tuple(headers)


def check_acceptable(request: Request, act: Act) -> bool:
    """Whether the request asks to be made as somebody else (`kube.acting_as` reads as whom). Raises Refusal for a request that
    cannot be passed on. Called before the request is judged, recorded as allowed, or a connection is dialled."""
    as_another = False
    for name, value in request.headers:
        if name.startswith("impersonate-"):
            as_another = True
        if name == "origin" and request.upgrade and value.lower() != f"https://{_host(request)}":
            # Another Origin is a web page of somebody else (threats C11). The Python client names the server itself as Origin.
            raise Refusal(403, "Forbidden", "upgrades from web pages are not taken: the Origin is another than this server")
        if name == "content-type" and value.lower().startswith("application/cbor"):  # client-go then falls back to JSON
            raise Refusal(415, "UnsupportedMediaType", "CBOR is not taken; send JSON or protobuf")
    if request.upgrade:
        if request.upgrade == "websocket":
            version, key = one_value(request.headers, "sec-websocket-version"), one_value(request.headers, "sec-websocket-key")
            if version != "13" or not valid_key(key):
                raise Refusal(400, "BadRequest", "the WebSocket handshake lacks its version 13 or a key of 16 bytes")
        offered_protocols(request, act)
    return as_another


def _host(request: Request) -> str:
    return next((value.lower() for name, value in request.headers if name == "host"), "")


def one_value(headers: Headers, name: str) -> str:
    """The value of a header field that stands once; "" where it is missing or stands more than once. Of repeated lines one reader
    takes the first, another the last. RFC 6455 section 11.3 allows one line of each field but the client's
    Sec-WebSocket-Protocol."""
    values = [value for header, value in headers if header == name]
    return values[0] if len(values) == 1 else ""


def offered_protocols(request: Request, act: Act) -> list[str]:
    """The subprotocols that the client offers and the gateway understands, in the client's order, each once.

    All lines of the header field are read, as Kubernetes' httpstream does; its wsstream would read only the first. The older
    port-forward is not offered where the query names no ports: its channels mean nothing without them. Raises Refusal 400 where no
    subprotocol is left.
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
    if act.subresource == "portforward" and request.upgrade == "websocket" and kept != [TUNNEL_PROTOCOL]:
        try:
            requested_ports(act.query)
        except ValueError as error:
            kept = [protocol for protocol in kept if protocol == TUNNEL_PROTOCOL]
            if not kept:
                raise Refusal(400, "BadRequest", str(error)) from error
    return kept


def _upgrade_headers(request: Request, act: Act) -> list[tuple[str, str]]:
    protocols = offered_protocols(request, act)
    if request.upgrade == "websocket":
        # The gateway makes a key of its own: it frames all messages anew, so each leg has its own handshake (RFC 6455 section 4).
        return [
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", new_key()),
            ("sec-websocket-protocol", ",".join(protocols)),  # in one line, because the API server may read only the first
        ]
    return [("x-stream-protocol-version", p) for p in protocols]


def _accept(value: str) -> str:
    clauses = [clause for clause in value.split(",") if clause.strip()]
    kept = [c for c in clauses if not c.strip().lower().startswith(WITHHELD_TYPES)]
    if len(kept) == len(clauses):
        return value
    return ",".join(kept).strip() or "application/json"


def _takes_gzip(value: str) -> bool:
    """Whether an Accept-Encoding takes gzip, as the API server reads it (endpoints/handlers/responsewriters/writers.go): `gzip`
    with a weight, as in `gzip;q=0`, does not count."""
    return any(coding.strip() == "gzip" for coding in value.split(","))


def own_length(stated: int, body: int) -> int:
    """The Content-Length upstream: the `body` bytes that were read, or NO_BODY where the client announced no body."""
    return body if body or stated >= 0 else NO_BODY
