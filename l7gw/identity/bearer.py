"""Where a client's token stands in a request, and where else it must not."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from l7gw.errors import Refusal
from l7gw.wire.events import Request

BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."  # kubernetes-wire 7.1

DECODED = 2  # times that a percent escape is looked behind: the cluster decodes once, an application behind a proxy once more

LONGEST_SHOWN = 64  # characters of a header's name in a refusal; none that clients know is as long

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
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


def check_alone(request: Request, token: str) -> None:
    """Refuse a request that holds its own, proven token in a second place, where it would be recorded, or travel to the cluster.

    Redaction alone will not do: it would take out of the record whatever a caller spells around the token. Raises Refusal 400.
    """
    least = len(token)  # nothing shorter holds it in any form; of an honest call nothing is so long but the token itself
    if len(request.target) >= least and holds(request.target, token):
        raise _misplaced("its target")
    for name, value in request.headers:
        if len(value) < least and len(name) < least:
            continue
        if name == "authorization":
            continue
        if name == "sec-websocket-protocol":
            value = ",".join(entry for entry in value.split(",") if not entry.strip().startswith(BEARER_PROTOCOL))
        if holds(name, token):
            raise _misplaced("the name of a header")
        if holds(value, token):
            raise _misplaced(f"the header {name[:LONGEST_SHOWN]}")


def _misplaced(where: str) -> Refusal:
    return Refusal(400, "BadRequest", f"the request holds its own token in {where} too; send it in Authorization alone")


def spellings(token: str) -> tuple[str, ...]:
    """The texts that are this token: itself, as header names have it (in lower case), and packed as in a subprotocol."""
    # The last letter of base64 has bits that no byte takes, so that it has several spellings: it is left out.
    packed = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")[:-1]
    return token, token.lower(), packed, packed.lower()


def holds(text: str, token: str) -> bool:
    """Whether the token stands in a text as it is, or once percent escapes are decoded, DECODED times at most."""
    words = spellings(token)
    for _ in range(DECODED + 1):
        if any(word in text for word in words):
            return True
        if "%" not in text:
            return False
        text = unquote(text, "latin-1")
    return False


def readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """A text as it is, and percent-decoded up to DECODED times; with each, where in `text` its characters begin, and its end."""
    starts: Sequence[int] = range(len(text) + 1)
    yield text, starts
    for _ in range(DECODED):
        if _ESCAPE.search(text) is None:
            return
        text, starts = _decoded(text, starts)
        yield text, starts


def _decoded(text: str, starts: Sequence[int]) -> tuple[str, Sequence[int]]:
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        begin = escape.start()
        parts += text[at:begin], chr(int(escape[1], 16))
        places += starts[at : begin + 1]
        at = escape.end()
    return "".join((*parts, text[at:])), [*places, *starts[at:]]
