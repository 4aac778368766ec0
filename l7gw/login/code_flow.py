"""The authorization code with PKCE: what is asked of the browser, and what its redirect says. No socket, no clock.

Sources: RFC 6749 section 4.1, RFC 7636 (S256), RFC 8252 (native apps), RFC 9207 (iss), OpenID Connect Core 1.0 section 3.1.2.1.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode

from l7gw.login.answers import denied
from l7gw.login.failure import LoginFailed
from l7gw.login.issuer import Metadata
from l7gw.login.wanted import OFFLINE, OPENID, Wanted

RANDOM = 32  # bytes of verifier, state and nonce: 256 bits, as RFC 7636 section 7.1 advises
LONGEST_CODE = 4096  # characters; Entra's have about 1,500
MOST_FIELDS = 30  # of a redirect's query; issuers send four or five


class CodeRequest:
    """One login by the browser. `nonce` is to stand in its id token."""

    def __init__(self, wanted: Wanted, metadata: Metadata, redirect: str) -> None:
        """`redirect` is the URI to which the browser is sent back. Raises LoginFailed where the issuer cannot do this."""
        if not metadata.authorization:
            raise LoginFailed("the issuer has no authorization endpoint", "--device")
        if metadata.proofs is not None and "S256" not in metadata.proofs:
            raise LoginFailed("the issuer takes no proof of the code by S256 (PKCE)")
        self._wanted, self._metadata, self._redirect = wanted, metadata, redirect
        self._verifier = secrets.token_urlsafe(RANDOM)
        self._state = secrets.token_urlsafe(RANDOM)
        self.nonce = secrets.token_urlsafe(RANDOM)

    @property
    def url(self) -> str:
        """Where the browser begins."""
        challenge = urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        scopes = self._metadata.asked_for(self._wanted.scopes)
        query = {
            "response_type": "code",
            "client_id": self._wanted.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(scopes),
            "state": self._state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if OPENID in scopes:
            query["nonce"] = self.nonce
        if OFFLINE in scopes:  # Core 1.0 section 11: without the person's consent no refresh token is given
            query["prompt"] = "consent"
        where = self._metadata.authorization
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    def belongs(self, query: str) -> bool:
        """Whether a redirect with this query answers this login: anybody on this machine can send one."""
        said = _fields(query)
        return compare_digest(said.get("state", "").encode(), self._state.encode())

    def code_of(self, query: str) -> str:
        """The code that the redirect brings. Raises LoginFailed."""
        said = _fields(query)
        issuer = said.get("iss")
        if issuer != self._metadata.issuer and (issuer is not None or self._metadata.names_itself):
            raise LoginFailed("the answer at the redirect is not of this issuer (iss)")  # RFC 9207: a mix-up of two issuers
        if "error" in said:
            raise denied(said["error"], said.get("error_description"), (self._verifier,))
        code = said.get("code", "")
        if not 0 < len(code) <= LONGEST_CODE or not code.isascii() or not code.isprintable():
            raise LoginFailed("the answer at the redirect brings no code")
        return code

    def form(self, code: str) -> dict[str, str]:
        """What the token endpoint is sent for the code."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": self._wanted.client_id,
            "code_verifier": self._verifier,
        }


def _fields(query: str) -> dict[str, str]:
    """The fields of a query; none where one stands twice (RFC 6749 section 3.1), or the query has no such form."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        return {}
    found = dict(pairs)
    return found if len(found) == len(pairs) else {}
