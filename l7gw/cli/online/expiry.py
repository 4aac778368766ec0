"""When everything ends that does: certificates of the gateway and of what it trusts, its credentials, tokens in files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from l7gw.cli.online.findings import Finding, State
from l7gw.cluster.credentials.static import bearer_in
from l7gw.cluster.known_as import claims_in
from l7gw.config.aws_settings import AwsIdentity, AwsRole
from l7gw.config.certificates import is_due
from l7gw.config.settings import ClientCertificate, ClientCredential, OidcIssuer, Settings, TokenFile
from l7gw.quantities import many

LAST_TENTH = 0.1  # of a token's life: the kubelet writes a new one when a fifth is left


class Kept(NamedTuple):
    """A PEM file. Of a file that is trusted one certificate suffices; of one that is shown each has to hold."""

    check: str
    path: Path
    hint: str
    trusted: bool = False


def files_of(settings: Settings) -> Iterator[Kept]:
    """The PEM files that the configuration names, with what to do when one ends."""
    yield Kept("certificate of the gateway", settings.tls.certificate, "renew it; the gateway reads the new file by itself")
    for cluster in settings.clusters.values():
        what = f"cluster {cluster.name}"
        if cluster.tls is not None:
            hint = f"renew it, with `l7gw clusters certificate {cluster.name}` where EKS signed it"
            yield Kept(f"{what}: certificate shown", cluster.tls.certificate, hint)
        if isinstance(cluster.credential, ClientCredential):
            yield Kept(f"{what}: client certificate", cluster.credential.certificate, "renew it, at the cluster")
        if cluster.certificate_authority is not None:
            hint = "put the cluster's new authority into the file, beside the old one"
            yield Kept(f"{what}: CA", cluster.certificate_authority, hint, trusted=True)
        if isinstance(cluster.credential, AwsRole) and cluster.credential.certificate_authority is not None:
            yield Kept(f"{what}: CA of STS", cluster.credential.certificate_authority, "renew the file", trusted=True)
    for entry in settings.identity:
        if entry.certificate_authority is not None:
            check, hint = _authority(entry)
            yield Kept(check, entry.certificate_authority, hint, trusted=True)
    for key in ("sslrootcert", "sslcert") if settings.store is not None else ():
        path = Path(settings.store.keywords.get(key, "")) if settings.store is not None else Path()
        if path.is_absolute():  # libpq takes the word `system` too
            yield Kept(f"store: {key}", path, "renew the file", trusted=key == "sslrootcert")
    for name, told in (("Slack", settings.slack), ("webhook", settings.webhook)):
        if told is not None and told.certificate_authority is not None:
            yield Kept(f"{name}: CA", told.certificate_authority, "renew the file", trusted=True)


def _authority(entry: OidcIssuer | ClientCertificate | AwsIdentity) -> tuple[str, str]:
    if isinstance(entry, OidcIssuer):
        return f"issuer {entry.issuer}: CA", "put the issuer's new authority into the file, beside the old one"
    if isinstance(entry, ClientCertificate):
        hint = "make a new authority and sign anew: when it ends, every certificate that it signed is refused"
        return f"CA of {entry.kind.fixed or 'agent'} certificates", hint
    return "STS: CA", "renew the file"


def of_files(settings: Settings, now: datetime) -> Iterator[Finding]:
    """A finding for each PEM file, and for each token in a file."""
    seen: set[tuple[Path, bool]] = set()
    for kept in files_of(settings):
        if (kept.path, kept.trusted) not in seen:
            seen.add((kept.path, kept.trusted))
            yield _of_file(kept, now)
    for cluster in settings.clusters.values():
        if isinstance(cluster.credential, TokenFile):
            yield _of_token(f"cluster {cluster.name}: token", cluster.credential.path, now)


def _of_file(kept: Kept, now: datetime) -> Finding:
    try:
        certificates = x509.load_pem_x509_certificates(kept.path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it has no certificate in PEM"
        return Finding(kept.check, "red", f"{kept.path} cannot be read: {why}", "the gateway's user must be able to read it")
    if not kept.trusted or len(certificates) == 1:
        worst = min(certificates, key=lambda one: (one.not_valid_before_utc <= now, one.not_valid_after_utc))
        return of_certificate(kept.check, worst, now, str(kept.path), kept.hint)
    holding = [one for one in certificates if one.not_valid_before_utc <= now <= one.not_valid_after_utc]
    where = f"{kept.path}, {len(certificates)} certificates"
    if not holding:
        return of_certificate(kept.check, certificates[0], now, where, kept.hint)
    if len(holding) < len(certificates):
        text = f"{where}: {len(certificates) - len(holding)} do not hold now, the others do"
        return Finding(kept.check, "yellow", text, "take those out that have ended")
    return of_certificate(kept.check, min(holding, key=lambda one: one.not_valid_after_utc), now, where, kept.hint)


def of_certificate(check: str, certificate: x509.Certificate, now: datetime, where: str, hint: str) -> Finding:
    """When a certificate ends. It is yellow in its last days (`config.certificates.is_due`)."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        text = f"{where}: it holds from {begins:%Y-%m-%d %H:%M} UTC on, which is to come"
        return Finding(check, "red", text, "is this machine's clock right? timedatectl")
    state: State = "red" if ends < now else "yellow" if is_due(begins, ends, now) else "green"
    return Finding(check, state, f"{where}: {_until(ends, now)}", "" if state == "green" else hint)


def _of_token(check: str, path: Path, now: datetime) -> Finding:
    try:
        claims = claims_in(bearer_in(path))
    except OSError as error:
        why = getattr(error, "strerror", None) or str(error)
        return Finding(
            check, "red", f"{path}: {why}", "the file has the token alone, and the gateway's user must be able to read it"
        )
    ends, begins = (_moment(claims.get(name)) for name in ("exp", "iat"))
    if ends is None:
        return Finding(check, "green", f"{path}: it says no end")
    hint = "is it renewed? The gateway reads the new file by itself; kubectl create token makes one"
    if ends < now:
        return Finding(check, "red", f"{path}: {_until(ends, now)}", hint)
    due = begins is not None and ends - now < (ends - begins) * LAST_TENTH
    return Finding(check, "yellow" if due else "green", f"{path}: {_until(ends, now)}", hint if due else "")


def _moment(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (OverflowError, ValueError, OSError):
        return None


def _until(ends: datetime, now: datetime) -> str:
    """When something ends, and how many days are left."""
    if ends < now:
        return f"it ended on {ends:%Y-%m-%d}, {_days(now - ends)} ago"
    return f"it ends on {ends:%Y-%m-%d}, in {_days(ends - now)}"


def _days(span: timedelta) -> str:
    days = span.days
    if days < 2:
        return many(int(span.total_seconds() // 3600), "hour")
    return many(days, "day")
