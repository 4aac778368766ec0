"""A token of any bytes is accepted as an issuer's own, or refused with 401 and a message that shows only what was signed, escaped;
no group that is no name is a group; and whatever an issuer publishes is a set of keys or an error in words.

(Not `token.py`: a script beside it would import it instead of the standard library's `token`.)
"""

from __future__ import annotations

import asyncio
import json

from l7gw import name_rules
from l7gw.config.settings import KindRule
from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.fetch import FetchError
from l7gw.identity.keys import object_in, read_keys
from l7gw.identity.principal import Principal
from tests.support.manual_clock import ManualClock
from tests.support.token_issuer import KEYS, Issuer, entry, settled, sign

WORDS = [
    *(b'"groups":', b'"realm":{"roles":', b'"realm.roles":', b'"email":', b'"email_verified":true', b'"act":{"sub":', b'"sub":'),
    *(b'"aud":["l7gw",', b'"_claim_names":{"groups":"x"}', b'"kid":"ed"', b'"alg":"EdDSA"', b'"crit":[]', b'"jku":"x"', b"\\ud800"),
    *(b"\\u3164", b"\\u200d", b"\\u0301", b" ", b"\\n", b"null", b"[", b"]", b"{", b"}", b'"', b",", b"NaN", b"1e999", b'"keys":['),
]

_clock = ManualClock()
_issuer = Issuer(_clock)
_kind = KindRule(None, "realm.roles", {"agent": ("bot",)})
_chains = [
    IdentityChain([entry(prefix="corp:", **more)], _clock, _issuer.fetch)
    for more in (
        {},
        {"username": "email", "email_verified": "if-present", "groups": "realm.roles", "any_audience": True},
        {"kind": _kind, "require": {"realm.roles": "x"}},
    )
]
_genuine = {kid: _issuer.token(kid) for kid in KEYS}
_good = json.dumps(_issuer.claims(email="ann@example.com"))[:-1].encode()
_stranger = KEYS["ec"][0]


async def _fetch() -> None:
    for chain in _chains:
        chain.prefetch()
        await settled(chain)


asyncio.run(_fetch())


def one(data: bytes) -> None:
    """The first byte chooses: raw text, a genuine token with bytes changed, any header, any payload or good claims and more of them
    with a true signature, the same with a stranger's, or what an issuer publishes."""
    first, rest = data[:1], data[1:]
    choice, which = divmod(first[0] % 21, 3) if first else (0, 0)
    key = KEYS["ed"][0]
    if choice == 0:
        token = rest.decode("latin-1")
    elif choice == 1:
        token = _changed(_genuine[("rsa", "ec", "ed")[len(rest) % 3]], rest)
    elif choice == 2:
        token = sign({"alg": "EdDSA", "kid": "ed"}, rest, key)
    elif choice == 3:
        token = sign(rest, json.dumps(_issuer.claims()), key)
    elif choice in (4, 5):
        token = sign({"alg": "EdDSA", "kid": "ed"}, _good + b"," + rest + b"}", key if choice == 4 else _stranger)
    else:
        _published(rest)
        return
    _judged(_chains[which], token, choice)


def _judged(chain: IdentityChain, token: str, choice: int) -> None:
    try:
        who = chain.of(token, None, "192.0.2.1")
    except Refusal as refusal:
        assert (refusal.code, refusal.reason) == (401, "Unauthorized"), refusal
        assert refusal.message.isprintable() and len(refusal.message) < 400
        assert not any(name_rules._UNSEEN.match(c) for c in refusal.message)
        proven = choice in (2, 4)
        assert proven or "': " not in refusal.message.replace("'l7gw'", ""), "a value that nobody proved"
        return
    assert isinstance(who, Principal)  # the keys are known and fresh, so no call waits
    assert choice in (2, 3, 4) or token in _genuine.values(), "a token that nobody signed was accepted"
    assert who.issuer == _issuer.url and who.user.startswith("corp:")
    assert all(group.startswith("corp:") and not name_rules.fault(group) for group in (who.user, *who.groups))
    assert all(group.startswith("corp:") for group in who.unfit)


def _published(data: bytes) -> None:
    try:
        keys = read_keys(object_in(data, "the key set"), _issuer.url)
    except FetchError as error:
        assert str(error).isprintable()
        return
    assert len({(key.id, key.algorithm) for key in keys}) <= len(keys) <= 100


def _changed(token: str, data: bytes) -> str:
    """Changes of a text as pairs of bytes: the place, and the new byte."""
    text = list(token)
    for place, value in zip(data[::2], data[1::2]):
        text[place * len(text) // 256] = chr(value)
    return "".join(text)
