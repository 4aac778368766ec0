"""One cluster's address, its pinned CA, and the credential that the gateway shows there. Files that change are read again."""

from __future__ import annotations

import ssl
from pathlib import Path

from l7gw.config.private import load_pair
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.errors import Refusal
from l7gw.wire.events import Headers

LONGEST_TOKEN = 16 * 1024  # bytes of a token's file; service account tokens have about 1 KiB, an EKS token 4 KiB at most


class Stamp:
    """Tells whether any of some files changed, by modification time, size and inode."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_identity(path) for path in self._paths)

    def changed(self) -> bool:
        """Whether a file changed since the last call, or since this object was made."""
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
    """How to reach one cluster, as the configuration says."""

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
        """The TLS contexts for connections of one call at a time, and for shared ones, which offer HTTP/2."""
        return self._context("http/1.1"), self._context("h2", "http/1.1")

    def _context(self, *protocols: str) -> ssl.SSLContext:
        """A context for TLS 1.2 or later that trusts the cluster's CA alone and checks the name (threats I7). There is no
        `insecure-skip-tls-verify`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trusts an intermediate authority without its root, as kubectl does
        context.load_verify_locations(self.cluster.certificate_authority)
        context.set_alpn_protocols(list(protocols))
        credential = self.cluster.credential
        if isinstance(credential, ClientCredential):
            load_pair(context, credential.certificate, credential.key)
        return context

    def refresh(self) -> bool:
        """Read the files that changed. Returns whether connections made before must not be used any more.

        Raises OSError or ssl.SSLError where the new files cannot be used; the old ones then stay in force.
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
        """The header line with the gateway's token; no line where the credential is a client certificate."""
        return self._authorization


def unreachable(name: str, error: BaseException) -> Refusal:
    """The Refusal (502 or 504) that tells the caller why no connection to the cluster could be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(502, "BadGateway", f"cluster {name} shows a certificate that is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Refusal(502, "BadGateway", f"no TLS with cluster {name}: {error.reason or 'handshake failed'}")
    if isinstance(error, TimeoutError):
        return Refusal(504, "Timeout", f"cluster {name} does not answer")
    if isinstance(error, ConnectionRefusedError):
        return Refusal(502, "BadGateway", f"cluster {name} refuses connections; is its API server running?")
    return Refusal(502, "BadGateway", f"cluster {name} cannot be reached: {getattr(error, 'strerror', None) or 'connection lost'}")
