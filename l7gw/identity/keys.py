"""An issuer's public keys: found by discovery, refreshed in the background, and kept through an outage (threats F5, F14).

Sources: OpenID Connect Discovery 1.0 section 4, RFC 7517 (JWK), RFC 7518 section 6, RFC 8037 (Ed25519).
Nothing here runs on a timer. A caller asks `ready()` before it looks up a key, and `ready()` starts a fetch when one is due:

| the set is                                | `ready()`                                                     |
|-------------------------------------------|---------------------------------------------------------------|
| younger than REFRESH                      | true                                                          |
| older, but asked for lately, or an outage | true, and a fetch runs in the background                      |
| older than IDLE, nobody asked meanwhile   | false: a key may have been withdrawn since, so fetch first    |
| never fetched, or older than STALE        | false; after a failure it is not asked again for RETRY_EMPTY  |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from l7gw import plainjson
from l7gw.clock import Clock
from l7gw.identity.fetch import LARGEST_DOCUMENT, Fetch, FetchError, checked
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.quantities import many
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

log = logging.getLogger(__name__)

REFRESH = 300.0  # seconds between two fetches while keys are looked up; a withdrawn key is good for that long at most
IDLE = 600.0  # seconds without a look-up after which a set must be fetched again before it is trusted
STALE = 24 * 3600.0  # seconds that a set is used while its issuer is down: a night's outage
RETRY = 30.0  # seconds between two fetches after a failure, or for unknown key ids
RETRY_EMPTY = 5.0  # seconds, as RETRY, but without any key: nobody can log in, and one GET in five seconds harms no issuer
MOST_KEYS = 100  # in a set; Google and Entra publish 2 to 10
MOST_TRIED = 4  # keys tried for one token: a rotation publishes two or three, and junk must stay cheap (threats F14)
LONGEST_KEY_ID = 128  # characters (threats F2)
RSA_BITS = range(2048, 8192 + 1)  # RFC 7518 section 3.3: 2048 or larger; beyond 8192 one verification costs over a millisecond

_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)
_ES256 = ECAlgorithm(ECAlgorithm.SHA256, SECP256R1)
_EDDSA = OKPAlgorithm()
ALGORITHMS = ("RS256", "ES256", "EdDSA")  # pinned: `none`, HMAC and whatever is invented next are not in the list (threats F1)


class Key:
    """One public key and its one algorithm. `withdrawn` is true once the issuer has ceased to publish the key."""

    __slots__ = ("_algorithm", "_public", "algorithm", "id", "withdrawn")

    def __init__(self, jwk: dict[str, Any]) -> None:
        """`jwk` is one entry of a key set. Raises ValueError or PyJWTError where it is no public key for one of
        ALGORITHMS; the reason may be logged."""
        self.withdrawn = False
        self.id = jwk.get("kid", "")
        if not isinstance(self.id, str) or len(self.id) > LONGEST_KEY_ID:
            raise ValueError("its kid is no text or too long")
        if "d" in jwk:
            raise ValueError("its private half is published")
        if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ("verify",)):
            raise ValueError("it is not for signatures")
        self._public: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
        self._algorithm: RSAAlgorithm | ECAlgorithm | OKPAlgorithm
        public: object
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", None:
                public, self._algorithm, self.algorithm = RSAAlgorithm.from_jwk(jwk), _RS256, "RS256"
            case "EC", "P-256":
                public, self._algorithm, self.algorithm = ECAlgorithm.from_jwk(jwk), _ES256, "ES256"
            case "OKP", "Ed25519":
                public, self._algorithm, self.algorithm = OKPAlgorithm.from_jwk(jwk), _EDDSA, "EdDSA"
            case _:
                raise ValueError("it is of another type or curve")
        if jwk.get("alg", self.algorithm) not in (self.algorithm, "Ed25519" if self.algorithm == "EdDSA" else None):
            raise ValueError("it is for another algorithm")  # RFC 9864 names EdDSA on this curve Ed25519
        if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
            raise ValueError("it is no public key")
        if isinstance(public, RSAPublicKey) and (public.key_size not in RSA_BITS or public.public_numbers().e >= 1 << 32):
            raise ValueError("its modulus or exponent is out of bounds")
        self._public = public

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the key made this signature. That takes 18 us (RS256, 2048 bits), 63 us (ES256) or 85 us (EdDSA)."""
        return self._algorithm.verify(message, self._public, signature)  # type: ignore[arg-type]  # paired in __init__

    def is_same(self, other: Key) -> bool:
        return self.id == other.id and self.algorithm == other.algorithm and self._public == other._public


