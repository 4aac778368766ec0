"""What single functions say of header fields, found out field by field and without a short way. The functions of the package must agree."""

from __future__ import annotations

import re

from l7gw.errors import Refusal
from l7gw.gateway.answer import RUN_BY_BROWSERS, WITHHELD
from l7gw.identity.bearer import BEARER_PROTOCOL, _unpack
from l7gw.kube.warning_header import warning_field
from l7gw.masking.bodies.answers import OF_THE_BYTES, UNMASKED, Choice
from l7gw.recording.redact import CREDENTIALS, REDACTED, Hide, as_sent
from l7gw.wire.events import Headers
from l7gw.wire.websocket_handshake import accept_key

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def bearer_of(headers: Headers) -> str | None:
    found: list[str] = []
    for name, value in headers:
        if name == "authorization":
            match = _BEARER.fullmatch(value)
            if match is None:
                hint = "give the kubeconfig's user a `token` or an exec plugin, and no name and password"
                raise Refusal(401, "Unauthorized", f"only Bearer credentials are accepted in Authorization; hint: {hint}")
            found.append(match[1])
        elif name == "sec-websocket-protocol" and BEARER_PROTOCOL in value:
            entries = (entry.strip() for entry in value.split(","))
            found += [_unpack(e.removeprefix(BEARER_PROTOCOL)) for e in entries if e.startswith(BEARER_PROTOCOL)]
    if len(found) > 1:
        raise Refusal(401, "Unauthorized", "the request carries two credentials; send one")
    return found[0] if found else None


def recorded_headers(headers: Headers, hide: Hide = as_sent) -> Headers:
    return tuple((hide(name), _value(name, value, hide)) for name, value in headers)


def _value(name: str, value: str, hide: Hide) -> str:
    if name in CREDENTIALS:
        return REDACTED
    if name == "sec-websocket-protocol" and BEARER_PROTOCOL in value.lower():
        entries = (entry.strip() for entry in value.split(","))
        value = ", ".join(REDACTED if entry.lower().startswith(BEARER_PROTOCOL) else entry for entry in entries)
    return hide(value)


def shown_headers(fields: Headers, audit_id: str, session: str, websocket_key: str, status: int, *, proxied: bool) -> Headers:
    headers = [(name, value) for name, value in fields if name not in WITHHELD]
    if proxied:
        headers = [(name, value) for name, value in headers if name != "x-content-type-options"]
        headers.append(("x-content-type-options", "nosniff"))
    if proxied or any(name == "content-type" and value.lower().startswith(RUN_BY_BROWSERS) for name, value in headers):
        headers.append(("content-security-policy", "sandbox"))
    if status == 101 and websocket_key:
        headers.append(("sec-websocket-accept", accept_key(websocket_key)))
    headers.append(("l7gw-session", session))
    headers.append(("audit-id", audit_id))
    return tuple(headers)


def masked_headers(headers: Headers, chosen: Choice, *, edited: bool, warnings: list[str]) -> Headers:
    kept = [
        (name, value)
        for name, value in headers
        if not (edited and name in OF_THE_BYTES) and not (chosen.packed == "gzip-unasked" and name == "content-encoding")
    ]
    if chosen.sort == "unmasked":
        kept.append(UNMASKED)
    kept += map(warning_field, warnings)
    return tuple(kept)
