"""An OIDC token: read strictly, and checked against its issuer's entry. What its claims say, `claims.py` reads.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practice), RFC 9068 (at+jwt), RFC 8693 section 4.1 (act), OpenID
Connect Core 1.0. Claims that Kubernetes reads are read as in its `plugin/pkg/authenticator/token/oidc/oidc.go`. The order is: size,
form, header, issuer, claims, key, signature, names. The expensive step, the signature, comes late (threats F14). A message says
which claim is wrong. It may quote the configuration, but of a token only what the signature has proven (threats F11). So the
messages of `read` and `check` quote nothing of the token.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from l7gw import plainjson
from l7gw.config.settings import OidcIssuer
from l7gw.identity.claims import refused
from l7gw.identity.keys import ALGORITHMS, LONGEST_KEY_ID

# Bytes; it holds 1,000 groups of 8 letters. kube-apiserver bounds only the whole head (1 MiB). Our heads have 64 KiB at most, into
# which a token fits even when it is encoded once more, as in a WebSocket subprotocol. A token of 2 MB took 155 ms to refuse
# (threats F2).
LARGEST_TOKEN = 16 * 1024
SKEW = 60  # seconds that our clock and the issuer's may differ; Kubernetes allows 10, most libraries 60 (threats F3: no more)
LATEST_TIME = 253402300800.0  # the year 10000 (RFC 3339 ends there)

TYPES = (None, "jwt", "at+jwt", "application/jwt", "application/at+jwt")  # RFC 8725 section 3.11; no logout+jwt, dpop+jwt, secevent
# Headers that change what is signed, or that a reader must understand (RFC 7515 section 4.1.11, RFC 7797): a token with one is
# refused. Headers that bring a key (jku, jwk, x5u, x5c: 4.1.2-6) are ignored, as by Kubernetes: only published keys
# count (threats F2).
CHANGERS = ("crit", "b64")

_CANONICAL = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515 section 2: base64url, padding omitted


@dataclass(slots=True)
class Token:
    """A token whose signature is not checked yet. `signed` are the bytes that the signature
    covers. `key_id` is None where it has none."""

    algorithm: str
    key_id: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        issuer: str = self.claims["iss"]
        return issuer


def read(text: str) -> Token:
    """The token in a text. Raises Refusal 401 for one that is too large or malformed, or whose algorithm or header
    is not accepted, or that lacks a claim."""
    if len(text) > LARGEST_TOKEN:
        raise refused(f"the token is too large: more than {LARGEST_TOKEN} bytes")
    if _CANONICAL.fullmatch(text) is None:
        hint = "give it as the issuer gave it, and nothing beside it"
        raise refused(f"the token is malformed: it is not three parts of base64url without padding; hint: {hint}")
    signed, _, signature = text.rpartition(".")
    head, _, payload = signed.partition(".")
    header = _object(head, "header")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise refused(f"the token's signature algorithm is none of {', '.join(ALGORITHMS)}")
    if any(member in header for member in CHANGERS):
        raise refused(f"the token's header has one of {', '.join(CHANGERS)}, which are not accepted")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
        raise refused("the token's typ is neither JWT nor at+jwt")
    key_id = header.get("kid")
    if "kid" in header and not (isinstance(key_id, str) and 0 < len(key_id) <= LONGEST_KEY_ID):
        raise refused(f"the token's key id is no text of 1 to {LONGEST_KEY_ID} characters")
    claims = _object(payload, "payload")
    missing = [claim for claim in ("exp", "iat", "iss", "aud", "sub") if claim not in claims]
    if missing:
        raise refused(f"the token has no claim {', '.join(missing)}")
    if not isinstance(claims["iss"], str):
        raise refused("the token's issuer (claim iss) is no text")
    return Token(algorithm, key_id, claims, signed.encode(), _bytes(signature, "signature"))


def check(token: Token, entry: OidcIssuer, now: float) -> float:
    """When the token ends, in seconds since 1970. `now` is too. Raises Refusal 401 where the token is for another issuer or
    audience, expired, not yet valid, or valid for too long."""
    claims = token.claims
    if claims["iss"] != entry.issuer:  # compared as a whole: PyJWT 2.10.0 also accepted a part (threats F13)
        raise refused("the token's issuer (claim iss) is none that this gateway knows")
    expires = _time(claims["exp"], "exp")
    issued = _time(claims["iat"], "iat")
    begins = _time(claims["nbf"], "nbf") if "nbf" in claims else issued
    if now >= expires + SKEW:  # RFC 7519 section 4.1.4: refused "on or after" exp
        raise refused("the token is expired (claim exp); hint: get a new one, kubectl asks its credential plugin for it")
    if now < begins - SKEW or now < issued - SKEW:
        raise refused("the token is not yet valid (claim nbf or iat); hint: compare the clocks of the issuer and this machine")
    if not 0 < expires - issued <= entry.longest_lifetime + 2 * SKEW:
        longest = f"{entry.longest_lifetime / 3600:g} hours"
        raise refused(f"the token's lifetime (claims iat to exp) is not within {longest}; hint: ask the issuer for a shorter one")
    if not _is_for_us(claims["aud"], entry):
        one_of = " or ".join(map(repr, entry.audiences))
        how = f"one of them must be {one_of}" if entry.any_audience else f"it must be {one_of} alone"
        hint = "ask the issuer for such a token, or set `audience` of its entry to what aud says"
        raise refused(f"the token is for another audience (claim aud); {how}; hint: {hint}")
    return expires


def _is_for_us(audience: object, entry: OidcIssuer) -> bool:
    """Whether the claim aud, a text or a list (RFC 7519 section 4.1.3), names us. Kubernetes writes a list of one. Of two audiences
    each could replay the token at the other (threats F3)."""
    values = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(value, str) for value in values):
        return False
    return any(value in entry.audiences for value in values) and (entry.any_audience or len(values) == 1)


def _time(value: object, claim: str) -> float:
    """A NumericDate (RFC 7519 section 2) in seconds since 1970. A text, a boolean and a number beyond
    LATEST_TIME are refused (threats F3)."""
    if type(value) not in (int, float) or not 0 < value < LATEST_TIME:  # type: ignore[operator]  # NaN compares false
        raise refused(f"the token's claim {claim} is no time")
    return float(value)  # type: ignore[arg-type]


def _bytes(part: str, what: str) -> bytes:
    """The bytes of a part in base64url (RFC 7515 section 2). Left-over bits must be zero, or two
    texts would be one token (threats F4)."""
    if len(part) % 4 == 1:
        raise refused(f"the token is malformed: its {what} is no base64url")
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise refused(f"the token is malformed: its {what} is not in canonical form")
    return decoded


def _object(part: str, what: str) -> dict[str, Any]:
    """The JSON object in a part. `what` names the part in a refusal."""
    data = _bytes(part, what)
    try:
        return plainjson.read_object(data)
    except ValueError as error:
        raise refused(f"the token is malformed: its {what} is not read: {error}") from None
