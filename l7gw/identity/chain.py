"""The ordered chain of the configuration's entries: the first entry that a credential is for decides who calls. Where it refuses,
the call is refused, and no other entry is tried.

A token must be proven, or the call gets a 401, whatever certificate comes with it. Only proven tokens are searched for in the rest
of a request and in recordings, so an unproven one may not travel at all. Where token and certificate are both proven, the kind of
credential counts that stands first in the configuration. A certificate that is not proven, such as an expired one, is ignored
beside a proven token, and counted in the log.

A token of EKS (`aws_tokens.PREFIX`) is for the entry `aws` alone, which asks STS, and for one cluster.

Proven credentials are kept in memory until they end or their key is withdrawn. That memory is bounded. Its key is the credential
itself, but of a token of EKS its digest: it would be good at EKS itself. A remembered token costs 0.4 us, one of EKS 4 us. Reading
and verifying a new one costs 45 us (RS256), 95 us (ES256) or 110 us (EdDSA). A stranger's junk costs 3 us (no token), 20 us (not
for us) or at most 85 us (for us, with a wrong ES256 signature; threats F14), and four times that where it names no key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from cryptography import x509

from l7gw.clock import Clock
from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.settings import ClientCertificate, IdentityEntry, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity import aws_callers, aws_tokens, oidc
from l7gw.identity import certificate as certificates
from l7gw.identity.aws_proofs import Asking, Proof, TokenKey
from l7gw.identity.aws_sts import Ask
from l7gw.identity.aws_verifier import AwsVerifier
from l7gw.identity.claims import claim_names, prove, refused, told
from l7gw.identity.fetch import Fetch, HttpsFetch
from l7gw.identity.keys import Key, KeySet
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.identity.remembered import Kept, Remembered
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.log import CountedLog
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

log = logging.getLogger(__name__)


class _Certificates:
    """One entry for client certificates, and the certificates of its authority file."""

    def __init__(self, entry: ClientCertificate) -> None:
        self.entry = entry
        self.authorities = certificates.Authorities(entry.certificate_authority)


class _Issuer:
    """All entries of one issuer, in their order, and the issuer's keys."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.entries: list[OidcIssuer] = []
        self.junk: dict[str, None] = {}
        self.junk_version = keys.version


