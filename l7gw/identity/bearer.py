"""Where a client's token stands in a request."""

from __future__ import annotations

import base64
import binascii
import re

from l7gw.errors import Refusal
from l7gw.wire.events import Request

BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."  # kubernetes-wire 7.1

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def bearer_of(request: Request) -> str | None:
    """The bearer token of a request: `Authorization`, or the WebSocket subprotocol that browsers use for it, which the API
    server takes as a credential and which therefore is one here, or nothing passes (threats C9).

    Raises Refusal 401 for other schemes, a malformed token and two credentials.
    """
    found: list[str] = []
    for name, value in request.headers:
        if name == "authorization":
            match = _BEARER.fullmatch(value)
            if match is None:
                raise Refusal(401, "Unauthorized", "only Bearer credentials are accepted in Authorization")
            found.append(match[1])
        elif name == "sec-websocket-protocol" and BEARER_PROTOCOL in value:
            entries = (entry.strip() for entry in value.split(","))
            found += [_unpack(e.removeprefix(BEARER_PROTOCOL)) for e in entries if e.startswith(BEARER_PROTOCOL)]
    if len(found) > 1:
        raise Refusal(401, "Unauthorized", "the request carries two credentials; send one")
    return found[0] if found else None


def _unpack(encoded: str) -> str:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(401, "Unauthorized", "the credential in the subprotocol is malformed") from error
