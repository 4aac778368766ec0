"""An OIDC token: read strictly, proven with its issuer's key, and turned into who asks.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practice), RFC 9068 (at+jwt), RFC 8693 4.1 (act), OpenID
Connect Core 1.0. The order is: size, form, header, issuer, claims, key, signature, names; the dear step comes late (threats F14).
A message says what was wrong, never a byte of the token (threats F11); what it quotes is the configuration's.
"""

from __future__ import annotations

import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from l7gw.config.settings import KindRule, OidcIssuer
from l7gw.identity.claims import group_names, name, refused
from l7gw.identity.keys import ALGORITHMS, LONGEST_KEY_ID

LARGEST_TOKEN = 8192  # bytes; a 2 MB token costs 155 ms to refuse without it (threats F2); servers take 8 to 16 KiB of header line
SKEW = 60  # seconds between our clock and the issuer's; Kubernetes allows 10, most libraries 60 (threats F3: no more)
LONGEST_LIFE = 24 * 3600 + 2 * SKEW  # seconds from iat to exp. Identity providers and the kubelet issue for an hour, the longest
# common setting is a day (Okta, Cognito). Longer ones are the API server's own year-long tokens and forgotten keys (threats F12)
LATEST_TIME = 253402300800.0  # the year 10000 (RFC 3339 ends there)

TYPES = (None, "jwt", "at+jwt", "application/jwt", "application/at+jwt")  # RFC 8725 3.11; logout+jwt, dpop+jwt, secevent: no
KEY_BRINGERS = ("jku", "jwk", "x5u", "crit", "b64")  # RFC 7515 4.1.2-5, 4.1.11, RFC 7797: threats F2. (x5c, x5t are ignored)

_CANONICAL = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515 2: base64url, padding omitted


@dataclass(slots=True)
class Token:
    """What a token says, not proven yet: `signed` bytes, the claims in them, `signature`, and which key is said to fit."""

    algorithm: str
    key_id: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        issuer: str = self.claims["iss"]
        return issuer


@dataclass(slots=True)
class Proven:
    """A person, and the seconds since 1970 at which the credential ends."""

    user: str
    groups: tuple[str, ...]
    kind: str
    issuer: str
    actor: str
    expires: float


def read(text: str) -> Token:
    """The token as it is written. Raises Refusal 401: too large, malformed, algorithm, header, or a claim missing."""
    if len(text) > LARGEST_TOKEN:
        raise refused(f"the token is too large: more than {LARGEST_TOKEN} bytes")
    if _CANONICAL.fullmatch(text) is None:
        raise refused("the token is malformed: it is not three parts of base64url without padding")
    signed, _, signature = text.rpartition(".")
    head, _, payload = signed.partition(".")
    header = _object(head, "header")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise refused(f"the token's signature algorithm is none of {', '.join(ALGORITHMS)}")
    if any(member in header for member in KEY_BRINGERS):
        raise refused(f"the token's header has one of {', '.join(KEY_BRINGERS)}, which are not accepted")
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
        raise refused("the token's issuer is no text")
    return Token(algorithm, key_id, claims, signed.encode(), _bytes(signature, "signature"))


def check(token: Token, entry: OidcIssuer, now: float) -> float:
    """When the token ends. Raises Refusal 401 unless it is for us (issuer, audience) and now (expired, not yet valid)."""
    claims = token.claims
    if claims["iss"] != entry.issuer:  # exact: PyJWT 2.10.0 matched parts (threats F13)
        raise refused("the token's issuer is none that this gateway knows")
    expires = _time(claims["exp"], "exp")
    issued = _time(claims["iat"], "iat")
    begins = _time(claims["nbf"], "nbf") if "nbf" in claims else issued
    if now >= expires + SKEW:  # RFC 7519 4.1.4: "on or after which" it is refused
        raise refused("the token is expired; hint: get a new one, kubectl asks its credential plugin for it")
    if now < begins - SKEW or now < issued - SKEW:
        raise refused("the token is not yet valid; hint: compare the clocks of the issuer and this machine")
    if not 0 < expires - issued <= LONGEST_LIFE:
        raise refused(f"the token's lifetime is not within {LONGEST_LIFE // 3600} hours; hint: ask the issuer for a shorter one")
    audience = claims["aud"]
    if audience != entry.audience and audience != [entry.audience]:  # a list of one, as Kubernetes writes it (threats F3)
        raise refused(f"the token is for another audience; it must be {entry.audience!r} alone")
    return expires


