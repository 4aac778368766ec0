"""An API server as a command of ours asks it: blocking, over HTTP/1.1, one step at a time, with words for what fails.

The data path has connections of its own (`pool`). What is sent here is the gateway's own question, with its own credential.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from cryptography import x509

from l7gw import plainjson
from l7gw.cluster.trial import Failure, Found, Trial, sure
from l7gw.config.settings import host_and_port
from l7gw.name_rules import visible
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from l7gw.wire.events import Headers

LARGEST_ANSWER = 4 * 1024 * 1024  # bytes; a ConfigMap has 1 MiB at most, a CSR less
MOST_SAID = 300  # characters of the cluster's own words
MOST_NAMED = 4  # addresses, names or groups in a sentence
MACHINES = "one of this machine's authorities"  # `trusted` of a place without a CA of its own


@dataclass(frozen=True)
class Place:
    """Where an API server is, or another server that `what` names, and whom to trust there. `trusted` says in words whose CA that
    is. `context` trusts it alone, and has the gateway's certificate where it shows one. `host` has no brackets. `key` is where the
    configuration says the host."""

    cluster: str
    host: str
    port: int
    context: ssl.SSLContext
    trusted: str
    what: str = "the API server"
    key: str = "server"

    @property
    def authority(self) -> str:
        """Host and port as they stand in a Host header."""
        return host_and_port(self.host, self.port)


class Answer:
    """What the API server answered: a status and a JSON object, empty where it was none."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        try:
            found = plainjson.read(body)
        except ValueError:
            found = None
        self.body: dict[str, Any] = found if isinstance(found, dict) else {}

    @property
    def said(self) -> str:
        """The message of a Status, made fit for a terminal."""
        message = self.body.get("message")
        return visible(message[:MOST_SAID]) if isinstance(message, str) and message else f"HTTP {self.status}"

    def at(self, *path: str) -> Any:
        """A value in the object; None where there is none."""
        found: Any = self.body
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found


class ApiServer:
    """A connection to an API server. It is dialled again where the server closed it. `date` is the header of its first answer, and
    `asked` when that came, in seconds since 1970."""

    def __init__(self, place: Place, authorization: Headers = (), timeouts: Timeouts = USUAL_TIMEOUTS) -> None:
        self.place = place
        self.date, self.asked = "", 0.0
        self._authorization = authorization
        self._timeouts = timeouts
        self._until = 0.0  # monotonic second by which an answer must be whole
        self._connection = http.client.HTTPSConnection(
            place.host, place.port, timeout=timeouts.answer_begins, context=place.context
        )
        self._connection.response_class = self._response  # type: ignore[assignment]

    def carry(self, tls: ssl.SSLSocket) -> None:
        """Send what is asked over this connection, which was made before."""
        tls.settimeout(self._timeouts.answer_begins)
        self._connection.sock = tls

    def close(self) -> None:
        self._connection.close()

    def _response(self, sock: socket.socket, *arguments: Any, **named: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_Bounded(sock, self._until), *arguments, **named)  # type: ignore[arg-type]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Ask once. Raises Failure where no answer comes, and where the cluster does not know the credential."""
        headers = {"Host": self.place.authority, "Accept": "application/json", "User-Agent": "l7gw", **dict(self._authorization)}
        text = None if body is None else json.dumps(body)
        if text is not None:
            headers["Content-Type"] = "application/json"
        self._until = time.monotonic() + self._timeouts.answer_begins
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._timeouts.answer_begins)
        try:
            self._connection.request(method, path, text, headers)
            response = self._connection.getresponse()
            if not self.asked:
                self.date, self.asked = response.getheader("Date") or "", time.time()
            octets = response.read(LARGEST_ANSWER + 1)
        except TimeoutError:
            self._connection.close()
            raise Failure(f"no answer within {self._timeouts.answer_begins:.0f} s") from None
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Failure(f"the connection ended: {_why(error)}", "is something between here and the API server?") from None
        if len(octets) > LARGEST_ANSWER:
            self._connection.close()
            raise Failure(f"the answer is larger than {LARGEST_ANSWER // 1024**2} MiB")
        return Answer(response.status, octets)


