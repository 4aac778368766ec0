"""The listeners' TLS: one context a certificate, chosen by server name, read again when the files change (threats J3)."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from l7gw.cluster.endpoint import Stamp
from l7gw.config.settings import Certificate, ClientCertificate, Settings

log = logging.getLogger(__name__)

# TLS 1.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Listening:
    """The server contexts of a configuration."""

    def __init__(self, settings: Settings) -> None:
        self._authorities = [e.certificate_authority for e in settings.identity if isinstance(e, ClientCertificate)]
        self._files: list[tuple[ssl.SSLContext, Certificate, Stamp]] = []
        self.context = self._context(settings.tls)
        self._by_host: dict[str, ssl.SSLContext] = {}
        for cluster in settings.clusters.values():
            context = self._context(cluster.tls) if cluster.tls else self.context
            self._by_host.update((host.lower(), context) for host in cluster.hosts)
        self.context.sni_callback = self._named

    def _context(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.set_ecdh_curve("prime256v1")  # TLS 1.2's; 1.3 negotiates X25519 by itself
        # No tickets: resumption skips the client certificate's checks (threats F10), and their keys would never rotate. TLS 1.2 can
        # still resume by session id, for five minutes, within this context: Python's ssl has no switch for OpenSSL's cache.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.num_tickets = 0
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.load_cert_chain(certificate.certificate, certificate.key)
        if self._authorities:
            context.verify_mode = ssl.CERT_OPTIONAL
            for authority in self._authorities:
                context.load_verify_locations(authority)
        self._files.append((context, certificate, Stamp(certificate.certificate, certificate.key)))
        return context

    def _named(self, tls: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        """The client named a host: its context serves, and the connection remembers the name."""
        if server_name:
            tls.l7gw_server_name = server_name  # type: ignore[attr-defined]
            context = self._by_host.get(server_name.lower())
            if context is not None:
                tls.context = context

    def refresh(self) -> None:
        """Certificates that changed serve the handshakes from now on; one that cannot be used leaves the old in force."""
        for context, certificate, stamp in self._files:
            if stamp.changed():
                try:
                    _check(certificate.certificate, certificate.key)
                    context.load_cert_chain(certificate.certificate, certificate.key)
                    log.info("certificate %s read again", certificate.certificate)
                except (OSError, ValueError) as error:
                    log.error("certificate %s is not used: %s", certificate.certificate, error)


def _check(certificate: Path, key: Path) -> None:
    """Load the pair aside first: a context that failed half-way would serve the new certificate with the old key."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
