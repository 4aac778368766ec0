"""The addresses of a cluster's host name, and dialling them (threats I6).

A name is looked up by the system, which keeps what it finds for as long as the name's TTL says. Here the result is used for
FRESH_FOR seconds, and asked for once however many dials want it. Where the system cannot say, the last addresses that it gave are
used for ten minutes more. A dial tries two addresses; one that failed is tried after the others from then on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from l7gw.clock import Clock
from l7gw.cluster.transport import OverTls, connect
from l7gw.timeouts import Timeouts

log = logging.getLogger(__name__)

FRESH_FOR = 5.0  # seconds; far below the 60 of the names of EKS, so that what TTL says is decided by the system's resolver
LAST_GOOD_FOR = 600.0  # seconds from the last answer on in which old addresses are used while the system gives none
LOOKED_UP_WITHIN = 3.0  # seconds that a dial waits for the system where there are old addresses; it keeps looking meanwhile
FIRST_WITHIN = 8.0  # seconds that it waits where there are none; a dial has 10
MOST_ADDRESSES = 8  # of a name; EKS gives two or three
TRIES = 2  # addresses that one dial tries

Lookup = Callable[[str, int], Awaitable[list[str]]]


class NoAddress(OSError):
    """The name has no address. `temporary` is true where the system could not ask, and false where it says that there is none."""

    def __init__(self, host: str, error: Exception) -> None:
        self.temporary = not isinstance(error, socket.gaierror) or error.errno == socket.EAI_AGAIN
        self.host = host
        super().__init__(f"{host} has no address: {getattr(error, 'strerror', None) or type(error).__name__}")


async def system_lookup(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Addresses:
    """The addresses of one host. `lookup` gives them in the order in which they are to be tried, or raises OSError."""

    def __init__(self, host: str, port: int, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._lookup = lookup
        self._is_address = _is_address(host)
        self._found: list[str] = []
        self._found_at = 0.0  # monotonic seconds
        self._fresh_until = 0.0
        self._failed: set[str] = set()  # those of `_found` that could not be dialled
        self._looking: asyncio.Task[None] | None = None

    async def two(self) -> list[str]:
        """One address, or two that are tried one after the other. Raises NoAddress."""
        if self._is_address:
            return [self._host]
        if self._clock.monotonic() >= self._fresh_until:
            await self._look()
        return sorted(self._found, key=self._failed.__contains__)[:TRIES]

    def failed(self, address: str) -> None:
        """This address could not be dialled: try others first, and look the name up again before the next dial."""
        if not self._is_address:
            self._failed.add(address)
            self._fresh_until = 0.0

    async def _look(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_up())
            self._looking.add_done_callback(self._looked)
        looking = self._looking
        usable = self._found and self._clock.monotonic() - self._found_at < LAST_GOOD_FOR
        try:
            async with asyncio.timeout(LOOKED_UP_WITHIN if usable else FIRST_WITHIN):
                await asyncio.shield(looking)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError; a name that IDNA cannot encode is a UnicodeError
            if not usable:
                raise NoAddress(self._host, error) from error
            self._fresh_until = self._clock.monotonic() + FRESH_FOR  # the next dials do not wait for the same again

    async def _look_up(self) -> None:
        found = list(dict.fromkeys(await self._lookup(self._host, self._port)))[:MOST_ADDRESSES]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self._found, self._found_at = found, self._clock.monotonic()
        self._fresh_until = self._found_at + FRESH_FOR
        self._failed &= set(found)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # whoever waited was told


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def dial(
    addresses: Addresses, make: Callable[[], OverTls], host: str, port: int, context: ssl.SSLContext, timeouts: Timeouts
) -> Any:
    """Connect to one of the addresses, with TLS that checks the certificate for `host`. Returns the protocol that `make` made.
    Raises OSError; NoAddress and ssl.SSLError are some."""
    try:
        *first, last = await addresses.two()
    except NoAddress as error:
        log.debug("dial %s:%d: its name cannot be looked up: %s", host, port, error)
        raise
    for address in first:
        try:
            async with asyncio.timeout(timeouts.dial / TRIES):
                return await connect(make, host, port, context, timeouts.close_notify, address=address)
        except OSError as error:  # also a certificate of somebody else, to whom the address belongs now
            addresses.failed(address)
            _tell(host, address, port, error, context)
    try:
        return await connect(make, host, port, context, timeouts.close_notify, address=last)
    except BaseException as error:  # cancelled too: the dial's time is over
        addresses.failed(last)
        _tell(host, last, port, error, context)
        raise


def _tell(host: str, address: str, port: int, error: BaseException, context: ssl.SSLContext) -> None:
    """Tell, where the log is verbose, what became of a dial: where it went, what failed, and whom it would have trusted."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    named = f"{host} ({address}) port {port}" if host != address else f"{host} port {port}"
    if isinstance(error, ssl.SSLError):
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else (error.reason or "handshake failed")
        trusted = "; ".join(_subject(one) for one in context.get_ca_certs()) or "nobody"
        log.debug("dial %s: connected, and no TLS: %s; trusted is %s; the certificate must be for %s", named, why, trusted, host)
    else:
        log.debug("dial %s: %s", named, str(error) or type(error).__name__)


def _subject(certificate: dict[str, Any]) -> str:
    """Whose certificate this is, as `commonName=kubernetes`."""
    return ", ".join(f"{key}={value}" for part in certificate.get("subject", ()) for key, value in part)