class _Bounded(io.RawIOBase):
    """What comes over a socket until a monotonic second: a server that sends a byte now and then is not waited for longer. It is
    what `http.client` asks of a socket, and the file that this gives."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open, as long as the answer is read

    def makefile(self, mode: str) -> BinaryIO:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


# ---------------------------------------------------------------------- the way there


def connect(trial: Trial, place: Place | None, timeouts: Timeouts = USUAL_TIMEOUTS) -> ssl.SSLSocket | None:
    """Find the address, dial it, and speak TLS, a step each. None where one of them failed. Without a place, which is where the
    trial is over, each is told as not tried."""
    addresses = trial.step("DNS", lambda: _resolved(sure(place)))
    plain = trial.step("TCP", lambda: _dialled(sure(place), sure(addresses), timeouts))
    tls = trial.step("TLS", lambda: _secured(sure(place), sure(plain), timeouts))
    if tls is None and plain is not None:
        plain.close()
    return tls


def _resolved(place: Place) -> Found[list[str]]:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(place.host)
        return Found([place.host], f"{place.host} is an address")
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        remedy = f"getent ahosts {place.host}; is `{place.key}` right? A private name is known in its network alone"
        raise Failure(f"{place.host} has no address: {_why(error)}", remedy) from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    return Found(addresses, f"{place.host} is {listed(addresses)}")


def _dialled(place: Place, addresses: list[str], timeouts: Timeouts) -> Found[socket.socket]:
    fault: OSError | None = None
    for address in addresses[:MOST_NAMED]:
        try:
            plain = socket.create_connection((address, place.port), timeout=timeouts.dial / 2)
        except OSError as error:
            fault = error
        else:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are two writes: 40 ms each otherwise
            return Found(plain, f"port {place.port} of {address}")
    if isinstance(fault, ConnectionRefusedError):
        raise Failure(f"port {place.port} refuses connections", f"does {place.what} run, and is it this port?")
    remedy = "do security groups, firewalls and the public endpoint's CIDRs let this machine through?"
    raise Failure(f"port {place.port} cannot be reached: {'no answer' if isinstance(fault, TimeoutError) else _why(fault)}", remedy)


def _secured(place: Place, plain: socket.socket, timeouts: Timeouts) -> Found[ssl.SSLSocket]:
    plain.settimeout(timeouts.dial)
    try:
        tls = place.context.wrap_socket(plain, server_hostname=place.host)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(place, error, timeouts) from None
    except ssl.SSLError as error:
        raise Failure(f"no TLS: {_why(error)}", f"does {place.what} answer at {place.authority}?") from None
    except TimeoutError:
        what = f"the port is open, and nothing answers there to TLS within {timeouts.dial:.0f} s"
        raise Failure(what, f"does {place.what} hang, or is something else at {place.authority}?") from None
    except OSError as error:
        raise Failure(f"the connection ended within TLS: {_why(error)}", f"is something between here and {place.what}?") from None
    shown = tls.getpeercert(binary_form=True)
    assert shown is not None  # the context verifies
    certificate = x509.load_der_x509_certificate(shown)
    ends = certificate.not_valid_after_utc.date()
    return Found(tls, f"{tls.version()}; signed by {named(certificate.issuer)}, which is {place.trusted}; until {ends}")


def _distrusted(place: Place, error: ssl.SSLCertVerificationError, timeouts: Timeouts) -> Failure:
    """Why the certificate is not trusted. It is looked at over a second connection, on which nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    shown = None
    with (
        contextlib.suppress(OSError),
        socket.create_connection((place.host, place.port), timeout=timeouts.dial) as plain,
        context.wrap_socket(plain, server_hostname=place.host) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    if shown is None:
        return Failure(f"the certificate is not trusted: {error.verify_message}")
    certificate = x509.load_der_x509_certificate(shown)
    what = f"the certificate of {named(certificate.subject)}, signed by {named(certificate.issuer)}, is not trusted"
    if certificate.not_valid_after_utc < datetime.now(UTC):
        return Failure(f"the certificate ended on {certificate.not_valid_after_utc.date()}", f"it must be renewed at {place.what}")
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        names = listed(names_in(certificate))
        return Failure(f"the certificate does not name {place.host}", f"`{place.key}` must be one of {names}")
    meant = "the cluster" if place.cluster else place.what
    remedy = f"trusted is {place.trusted}; is it {meant} that is meant, or has its authority been replaced?"
    if place.trusted == MACHINES:
        remedy += f" One that is private is named beside `{place.key}`, as certificate-authority: FILE"
    return Failure(f"{what}: {error.verify_message}", remedy)


def named(name: x509.Name) -> str:
    """A certificate's name, made fit for a terminal."""
    return visible(name.rfc4514_string()[:MOST_SAID]) or "nobody"


def names_in(certificate: x509.Certificate) -> list[str]:
    """The hosts and addresses that a certificate names."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ["(it names none)"]
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def listed(texts: list[str]) -> str:
    """A few of the texts, made fit for a terminal."""
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return visible(", ".join(texts[:MOST_NAMED])) + more


def _why(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    return getattr(error, "strerror", None) or type(error).__name__
