"""What is never written down: credentials. Not hashed, not cut short: a word stands in their place."""

from __future__ import annotations

from urllib.parse import unquote

Headers = tuple[tuple[str, str], ...]

REDACTED = "(credential)"
CREDENTIALS = frozenset(("authorization", "cookie", "set-cookie", "proxy-authorization", "proxy-authenticate"))
BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."


def recorded_headers(headers: Headers, token: str | None) -> Headers:
    """Headers as they are recorded; names are lower case. `token` is the caller's, wherever else it stands."""
    return tuple((name, _value(name, value, token)) for name, value in headers)


def recorded_text(text: str, token: str | None) -> str:
    """A request target, or a header's value, as it is recorded."""
    if not token:
        return text
    if token in text:
        text = text.replace(token, REDACTED)
    # in part percent-encoded: where in the text it stands is not worth finding out
    return REDACTED if "%" in text and token in unquote(text) else text


def _value(name: str, value: str, token: str | None) -> str:
    if name in CREDENTIALS:
        return REDACTED
    if BEARER_PROTOCOL in value.lower():
        entries = (entry.strip() for entry in value.split(","))
        value = ", ".join(REDACTED if entry.lower().startswith(BEARER_PROTOCOL) else entry for entry in entries)
    return recorded_text(value, token)
