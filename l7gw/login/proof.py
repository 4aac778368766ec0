"""Whether a token is the one that was asked for: checked as the gateway checks it, and as a client must.

Sources: OpenID Connect Core 1.0 sections 3.1.3.7 and 12.2. What a gateway asks beyond this (its audiences, lifetimes, required
claims) stands in its own configuration, and is not known here.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import NamedTuple

from l7gw.config.settings import DAY, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity.keys import Key, fitting
from l7gw.identity.oidc import Token, check, read
from l7gw.login.failure import LoginFailed
from l7gw.login.kept import LATEST
from l7gw.login.wanted import Wanted
from l7gw.name_rules import visible

LONGEST_LIFETIME = 400 * DAY  # seconds; the gateway's own bound is shorter, and its own to tell
LONGEST_USER = 256  # characters of a name that is shown
SHOWN = ("email", "preferred_username", "name", "sub")  # the first of these claims that is a text says who is logged in


class Proven(NamedTuple):
    """Whom an id token names, and when it ends, in seconds since 1970 by the issuer's clock."""

    subject: str
    user: str
    ends: float


def prove(text: str, wanted: Wanted, keys: list[Key], now: float, nonce: str | None, *, first: bool) -> Proven:
    """What an id token proves. `now` is in seconds since 1970. `nonce` is the one that was sent, None where none was: the first
    token of a login must have it, and a renewed one no other. Raises LoginFailed, which quotes nothing of the token."""
    issuer, client_id = wanted.issuer, wanted.client_id
    token = _read(text, "id token")
    claims = token.claims
    if claims["iss"] != issuer:
        raise _refused("id token", "it is another issuer's (claim iss)")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if client_id not in audiences:
        raise _refused("id token", "it is for another client (claim aud)")
    if len(audiences) > 1 and claims.get("azp") != client_id:
        raise _refused("id token", "it is for several audiences, and not issued to this client (claim azp)")
    said = claims.get("nonce")
    compared = nonce is not None if first else said is not None  # Core 1.0 section 12.2
    if compared and not (isinstance(said, str) and compare_digest(said.encode("utf-8", "replace"), (nonce or "").encode())):
        raise _refused("id token", "it is not of this login (claim nonce)")
    try:
        ends = check(token, OidcIssuer(issuer, (client_id,), any_audience=True, longest_lifetime=LONGEST_LIFETIME), now)
    except Refusal as refusal:
        raise _refused("id token", refusal.message) from None
    if not any(key.verifies(token.signed, token.signature) for key in fitting(keys, token.key_id, token.algorithm)):
        raise _refused("id token", "none of the issuer's keys has signed it")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise _refused("id token", "it names nobody (claim sub)")
    names = (claims.get(claim) for claim in SHOWN)
    user = next(name for name in names if isinstance(name, str) and name)
    return Proven(claims["sub"], visible(user)[:LONGEST_USER], ends)


def end_of_access(text: str, issuer: str) -> float:
    """When an access token ends, which the gateway is to read as a JWT (RFC 9068). The issuer wrote it for the gateway, which
    checks it; here it is read alone. Raises LoginFailed where a gateway could not take it."""
    token = _read(text, "access token")
    if token.issuer != issuer:
        raise _refused("access token", "it is another issuer's (claim iss)")
    ends = token.claims["exp"]
    if type(ends) not in (int, float) or not 0 < ends <= LATEST:
        raise _refused("access token", "its claim exp is no time")
    return float(ends)


def _read(text: str, what: str) -> Token:
    try:
        return read(text)
    except Refusal as refusal:
        raise _refused(what, refusal.message) from None


def _refused(what: str, why: str) -> LoginFailed:
    hint = "--token id, or a scope for which the issuer gives JWTs (RFC 9068)" if what == "access token" else ""
    return LoginFailed(f"the issuer's {what} is not taken: {why}", hint)
