"""A token of any bytes is accepted as an issuer's own, or refused with 401 and a message that is ours alone.

(Not `token.py`: a script beside it would import it instead of the standard library's `token`.)
"""

from __future__ import annotations

import asyncio
import json

from l7gw.clock import ManualClock
from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.principal import Principal
from tests.tokens import KEYS, Issuer, entry, settled, sign

_clock = ManualClock()
_issuer = Issuer(_clock)
_chain = IdentityChain([entry(prefix="corp:")], _clock, _issuer.fetch)
_genuine = {kid: _issuer.token(kid) for kid in KEYS}


async def _fetch() -> None:
    _chain.prefetch()
    await settled(_chain)


asyncio.run(_fetch())


def one(data: bytes) -> None:
    """The first byte chooses: raw text, a genuine token with a byte changed, or any header or payload with a true signature."""
    kind, rest = data[:1], data[1:]
    choice = kind[0] % 4 if kind else 0
    if choice == 0:
        token = rest.decode("latin-1")
    elif choice == 1:
        token = _changed(_genuine[("rsa", "ec", "ed")[len(rest) % 3]], rest)
    elif choice == 2:
        token = sign({"alg": "EdDSA", "kid": "ed"}, rest, KEYS["ed"][0])
    else:
        token = sign(rest, json.dumps(_issuer.claims()), KEYS["ed"][0])
    try:
        who = _chain.of(token, None, "192.0.2.1")
    except Refusal as refusal:
        assert (refusal.code, refusal.reason) == (401, "Unauthorized"), refusal
        assert refusal.message.isprintable() and len(refusal.message) < 300
        return
    assert isinstance(who, Principal)  # the keys are fresh and known: nothing is waited for
    assert choice >= 2 or token in _genuine.values(), "a token that nobody signed was accepted"
    assert who.issuer == _issuer.url and who.user.startswith("corp:") and who.user.isprintable()
    assert all(group.startswith("corp:") and group.isprintable() for group in who.groups)


def _changed(token: str, data: bytes) -> str:
    """Pairs of bytes: where, and what stands there then."""
    text = list(token)
    for place, value in zip(data[::2], data[1::2]):
        text[place * len(text) // 256] = chr(value)
    return "".join(text)
