"""The cluster's answers: which may be passed on, and what of them the client is shown."""

from __future__ import annotations

from l7gw.cluster.headers import offered_protocols, one_value
from l7gw.cluster.standing import Standing, named, shown
from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.forbidden import LARGEST_STATUS, not_impersonated
from l7gw.wire.events import Body, Headers, HttpEvent, Request, Response
from l7gw.wire.websocket import accept_key

# Of the cluster's answer these stay behind: they would set a browser's state, point the client past the gateway, or name
# the gateway's own credential's troubles. `audit-id` is the gateway's, sent up with the request.
WITHHELD = frozenset(("set-cookie", "alt-svc", "www-authenticate", "audit-id", "sec-websocket-accept", "l7gw-session"))

# Whatever a pod serves, it does so from the gateway's name: what a browser would run, it runs without the gateway's origin.
RUN_BY_BROWSERS = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml")


def checked_response(response: Response, act: Act, standing: Standing, request: Request) -> None:
    """Raises Refusal 502 for answers that must not be passed on: redirects are never followed nor shown, as they would lead
    round the gateway (threats A15); a 401 is about the gateway's credential, not the client's, unless what stands behind a
    proxy subresource says it. `request` is the one that went upstream."""
    if 300 <= response.status < 400 and response.status != 304:
        raise Refusal(502, "BadGateway", f"the cluster answered with a redirect ({response.status}), which is not followed")
    if act.subresource == "proxy":
        return  # of what a pod says nothing follows for the cluster
    if response.status == 401:
        standing.rejected()
        raise Refusal(502, "BadGateway", "the cluster does not accept the gateway's own credential; tell whoever runs l7gw")
    if standing.troubled and response.status < 400:
        standing.accepted(request.headers)


class HeldAnswer:
    """A 403 that is held back until it is whole, as it may be about what the gateway may impersonate and not about the caller."""

    __slots__ = ("body", "head", "_size")

    def __init__(self, head: Response) -> None:
        self.head = head
        self.body: list[Body] = []
        self._size = 0

    @staticmethod
    def needed(response: Response, act: Act) -> bool:
        """Never for what stands behind a proxy subresource: a pod says there what it likes."""
        if response.status != 403 or act.subresource == "proxy" or response.length > LARGEST_STATUS:
            return False
        return not any(name == "content-encoding" for name, _ in response.headers)

    def takes(self, event: HttpEvent) -> bool:
        """One event more. False where there is nothing more to wait for: it is the end, or too long for a Status."""
        if type(event) is not Body or self._size + len(event.data) > LARGEST_STATUS:
            return False
        self.body.append(event)
        self._size += len(event.data)
        return True

    def refusal(self, cluster: str, standing: Standing, request: Request) -> Refusal | None:
        """The 502 that takes its place where the cluster does not let the gateway speak for the caller. `request` is the one that
        went upstream."""
        content_type = next((value for name, value in self.head.headers if name == "content-type"), "")
        refused = not_impersonated(content_type, b"".join(body.data for body in self.body))
        if refused is None:
            return None
        asked = named(request.headers)
        missing = frozenset((refused.resource, f"{refused.resource} {refused.name}")) & asked
        lacks = "this permission" if missing else "one of these permissions"
        words = f"cluster {cluster} does not let the gateway impersonate {shown(missing or asked)}: RBAC there lacks {lacks}"
        if not missing and refused.verb != "impersonate":
            words += f", or {refused.verb} {refused.resource or 'paths'}"
        standing.not_impersonated(missing or asked, words)
        return Refusal(502, "BadGateway", f"{words}; tell whoever runs l7gw")


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


def shown_headers(response: Response, audit_id: str, session: str, websocket_key: str, *, proxied: bool) -> Headers:
    """The header fields of the cluster's answer as the client gets them; `proxied` ones come from behind a proxy subresource."""
    headers = [(name, value) for name, value in response.headers if name not in WITHHELD]
    if proxied:  # whatever it says that it is: a browser looks for itself, and obeys the first of two options
        headers = [(name, value) for name, value in headers if name != "x-content-type-options"]
        headers.append(("x-content-type-options", "nosniff"))
    if proxied or any(name == "content-type" and value.lower().startswith(RUN_BY_BROWSERS) for name, value in headers):
        headers.append(("content-security-policy", "sandbox"))  # beside the pod's own: a browser obeys both (threats D7)
    if response.status == 101 and websocket_key:
        headers.append(("sec-websocket-accept", accept_key(websocket_key)))
    headers.append(("audit-id", audit_id))
    headers.append(("l7gw-session", session))
    return tuple(headers)
