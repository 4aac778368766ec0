"""One cluster's address and its pinned CA, as the configuration says. Files that change are read again."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from l7gw.clock import Clock, SystemClock
from l7gw.cluster.addresses import Addresses, NoAddress, dial
from l7gw.cluster.transport import OverTls
from l7gw.config.private import load_pair
from l7gw.config.settings import Cluster
from l7gw.errors import Refusal
from l7gw.file_stamp import Stamp
from l7gw.timeouts import Timeouts

_OFFERED = ("http/1.1",), ("h2", "http/1.1")  # by ALPN, over connections of one call at a time, and over shared ones


class Way(NamedTuple):
    """How to reach a cluster: where its connections are dialled, and whom they trust. `tls` is for connections of one call at a
    time, `shared_tls` for shared ones, which offer HTTP/2."""

    host: str
    port: int
    addresses: Addresses
    tls: ssl.SSLContext
    shared_tls: ssl.SSLContext

    async def dial(self, make: Callable[[], OverTls], timeouts: Timeouts, *, shared: bool) -> Any:
        """A connection, as `addresses.dial` makes it."""
        return await dial(self.addresses, make, self.host, self.port, self.shared_tls if shared else self.tls, timeouts)


class Dialled(Protocol):
    """What the data path asks of an endpoint: of this module's, or of one that follows EKS (`described.py`)."""

    @property
    def name(self) -> str:
        """The cluster's."""

    @property
    def authority(self) -> str:
        """Host and port as they stand in a Host header."""

    def ready(self) -> bool:
        """Whether it is known where to dial. Asked for each call."""

    def wait(self, then: Callable[[Refusal | None], None]) -> None:
        """Call `then` once, when it is known where to dial, with None, or with the Refusal that says why it is not. The wait is
        bounded in seconds."""

    async def dial(self, make: Callable[[], OverTls], timeouts: Timeouts, *, shared: bool) -> Any:
        """Connect, with TLS. `shared` offers HTTP/2. Returns the protocol that `make` made. Raises OSError."""

    def unreachable(self, error: Exception) -> Refusal:
        """The Refusal (502, 503 or 504) that tells the caller why `dial` made no connection."""

    def refresh(self, now: float) -> bool:
        """Once a second, `now` in monotonic seconds: read what changed. Returns whether connections made before must not be used
        for another call. Raises OSError or ssl.SSLError where changed files cannot be used; the old ones then stay in force."""


class Endpoint:
    """How to reach one cluster, as the configuration says. `pair` are the files of the gateway's client certificate and its key;
    empty where it shows none."""

    def __init__(self, cluster: Cluster, pair: tuple[Path, Path] | tuple[()] = (), clock: Clock | None = None) -> None:
        assert cluster.certificate_authority is not None, "that of a cluster of EKS is followed (`described`)"
        self.name = cluster.name
        self.host, self.port = cluster.server_host, cluster.server_port
        self.authority = cluster.server_authority
        self._addresses = Addresses(self.host, self.port, clock or SystemClock())
        self._certificate_authority = cluster.certificate_authority
        self._pair = pair
        self._files = Stamp(cluster.certificate_authority, *pair)
        self._way = self._made()

    def _made(self) -> Way:
        return way_to(self.host, self.port, self._addresses, self._certificate_authority, self._pair)

    @property
    def tls(self) -> ssl.SSLContext:
        return self._way.tls

    @property
    def shared_tls(self) -> ssl.SSLContext:
        return self._way.shared_tls

    def ready(self) -> bool:
        return True

    def wait(self, then: Callable[[Refusal | None], None]) -> None:
        then(None)

    async def dial(self, make: Callable[[], OverTls], timeouts: Timeouts, *, shared: bool) -> Any:
        return await self._way.dial(make, timeouts, shared=shared)

    def unreachable(self, error: Exception) -> Refusal:
        return unreachable(self.name, error)

    def refresh(self, now: float = 0.0) -> bool:
        if self._files.changed():
            self._way = self._made()
            return True
        return False


def way_to(host: str, port: int, addresses: Addresses, authority: Path | str, pair: tuple[Path, Path] | tuple[()] = ()) -> Way:
    """The way to a cluster that trusts its CA alone, a PEM or the file that has it, and shows it this client certificate. Raises
    OSError or ssl.SSLError where the CA is none, or where the files cannot be used."""
    return Way(host, port, addresses, *(_context(authority, pair, offered) for offered in _OFFERED))


def _context(authority: Path | str, pair: tuple[Path, Path] | tuple[()], offered: tuple[str, ...]) -> ssl.SSLContext:
    """A context for TLS 1.2 or later that checks the name (threats I7). There is no `insecure-skip-tls-verify`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trusts an intermediate authority without its root, as kubectl does
    if isinstance(authority, Path):
        context.load_verify_locations(authority)
    else:
        context.load_verify_locations(cadata=authority)
    context.set_alpn_protocols(list(offered))
    if pair:
        load_pair(context, *pair)
    return context


def unreachable(name: str, error: BaseException) -> Refusal:
    """The Refusal (502, 503 or 504) that tells the caller why no connection to the cluster could be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(502, "BadGateway", f"cluster {name} shows a certificate that is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Refusal(502, "BadGateway", f"no TLS with cluster {name}: {error.reason or 'handshake failed'}")
    if isinstance(error, NoAddress):
        named = f"cluster {name}: its name {error.host}"
        if error.temporary:
            return Refusal(503, "ServiceUnavailable", f"{named} cannot be looked up just now; try again")
        return Refusal(503, "ServiceUnavailable", f"{named} has no address here; a private one is known within its network alone")
    if isinstance(error, TimeoutError):
        return Refusal(504, "Timeout", f"cluster {name} does not answer")
    if isinstance(error, ConnectionRefusedError):
        return Refusal(502, "BadGateway", f"cluster {name} refuses connections; is its API server running?")
    return Refusal(502, "BadGateway", f"cluster {name} cannot be reached: {getattr(error, 'strerror', None) or 'connection lost'}")
