"""Which values of Secrets are worth recognising elsewhere, and the forms in which they are recognised.

A form is the value raw, with other line ends (those of Unix, and what a terminal makes of those of Unix and of Windows), with the
`+` that a web form has for a space, in base64 at three offsets (usual, URL-safe, its signs escaped as in URLs and in PHP's JSON) or
in hex. Of the value itself JSON's escapes and percent-encoding are no forms: the text is decoded before it is looked through
(`text_views`), whichever characters were escaped. To decode wherever a slash is escaped would cost 50 times as much as these forms.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator
from itertools import repeat

SHORTEST = 8  # bytes of a value; shorter ones are words of every text
SHORTEST_SIMPLE = 16  # bytes of a value of only letters or only digits: names, words, numbers
PIECE = 1024  # bytes; a longer value is recognised piece by piece, so that a stream holds back little
MOST_PIECES = 64  # of one value: the first 64 KiB; configuration files are smaller
HEAD = 4  # bytes of a form that are kept as they are, to look for. What follows is kept as keyed digests alone

_SIMPLE = re.compile(rb"[A-Za-z]+|[0-9]+")
_HOST = re.compile(rb"(?:(?:[a-z0-9_-]{1,63}\.)+[a-z]{2,24}|(?:[A-Z0-9_-]{1,63}\.)+[A-Z]{2,24})\.?(?::[0-9]{1,5})?")
# A name of Kubernetes such as `my-postgres-0`. Four words or more are a passphrase.
_NAME = re.compile(rb"[a-z]+(?:-[a-z]+){1,2}(?:-[0-9]{1,3})?(?::[0-9]{1,5})?")
_PATH = re.compile(rb"(?:~|\.{1,2})?(?:/[A-Za-z0-9._@-]{0,64})+")
_MIXED = re.compile(rb"(?=[^/]*[A-Z])(?=[^/]*[a-z])(?=[^/]*[0-9])[^/]{12,}")  # in a path: no name, but something generated
_URL = re.compile(rb"[a-z][a-z0-9+.-]{1,20}://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._/-]*)?")  # without user, password and query
_MAIL = re.compile(rb"[A-Za-z0-9._+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}")
_PUBLIC = re.compile(rb"(?:-----BEGIN (?:TRUSTED )?(?:CERTIFICATE|PUBLIC KEY)-----[^-]*-----END [A-Z ]+-----\s*)+")
# How values begin that say nothing secret there. A head is taken behind it, so that it is not found in every text.
_BEGINNING = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}-----\s*|(?:jdbc:)?[a-z][a-z0-9+]{1,15}://|eyJ(?:hbGciOi|0eXAiOi)?|\{\s*\"?")


def worth_registering(value: bytes) -> bool:
    """Whether a value is recognised elsewhere. A boolean is too short; a host name, a path, an address or a public certificate
    stands in every log."""
    if len(value) < SHORTEST or (len(value) < SHORTEST_SIMPLE and _SIMPLE.fullmatch(value)) or len(set(value)) < 3:
        return False
    if _HOST.fullmatch(value) or _NAME.fullmatch(value) or _MAIL.fullmatch(value) or _PUBLIC.fullmatch(value):
        return False
    if (_PATH.fullmatch(value) or _URL.fullmatch(value)) and not any(_MIXED.fullmatch(part) for part in value.split(b"/")):
        return False
    return not _is_address(value)


def _is_address(value: bytes) -> bool:
    """Whether this is an IP address, with or without a port or the length of a prefix."""
    try:
        text = value.decode("ascii")
        host = text.rpartition(":")[0].strip("[]") if text.count(":") == 1 or text.startswith("[") else text
        ipaddress.ip_interface(host)
    except ValueError:
        return False
    return True


def pieces(value: bytes) -> list[bytes]:
    """The value, or the pieces by which a long one is recognised. The last piece ends with the value."""
    if len(value) <= PIECE:
        return [value]
    starts = [*range(0, len(value) - PIECE, PIECE), len(value) - PIECE]
    return [value[start : start + PIECE] for start in starts[:MOST_PIECES]]


def forms(piece: bytes) -> Iterator[tuple[bytes, int]]:
    """The forms of a value or piece, each with the length of its head."""
    known = _BEGINNING.match(piece)
    public = piece[: known.end()] if known else b""
    if len(piece) - len(public) < SHORTEST:
        public = b""
    seen = set()
    # What is the same whatever follows the beginning is public too.
    bounds = zip(_encoded(public + b"\0"), _encoded(public + b"\xff")) if public else repeat((b"", b""))
    for form, (low, high) in zip(_encoded(piece), bounds):
        if form in seen:
            continue
        seen.add(form)
        head = _alike(form, low, high) + HEAD
        while len(set(form[:head])) < 2 and head < len(form) // 2:  # of a run of one character every place would be looked at
            head += 1
        yield form, min(head, len(form))


def _alike(*texts: bytes) -> int:
    """Bytes with which all of these begin."""
    return next((at for at, each in enumerate(zip(*texts)) if len(set(each)) > 1), min(map(len, texts)))


def _encoded(value: bytes) -> Iterator[bytes]:
    yield value
    unix = value.replace(b"\r\n", b"\n")
    yield unix
    yield unix.replace(b"\n", b"\r\n")
    yield value.replace(b"\n", b"\r\n")  # a terminal makes \r\r\n of what ends a line in a Windows file
    yield value.replace(b" ", b"+")
    for offset in range(3):
        core = _base64_core(value, offset)
        yield core
        yield core.translate(_URL_SAFE)
        yield core.replace(b"+", b"%2B").replace(b"/", b"%2F")
        yield core.replace(b"/", rb"\/")
    yield value.hex().encode()
    yield value.hex().upper().encode()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64_core(value: bytes, offset: int) -> bytes:
    """The characters of the base64 of a text that depend on the value alone, where the value begins at `offset` modulo 3."""
    encoded = b64encode(b"\0" * offset + value)
    return encoded[(0, 2, 3)[offset] : (offset + len(value)) * 8 // 6]
