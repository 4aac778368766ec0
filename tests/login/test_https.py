"""An issuer is asked over verified TLS, in bounds, and its answer leads nowhere else. A hostile one puts no byte of its own, nor of
what it was sent, into a message."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from l7gw.demo.pki import Authority
from l7gw.identity.fetch import LARGEST_DOCUMENT
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer, Https

SECRET = "refresh-token-that-nobody-may-see"
FORM = {"refresh_token": SECRET}


def _request(connection: ssl.SSLSocket) -> bytes:
    """A request with its whole body: who closes before he has read all cuts his own answer off."""
    heard = bytearray()
    while piece := connection.recv(65536):
        heard += piece
        head, found, body = bytes(heard).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if found and len(body) >= (int(length[1]) if length else 0):
            break
    return bytes(heard)


class Server:
    """Answers each request with the bytes `says`, over TLS on loopback; with None it says nothing."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "issuer CA")
        self.authority = str(authority.certificate)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.server("idp", "127.0.0.1"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}/token"
        self.says: bytes | None = b""
        self.heard: list[bytes] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        held = []  # connections on which nothing is said stay open
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            held.append(plain)
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    self.heard.append(_request(connection))
                    if self.says is None:
                        connection.recv(1)  # until the client has gone
                    else:
                        connection.sendall(self.says)
            except OSError:
                pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("issuer"))
    yield running
    running.close()


def ask(server: Server, form: dict[str, str] | None = FORM, within: float = 20.0, authority: str | None = None) -> Answer:
    return asyncio.run(Https(server.authority if authority is None else authority, within)(server.url, form))


def said(head: str, body: bytes = b"{}") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def test_a_form_is_posted_and_the_answer_comes_with_the_issuers_clock(server: Server) -> None:
    server.says = said("200 OK\r\nDate: Sat, 28 Nov 2026 05:00:00 GMT", b'{"a": 1}')
    assert ask(server) == Answer(200, b'{"a": 1}', 1795842000.0)
    assert server.heard[-1].startswith(b"POST /token HTTP/1.1\r\n") and SECRET.encode() in server.heard[-1]
    server.says = said("400 No\r\nDate: yesterday")
    assert ask(server, None) == Answer(400, b"{}", None)
    assert server.heard[-1].startswith(b"GET /token HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "says, words",
    [
        (said(f"307 Away\r\nLocation: https://evil.example.com/{SECRET}"), "a redirect (307), which is not followed"),
        (said("302 Away\r\nLocation: /token"), "a redirect (302), which is not followed"),
        (said("200 OK\r\nContent-Encoding: gzip", SECRET.encode()), "answered compressed"),
        (said("200 OK", b"x" * (LARGEST_DOCUMENT + 1)), f"answered more than {LARGEST_DOCUMENT} bytes"),
        (f"{SECRET}\r\n\r\n".encode(), "speaks no HTTP"),
        (f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode(), "speaks no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "speaks no HTTP"),
        (b"", "speaks no HTTP"),
    ],
)
def test_a_hostile_answer_is_refused_in_words_that_hold_nothing_of_it(server: Server, says: bytes, words: str) -> None:
    server.says = says
    with pytest.raises(LoginFailed) as failed:
        ask(server)
    assert words in str(failed.value) and SECRET not in str(failed.value)


def test_an_issuer_that_says_nothing_is_not_waited_for_beyond_the_bound(server: Server) -> None:
    server.says = None
    with pytest.raises(LoginFailed, match=r"gave no answer within 0\.3 s") as failed:
        ask(server, within=0.3)
    assert failed.value.passing


def test_a_certificate_of_another_authority_is_not_trusted(server: Server, tmp_path: Path) -> None:
    server.says = said("200 OK")
    heard = len(server.heard)
    for authority in ("", str(Authority(tmp_path).certificate)):
        with pytest.raises(LoginFailed, match=r"its certificate is not trusted.*\n.*--certificate-authority"):
            ask(server, authority=authority)
    assert len(server.heard) == heard or not any(server.heard[heard:])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/token",
        "https://a:b@127.0.0.1/",
        "ftp://x/",
        "https://127.0.0.1:1/#a",
        "https://127.0.0.1:1/\x1b",
        "https://[",
    ],
)
def test_what_is_no_plain_https_url_is_not_asked(server: Server, url: str) -> None:
    with pytest.raises(LoginFailed, match="names a URL that is not asked"):
        asyncio.run(Https(server.authority)(url, FORM))


def test_an_issuer_that_is_not_there_is_told_as_such(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(LoginFailed, match="cannot be reached") as failed:
        asyncio.run(Https(server.authority)(f"https://127.0.0.1:{port}/", None))
    assert failed.value.passing


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("no PEM"), lambda path: path.mkdir()])
def test_an_authority_file_that_cannot_be_used_is_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "ca.crt")
    with pytest.raises(LoginFailed, match=r"ca\.crt cannot be used as certificate authority"):
        Https(str(tmp_path / "ca.crt"))