class KeySet:
    """The keys of one issuer. All calls come from the event loop's thread."""

    def __init__(
        self, issuer: str, clock: Clock, fetch: Fetch, timeouts: Timeouts = USUAL_TIMEOUTS, limits: Limits = USUAL_LIMITS
    ) -> None:
        self.issuer = issuer
        self._within = timeouts.keys_fetch
        self._most_waiting = limits.calls_waiting_for_keys
        self.failure = ""  # why the last fetch failed; "" after a good one
        self.version = 0  # grows when the keys change
        self._clock = clock
        self._fetch = fetch
        self._keys: list[Key] = []  # in the order in which they are published
        self._fetched: float | None = None  # monotonic seconds at which the last good fetch ended
        self._attempted = float("-inf")  # monotonic seconds at which the last fetch began, or failed
        self._quiet_until = float("-inf")  # monotonic seconds until which `ready` is true without a further check
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ asked for each token

    def ready(self) -> bool:
        """Whether the known keys may be used now. Starts a fetch where one is due. If false, the call must `wait` or be refused."""
        now = self._clock.monotonic()
        if now < self._quiet_until:
            return True
        if self._fetched is None or now - self._fetched >= STALE:
            self._withdraw_all()
            if now - self._attempted >= RETRY_EMPTY:
                self._start(now)
            return False
        age = now - self._fetched
        if age < REFRESH:
            self._quiet_until = self._fetched + REFRESH
            return True
        if now - self._attempted >= RETRY:
            idle = age >= IDLE and not self.failure
            self._start(now)
            return not idle
        return not self.fetching or bool(self.failure) or age < IDLE

    def find(self, key_id: str | None, algorithm: str) -> list[Key]:
        """The published keys of exactly this id and algorithm; without an id, those of the algorithm. Each is to be tried, so that
        there are MOST_TRIED at most. An id is a hint (RFC 7515 section 4.1.4), and two keys may have the same."""
        return fitting(self._keys, key_id, algorithm)

    def seek(self) -> bool:
        """Look for a key that is not known: starts a fetch, at most one every RETRY seconds. Gives whether a fetch runs now."""
        now = self._clock.monotonic()
        if not self.fetching and now - self._attempted >= RETRY:
            self._start(now)
        return self.fetching

    @property
    def fetching(self) -> bool:
        return self._task is not None

    @property
    def usable(self) -> bool:
        """Whether there is a key set that is not older than STALE."""
        return self._fetched is not None and self._clock.monotonic() - self._fetched < STALE

    @property
    def age(self) -> float | None:
        """Seconds since the last good fetch; None before the first."""
        return None if self._fetched is None else self._clock.monotonic() - self._fetched

    def wait(self, callback: Callable[[], None]) -> bool:
        """Call back once when the running fetch has ended, with keys or without. False where too many wait already."""
        if len(self._waiters) >= self._most_waiting:
            return False
        self._waiters.append(callback)
        return True

    # ------------------------------------------------------------------ fetching

    def prefetch(self) -> None:
        """Start the first fetch now, so that the first call need not wait."""
        if self._fetched is None and not self.fetching:
            self._start(self._clock.monotonic())

    def _start(self, now: float) -> None:
        if self._task is None:
            self._attempted = now
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"keys of {self.issuer}")
            self._task.add_done_callback(self._ended)

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(self._within):
                keys = await download(self.issuer, self._fetch)
        except TimeoutError:
            self._failed(f"no answer within {self._within:g} s")
        except FetchError as error:
            self._failed(str(error))
        except Exception as error:  # of any kind: the calls that wait must be told
            self._failed(f"{type(error).__name__}: {error}"[:500])
        else:
            self._succeeded(keys)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():  # the event loop is stopping
            self._failed("the fetch was stopped")
        waiters, self._waiters = self._waiters, []
        for callback in waiters:
            try:
                callback()
            except Exception:  # an error of one waiting call must not reach the others
                log.exception("a call that waited for the keys of %s failed", self.issuer)

    def _succeeded(self, keys: list[Key]) -> None:
        if self.failure:
            log.info("the keys of %s are reachable again", self.issuer)
        self.failure = ""
        self._fetched = self._clock.monotonic()
        self._quiet_until = self._fetched + REFRESH
        changed = len(keys) != len(self._keys)
        for former in self._keys:
            place = next((place for place, latter in enumerate(keys) if latter.is_same(former)), None)
            if place is not None:
                keys[place] = former  # the object stays, so the tokens verified with it stay verified
            else:
                former.withdrawn = changed = True
        self._keys = keys
        if changed:
            self.version += 1
            log.info("%s now publishes %s", self.issuer, many(len(keys), "usable key"))

    def _failed(self, why: str) -> None:
        why = "".join(c if c.isprintable() else "?" for c in why)  # strangers write a part of it, and people read it
        if not self.failure:  # the log has one line for an outage, not one for each attempt
            meanwhile = f"those known stay good for {STALE / 3600:g} h" if self.usable else "its tokens let nobody in until then"
            log.warning("the keys of %s cannot be fetched, %s: %s", self.issuer, meanwhile, why)
        self.failure = why
        self._attempted = self._clock.monotonic()  # the pause after a failure begins when the attempt has ended

    def _withdraw_all(self) -> None:
        if self._keys:
            for key in self._keys:
                key.withdrawn = True
            self._keys = []
            self.version += 1


