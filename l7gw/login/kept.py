"""What is kept of a login between two commands, and how long its tokens are used."""

from __future__ import annotations

import json

from l7gw.login.wanted import ACCESS, Wanted

LATEST = 253_402_300_799.0  # seconds since 1970: the end of the year 9999, the last that a timestamp of Kubernetes can say
VERSION = 1  # of the file; a file of another version counts as no login
# Seconds before its end at which a token is renewed: the call that it is for may wait that long before it is sent.
RENEW_BEFORE = 60.0
PART_OF_LIFE = 10  # a token that lives shorter than ten minutes is renewed in its last tenth
_TEXTS = ("issuer", "client_id", "gateway", "refresh_token", "nonce", "subject", "user", "id_token", "access_token")
_TIMES = ("obtained", "id_ends", "access_ends")


class Kept:
    """A login. Times are seconds since 1970 by this machine's clock; a token that is not there is "" and ends at 0.

    `scopes` are those that were asked for. `nonce` and `subject` are the first id token's, which later ones must not contradict
    (OpenID Connect Core 1.0 section 12.2). `user` is for people's eyes alone.
    """

    __slots__ = (*_TEXTS, *_TIMES, "scopes")

    issuer: str
    client_id: str
    gateway: str
    refresh_token: str
    nonce: str
    subject: str
    user: str
    id_token: str
    access_token: str
    obtained: float
    id_ends: float
    access_ends: float
    scopes: tuple[str, ...]

    def __init__(self, wanted: Wanted) -> None:
        for name in _TEXTS:
            setattr(self, name, "")
        for name in _TIMES:
            setattr(self, name, 0.0)
        self.issuer, self.client_id, self.gateway, self.scopes = wanted.issuer, wanted.client_id, wanted.gateway, wanted.scopes

    def token_for(self, wanted: Wanted) -> tuple[str, float]:
        """The token of the kind that is wanted, and its end; ("", 0) where there is none."""
        return (self.access_token, self.access_ends) if wanted.token == ACCESS else (self.id_token, self.id_ends)

    def covers(self, wanted: Wanted) -> bool:
        """Whether this login was asked for all that is wanted now."""
        return set(wanted.scopes) <= set(self.scopes)

    def renew_at(self, ends: float) -> float:
        """When a token that ends at `ends` is to be renewed."""
        return ends - min(RENEW_BEFORE, max(ends - self.obtained, 0.0) / PART_OF_LIFE)

    def good_for(self, wanted: Wanted, now: float) -> tuple[str, float] | None:
        """The token, and when to renew it; None where it must be renewed now. A clock that was set back behind the moment of the
        login proves nothing about the token's end."""
        token, ends = self.token_for(wanted)
        renew = self.renew_at(ends)
        usable = token and self.covers(wanted) and self.obtained - RENEW_BEFORE <= now < renew
        return (token, renew) if usable else None

    def written(self) -> bytes:
        there = {name: getattr(self, name) for name in (*_TEXTS, *_TIMES)}
        return json.dumps({"version": VERSION, "scopes": list(self.scopes), **there}).encode()


def read(data: bytes, wanted: Wanted) -> Kept | None:
    """The login in a file's bytes; None where it holds none, or one of another issuer, client or gateway."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("version") != VERSION:
        return None
    kept = Kept(wanted)
    scopes = said.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        return None
    kept.scopes = tuple(scopes)
    for name in _TEXTS:
        if not isinstance(said.get(name), str):
            return None
        setattr(kept, name, said[name])
    for name in _TIMES:
        if not isinstance(said.get(name), int | float) or not 0 <= said[name] <= LATEST:
            return None
        setattr(kept, name, float(said[name]))
    same = (kept.issuer, kept.client_id, kept.gateway) == (wanted.issuer, wanted.client_id, wanted.gateway)
    return kept if same else None
