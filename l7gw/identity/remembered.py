"""Credentials that were proven, and whom they prove, in memory that is bounded. Nothing of it reaches a disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import msgspec

from l7gw.clock import Clock
from l7gw.identity.keys import Key, KeySet
from l7gw.identity.principal import Principal
from l7gw.limits import Limits

MOST_ADDRESSES = 16  # remembered client addresses of one credential

_encode = msgspec.msgpack.Encoder().encode


def digest(secret: str | bytes) -> str:
    """What tells two credentials apart and says nothing about either: 64 hex digits. Of a certificate take its DER."""
    return sha256(_encode(("l7gw credential", secret.encode() if isinstance(secret, str) else secret))).hexdigest()


class Kept:
    """A remembered credential and its principals, by client address. It holds until `expires`, in seconds since 1970, or until its
    key is withdrawn. `digest` is the credential's, "" where the credential itself is the key under which this is remembered."""

    __slots__ = ("digest", "expires", "key", "keys", "principals", "proven")

    def __init__(
        self, proven: Principal, *, expires: float, key: Key | None = None, keys: KeySet | None = None, digest: str = ""
    ) -> None:
        self.proven = proven
        self.expires = expires
        self.key = key
        self.keys = keys
        self.digest = digest
        self.principals: dict[str, Principal] = {}

    def at(self, address: str) -> Principal:
        """The principal at a client address."""
        principal = self.principals.get(address)
        if principal is None:
            principal = replace(self.proven, address=address)
            if len(self.principals) >= MOST_ADDRESSES:
                self.principals.clear()
            self.principals[address] = principal
        return principal


class Remembered:
    """The proven credentials of one chain. The oldest is forgotten where there are too many, and must be proven again."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._kept: dict[str | bytes, Kept] = {}
        self._size = 0

    def good(self, credential: str | bytes) -> Kept | None:
        """What is remembered under this name, if it still holds."""
        kept = self._kept.get(credential)
        return kept if kept is not None and self._is_good(kept) else None

    def keep(self, credential: str | bytes, kept: Kept) -> None:
        """Remember a credential under its text or its DER, or under another name where `kept` has its digest."""
        found = self._kept
        self._forget(credential)
        if self._is_full():
            now = self._clock.wall()
            for ended in [one for one, what in found.items() if now >= what.expires]:
                self._forget(ended)
            while self._is_full():
                self._forget(next(iter(found)))
        found[credential] = kept
        self._size += len(credential)

    def digests_of(self, principal: Principal) -> Iterator[str]:
        """The digests of the credentials that are remembered of a principal. It looks through all of them."""
        who = (principal.issuer, principal.user, principal.actor)
        for credential, kept in self._kept.items():
            if (kept.proven.issuer, kept.proven.user, kept.proven.actor) == who:
                yield kept.digest or digest(credential)

    def _is_good(self, kept: Kept) -> bool:
        if self._clock.wall() >= kept.expires:
            return False
        if kept.keys is None or kept.key is None:
            return True
        return kept.keys.ready() and not kept.key.withdrawn

    def _is_full(self) -> bool:
        return len(self._kept) >= self._limits.proven_credentials or self._size >= self._limits.proven_size

    def _forget(self, credential: str | bytes) -> None:
        if self._kept.pop(credential, None) is not None:
            self._size -= len(credential)
