"""What is never written down: credentials. Not hashed, not cut short: a word stands in their place, and all around it stays.

What is looked for is never the caller's to choose, or he could take out of the record what he likes. It is a token that was proven
(of whom else could it be?) or, in attempts without a principal, what has the form of a signed token: one that is mistyped, expired,
or could not be proven while its issuer was down may still open other doors. Any other word that somebody sends as a bearer token
is looked for nowhere but in its own header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from l7gw.identity.bearer import BEARER_PROTOCOL, holds, readings, spellings

Headers = tuple[tuple[str, str], ...]
Hide = Callable[[str], str]  # a target, or a header's name or value, as it is recorded

REDACTED = "(credential)"
CREDENTIALS = frozenset(("authorization", "cookie", "set-cookie", "proxy-authorization", "proxy-authenticate"))

# A signed token in compact form (RFC 7515 section 7.1). The shortest header that names an algorithm has 18 characters, the shortest
# signature 43; a token that was cut or mistyped has a little less.
SHORTEST = 3 * 16 + 2
SIGNED = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}")
HEAD_BEGINS = re.compile("e[wy]")  # base64url of a brace and an ASCII character
ALGORITHM = re.compile("ImFsZy|JhbGci|iYWxnI")  # of "alg", at each of its three offsets


def as_sent(text: str) -> str:
    """Of a caller without a token: nothing is hidden."""
    return text


def without(token: str) -> Hide:
    """Of a caller whose token was proven: the token is hidden wherever it stands, percent-encoded too."""
    least = len(token)

    def hide(text: str) -> str:
        if len(text) < least or not holds(text, token):
            return text
        words = spellings(token)
        return _replaced(text, lambda reading: (place for word in words for place in _places(reading, word)))

    return hide


def without_tokens(text: str) -> str:
    """Of an attempt without a principal: what has the form of a signed token is hidden."""
    if len(text) < SHORTEST or ("." not in text and "%" not in text):
        return text
    return _replaced(text, _signed)


def recorded_headers(headers: Headers, hide: Hide = as_sent) -> Headers:
    """Headers as they are recorded; names are lower case."""
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
    """Where signed tokens stand. Letters before one that no token begins with are none of it."""
    for match in SIGNED.finditer(text):
        named = ALGORITHM.search(text, match.start(), text.index(".", match.start()))
        begins = HEAD_BEGINS.search(text, match.start(), named.start()) if named is not None else None
        if begins is not None:
            yield begins.start(), match.end()


def _replaced(text: str, find: Callable[[str], Iterable[tuple[int, int]]]) -> str:
    """The text with a word in place of what is found in it, or in what its percent escapes mean."""
    found = sorted((starts[begin], starts[end]) for reading, starts in readings(text) for begin, end in find(reading))
    kept: list[str] = []
    at = 0
    for begin, end in found:
        if begin >= at:
            kept += text[at:begin], REDACTED
        at = max(at, end)
    return "".join((*kept, text[at:]))
