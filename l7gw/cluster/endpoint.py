"""One cluster's address and its pinned CA. Files that change are read again."""

from __future__ import annotations

import ssl
from pathlib import Path

from l7gw.config.private import load_pair
from l7gw.config.settings import Cluster
from l7gw.errors import Refusal
from l7gw.file_stamp import Stamp


class Endpoint:
    """How to reach one cluster, as the configuration says. `pair` are the files of the gateway's client certificate and its key;
    empty where it shows none."""

    def __init__(self, cluster: Cluster, pair: tuple[Path, Path] | tuple[()] = ()) -> None:
        self.name = cluster.name
        self.host, self.port = cluster.server_host, cluster.server_port
        self.authority = cluster.server_authority
        self._certificate_authority = cluster.certificate_authority
        self._pair = pair
        self._files = Stamp(cluster.certificate_authority, *pair)
        self.tls, self.shared_tls = self._contexts()

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """The TLS contexts for connections of one call at a time, and for shared ones, which offer HTTP/2."""
        return self._context("http/1.1"), self._context("h2", "http/1.1")

    def _context(self, *protocols: str) -> ssl.SSLContext:
        """A context for TLS 1.2 or later that trusts the cluster's CA alone and checks the name (threats I7). There is no
        `insecure-skip-tls-verify`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trusts an intermediate authority without its root, as kubectl does
        context.load_verify_locations(self._certificate_authority)
        context.set_alpn_protocols(list(protocols))
        if self._pair:
            load_pair(context, *self._pair)
        return context

    def refresh(self) -> bool:
        """Read the files that changed. Returns whether connections made before must not be used any more.

        Raises OSError or ssl.SSLError where the new files cannot be used; the old ones then stay in force.
        """
        if self._files.changed():
            self.tls, self.shared_tls = self._contexts()
            return True
        return False


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
