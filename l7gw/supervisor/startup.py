"""What the log says at the start and after a reload: what runs here, what it serves, and whom it lets in. What is probably not
meant stands beside it (`gateway/doubts.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.settings import ClientCertificate, Cluster, IdentityEntry, Settings
from l7gw.policy.judge import Policy
from l7gw.quantities import many

MOST_LISTED = 50  # clusters that have a line; of more the rest is counted
RECORDING = "recordings are masked, but not encrypted in this version: what masking does not find is readable in"


def lines(settings: Settings, policy: Policy, addresses: list[str]) -> Iterator[str]:
    """Each line of the log. `addresses` are those that the gateway listens on, as `HOST:PORT`."""
    yield f"l7gw {version('l7gw')}, with {settings.path}"
    yield f"listens on {', '.join(addresses)}; state in {settings.state}, API at {settings.socket_path}"
    clusters = list(settings.clusters.values())
    for cluster in clusters[:MOST_LISTED]:
        yield f"cluster {cluster.name}: {_of(cluster, alone=len(clusters) == 1)}"
    if len(clusters) > MOST_LISTED:
        yield f"and {len(clusters) - MOST_LISTED} more clusters"
    if not settings.identity:
        yield "lets nobody in: `identity` has no entry"
    for entry in settings.identity:
        yield f"lets in {_who(entry)}"
    counts = (_count(len(policy.guardrails), "guardrail"), _count(len(policy.rules), "rule"), _count(len(policy.grants), "grant"))
    yield f"policy {settings.policy}: {', '.join(counts)}; what no rule allows is denied"
    yield f"{RECORDING} {settings.state}"


def _of(cluster: Cluster, *, alone: bool) -> str:
    where = cluster.url or (f"EKS cluster {cluster.eks.name} in {cluster.eks.region}" if cluster.eks is not None else "")
    ways = [*(f"https://{host}" for host in cluster.hosts), f"the path /{cluster.name}", *(["every other path"] if alone else [])]
    kept = {"all": "", "metadata": "; bodies and streams are not recorded", "none": "; NOTHING is recorded"}[cluster.record]
    return f"{where}, reached by {', '.join(ways)}{kept}"


def _who(entry: IdentityEntry) -> str:
    if isinstance(entry, AwsIdentity):
        return f"tokens of EKS of the accounts {', '.join(entry.accounts)}"
    kinds = f"as {entry.kind.fixed}" if entry.kind.fixed is not None else f"as the claim {entry.kind.claim} says"
    if isinstance(entry, ClientCertificate):
        return f"client certificates of {entry.certificate_authority}, {kinds}"
    return f"tokens of {entry.issuer} for {' or '.join(entry.audiences)}, {kinds}"


def _count(number: int, word: str) -> str:
    return many(number, word, none="no")
