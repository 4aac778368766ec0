"""The place of a client's token in a request, and the places where it must not stand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from l7gw.errors import Refusal
from l7gw.wire.events import Headers, Request

BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."  # kubernetes-wire 7.1

DECODED = 2  # times that percent escapes are decoded: once by the cluster, once more by an application behind its proxy

LONGEST_SHOWN = 64  # characters of a header's name in a refusal; no header of a usual client is as long

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def bearer_of(request: Request) -> str | None:
    """The bearer token of a request; None where it has none.

    The token stands in `Authorization`, or in the WebSocket subprotocol that browsers use. The API server takes
    that subprotocol as a credential, so the gateway must do so too (threats C9). Raises Refusal 401 for other
    schemes, a malformed token and two credentials.
    """
    found: list[str] = []
    for name, value in request.headers:
        if name == "authorization":
            token = value[7:]
            if value[:7] == "Bearer " and token.split() == [
                token
            ]:  # as nearly all clients write it: the pattern costs eight times as much
                found.append(token)
                continue
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


def _unpack(encoded: str) -> str:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(401, "Unauthorized", "the credential in the subprotocol is malformed") from error


def check_alone(request: Request, token: str) -> None:
    """Refuse a request that holds its own, proven token in a second place, where it would be recorded or sent to the cluster.

    Redacting that place would be wrong: a caller could hide text from the record by writing
    it around the token. Raises Refusal 400.
    """
    check_target(request.target, token)
    check_fields(request.headers, token)


def check_target(target: str, token: str) -> None:
    """As `check_alone`, of the request's target."""
    if len(target) >= len(token) and holds(target, token):  # no shorter text can hold the token in any form
        raise _misplaced("its target")


def check_fields(headers: Headers, token: str) -> None:
    """As `check_alone`, of the request's header fields."""
    least = len(token)  # in an honest call few texts are as long
    for name, value in headers:
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
    """The texts that mean this token: the token itself, and its base64. The base64 stands alone, as in a subprotocol, or behind
    other bytes, as in Basic's `user:token`. Each text is also given in lower case, as in a header's name."""
    # Base64 makes four letters of three bytes, so the token can begin at three places of a group. The last letter depends on the
    # bytes behind the token. It is left out.
    packed = [base64.urlsafe_b64encode(token[start:].encode()).decode().rstrip("=")[:-1] for start in range(3)]
    return tuple(word for one in (token, *packed) for word in (one, one.lower()))


def holds(text: str, token: str) -> bool:
    """Whether the token stands in a text, as the text came or after its percent escapes are decoded up to DECODED times."""
    words = spellings(token)
    for _ in range(DECODED + 1):
        if any(word in text for word in words):
            return True
        if "%" not in text:
            return False
        text = unquote(text, "latin-1")
    return False


def readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """A text as it came, and percent-decoded once to DECODED times. Beside each reading stand the positions in `text` where its
    characters begin, and one more for its end."""
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
