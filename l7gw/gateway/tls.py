"""The listeners' TLS: one context for each certificate, chosen by server name. Files that change are read again (threats J3)."""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from l7gw.config.certificates import all_ending
from l7gw.config.private import load_pair
from l7gw.config.settings import Certificate, ClientCertificate, Settings
from l7gw.file_stamp import Stamp
from l7gw.os_faults import in_words

log = logging.getLogger(__name__)

# TLS 1.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, for which Python's ssl has no name. A certificate that is expired or not yet
# valid passes the handshake. Identity then refuses it with a 401 that says so; a cut handshake would tell kubectl nothing that
# helps.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
MOST_CHAINS = 1024  # client certificates whose chain is remembered for resumed sessions, about 1 KiB each


class Listening:
    """The server contexts of a configuration. Making it raises OSError or ValueError for a file that cannot be used."""

    def __init__(self, settings: Settings) -> None:
        files = [entry.certificate_authority for entry in settings.identity if isinstance(entry, ClientCertificate)]
        self._authorities = _newest_first([one for file in files for one in x509.load_pem_x509_certificates(file.read_bytes())])
        self._files: list[tuple[ssl.SSLContext, Certificate, Stamp]] = []
        self._settings = settings
        self._told: date | None = None  # the day on which certificates that end soon were told, in UTC
        self.context = self._context(settings.tls)
        self._by_host: dict[str, ssl.SSLContext] = {}
        self._chains: dict[bytes, tuple[bytes, ...]] = {}
        for cluster in settings.clusters.values():
            context = self._context(cluster.tls) if cluster.tls else self.context
            self._by_host.update((host.lower(), context) for host in cluster.hosts)
        self.context.sni_callback = self._named

    def _context(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # OpenSSL chooses the groups of the key exchange: X25519 first, for which Go sends a share, then the NIST curves. There are
        # no tickets: a resumption by ticket skips the checks of the client's certificate (threats F10), and the tickets' keys would
        # never rotate. TLS 1.2 can still resume by session id within this context for two hours, because Python's ssl has no switch
        # for OpenSSL's cache. So identity checks the times of the chain at each request.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # The client's order of ciphers counts, as with nginx: all that are taken are sound, and the client knows for which of them
        # its processor is made. Go asks for AES-128 and SHA-256 first. OpenSSL's own order begins with AES-256 and SHA-384, with
        # which a handshake of TLS 1.3 takes 212 us of this side's CPU instead of 196.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        context.set_alpn_protocols(["h2", "http/1.1"])
        load_pair(context, certificate.certificate, certificate.key)
        if self._authorities:
            context.verify_mode = ssl.CERT_OPTIONAL
            # An intermediate authority alone is a trust anchor too, as it is for Go (crypto/x509, VerifyOptions.Roots).
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
            context.load_verify_locations(cadata=self._authorities)
        self._files.append((context, certificate, Stamp(certificate.certificate, certificate.key)))
        return context

    def _named(self, tls: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        """OpenSSL's callback for the server name: choose the context of that host, and note the name on the connection."""
        if server_name:
            tls.l7gw_server_name = server_name  # type: ignore[attr-defined]
            context = self._by_host.get(server_name.lower())
            if context is not None:
                tls.context = context

    def chain(self, tls: ssl.SSLObject) -> tuple[bytes, ...]:
        """The client's certificate and its issuers in DER, as TLS verified them; empty where the client showed none.

        The last is one of the configured authorities. A resumed session has the client's certificate alone; its issuers are
        remembered from the handshake that is resumed. Where they are forgotten, the certificate is returned alone.
        """
        leaf = tls.getpeercert(binary_form=True)
        if leaf is None:
            return ()
        chain = _verified_chain(tls)
        if not chain:
            return self._chains.get(leaf, (leaf,))
        if leaf not in self._chains and len(self._chains) >= MOST_CHAINS:
            del self._chains[next(iter(self._chains))]
        self._chains[leaf] = chain
        return chain

    def refresh(self) -> None:
        """Read the certificates that changed; the next handshakes use them. Where one cannot be used, the old one stays. Each day
        the log has those that end soon."""
        for context, certificate, stamp in self._files:
            if stamp.changed():
                try:
                    _check(certificate.certificate, certificate.key)
                    load_pair(context, certificate.certificate, certificate.key)
                    log.info("certificate %s read again", certificate.certificate)
                except (OSError, ValueError) as error:
                    log.error("certificate %s is not used: %s", certificate.certificate, in_words(error, named=True))
        today = datetime.now(UTC).date()
        if today != self._told:
            self._told = today
            for words in all_ending(self._settings):
                log.warning("%s", words)


def _newest_first(authorities: Sequence[x509.Certificate]) -> str:
    """Authorities as PEM: those that are valid now first, and of these the one that is valid longest.

    Where times are not checked, OpenSSL takes the first authority that has the issuer's name (and key identifier, where there is
    one). Where several have, the order here decides."""
    now = datetime.now(UTC)
    order = sorted(
        authorities,
        key=lambda one: (one.not_valid_before_utc <= now <= one.not_valid_after_utc, one.not_valid_after_utc),
        reverse=True,
    )
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in order)


def _check(certificate: Path, key: Path) -> None:
    """Load the pair into another context first: one that failed half-way would serve the new certificate with the old key."""
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)


def _verified_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The chain that TLS verified, in DER. Python has a public method for it since 3.13. In 3.11 and 3.12 only the inner object has
    it, under the name used here."""
    if sys.version_info >= (3, 13):
        return tuple(tls.get_verified_chain())
    chain = tls._sslobj.get_verified_chain()  # type: ignore[attr-defined]
    return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain or ())
