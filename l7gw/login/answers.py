"""What an issuer's token endpoint answers: tokens, or why there are none.

Sources: RFC 6749 sections 5.1 and 5.2, RFC 8628 section 3.5, OpenID Connect Core 1.0 section 3.1.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from l7gw.identity.bearer import holds
from l7gw.identity.fetch import FetchError
from l7gw.identity.keys import object_in
from l7gw.identity.oidc import LARGEST_TOKEN
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.name_rules import visible

LONGEST_WORDS = 300  # characters of an issuer's own words in a message
HINTS = {  # by RFC 6749's short names of errors
    "invalid_scope": "--scope says what is asked for; this client is not allowed one of them",
    "invalid_client": "the client must be a public one, as of a native application: no secret is sent",
    "unauthorized_client": "the client must be allowed the authorization code, or with --device the device code",
}
LEAST_SECRET = 8  # characters; a shorter text may stand in a message by chance
MOST_LIFETIME = 400 * 86400.0  # seconds, as the gateway's configuration takes
_CODE = re.compile(r"[a-z_]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6750 section 2.1 and RFC 6749 appendix A: visible ASCII
_SECONDS = re.compile(r"[0-9]{1,8}")  # MOST_LIFETIME has as many digits
_LONG_WORD = re.compile(r"[^\s]{24,}")  # what may be a token or a part of one; words of people are shorter


class Tokens(NamedTuple):
    """ "" for a token that was not given. `lasts` is how long the access token does, in seconds; None where that is not said."""

    access: str
    identity: str
    refresh: str
    lasts: float | None


class Denied(LoginFailed):
    """The issuer answered with an error of RFC 6749's form. `code` is its short name, "" where it has none that may be shown."""

    def __init__(self, code: str, words: str, *, passing: bool) -> None:
        what = f"the issuer says no: {code or 'an error without a name'}" + (f" ({words})" if words else "")
        super().__init__(what, HINTS.get(code, ""), passing=passing)
        self.code = code


def tokens_of(answer: Answer, secrets: Iterable[str]) -> Tokens:
    """The tokens of an answer. Raises Denied, or LoginFailed for an answer of another form. `secrets` are what was sent: no failure
    repeats one of them."""
    said = object_of(answer, "the issuer's token endpoint", secrets)
    if not isinstance(said.get("token_type"), str) or said["token_type"].lower() != "bearer":
        raise LoginFailed("the issuer's tokens are of another type than Bearer")
    lasts = number_of(said.get("expires_in"))
    if lasts is not None and (type(lasts) not in (int, float) or not 0 < lasts <= MOST_LIFETIME):
        raise LoginFailed("the issuer's expires_in is no time")
    return Tokens(_token(said, "access_token"), _token(said, "id_token"), _token(said, "refresh_token"), lasts)


def object_of(answer: Answer, what: str, secrets: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a good answer. Raises Denied, LoginFailed. `what` names who answered."""
    passing = answer.status >= 500 or answer.status == 429
    try:
        said = object_in(answer.body, "it")
    except FetchError as error:
        if answer.status == 200:
            raise LoginFailed(f"{what} answers what cannot be read: {error}") from None
        raise LoginFailed(f"{what} answers {answer.status}", passing=passing) from None
    if answer.status == 200:
        return said
    raise denied(said.get("error"), said.get("error_description"), secrets, passing=passing)


def denied(code: object, words: object, secrets: Iterable[str], *, passing: bool = False) -> Denied:
    """An error in the issuer's words, as far as they may be shown: printable, cut, and without what may be a credential."""
    known = [secret for secret in secrets if len(secret) >= LEAST_SECRET]
    short = code if isinstance(code, str) and _CODE.fullmatch(code) and not _echoes(code, known) else ""
    said = words if isinstance(words, str) and not _echoes(words, known) else ""
    return Denied(short, visible(_LONG_WORD.sub("...", said))[:LONGEST_WORDS], passing=passing)


def number_of(said: object) -> Any:
    """What an issuer said of a time in seconds, as a number where it said a text of digits (Entra ID's endpoints without /v2.0)."""
    return int(said) if isinstance(said, str) and _SECONDS.fullmatch(said) else said


def _echoes(text: str, secrets: list[str]) -> bool:
    return any(holds(text, secret) for secret in secrets)


def _token(said: dict[str, Any], name: str) -> str:
    token = said.get(name)
    if token is None:
        return ""
    if not isinstance(token, str) or len(token) > LARGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise LoginFailed(f"the issuer's {name} is no token of at most {LARGEST_TOKEN} bytes")
    return token
