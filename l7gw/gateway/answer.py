"""The cluster's answers: which ones may be passed on, and which of their header fields the client gets."""

from __future__ import annotations

from l7gw.cluster.headers import offered_protocols, one_value
from l7gw.cluster.standing import Standing, named, shown
from l7gw.errors import Refusal
from l7gw.gateway.anew import NotAccepted
from l7gw.kube.act import Act
from l7gw.kube.forbidden import LARGEST_REFUSAL, not_impersonated
from l7gw.kube.objects.node import Unreadable
from l7gw.wire.events import Body, Headers, HttpEvent, Request, Response
from l7gw.wire.websocket_handshake import accept_key

# Fields of the cluster's answer that are not passed on: they would set a browser's state, lead the client past the gateway, or tell
# of trouble with the gateway's own credential. The answer gets the gateway's own `audit-id`, which also went up with the request.
WITHHELD = frozenset(("set-cookie", "alt-svc", "www-authenticate", "audit-id", "sec-websocket-accept", "l7gw-session"))

# What the API server says where an operation of a JSON patch fails, a `test` too (AS pkg/endpoints/handlers/patch.go: a 422 without
# words of its own). What is wrong with the patched object it says in other words.
NOT_APPLIED = b"the server rejected our request due to an error in our request"
_CHANGED = (
    "the object was changed since it was read to restore masked values, or an operation of the patch does not fit it; read it again"
)

# What a pod serves comes from the gateway's host name. A browser runs documents of these types, so it must run them in another
# origin.
RUN_BY_BROWSERS = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml")


def checked_response(response: Response, act: Act, standing: Standing, request: Request) -> None:
    """Raises Refusal 502 for an answer that must not be passed on. Redirects are neither followed nor shown, because they would
    lead round the gateway (threats A15). A 401 is about the gateway's credential, not the client's: it is a NotAccepted. It is
    passed on only where it comes from behind a proxy subresource. `request` is the one that went upstream."""
    if 300 <= response.status < 400 and response.status != 304:
        raise Refusal(502, "BadGateway", f"the cluster answered with a redirect ({response.status}), which is not followed")
    if act.subresource == "proxy":
        return  # what a pod answers tells nothing about the cluster
    if response.status == 401:
        raise NotAccepted
    if standing.troubled and response.status < 400:
        standing.accepted(request.headers)


class HeldAnswer:
    """An answer that is held back until it is whole. A 403 may be about what the gateway may impersonate, and not about the
    caller. A 422 may be about the version that the gateway had a JSON patch test, and then is a conflict."""

    __slots__ = ("body", "head", "_size")

    def __init__(self, head: Response) -> None:
        self.head = head
        self.body: list[Body] = []
        self._size = 0

    @staticmethod
    def needed(response: Response, act: Act, *, guarded: bool = False) -> bool:
        """Whether an answer is held back. Answers from behind a proxy subresource are not: a pod says there what it likes.
        `guarded`: the gateway put a `test` before the operations of a JSON patch."""
        if (
            (response.status != 403 and not (guarded and response.status == 422))
            or act.subresource == "proxy"
            or response.length > LARGEST_REFUSAL
        ):
            return False
        return not any(name == "content-encoding" for name, _ in response.headers)

    def takes(self, event: HttpEvent) -> bool:
        """Take one more event of the answer. False where waiting is over: the event is the end, or the body is too long for a
        Status."""
        if type(event) is not Body or self._size + len(event.data) > LARGEST_REFUSAL:
            return False
        self.body.append(event)
        self._size += len(event.data)
        return True

    def refusal(self, cluster: str, standing: Standing, request: Request) -> Refusal | None:
        """The 502 to send instead, where the 403 says that the gateway may not impersonate the caller; the 409, where a JSON patch
        was not applied; None for any other answer. `request` is the one that went upstream."""
        content_type = next((value for name, value in self.head.headers if name == "content-type"), "")
        said = b"".join(body.data for body in self.body)
        if self.head.status == 422:
            return Refusal(409, "Conflict", _CHANGED) if NOT_APPLIED in said else None
        refused = not_impersonated(content_type, said)
        if refused is None:
            return None
        asked = named(request.headers)
        missing = frozenset(name for name in asked if refused.is_about(name))
        lacks = "this permission" if missing else "one of these permissions"
        words = f"cluster {cluster} does not let the gateway impersonate {shown(missing or asked)}: RBAC there lacks {lacks}"
        if not missing and refused.verb != "impersonate":
            words += f", or {refused.verb} {refused.resource or 'paths'}"
        standing.not_impersonated(missing or asked, words)
        return Refusal(502, "BadGateway", f"{words}; tell whoever runs l7gw: l7gw rbac render {cluster}")


def acceptable_upgrade(request: Request, act: Act, response: Response) -> None:
    """Raises Refusal 502 for a 101 that does not fit what was asked (threats A11). The codec has checked the upgrade token; this
    checks the accept key and the subprotocol. `request` is the one that went upstream."""
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


def unreadable(error: Unreadable) -> Refusal:
    """The refusal of an answer that cannot be masked."""
    return Refusal(502, "BadGateway", f"the cluster's answer cannot be masked, so it does not pass: {error}")


def shown_headers(fields: Headers, audit_id: str, session: str, websocket_key: str, status: int, *, proxied: bool) -> Headers:
    """The header fields of the cluster's answer as the client gets them. `proxied` answers come from behind a proxy subresource."""
    headers = []
    sandboxed = proxied
    for field in fields:
        name, value = field
        if name not in WITHHELD:
            headers.append(field)
            if name == "content-type" and value.lower().startswith(RUN_BY_BROWSERS):
                sandboxed = True
    if proxied:  # whatever type it names: browsers guess the type, and obey the first of two such fields
        headers = [(name, value) for name, value in headers if name != "x-content-type-options"]
        headers.append(("x-content-type-options", "nosniff"))
    if sandboxed:
        headers.append(("content-security-policy", "sandbox"))  # beside the pod's own policy: browsers obey both (threats D7)
    if status == 101 and websocket_key:
        headers.append(("sec-websocket-accept", accept_key(websocket_key)))
    headers.append(("l7gw-session", session))
    headers.append(("audit-id", audit_id))  # last, as it alone differs between answers that are alike (`ReadyHead`)
    return tuple(headers)
