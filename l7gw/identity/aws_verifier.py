"""The entry `aws` of a chain: which cluster a token must be for, which hosts it may name, and what STS says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from l7gw.aws.hosts import sts_hosts
from l7gw.clock import Clock
from l7gw.config.aws_settings import AwsIdentity
from l7gw.identity import aws_tokens
from l7gw.identity.aws_proofs import Asking, Proof, Proofs, TokenKey
from l7gw.identity.aws_sts import Ask, HttpsSts
from l7gw.identity.claims import refused
from l7gw.identity.remembered import digest
from l7gw.limits import Limits
from l7gw.timeouts import Timeouts


class AwsVerifier:
    """Verifies tokens of EKS for the clusters of a configuration. All calls come from the event loop's thread."""

    def __init__(
        self,
        entry: AwsIdentity,
        cluster_ids: Mapping[str, str],
        clock: Clock,
        limits: Limits,
        timeouts: Timeouts,
        sts: Ask | None = None,
        former: AwsVerifier | None = None,
    ) -> None:
        """`cluster_ids` are the ids by which tokens name clusters, "" where a cluster takes none, by the clusters' names. `sts`
        replaces the network. `former` is the verifier before a reload. Raises OSError for an authority file that cannot be used."""
        self.entry = entry
        self._clock = clock
        self._cluster_ids = cluster_ids
        self._hosts = _hosts(entry)
        before = former.proofs if former is not None and _asked_at(former.entry) == _asked_at(entry) else None
        self.proofs: Proofs = Proofs(sts or HttpsSts(entry, timeouts.sts), clock, limits, before)

    def key_of(self, text: str, cluster: str) -> TokenKey:
        """Under which name a token is remembered for a cluster. The gateway's own API, where `cluster` is "", takes a token that a
        call to a cluster has proven. Raises Refusal 401 where the cluster takes no such token."""
        known = digest(text)
        if not cluster:
            for cluster_id in dict.fromkeys(self._cluster_ids.values()):
                key = TokenKey(known, cluster_id)
                if self.proofs.known(key, self._hosts) is not None:
                    return key
            raise refused("a token of EKS counts here once a call to its cluster has proven it; hint: run a kubectl command first")
        cluster_id = self._cluster_ids.get(cluster, "")
        if not cluster_id:
            raise refused(
                f"the cluster {cluster} takes no tokens of EKS: its configuration here has neither `eks` nor `aws-cluster-id`"
            )
        return TokenKey(known, cluster_id)

    def verify(self, key: TokenKey, text: str, address: str) -> Proof | Asking:
        """What STS says of a token. An `Asking` is not answered yet. Raises Refusal 401, or 503 where too many wait."""
        proof = self.proofs.known(key, self._hosts)
        if proof is not None:
            return proof
        self.proofs.check_refused(key)
        under_way = self.proofs.asking(key)
        if under_way is not None:
            return under_way
        self.proofs.check_room(address)
        presigned = aws_tokens.read(text, self._hosts, self._clock.wall())
        return self.proofs.begin(key, presigned, address)

    def wait(self, asking: Asking, callback: Callable[[], None]) -> None:
        """Call back when there is an outcome. Raises Refusal 503 where too many calls wait."""
        self.proofs.wait(asking, callback)


def _hosts(entry: AwsIdentity) -> frozenset[str]:
    """The hosts that a token may name: those of STS in the listed regions, and the one that is asked instead."""
    found = {host for region in entry.regions for host in sts_hosts(region)}
    if entry.endpoint_url:
        found.add(urlsplit(entry.endpoint_url).netloc.lower().removesuffix(":443"))
    return frozenset(found)


def _asked_at(entry: AwsIdentity) -> tuple[str, str]:
    """What tells whether two entries ask the same STS."""
    return entry.endpoint_url, str(entry.certificate_authority)
