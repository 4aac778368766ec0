"""An issuer's document is fetched over verified TLS, bounded, and only from the URL that was asked for."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from l7gw.demo.pki import Authority
from l7gw.identity.fetch import LARGEST_DOCUMENT, FetchError, HttpsFetch


def answer_of(status: str, body: bytes, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode() + body


async def ask(
    tmp_path: Path,
    answer: bytes,
    *,
    name: str = "127.0.0.1",
    trusted: Authority | None = None,
    newest: ssl.TLSVersion | None = None,
) -> tuple[bytes, bytes]:
    """The body that a fetch gives for this answer, and the request that it sent."""
    authority = Authority(tmp_path / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("idp", name))
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        fetch = HttpsFetch((trusted or authority).certificate)
        return await fetch(f"https://127.0.0.1:{port}/keys"), b"".join(asked)
    finally:
        server.close()


def test_a_document_is_fetched_whole(tmp_path: Path) -> None:
    body = b"k" * LARGEST_DOCUMENT
    got, asked = asyncio.run(ask(tmp_path, answer_of("200 OK", body)))
    assert got == body
    assert asked.startswith(b"GET /keys HTTP/1.1\r\n") and b"cookie" not in asked.lower() and b"authorization" not in asked.lower()


@pytest.mark.parametrize(
    "answer, said",
    [
        (answer_of("200 OK", b"k" * (LARGEST_DOCUMENT + 1)), "more than 1048576 bytes"),
        (answer_of("200 OK", gzip.compress(b"k" * 10**6), "Content-Encoding: gzip"), "compressed"),
        (
            answer_of("302 Found", b"", "Location: https://evil.example.com/"),
            r"302: it redirects to 'https://evil.example.com/', which",
        ),
        (
            answer_of("307 Temporary Redirect", b"", "Location: /other"),
            r"307: it redirects to '/other', .*hint: configure the issuer",
        ),
        (answer_of("302 Found", b"", "Location: /" + "x" * 1000), r"302: it redirects to '/x{76}\.\.\.', which is not followed"),
        (answer_of("304 Not Modified", b""), "answered 304$"),
        (answer_of("404 Not Found", b"{}"), "404"),
        (answer_of("204 No Content", b""), "204"),
        (answer_of("503 Service Unavailable", b""), "503"),
    ],
)
def test_an_answer_that_is_no_document_is_refused(tmp_path: Path, answer: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said):
        asyncio.run(ask(tmp_path, answer))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"SSH-2.0\r\n\r\n"])
def test_an_answer_cut_short_is_no_document(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(httpx.HTTPError):
        asyncio.run(ask(tmp_path, answer))


def test_another_authority_or_another_name_is_not_trusted(tmp_path: Path) -> None:
    good = answer_of("200 OK", b"{}")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(ask(tmp_path, good, trusted=Authority(tmp_path / "other")))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(ask(tmp_path, good, name="idp.example.com"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")  # Python warns of the old version, which is refused
def test_tls_before_1_2_is_not_spoken(tmp_path: Path) -> None:
    with pytest.raises(httpx.ConnectError):
        asyncio.run(ask(tmp_path, answer_of("200 OK", b"{}"), newest=ssl.TLSVersion.TLSv1_1))


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "file:///etc/passwd", "https://u:p@127.0.0.1/", "https:///x", "127.0.0.1"])
def test_only_https_urls_without_credentials_are_fetched(tmp_path: Path, url: str) -> None:
    fetch = HttpsFetch(Authority(tmp_path).certificate)
    with pytest.raises(FetchError):
        asyncio.run(_call(fetch, url))


async def _call(fetch: Callable[[str], object], url: str) -> None:
    await fetch(url)  # type: ignore[misc]


def test_an_authority_file_that_cannot_be_used_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.crt").write_text("nothing")
    for name in ("missing.crt", "empty.crt"):
        with pytest.raises(OSError):
            HttpsFetch(tmp_path / name)


def test_a_proxy_of_the_environment_is_not_used_for_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert asyncio.run(ask(tmp_path, answer_of("200 OK", b"{}")))[0] == b"{}"
