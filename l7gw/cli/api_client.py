"""How commands reach a running gateway: by its socket, or over https with `--server`. Whoever calls proves who he is by a token."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import click
import httpx

from l7gw.api.messages import OTHERS_WRITE, PREFIX, Fault, decode_failure
from l7gw.cli.options import config_option
from l7gw.cli.state import fail
from l7gw.config.private import load_pair
from l7gw.name_rules import visible
from l7gw.os_faults import in_words, os_error_of, told

F = TypeVar("F", bound=Callable[..., Any])

WITHIN = 30.0  # seconds for an answer; the gateway gives one within a few milliseconds, or when its disk has caught up
LARGEST_TOKEN = 16 * 1024  # bytes, as the gateway takes
SOCKET_HINT = "say where it is with --socket FILE, or ask another machine's gateway with --server URL"
TOKEN_HINT = "put into it what the issuer gave you: one line, which for a JWT begins with eyJ"
PEM_HINT = "each is a file in PEM: it has a line -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----"
NO, USAGE, UNKNOWN = 1, 2, 3  # exit statuses


@dataclass(frozen=True)
class Reach:
    """How to reach the gateway, as the options say."""

    config: Path | None
    socket: Path | None
    server: str | None
    certificate_authority: Path | None
    token_file: Path | None
    client_certificate: Path | None
    client_key: Path | None


def reach_options(command: F) -> F:
    """Adds the options that say which gateway is asked, and who asks. The command gets them as one `reach`."""

    def with_reach(**given: Any) -> Any:
        names = Reach.__dataclass_fields__
        return command(reach=Reach(**{name: given.pop(name) for name in names}), **given)

    with_reach.__name__, with_reach.__doc__ = command.__name__, command.__doc__
    found: Any = with_reach
    found.__click_params__ = list(getattr(command, "__click_params__", ()))
    path = click.Path(path_type=Path, readable=False)  # who may not read it is told so in our words
    for option in (
        click.option("--client-key", metavar="FILE", type=path, help="The key of that certificate."),
        click.option("--client-certificate", metavar="FILE", type=path, help="Prove with it who you are; with --server."),
        click.option("--token-file", metavar="FILE", type=path, help="Your token, in a file; else $L7GW_TOKEN."),
        click.option(
            "--certificate-authority", metavar="FILE", type=path, help="Who signed the gateway's certificate; with --server."
        ),
        click.option("--server", metavar="URL", help="Ask https://GATEWAY:8443 instead of the socket of this machine."),
        click.option("--socket", metavar="FILE", type=path, help="The gateway's socket, without a configuration."),
        config_option,
    ):
        found = option(found)
    result: F = found
    return result


class Refused(Exception):
    """The gateway said no."""

    def __init__(self, fault: Fault, *, proven: bool) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.proven = proven  # whether a token or a certificate was sent


class ApiClient:
    """One gateway, and who asks it."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.by_socket = reach.server is None
        self._token = _token(reach.token_file)
        if self.by_socket:
            self._socket = _socket(reach)
            self._folder = self._opened()

    def _opened(self) -> int:
        """The descriptor of the socket's folder, which stays open: the folder's path may be longer than a socket's address."""
        try:
            folder = os.open(self._socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self._unreachable(error)
        if os.fstat(folder).st_mode & OTHERS_WRITE and self._token:
            hint = f"chmod go-w {self._socket.parent}, or ask with --server URL"
            fail(f"the token is not sent to {self._socket}: others can write to its folder\n  hint: {hint}", UNKNOWN)
        return folder

    def get(self, path: str, **query: str) -> bytes:
        """The answer to GET. Raises Refused."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, said: bytes) -> bytes:
        """The answer to POST with this JSON. Raises Refused."""
        return self._ask("POST", path, {}, said)

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        """The lines of a watch, without the empty ones. Raises Refused; ends where the gateway ends the watch."""
        timeout = httpx.Timeout(WITHIN, read=120.0)  # the gateway sends an empty line every 25 s
        with self._client() as client:
            try:
                with client.stream("GET", PREFIX + path, params=query, timeout=timeout) as answer:
                    if answer.status_code != 200:
                        raise self._refused(answer.status_code, answer.read())
                    for line in answer.iter_lines():
                        if line:
                            yield line.encode()
            except httpx.TransportError as error:
                self._lost(error)

    def _ask(self, method: str, path: str, query: dict[str, str], said: bytes | None) -> bytes:
        headers = {"content-type": "application/json"} if said is not None else {}
        with self._client() as client:
            try:
                answer = client.request(method, PREFIX + path, params=query, content=said, headers=headers)
            except httpx.TransportError as error:
                self._lost(error)
        if answer.status_code != 200:
            raise self._refused(answer.status_code, answer.content)
        return answer.content

    def _refused(self, status: int, body: bytes) -> Refused:
        return Refused(_fault(status, body), proven=bool(self._token or self._reach.client_certificate))

    def _client(self) -> httpx.Client:
        headers = {"user-agent": "l7gw"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        if self._reach.server is not None:
            # no proxy and no .netrc of the environment: the token goes to this gateway alone
            tls = _tls(self._reach)
            return httpx.Client(
                base_url=self._reach.server.rstrip("/"), verify=tls, headers=headers, timeout=WITHIN, trust_env=False
            )
        transport = httpx.HTTPTransport(uds=f"/proc/self/fd/{self._folder}/{self._socket.name}")
        return httpx.Client(transport=transport, base_url="http://localhost", headers=headers, timeout=WITHIN, trust_env=False)

    def _lost(self, error: httpx.TransportError) -> NoReturn:
        if self._reach.server is None and isinstance(error, httpx.ConnectError):
            self._unreachable(error.__cause__ or error)
        where = self._reach.server or f"the socket {self._socket}"
        if isinstance(error, httpx.ConnectError):
            fail(f"{where} cannot be reached: {_why(error)}", UNKNOWN)
        fail(f"{where} ended the connection: {in_words(error)}\n  hint: look again; it may have been done", UNKNOWN)

    def _unreachable(self, error: BaseException) -> NoReturn:
        cause = os_error_of(error)
        if isinstance(cause, PermissionError):
            hint = "run this as root or as the gateway's user, or reach it with --server https://GATEWAY:8443 and your token"
            fail(f"no permission on the gateway's socket {self._socket}\n  hint: {hint}", UNKNOWN)
        if isinstance(cause, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
            hint = "start it (l7gw serve), say where its socket is with --socket FILE, or ask another machine's with --server URL"
            fail(f"no gateway runs here: nothing answers at {self._socket}\n  hint: {hint}", UNKNOWN)
        fail(f"the gateway's socket {self._socket} cannot be used: {told(error, otherwise=SOCKET_HINT)}", UNKNOWN)


def _socket(reach: Reach) -> Path:
    if reach.socket is not None:
        return reach.socket.absolute()
    from l7gw.config.load import find, socket_path

    path = find(reach.config)
    try:
        path.open().close()
    except OSError as error:
        hint = "say which with --config FILE, or where to ask with --socket FILE or --server URL"
        fail(
            f"which gateway? {path} cannot be read: {in_words(error)}\n  hint: {hint}",
            UNKNOWN if isinstance(error, PermissionError) else USAGE,
        )
    return socket_path(path)


def _token(file: Path | None) -> str:
    if file is None:
        text, where = os.environ.get("L7GW_TOKEN", ""), "$L7GW_TOKEN"
    else:
        where = str(file)
        try:
            text = file.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            if not isinstance(error, OSError):
                fail(f"--token-file {file} holds no text of a token\n  hint: {TOKEN_HINT}", USAGE)
            fail(f"--token-file {file} cannot be read: {told(error)}", USAGE)
        if not text.strip():
            fail(f"--token-file {file} is empty\n  hint: {TOKEN_HINT}", USAGE)
    text = text.strip()
    if len(text) > LARGEST_TOKEN or not all("!" <= c <= "~" for c in text):
        fail(f"{where} holds no token: a token is one word of at most {LARGEST_TOKEN // 1024} KiB\n  hint: {TOKEN_HINT}", USAGE)
    return text


def _tls(reach: Reach) -> ssl.SSLContext:
    parts = urlsplit(reach.server or "")
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
        fail(
            f"--server is https://GATEWAY:PORT, and not {visible(reach.server or '')!r}\n  hint: --server https://gw.example.com:8443",
            USAGE,
        )
    try:
        context = ssl.create_default_context(cafile=reach.certificate_authority)
        if reach.client_certificate is not None:
            load_pair(context, reach.client_certificate, reach.client_key or reach.client_certificate)
    except (OSError, ValueError) as error:
        fail(
            f"--certificate-authority, --client-certificate and --client-key: {told(error, named=True, otherwise=PEM_HINT)}", USAGE
        )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _why(error: BaseException) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"{in_words(error)}\n  hint: --certificate-authority FILE says who signed the gateway's certificate"
    return told(error, otherwise="look at the address")


def _fault(status: int, body: bytes) -> Fault:
    try:
        return decode_failure(body).error
    except Exception:  # something that is no gateway answers there
        return Fault(code=status, reason="", message=f"what answered is no gateway of this version: HTTP {status}")
