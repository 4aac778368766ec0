"""Where a cluster is and with what the gateway shows itself there: address, pinned CA, credential, all read again on change."""

from __future__ import annotations

import ssl
from pathlib import Path

from l7gw.config.settings import ClientCredential, Cluster
from l7gw.errors import Refusal
from l7gw.wire.events import Headers

LONGEST_TOKEN = 16 * 1024  # bytes; service account tokens have about 1 KiB, an EKS token 4 KiB at most


class Stamp:
    """Tells whether any of some files changed, by modification time, size and inode."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_identity(path) for path in self._paths)

    def changed(self) -> bool:
        """Since the last question, or since this was made."""
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        return True


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


class Endpoint:
    """One cluster's far end, as the configuration gives it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.host, self.port = cluster.server_host, cluster.server_port
        self.authority = cluster.server_authority
        credential = cluster.credential
        self._token_file = None if isinstance(credential, ClientCredential) else credential.path
        files = [cluster.certificate_authority]
        if isinstance(credential, ClientCredential):
            files += [credential.certificate, credential.key]
        self._files = Stamp(*files)
        self._token_stamp = Stamp(self._token_file) if self._token_file else None
        self._authorization: Headers = ()
        self.tls, self.shared_tls = self._contexts()
        if self._token_file:
            self._read_token()

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """For connections of one call at a time, and for those that are shared where the cluster speaks HTTP/2."""
        return self._context("http/1.1"), self._context("h2", "http/1.1")

    def _context(self, *protocols: str) -> ssl.SSLContext:
        """TLS 1.2+, the cluster's CA and nothing else, the name checked (threats I7); never `insecure-skip-tls-verify`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate authority alone is trusted too, as by kubectl
        context.load_verify_locations(self.cluster.certificate_authority)
        context.set_alpn_protocols(list(protocols))
        credential = self.cluster.credential
        if isinstance(credential, ClientCredential):
            context.load_cert_chain(credential.certificate, credential.key)
        return context

    def refresh(self) -> bool:
        """Read again what changed; true when connections made before must not be used any more.

        Raises OSError or ssl.SSLError where the new files cannot be used: the old ones then stay in force.
        """
        if self._token_stamp and self._token_stamp.changed():
            self._read_token()
        if self._files.changed():
            self.tls, self.shared_tls = self._contexts()
            return True
        return False

    def _read_token(self) -> None:
        assert self._token_file is not None
        with self._token_file.open() as file:
            token = file.read(LONGEST_TOKEN + 1).strip()
        if len(token) > LONGEST_TOKEN or not token or not token.isascii() or not token.isprintable() or " " in token:
            raise OSError(f"{self._token_file} holds no usable token")
        self._authorization = (("authorization", f"Bearer {token}"),)

    def authorization(self) -> Headers:
        """The header line that shows the gateway's credential; none where its client certificate does."""
        return self._authorization


def unreachable(name: str, error: BaseException) -> Refusal:
    """Why no connection to the cluster could be made, in words for whoever asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(502, "BadGateway", f"cluster {name} shows a certificate that is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Refusal(502, "BadGateway", f"no TLS with cluster {name}: {error.reason or 'handshake failed'}")
    if isinstance(error, TimeoutError):
        return Refusal(504, "Timeout", f"cluster {name} does not answer")
    if isinstance(error, ConnectionRefusedError):
        return Refusal(502, "BadGateway", f"cluster {name} refuses connections; is its API server running?")
    return Refusal(502, "BadGateway", f"cluster {name} cannot be reached: {getattr(error, 'strerror', None) or 'connection lost'}")
