"""The ordered chain: the first entry that takes the credential in hand decides who asks, and nothing is tried after a no.

A token that is sent must be proven, or it is a 401, whatever certificate comes with it: a word that nobody proved is looked for
nowhere, so it may stand nowhere. Of a proven token and a proven certificate the kind of entry counts that stands first in the
configuration; a certificate that is not proven (an expired one) is ignored beside a proven token, and counted in the log. What was
proven is kept in memory, bounded, keyed by the credential itself, until it ends or its key is withdrawn: a token seen before
costs 0.4 us, a new one 45 us (RS256), 95 us (ES256) or 110 us (EdDSA) of reading and verifying. A stranger's
junk costs 3 us (no token), 20 us (not for us) or at most 85 us (for us, but a wrong ES256 signature; threats F14), four times that
where it names no key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from cryptography import x509

from l7gw.clock import Clock
from l7gw.config.settings import ClientCertificate, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity import certificate as certificates
from l7gw.identity import oidc
from l7gw.identity.claims import refused, told
from l7gw.identity.fetch import Fetch, HttpsFetch
from l7gw.identity.keys import Key, KeySet
from l7gw.identity.principal import Principal
from l7gw.log import CountedLog

log = logging.getLogger(__name__)

MOST_PROVEN = 4096  # credentials; beyond it the oldest is proven again
MOST_PROVEN_SIZE = 16 * 1024 * 1024  # bytes of them; real tokens take 1 to 2 KiB, one of 1,000 groups 12 and what is made of it 60
MOST_JUNK = 512  # tokens whose signature is wrong, at most 16 KiB each: 8 MiB for all the strangers together
MOST_ADDRESSES = 16  # of one credential

Entry = OidcIssuer | ClientCertificate


class _Kept:
    """A proven credential: the principals made of it, by address, until `expires` (wall) or its key is withdrawn."""

    __slots__ = ("expires", "key", "keys", "principals", "proven")

    def __init__(self, proven: oidc.Proven, expires: float, key: Key | None, keys: KeySet | None) -> None:
        self.proven = proven
        self.expires = expires
        self.key = key
        self.keys = keys
        self.principals: dict[str, Principal] = {}

    def at(self, address: str) -> Principal:
        principal = self.principals.get(address)
        if principal is None:
            who = self.proven
            principal = Principal(who.user, who.groups, who.kind, who.issuer, who.actor, address, who.expires, who.unfit)
            if len(self.principals) >= MOST_ADDRESSES:
                self.principals.clear()
            self.principals[address] = principal
        return principal


class Pending:
    """The issuer's keys are being fetched. `then` is called back once, in the event loop: who it is, or why not."""

    __slots__ = ("_answer", "_callback", "_outcome")

    def __init__(self, answer: Callable[[], Principal]) -> None:
        self._answer = answer
        self._outcome: Principal | Refusal | None = None
        self._callback: Callable[[Principal | Refusal], None] | None = None

    def then(self, callback: Callable[[Principal | Refusal], None]) -> None:
        """Call it once, directly after `of`."""
        assert self._callback is None, "then was called before"
        self._callback = callback
        if self._outcome is not None:
            callback(self._outcome)

    def but(self, change: Callable[[Principal], Principal]) -> Pending:
        """Itself, with what becomes of a principal. Call it before `then`."""
        answer = self._answer
        self._answer = lambda: change(answer())
        return self

    def fetched(self) -> None:
        """The fetch has ended, well or not."""
        try:
            self._outcome = self._answer()
        except Refusal as refusal:
            self._outcome = refusal
        if self._callback is not None:
            self._callback(self._outcome)


class _Certificates:
    """One client-certificate entry and its authorities."""

    def __init__(self, entry: ClientCertificate) -> None:
        self.entry = entry
        self.authorities = certificates.Authorities(entry.certificate_authority)


