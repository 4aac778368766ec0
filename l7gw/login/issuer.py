"""What an issuer says of itself: its discovery document, as far as a login reads it.

Sources: OpenID Connect Discovery 1.0 sections 3 and 4.3, RFC 8414, RFC 9207 section 3, RFC 8628 section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from l7gw.identity.fetch import FetchError, checked
from l7gw.identity.keys import object_in
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.login.wanted import OFFLINE

WELL_KNOWN = "/.well-known/openid-configuration"
LONGEST_ISSUER = 512  # characters, as the gateway's configuration takes (config/identity.py)


class Metadata(NamedTuple):
    """The endpoints are https URLs, "" where there is none. `names_itself`: each answer at the redirect says `iss`."""

    issuer: str
    token: str
    keys: str
    authorization: str
    device: str
    revocation: str
    names_itself: bool
    proofs: list[str] | None  # the challenge methods that it announces; None where it announces none
    scopes: list[str] | None  # so too

    def asked_for(self, scopes: Sequence[str]) -> list[str]:
        """The scopes to ask for. An issuer that announces scopes, and offline_access not among them, refuses a login that asks for
        it, and gives refresh tokens without it where it gives any (GitLab, Amazon Cognito, OneLogin)."""
        lacks = self.scopes is not None and OFFLINE not in self.scopes
        return [scope for scope in scopes if scope != OFFLINE or not lacks]


def checked_issuer(issuer: str) -> str:
    """`issuer`, if it may be one (Discovery 1.0 section 3: https, no query, no fragment). Raises LoginFailed."""
    try:
        if "?" in issuer or "#" in issuer or len(issuer) > LONGEST_ISSUER:
            raise FetchError("it is too long, or has a query or a fragment")
        return checked(issuer)
    except FetchError as error:
        raise LoginFailed(f"--issuer is no issuer: {error}", "https://..., exactly as it stands in tokens (iss)") from None


def where(issuer: str) -> str:
    """The URL of the discovery document."""
    return issuer.removesuffix("/") + WELL_KNOWN


def read(answer: Answer, issuer: str) -> Metadata:
    """What the discovery document says. Raises LoginFailed."""
    if answer.status != 200:
        hint = "is it an OpenID Connect issuer, and its URL spelt as in its tokens (iss)?"
        raise LoginFailed(f"the issuer's discovery document is answered {answer.status}", hint, passing=answer.status >= 500)
    try:
        said = object_in(answer.body, "the issuer's discovery document")
    except FetchError as error:
        raise LoginFailed(str(error)) from None
    if said.get("issuer") != issuer:
        raise LoginFailed(
            "the discovery document is another issuer's", "--issuer must be identical to its `issuer`, slashes included"
        )

    def url(name: str, *, required: bool = False) -> str:
        if said.get(name) is None and not required:
            return ""
        try:
            return checked(said.get(name))
        except FetchError as error:
            raise LoginFailed(f"the issuer's {name} cannot be used: {error}") from None

    def listed(name: str) -> list[str] | None:
        return found if isinstance(found := said.get(name), list) else None

    return Metadata(
        issuer=issuer,
        token=url("token_endpoint", required=True),
        keys=url("jwks_uri", required=True),
        authorization=url("authorization_endpoint"),
        device=url("device_authorization_endpoint"),
        revocation=url("revocation_endpoint"),
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        proofs=listed("code_challenge_methods_supported"),
        scopes=listed("scopes_supported"),
    )
