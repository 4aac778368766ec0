"""An OIDC token: read strictly, proven with its issuer's key, and turned into who asks.

Sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practice), RFC 9068 (at+jwt), RFC 8693 section 4.1 (act), OpenID
Connect Core 1.0, and where Kubernetes reads a claim, as its `plugin/pkg/authenticator/token/oidc/oidc.go` does. The order is:
size, form, header, issuer, claims, key, signature, names; the dear step comes late (threats F14). A message says which claim was
wrong; what it quotes is the configuration's, and of the token only what its signature has proven (threats F11): `read` and `check`
quote nothing.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from l7gw import plainjson
from l7gw.config.settings import KindRule, OidcIssuer
from l7gw.identity.claims import Groups, claim_at, groups_of, name, refused, told
from l7gw.identity.keys import ALGORITHMS, LONGEST_KEY_ID

# Bytes: 1,000 groups of 8 letters. kube-apiserver bounds the head alone (1 MiB); ours has 64 KiB, where it fits even as base64 of
# base64 (a WebSocket subprotocol). A 2 MB token would cost 155 ms to refuse (threats F2)
LARGEST_TOKEN = 16 * 1024
SKEW = 60  # seconds between our clock and the issuer's; Kubernetes allows 10, most libraries 60 (threats F3: no more)
LATEST_TIME = 253402300800.0  # the year 10000 (RFC 3339 ends there)

TYPES = (None, "jwt", "at+jwt", "application/jwt", "application/at+jwt")  # RFC 8725 section 3.11; no logout+jwt, dpop+jwt, secevent
# Headers that change what is signed, or must be understood (RFC 7515 section 4.1.11, RFC 7797). Those that bring a key (jku,
# jwk, x5u, x5c: 4.1.2-6) are not read, nor does Kubernetes: a key is one that the issuer publishes, or none (threats F2)
CHANGERS = ("crit", "b64")

_CANONICAL = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515 section 2: base64url, padding omitted


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
    """A person, and the seconds since 1970 at which the credential ends. `unfit` as in `Principal`."""

    user: str
    groups: tuple[str, ...]
    kind: str
    issuer: str
    actor: str
    expires: float
    unfit: tuple[str, ...] = ()


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
    """When the token ends. Raises Refusal 401 unless it is for us (issuer, audience) and now (expired, not yet valid)."""
    claims = token.claims
    if claims["iss"] != entry.issuer:  # exact: PyJWT 2.10.0 matched parts (threats F13)
        raise refused("the token's issuer (claim iss) is none that this gateway knows")
    expires = _time(claims["exp"], "exp")
    issued = _time(claims["iat"], "iat")
    begins = _time(claims["nbf"], "nbf") if "nbf" in claims else issued
    if now >= expires + SKEW:  # RFC 7519 section 4.1.4: "on or after which" it is refused
        raise refused("the token is expired (claim exp); hint: get a new one, kubectl asks its credential plugin for it")
    if now < begins - SKEW or now < issued - SKEW:
        raise refused("the token is not yet valid (claim nbf or iat); hint: compare the clocks of the issuer and this machine")
    if not 0 < expires - issued <= entry.longest_lifetime + 2 * SKEW:
        longest = f"{entry.longest_lifetime / 3600:g} hours"
        raise refused(f"the token's lifetime (claims iat to exp) is not within {longest}; hint: ask the issuer for a shorter one")
    if not _is_for_us(claims["aud"], entry):
        one_of = " or ".join(map(repr, entry.audiences))
        how = f"one of them must be {one_of}" if entry.any_audience else f"it must be {one_of} alone"
        raise refused(f"the token is for another audience (claim aud); {how}")
    return expires


def _is_for_us(audience: object, entry: OidcIssuer) -> bool:
    """RFC 7519 section 4.1.3: a text or a list. Kubernetes writes a list of one; of two, either could replay it (threats F3)."""
    values = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(value, str) for value in values):
        return False
    return any(value in entry.audiences for value in values) and (entry.any_audience or len(values) == 1)


def prove(token: Token, entry: OidcIssuer, expires: float) -> Proven:
    """Who a token with a good signature names. Raises Refusal 401 for a claim that is missing or cannot be used."""
    claims = token.claims
    for wanted, value in entry.require.items():
        said = claim_at(claims, wanted)
        if value not in (_texts(said) or ()):
            raise refused(f"the token's claim {wanted} is not what this gateway requires: {_said(said)}")
    user = _user(claims, entry)
    groups = _groups(claims, entry)
    actor = _actor(claims)
    kind = kind_of(entry.kind, claims)
    if actor and kind == "human":
        kind = "agent"  # whoever acts for a person is not the person: guardrails and reviews look at the kind
    return Proven(user, groups.fit, kind, entry.issuer, actor, expires, groups.unfit)


def _said(value: object) -> str:
    return "it is missing" if value is None else f"it is {told(value)}"


def _user(claims: dict[str, Any], entry: OidcIssuer) -> str:
    found = claim_at(claims, entry.username)
    if found is None:
        raise refused(f"the token has no claim {entry.username}, which names the user")
    if entry.username == "email":  # oidc.go: where it is said, it must be true
        verified = claims.get("email_verified", True if entry.email_verified == "if-present" else None)
        if verified is not True:
            raise refused(f"the token's email is not verified (claim email_verified): {_said(verified)}")
    return name(entry.prefix + name(found, f"the token's claim {entry.username}"), "the user with its prefix")


def kind_of(rule: KindRule, claims: dict[str, Any]) -> str:
    """Where a claim decides, a missing, empty or strange one makes an agent, the most bounded kind.

    A value of no list is a human, unless the humans are listed. A list of values is of the most bounded kind among them.
    """
    if rule.claim is None:
        return rule.fixed or "agent"
    said = _texts(claim_at(claims, rule.claim))
    if not said or "" in said:
        return "agent"
    for kind in ("agent", "workload", "human"):
        if any(one in rule.values.get(kind, ()) for one in said):
            return kind
    return "agent" if "human" in rule.values else "human"


def _groups(claims: dict[str, Any], entry: OidcIssuer) -> Groups:
    claim = entry.groups
    if not claim:
        return Groups((), ())
    elsewhere = claims.get("_claim_names")  # OpenID Connect Core 5.6.2; Entra's "overage": beyond 200 groups it names none
    if isinstance(elsewhere, dict) and (claim in elsewhere or claim.partition(".")[0] in elsewhere):
        raise refused(f"the token's claim {claim} is kept elsewhere; hint: let the issuer send only groups of this application")
    value = claim_at(claims, claim)
    if value is None:
        return Groups((), ())
    if not isinstance(value, str | list):
        raise refused(f"the token's claim {claim} is neither a text nor a list: it is {told(value)}")
    return groups_of(value if isinstance(value, list) else [value], entry.prefix, f"the token's claim {claim}")


def _actor(claims: dict[str, Any]) -> str:
    """RFC 8693 section 4.1: the outermost `act` acts now; those nested in it acted before and prove nothing."""
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
    """RFC 7519 section 2: a NumericDate; neither a text, nor true, nor a number that no clock shows (threats F3)."""
    if type(value) not in (int, float) or not 0 < value < LATEST_TIME:  # type: ignore[operator]  # NaN compares false
        raise refused(f"the token's claim {claim} is no time")
    return float(value)  # type: ignore[arg-type]


def _bytes(part: str, what: str) -> bytes:
    """RFC 7515 section 2, in one spelling: bits that no byte takes must be zero, or two texts were one token (threats F4)."""
    if len(part) % 4 == 1:
        raise refused(f"the token is malformed: its {what} is no base64url")
    decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise refused(f"the token is malformed: its {what} is not in canonical form")
    return decoded


def _object(part: str, what: str) -> dict[str, Any]:
    """The JSON object in a part."""
    data = _bytes(part, what)
    try:
        return plainjson.read_object(data)
    except ValueError as error:
        raise refused(f"the token is malformed: its {what} is not read: {error}") from None
