"""An issuer that exists only in a test: its keys, its answers, and tokens of any content."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from l7gw.config.settings import KindRule, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity.chain import IdentityChain
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from tests.support.manual_clock import ManualClock

ISSUER = "https://idp.example.com"
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def number(value: int, size: int = 0) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(private: Private, kid: str, **more: Any) -> dict[str, Any]:
    """The public key as an issuer publishes it (RFC 7517, 7518, 8037). It is written here without the library under test."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        entry = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        size = (public.curve.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384"}[public.curve.key_size]
        entry = {"kty": "EC", "crv": curve, "x": number(point.x, size), "y": number(point.y, size)}
    else:
        entry = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return {**entry, "kid": kid, "use": "sig", **more}


def signature(private: Private, message: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        size = (private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return private.sign(message)


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, tuple[Private, str]] = {"rsa": (RSA, "RS256"), "ec": (EC, "ES256"), "ed": (ED, "EdDSA")}


def sign(header: object, payload: object, private: Private = RSA) -> str:
    """A signed token of any header and payload. Text and bytes are taken as they are; anything else becomes JSON."""
    signed = f"{b64(_text(header))}.{b64(_text(payload))}"
    return f"{signed}.{b64(signature(private, signed.encode()))}"


def _text(part: object) -> bytes:
    if isinstance(part, bytes):
        return part
    return (part if isinstance(part, str) else json.dumps(part)).encode()


class Issuer:
    """An issuer without a network. The gateway's code calls `fetch`; a test gets a person's token by `token`."""

    def __init__(self, clock: ManualClock, url: str = ISSUER) -> None:
        self.clock = clock
        self.url = url
        self.keys = [jwk(private, kid) for kid, (private, _) in KEYS.items()]
        self.fetches = 0
        self.down = False

    async def fetch(self, url: str) -> bytes:
        if self.down:
            raise OSError("connection refused")
        if url.endswith("/.well-known/openid-configuration"):
            self.fetches += 1
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return json.dumps({"keys": self.keys}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a good token, with these changes. A claim that is changed to `...` is left out."""
        now = int(self.clock.wall())
        good = {
            "iss": self.url,
            "aud": "l7gw",
            "sub": "ann@example.com",
            "iat": now,
            "exp": now + 3600,
            "groups": ["engineers"],
        }
        return {claim: value for claim, value in {**good, **changed}.items() if value is not ...}

    def token(self, kid: str = "rsa", **changed: Any) -> str:
        private, algorithm = KEYS[kid]
        return sign({"alg": algorithm, "kid": kid, "typ": "JWT"}, self.claims(**changed), private)


def entry(issuer: str = ISSUER, **changed: Any) -> OidcIssuer:
    """A configured issuer: the defaults, with the changes of a test."""
    given: dict[str, Any] = {
        "issuer": issuer,
        "audiences": ("l7gw",),
        "username": "sub",
        "groups": "groups",
        "certificate_authority": None,
        "kind": KindRule(),
        "prefix": "",
        "require": {},
        "end_with_credential": False,
    }
    if "audience" in changed:
        changed["audiences"] = (changed.pop("audience"),)
    return OidcIssuer(**{**given, **changed})


async def answer(
    chain: IdentityChain, token: str | None = None, certificate: tuple[bytes, ...] | None = None
) -> Principal | Refusal:
    """Ask the chain as the gateway does, and wait for keys where it has to."""
    try:
        who = chain.of(token, certificate, "192.0.2.1")
    except Refusal as refusal:
        return refusal
    if not isinstance(who, Pending):
        return who
    later: asyncio.Future[Principal | Refusal] = asyncio.get_running_loop().create_future()
    who.then(later.set_result)
    return await later


def ask(chain: IdentityChain, token: str | None = None, certificate: bytes | None = None) -> Principal | Refusal:
    return asyncio.run(answer(chain, token, certificate))


async def settled(chain: IdentityChain) -> None:
    """Wait for the end of every fetch that runs."""
    while any(keys.fetching for keys in chain.key_sets):
        await asyncio.sleep(0)