class _Issuer:
    """The entries of one issuer, in their order, and its keys."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.entries: list[OidcIssuer] = []
        self.junk: dict[str, None] = {}
        self.junk_version = keys.version


class IdentityChain:
    """Built from the configuration's entries; all calls come from the event loop's thread.

    `fetch` replaces the network (tests). `former` is the chain in force before a reload: issuers that stay keep their keys,
    so that a reload in an outage locks nobody out. Raises OSError or ValueError for an unusable authority file.
    """

    def __init__(
        self, entries: Sequence[Entry], clock: Clock, fetch: Fetch | None = None, former: IdentityChain | None = None
    ) -> None:
        self._clock = clock
        self._proven: dict[str | bytes, _Kept] = {}
        self._proven_size = 0
        self._certificates: list[_Certificates] = []
        self._issuers: dict[str, _Issuer] = {}
        self._key_sets: dict[tuple[str, str], KeySet] = {}
        self._prefixes = {entry.prefix for entry in entries}
        self._log = CountedLog(log, clock.monotonic)
        self._token_first = not entries or isinstance(entries[0], OidcIssuer)
        for entry in entries:
            if isinstance(entry, ClientCertificate):
                self._certificates.append(_Certificates(entry))
                continue
            if entry.issuer not in self._issuers:
                place = (entry.issuer, str(entry.certificate_authority))
                keys = former._key_sets.get(place) if former is not None else None
                if keys is None:
                    keys = KeySet(entry.issuer, clock, fetch or HttpsFetch(entry.certificate_authority))
                self._key_sets[place] = keys
                self._issuers[entry.issuer] = _Issuer(keys)
            self._issuers[entry.issuer].entries.append(entry)

    @property
    def key_sets(self) -> list[KeySet]:
        """For readiness: `issuer`, `age` and `failure` of each."""
        return list(self._key_sets.values())

    def prefetch(self) -> None:
        """Fetch all issuers' keys now, so that the first calls need not wait. Needs the running event loop."""
        for keys in self._key_sets.values():
            keys.prefetch()

    def of(self, token: str | None, certificate: tuple[bytes, ...] | None, address: str) -> Principal | Pending:
        """Who asks. `certificate` is a client certificate with its chain, as TLS has verified it but for the times: DER, the
        client's own first, an authority last. Raises Refusal 401, or 503 where no keys are known."""
        if not certificate or not self._certificates:
            certificate = None
        if token is None:
            if certificate is None:
                raise refused(f"no credential; hint: {self._hint()}")
            return self._of_certificate(certificate, address)
        kept = self._proven.get(token)
        who = kept.at(address) if kept is not None and self._is_good(kept) else self._of_token(token, address, may_wait=True)
        if certificate is None:
            return who
        if isinstance(who, Pending):
            return who.but(lambda by_token: self._of_both(by_token, certificate, address))
        return self._of_both(who, certificate, address)

    def _of_both(self, by_token: Principal, certificate: tuple[bytes, ...], address: str) -> Principal:
        """The token is proven. The certificate decides where its kind stands first; one that is not proven is as good as none."""
        try:
            by_certificate = self._of_certificate(certificate, address)
        except Refusal as refusal:
            self._log.warning(address, "a client certificate is ignored beside a good token: %s", refusal.message)
            return by_token
        return by_token if self._token_first else by_certificate

    def _hint(self) -> str:
        ways = ["a bearer token (an exec plugin or `token` of the kubeconfig's user)"] if self._issuers else []
        ways += ["a client certificate (`client-certificate` of the kubeconfig's user)"] if self._certificates else []
        return "send " + " or ".join(ways) if ways else "this gateway has no `identity` configured, so nobody can be let in"

    def ends_with_credential(self, principal: Principal) -> bool:
        """Whether a running stream ends at `principal.expires`: `end-with-credential` of one of its issuer's entries."""
        issuer = self._issuers.get(principal.issuer)
        return issuer is not None and any(entry.end_with_credential for entry in issuer.entries)

    # ------------------------------------------------------------------ what was proven before

    def _is_good(self, kept: _Kept) -> bool:
        if self._clock.wall() >= kept.expires:
            return False
        if kept.keys is None or kept.key is None:
            return True
        return kept.keys.ready() and not kept.key.withdrawn

    def _keep(self, credential: str | bytes, kept: _Kept) -> None:
        proven = self._proven
        self._forget(credential)
        if self._is_full():
            now = self._clock.wall()
            for ended in [one for one, what in proven.items() if now >= what.expires]:
                self._forget(ended)
            while self._is_full():
                self._forget(next(iter(proven)))
        proven[credential] = kept
        self._proven_size += len(credential)

    def _is_full(self) -> bool:
        return len(self._proven) >= MOST_PROVEN or self._proven_size >= MOST_PROVEN_SIZE

    def _forget(self, credential: str | bytes) -> None:
        if self._proven.pop(credential, None) is not None:
            self._proven_size -= len(credential)

    # ------------------------------------------------------------------ tokens

    def _of_token(self, text: str, address: str, may_wait: bool) -> Principal | Pending:
        if not self._issuers:
            raise refused("this gateway takes no tokens; hint: send a client certificate alone")
        token = oidc.read(text)
        issuer = self._issuers.get(token.issuer)
        if issuer is None:
            raise refused("the token's issuer (claim iss) is none that this gateway knows")
        fitting = self._fitting(issuer, token)
        keys = issuer.keys
        if not keys.ready():
            if may_wait and keys.fetching:
                return self._wait(keys, text, address)
            if not keys.usable:
                raise _without_keys(keys)
        found = keys.find(token.key_id, token.algorithm)
        key = self._signer(issuer, found, token, text)
        if key is None:
            if (token.key_id is None or not found) and may_wait and keys.seek():
                return self._wait(keys, text, address)
            if not found:
                raise refused("the token is signed with a key that its issuer does not publish")
            raise refused("the token's signature does not fit its content and its issuer's key")
        proven = self._prove(token, fitting)
        kept = _Kept(proven, proven.expires + oidc.SKEW, key, keys)
        self._keep(text, kept)
        return kept.at(address)

    def _wait(self, keys: KeySet, text: str, address: str) -> Pending:
        pending = Pending(lambda: self._again(text, address))
        if not keys.wait(pending.fetched):
            raise Refusal(503, "ServiceUnavailable", f"too many calls wait for the keys of {keys.issuer}; try again")
        return pending

    def _again(self, text: str, address: str) -> Principal:
        who = self._of_token(text, address, may_wait=False)
        assert isinstance(who, Principal)
        return who

    def _fitting(self, issuer: _Issuer, token: oidc.Token) -> list[tuple[OidcIssuer, float]]:
        """The issuer's entries that this token is for. Raises the first one's Refusal where it is for none."""
        now = self._clock.wall()
        fitting: list[tuple[OidcIssuer, float]] = []
        refusal: Refusal | None = None
        for entry in issuer.entries:
            try:
                fitting.append((entry, oidc.check(token, entry, now)))
            except Refusal as no:
                refusal = refusal or no
        if not fitting and refusal is not None:
            raise refusal
        return fitting

    def _signer(self, issuer: _Issuer, found: list[Key], token: oidc.Token, text: str) -> Key | None:
        """The key that made the signature; the same junk costs its verification once (threats F14)."""
        junk = issuer.junk
        if issuer.junk_version != issuer.keys.version:  # another key may stand under the same id now
            issuer.junk_version = issuer.keys.version
            junk.clear()
        if text in junk or not found:
            return None
        for key in found:
            if key.verifies(token.signed, token.signature):
                return key
        if len(junk) >= MOST_JUNK:
            del junk[next(iter(junk))]
        junk[text] = None
        return None

    def _prove(self, token: oidc.Token, fitting: list[tuple[OidcIssuer, float]]) -> oidc.Proven:
        refusal: Refusal | None = None
        for entry, expires in fitting:
            try:
                return self._own(oidc.prove(token, entry, expires), entry.prefix)
            except Refusal as no:
                refusal = refusal or no
        assert refusal is not None
        raise refusal

    def _own(self, proven: oidc.Proven, prefix: str) -> oidc.Proven:
        """`corp:ann` of the issuer without a prefix is not ann of the issuer whose prefix is `corp:` (threats F13)."""
        for other in self._prefixes:
            if len(other) <= len(prefix):
                continue
            for one in (proven.user, *proven.groups):
                if one.startswith(other):
                    what = "user" if one is proven.user else "group"
                    raise refused(f"the {what} {told(one)} begins with another identity entry's prefix")
        return proven

    # ------------------------------------------------------------------ certificates

    def _of_certificate(self, shown: tuple[bytes, ...], address: str) -> Principal:
        """The leaf alone is the key of what is kept: once proven, it is proven whichever certificates came with it."""
        leaf = shown[0]
        kept = self._proven.get(leaf)
        if kept is not None and self._is_good(kept):
            return kept.at(address)
        chain = [certificates.read(der) for der in shown]
        entry, path, anchors = self._entry_of(chain)
        expires = certificates.check(path, anchors, self._clock.wall())
        proven = self._own(certificates.prove(chain[0], entry, expires), entry.prefix)
        kept = _Kept(proven, expires, None, None)
        self._keep(leaf, kept)
        return kept.at(address)

    def _entry_of(self, chain: list[x509.Certificate]) -> tuple[ClientCertificate, list[x509.Certificate], list[x509.Certificate]]:
        """The entry whose authority stands nearest to the client's certificate, what stands before that, and the authority in
        all its renewals."""
        for place, certificate in enumerate(chain):
            for one in self._certificates:
                anchors = one.authorities.anchors(certificate)
                if anchors:
                    return one.entry, chain[:place], anchors
        raise refused("the client certificate is not signed by one of the configured authorities; hint: connect again")


def _without_keys(keys: KeySet) -> Refusal:
    """No token is wrong. Why it is so stands in the log: it is about our network, which is no stranger's business."""
    why = "it has never reached the issuer's keys" if keys.age is None else "the issuer's keys could not be fetched for a day"
    what = f"this gateway cannot check tokens of {keys.issuer} now: {why}; hint: try again later, the gateway's log says more"
    return Refusal(503, "ServiceUnavailable", what)
