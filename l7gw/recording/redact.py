"""What is never written down: credentials. Not hashed, not cut short: a word stands in their place."""

from __future__ import annotations

from urllib.parse import unquote

Headers = tuple[tuple[str, str], ...]

REDACTED = "(credential)"
CREDENTIALS = frozenset(("authorization", "cookie", "set-cookie", "proxy-authorization", "proxy-authenticate"))
BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."


def recorded_headers(headers: Headers, token: str | None) -> Headers:
    """Headers as they are recorded: `token` is the caller's, wherever else it stands."""
    return tuple((name, _value(name, value, token)) for name, value in headers)


def recorded_text(text: str, token: str | None) -> str:
    """A request target as it is recorded, or another text of the client's."""
    if not token:
        return text
    text = text.replace(token, REDACTED)
    return REDACTED if "%" in text and token in unquote(text) else text


def _value(name: str, value: str, token: str | None) -> str:
    if name in CREDENTIALS:
        return REDACTED
    if BEARER_PROTOCOL in value:
        return ", ".join(REDACTED if e.strip().startswith(BEARER_PROTOCOL) else e.strip() for e in value.split(","))
    return recorded_text(value, token)
