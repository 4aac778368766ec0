"""Keeps credentials out of the recording. A credential is neither hashed nor cut short: the word "(credential)" stands in its
place, and the text around it stays.

A caller must not choose what is replaced, or they could take any word out of the recording. So two things alone are looked for
everywhere. The first is a token that was proven to be the caller's. The second, in attempts without a principal, is what has the
form of a signed token, or of a token of EKS: one that is mistyped, expired, or could not be proven while its issuer was down may
still be valid elsewhere. Any other bearer token is replaced in its own header and looked for nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from l7gw.identity.bearer import BEARER_PROTOCOL, holds, readings, spellings

Headers = tuple[tuple[str, str], ...]
Hide = Callable[[str], str]  # from a target, or a header's name or value, as sent, to what is recorded of it

REDACTED = "(credential)"
CREDENTIALS = frozenset(("authorization", "cookie", "set-cookie", "proxy-authorization", "proxy-authenticate"))

_LOOKED_AT = CREDENTIALS | {"sec-websocket-protocol"}  # fields that are not recorded as they came, whatever is hidden

# A signed token in compact form (RFC 7515 section 7.1). The shortest header that names an algorithm has 18 characters, the shortest
# signature 43. The limits are a little lower, for tokens that were cut or mistyped.
SHORTEST = 3 * 16 + 2
SIGNED = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}")
HEAD_BEGINS = re.compile("e[wy]")  # how the base64url of `{` and another ASCII character begins
ALGORITHM = re.compile("ImFsZy|JhbGci|iYWxnI")  # of "alg", at each of its three offsets
PRESIGNED = re.compile(r"k8s-aws-v1\.[A-Za-z0-9_-]{40,}")  # a token of EKS: the base64url of an https URL with a query


def as_sent(text: str) -> str:
    """For callers without a token: nothing is replaced."""
    return text


def without(token: str) -> Hide:
    """For a caller whose token was proven: replaces the token wherever it stands, also where it is percent-encoded."""
    least = len(token)

    def hide(text: str) -> str:
        if len(text) < least or not holds(text, token):
            return text
        words = spellings(token)
        return _replaced(text, lambda reading: (place for word in words for place in _places(reading, word)))

    return hide


def without_tokens(text: str) -> str:
    """For an attempt without a principal: replaces what has the form of a signed token."""
    if len(text) < SHORTEST or ("." not in text and "%" not in text):
        return text
    return _replaced(text, _signed)


def hiding(token: str | None, *, proven: bool) -> Hide:
    """What to replace for a caller with this token. `proven` says whether it is known who he is: then his token is replaced, else
    what looks like one. Never a word that the client chose."""
    if not proven:
        return without_tokens
    return without(token) if token is not None else as_sent


def recorded_headers(headers: Headers, hide: Hide = as_sent) -> Headers:
    """Headers as they are recorded. The names given are in lower case."""
    if hide is as_sent and _LOOKED_AT.isdisjoint([name for name, _ in headers]):
        return headers
    return tuple((hide(name), _value(name, value, hide)) for name, value in headers)


def _value(name: str, value: str, hide: Hide) -> str:
    if name in CREDENTIALS:
        return REDACTED
    if name == "sec-websocket-protocol" and BEARER_PROTOCOL in value.lower():
        entries = (entry.strip() for entry in value.split(","))
        value = ", ".join(REDACTED if entry.lower().startswith(BEARER_PROTOCOL) else entry for entry in entries)
    return hide(value)


def _places(text: str, word: str) -> Iterator[tuple[int, int]]:
    at = text.find(word)
    while at >= 0:
        yield at, at + len(word)
        at = text.find(word, at + len(word))


def _signed(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each signed token in a text. Letters before a token that cannot be its beginning are left out."""
    yield from (match.span() for match in PRESIGNED.finditer(text))
    for match in SIGNED.finditer(text):
        named = ALGORITHM.search(text, match.start(), text.index(".", match.start()))
        begins = HEAD_BEGINS.search(text, match.start(), named.start()) if named is not None else None
        if begins is not None:
            yield begins.start(), match.end()


def _replaced(text: str, find: Callable[[str], Iterable[tuple[int, int]]]) -> str:
    """The text with REDACTED in place of what `find` finds in it, or in what its percent escapes decode to."""
    found = sorted((starts[begin], starts[end]) for reading, starts in readings(text) for begin, end in find(reading))
    kept: list[str] = []
    at = 0
    for begin, end in found:
        if begin >= at:
            kept += text[at:begin], REDACTED
        at = max(at, end)
    return "".join((*kept, text[at:]))
