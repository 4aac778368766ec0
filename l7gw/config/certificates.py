"""When certificates of the configuration end, and which of them should be renewed now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from l7gw.config.settings import ClientCredential, Settings

WARN_BEFORE = timedelta(days=30)  # an approval by an administrator takes a day or a week; EKS signs for a year
WARN_SHORT = 1 / 3  # of a life shorter than 90 days: who renews by a machine does so at two thirds


def life(path: Path) -> tuple[datetime, datetime]:
    """From when until when the first certificate in a PEM file holds. Raises OSError, and ValueError where there is none."""
    from cryptography import x509  # only where it is asked for

    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def is_due(begins: datetime, ends: datetime, now: datetime) -> bool:
    """Whether a certificate should be renewed now, or has ended: in its last 30 days, and of one that lives shorter than 90 days in
    the last third of its life."""
    return ends - now <= min(WARN_BEFORE, (ends - begins) * WARN_SHORT)


def ending(path: Path, now: datetime) -> str:
    """A sentence about a certificate that is due (`is_due`); "" for any other, and for one that cannot be read."""
    try:
        begins, ends = life(path)
    except (OSError, ValueError):
        return ""
    if not is_due(begins, ends, now):
        return ""
    if ends < now:
        return f"the certificate {path} ended on {ends.date()}"
    days = (ends - now).days
    return f"the certificate {path} ends on {ends.date()}, {f'in {days} days' if days > 1 else 'within two days'}"


def all_ending(settings: Settings, now: datetime | None = None) -> Iterator[str]:
    """Such a sentence of each certificate that the gateway shows, to clients or to a cluster, with what to do."""
    now = now or datetime.now(UTC)
    for cluster in settings.clusters.values():
        if cluster.tls is not None and (words := ending(cluster.tls.certificate, now)):
            yield f"cluster {cluster.name}: {words}; renew it, with `l7gw clusters certificate {cluster.name}` where EKS signed it"
        if isinstance(cluster.credential, ClientCredential) and (words := ending(cluster.credential.certificate, now)):
            yield f"cluster {cluster.name}: {words}, by which the cluster knows the gateway; renew it"
    if words := ending(settings.tls.certificate, now):
        yield f"{words}, which clients are shown; renew it"