async def download(issuer: str, fetch: Fetch) -> list[Key]:
    """An issuer's usable keys, found by discovery. Raises FetchError, and what `fetch` raises."""
    where = issuer.removesuffix("/") + "/.well-known/openid-configuration"  # Discovery 1.0 4.1
    document = object_in(await fetch(checked(where)), "the discovery document")
    if document.get("issuer") != issuer:  # Discovery 1.0 4.3: MUST be identical
        raise FetchError(f"{where} speaks for another issuer; the configured one must be identical, slashes included")
    return read_keys(object_in(await fetch(checked(document.get("jwks_uri"))), "the key set"), issuer)


def fitting(keys: list[Key], key_id: str | None, algorithm: str) -> list[Key]:
    """Those of `keys` that are to be tried for a token of this key id (None: it has none) and algorithm: MOST_TRIED at most."""
    return [key for key in keys if key.algorithm == algorithm and key_id in (None, key.id)][:MOST_TRIED]


def read_keys(document: dict[str, Any], issuer: str) -> list[Key]:
    """The usable keys of a key set (RFC 7517), each once, in its order. Raises FetchError where it has no list of keys, or too
    many. `issuer` is for the log."""
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise FetchError(f"the key set has no list of at most {MOST_KEYS} keys")
    keys: list[Key] = []
    for entry in entries:
        try:
            if not isinstance(entry, dict):
                raise ValueError("it is no object")
            key = Key(entry)
        except (ValueError, TypeError, KeyError, PyJWTError) as error:  # RFC 7517 section 5: unknown keys are ignored
            log.debug("a key of %s is left out: %s", issuer, error)
        else:
            if not any(map(key.is_same, keys)):
                keys.append(key)
    return keys


def object_in(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object in an issuer's answer, which `what` names in the failure. Raises FetchError."""
    if len(body) > LARGEST_DOCUMENT:
        raise FetchError(f"{what} has more than {LARGEST_DOCUMENT} bytes")
    try:
        return plainjson.read_object(body)
    except ValueError as error:
        raise FetchError(f"{what} cannot be read: {error}") from error
