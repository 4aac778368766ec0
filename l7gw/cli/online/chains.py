"""Whether the certificates that clients are shown have their chains behind them.

Where client certificates are taken and the file holds the certificate alone, OpenSSL looks for a chain among the authorities of
clients in each handshake, and verifies what it finds (docs/performance.md has what that costs).
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from l7gw.cli.online.findings import Finding
from l7gw.config.settings import ClientCertificate, Settings
from l7gw.name_rules import visible


def of_chains(settings: Settings) -> Iterator[Finding]:
    """A yellow finding for each certificate without a chain, where client certificates are taken."""
    if not any(isinstance(entry, ClientCertificate) for entry in settings.identity):
        return
    shown = {settings.tls.certificate: "chain of the gateway's certificate"}
    for cluster in settings.clusters.values():
        if cluster.tls is not None:
            shown.setdefault(cluster.tls.certificate, f"cluster {cluster.name}: chain of the certificate shown")
    for path, check in shown.items():
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            continue  # `expiry` says that it cannot be read
        first = certificates[0]
        if len(certificates) > 1 or first.issuer == first.subject:  # one that signed itself has no chain
            continue
        text = f"{path} holds none: as client certificates are taken, each handshake looks for one among their authorities"
        issuer = visible(first.issuer.rfc4514_string())
        hint = f"cat ISSUER >> {path}, where ISSUER is the certificate of {issuer}; a reload is not needed"
        yield Finding(check, "yellow", text, hint)