def prove(token: Token, entry: OidcIssuer, expires: float) -> Proven:
    """Who a token with a good signature names. Raises Refusal 401 for a claim that is missing or cannot be used."""
    claims = token.claims
    for wanted, value in entry.require.items():
        if value not in (_texts(claims.get(wanted)) or ()):
            raise refused(f"the token's claim {wanted} is not what this gateway requires")
    name(claims["sub"], "the token's claim sub")
    if entry.username not in claims:
        raise refused(f"the token has no claim {entry.username}, which names the user")
    if entry.username == "email" and claims.get("email_verified") is not True:
        raise refused("the token's email is not verified (claim email_verified)")
    user = name(entry.prefix + name(claims[entry.username], f"the token's claim {entry.username}"), "the user with its prefix")
    groups = tuple(entry.prefix + group for group in _groups(claims, entry.groups))
    actor = _actor(claims)
    kind = kind_of(entry.kind, claims)
    if actor and kind == "human":
        kind = "agent"  # whoever acts for a person is not the person: guardrails and reviews look at the kind
    return Proven(user, groups, kind, entry.issuer, actor, expires)


def kind_of(rule: KindRule, claims: dict[str, Any]) -> str:
    """Where a claim decides, a missing, empty or strange one makes an agent, the most bounded kind.

    A value of no list is a human, unless the humans are listed. A list of values is of the most bounded kind among them.
    """
    if rule.claim is None:
        return rule.fixed or "agent"
    said = _texts(claims.get(rule.claim))
    if not said or "" in said:
        return "agent"
    for kind in ("agent", "workload", "human"):
        if any(one in rule.values.get(kind, ()) for one in said):
            return kind
    return "agent" if "human" in rule.values else "human"


def _groups(claims: dict[str, Any], claim: str) -> tuple[str, ...]:
    if not claim:
        return ()
    elsewhere = claims.get("_claim_names")  # OpenID Connect Core 5.6.2; Entra's "overage": beyond 200 groups it names none
    if isinstance(elsewhere, dict) and claim in elsewhere:
        raise refused(f"the token's claim {claim} is kept elsewhere; hint: let the issuer send only groups of this application")
    value = claims.get(claim)
    if value is None:
        return ()
    if not isinstance(value, str | list):
        raise refused(f"the token's claim {claim} is neither a text nor a list")
    return group_names(value if isinstance(value, list) else [value], f"the token's claim {claim}")


def _actor(claims: dict[str, Any]) -> str:
    """RFC 8693 4.1: the outermost `act` acts now; those nested in it acted before and prove nothing."""
    if "act" not in claims:
        return ""
    act = claims["act"]
    if not isinstance(act, dict) or "sub" not in act:
        raise refused("the token's claim act is no object with a sub")
    return name(act["sub"], "the token's claim act.sub")


def _texts(claim: object) -> list[str] | None:
    """A claim as the texts that a configuration names: true and false are written so. None: something else is in it."""
    if isinstance(claim, list):
        parts = [_texts(one) for one in claim if not isinstance(one, list)]
        return None if len(parts) < len(claim) or None in parts else [text for part in parts if part for text in part]
    if isinstance(claim, bool):
        return ["true" if claim else "false"]
    return [claim] if isinstance(claim, str) else None


def _time(value: object, claim: str) -> float:
    """RFC 7519 2: a NumericDate; neither a text, nor true, nor a number that no clock shows (threats F3)."""
    if type(value) not in (int, float) or not 0 < value < LATEST_TIME:  # type: ignore[operator]  # NaN compares false
        raise refused(f"the token's claim {claim} is no time")
    return float(value)  # type: ignore[arg-type]


def _bytes(part: str, what: str) -> bytes:
    """RFC 7515 2, and one spelling alone: bits that no byte takes must be zero, or two texts were one token (threats F4)."""
    if len(part) % 4 == 1:
        raise refused(f"the token is malformed: its {what} is no base64url")
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise refused(f"the token is malformed: its {what} is not in canonical form")
    return decoded


def _object(part: str, what: str) -> dict[str, Any]:
    """The JSON object in a part. RFC 8725 2.4, RFC 8259 4: duplicate members are read differently by different readers."""
    try:
        found = json.loads(
            _bytes(part, what).decode(), object_pairs_hook=_members, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, a number of thousands of digits
        raise refused(f"the token is malformed: its {what} is no JSON, or has a member twice") from None
    if not isinstance(found, dict):
        raise refused(f"the token is malformed: its {what} is no JSON object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _no_constant(constant: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value