class IdentityChain:
    """The chain of the configuration's entries. All calls come from the event loop's thread.

    Tests pass `fetch` and `sts`, which replace the network. `former` is the chain before a reload. An issuer of both
    chains keeps its keys, so that a reload while the issuer is down locks nobody out, and what STS said stays known. `cluster_ids`
    are the ids that tokens of EKS name clusters by (`Cluster.aws_id`), by the names of the clusters. Raises OSError or
    ValueError for an authority file that cannot be used.
    """

    def __init__(
        self,
        entries: Sequence[IdentityEntry],
        clock: Clock,
        fetch: Fetch | None = None,
        former: IdentityChain | None = None,
        *,
        sts: Ask | None = None,
        cluster_ids: Mapping[str, str] | None = None,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._proven = Remembered(clock, limits)
        self._certificates: list[_Certificates] = []
        self._issuers: dict[str, _Issuer] = {}
        self._key_sets: dict[tuple[str, str], KeySet] = {}
        self._prefixes = {entry.prefix for entry in entries}
        self._log = CountedLog(log, clock.monotonic)
        self._token_first = not entries or not isinstance(entries[0], ClientCertificate)
        self._aws: AwsVerifier | None = None
        for entry in entries:
            if isinstance(entry, AwsIdentity):
                before = former._aws if former is not None else None
                self._aws = AwsVerifier(entry, cluster_ids or {}, clock, limits, timeouts, sts, before)
                continue
            if isinstance(entry, ClientCertificate):
                self._certificates.append(_Certificates(entry))
                continue
            if entry.issuer not in self._issuers:
                place = (entry.issuer, str(entry.certificate_authority))
                keys = former._key_sets.get(place) if former is not None else None
                if keys is None:
                    keys = KeySet(entry.issuer, clock, fetch or HttpsFetch(entry.certificate_authority), timeouts, limits)
                self._key_sets[place] = keys
                self._issuers[entry.issuer] = _Issuer(keys)
            self._issuers[entry.issuer].entries.append(entry)

    @property
    def key_sets(self) -> list[KeySet]:
        """The keys of each issuer, for the readiness check, which looks at `issuer`, `age` and `failure`."""
        return list(self._key_sets.values())

    def prefetch(self) -> None:
        """Fetch the keys of all issuers now, so that the first calls need not wait. The event loop must be running."""
        for keys in self._key_sets.values():
            keys.prefetch()

    def of(self, token: str | None, certificate: tuple[bytes, ...] | None, address: str, cluster: str = "") -> Principal | Pending:
        """Who calls, or a `Pending` where keys must be fetched, or STS asked first.

        `token` is the bearer token. `certificate` is the chain that TLS has verified except for the times: DER,
        the client's own certificate first, an authority last. `address` is the client's IP address. `cluster` is the name of the
        cluster that is called, "" for the gateway's own API. Raises Refusal 401, or 503 where no keys are known.
        """
        if not certificate or not self._certificates:
            certificate = None
        if token is None:
            if certificate is None:
                raise refused(f"no credential; hint: {self._hint()}")
            return self._of_certificate(certificate, address)
        if token.startswith(aws_tokens.PREFIX):
            who: Principal | Pending = self._of_aws(token, address, cluster)
        else:
            kept = self._proven.good(token)
            who = kept.at(address) if kept is not None else self._of_token(token, address, may_wait=True)
        if certificate is None:
            return who
        if isinstance(who, Pending):
            return who.but(lambda by_token: self._of_both(by_token, certificate, address))
        return self._of_both(who, certificate, address)

    def credentials_of(self, principal: Principal) -> list[str]:
        """The digests of the credentials that are remembered of a principal (`remembered.digest`)."""
        return list(self._proven.digests_of(principal))

    def _of_both(self, by_token: Principal, certificate: tuple[bytes, ...], address: str) -> Principal:
        """Who calls with a proven token and a certificate. The certificate counts if it is
        proven and its kind of entry stands first."""
        try:
            by_certificate = self._of_certificate(certificate, address)
        except Refusal as refusal:
            self._log.warning(address, "a client certificate is ignored beside a good token: %s", refusal.message)
            return by_token
        return by_token if self._token_first else by_certificate

    def _hint(self) -> str:
        ways = ["a bearer token (an exec plugin or `token` of the kubeconfig's user)"] if self._issuers else []
        ways += ["a token of EKS (`aws eks update-kubeconfig`)"] if self._aws is not None else []
        ways += ["a client certificate (`client-certificate` of the kubeconfig's user)"] if self._certificates else []
        return "send " + " or ".join(ways) if ways else "this gateway has no `identity` configured, so nobody can be let in"

    def ends_with_credential(self, principal: Principal) -> bool:
        """Whether a running stream ends at `principal.expires`: an entry of its issuer has `end-with-credential`."""
        issuer = self._issuers.get(principal.issuer)
        return issuer is not None and any(entry.end_with_credential for entry in issuer.entries)

    # ------------------------------------------------------------------ tokens

    def _of_token(self, text: str, address: str, may_wait: bool) -> Principal | Pending:
        if not self._issuers:
            raise refused("this gateway takes no tokens; hint: send a client certificate alone")
        token = oidc.read(text)
        try:
            return self._of_issuer(token, text, address, may_wait=may_wait)
        except Refusal as refusal:
            refusal.issuer = token.issuer
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s: a token with the claims %s is refused: %s", address, claim_names(token.claims), refusal.message)
            raise

    def _of_issuer(self, token: oidc.Token, text: str, address: str, *, may_wait: bool) -> Principal | Pending:
        issuer = self._issuers.get(token.issuer)
        if issuer is None:
            log.debug("identity: takes tokens of %s", ", ".join(self._issuers))
            slash = any(known.rstrip("/") == token.issuer.rstrip("/") for known in self._issuers)
            how = "they differ by the slash at the end" if slash else "the gateway's log names this one"
            exactly = f"`issuer` in l7gw.yaml must be exactly what stands in iss; {how}"
            raise refused(f"the token's issuer (claim iss) is none that this gateway knows; hint: {exactly}")
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
            if may_wait and keys.seek():  # a new key may have the id of an old one
                return self._wait(keys, text, address)
            if not found:
                raise refused("the token is signed with a key that its issuer does not publish")
            raise refused("the token's signature does not fit its content and its issuer's key")
        proven = self._prove(token, fitting)
        kept = Kept(proven, expires=proven.expires + oidc.SKEW, key=key, keys=keys)
        self._proven.keep(text, kept)
        return kept.at(address)

    def _wait(self, keys: KeySet, text: str, address: str) -> Pending:
        pending = Pending(lambda: self._again(text, address))
        if not keys.wait(pending.ended):
            raise Refusal(503, "ServiceUnavailable", f"too many calls wait for the keys of {keys.issuer}; try again")
        return pending

    def _again(self, text: str, address: str) -> Principal:
        who = self._of_token(text, address, may_wait=False)
        assert isinstance(who, Principal)
        return who

    def _fitting(self, issuer: _Issuer, token: oidc.Token) -> list[tuple[OidcIssuer, float]]:
        """The entries of the issuer that the token is for, and when the token ends for each, in seconds since 1970. Raises the
        Refusal of the first entry where it is for none."""
        now = self._clock.wall()
        fitting: list[tuple[OidcIssuer, float]] = []
        refusal: Refusal | None = None
        for entry in issuer.entries:
            try:
                fitting.append((entry, oidc.check(token, entry, now)))
            except Refusal as no:
                _tried(entry, no)
                refusal = refusal or no
        if not fitting and refusal is not None:
            raise refusal
        return fitting

    def _signer(self, issuer: _Issuer, found: list[Key], token: oidc.Token, text: str) -> Key | None:
        """The key of `found` that made the signature, None where none did. A token with a wrong signature is remembered, so that it
        is verified only once (threats F14)."""
        junk = issuer.junk
        if issuer.junk_version != issuer.keys.version:  # the same id may now name another key
            issuer.junk_version = issuer.keys.version
            junk.clear()
        if text in junk or not found:
            return None
        for key in found:
            if key.verifies(token.signed, token.signature):
                return key
        if len(junk) >= self._limits.junk_tokens:
            del junk[next(iter(junk))]
        junk[text] = None
        return None

    def _prove(self, token: oidc.Token, fitting: list[tuple[OidcIssuer, float]]) -> Principal:
        refusal: Refusal | None = None
        for entry, expires in fitting:
            try:
                return self._own(prove(token.claims, entry, expires), entry.prefix)
            except Refusal as no:
                _tried(entry, no)
                refusal = refusal or no
        assert refusal is not None
        raise refusal

    def _own(self, proven: Principal, prefix: str) -> Principal:
        """Refuse a name that begins with the prefix of another issuer: a user `corp:ann` of an issuer without a prefix is not the
        user `ann` of the issuer with the prefix `corp:` (threats F13)."""
        for other in self._prefixes:
            if len(other) <= len(prefix):
                continue
            for one in (proven.user, *proven.groups):
                if one.startswith(other):
                    what = "user" if one is proven.user else "group"
                    raise refused(f"the {what} {told(one)} begins with another identity entry's prefix")
        return proven

    # ------------------------------------------------------------------ tokens of EKS

    def _of_aws(self, text: str, address: str, cluster: str) -> Principal | Pending:
        if self._aws is None:
            raise refused("this gateway takes no tokens of EKS: `identity` has no entry `aws`")
        key = self._aws.key_of(text, cluster)
        kept = self._proven.good(f"{key.digest} {key.cluster_id}")
        if kept is not None:
            return kept.at(address)
        said = self._aws.verify(key, text, address)
        if not isinstance(said, Asking):
            return self._keep_aws(key, said, address)
        pending = Pending(lambda: self._keep_aws(key, said.proof(), address))
        self._aws.wait(said, pending.ended)
        return pending

    def _keep_aws(self, key: TokenKey, proof: Proof, address: str) -> Principal:
        assert self._aws is not None
        entry = self._aws.entry
        proven = self._own(aws_callers.prove(proof.by, entry, proof.expires), entry.prefix)
        kept = Kept(proven, expires=proof.expires, digest=key.digest)
        self._proven.keep(f"{key.digest} {key.cluster_id}", kept)
        return kept.at(address)

    # ------------------------------------------------------------------ certificates

    def _of_certificate(self, shown: tuple[bytes, ...], address: str) -> Principal:
        """Who calls with this certificate chain. It is remembered by the client's own certificate, whatever came with it."""
        leaf = shown[0]
        kept = self._proven.good(leaf)
        if kept is not None:
            return kept.at(address)
        chain = [certificates.read(der) for der in shown]
        entry, path, anchors = self._entry_of(chain)
        expires = certificates.check(path, anchors, self._clock.wall())
        proven = self._own(certificates.prove(chain[0], entry, expires), entry.prefix)
        kept = Kept(proven, expires=expires)
        self._proven.keep(leaf, kept)
        return kept.at(address)

    def _entry_of(self, chain: list[x509.Certificate]) -> tuple[ClientCertificate, list[x509.Certificate], list[x509.Certificate]]:
        """The entry whose authority stands nearest to the client's certificate in the chain, the part of the chain before that
        authority, and the authority with all its renewals."""
        for place, certificate in enumerate(chain):
            for one in self._certificates:
                anchors = one.authorities.anchors(certificate)
                if anchors:
                    return one.entry, chain[:place], anchors
        raise refused("the client certificate is not signed by one of the configured authorities; hint: connect again")


def _tried(entry: OidcIssuer, refusal: Refusal) -> None:
    """Tell, where the log is verbose, why an entry of the chain did not take a token."""
    log.debug("identity: oidc %s for %s: no: %s", entry.issuer, " or ".join(entry.audiences), refusal.message)


def _without_keys(keys: KeySet) -> Refusal:
    """The 503 for a call whose token cannot be checked for want of keys. Why they are missing stands in the log only: it is about
    our network, which strangers need not know."""
    why = "it has never reached the issuer's keys" if keys.age is None else "the issuer's keys could not be fetched for a day"
    what = f"this gateway cannot check tokens of {keys.issuer} now: {why}; hint: try again later, the gateway's log says more"
    return Refusal(503, "ServiceUnavailable", what)
