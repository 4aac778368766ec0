"""How an issuer's documents come here: one bounded GET over verified TLS (threats F5)."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from l7gw import names

Fetch = Callable[[str], Awaitable[bytes]]
"""From a URL to the whole body. Raises FetchError, or what the network raises (OSError, httpx.HTTPError)."""

LARGEST_DOCUMENT = 1024 * 1024  # bytes; real key sets are under 10 KiB, go-oidc (Kubernetes) reads without a bound
LONGEST_URL = 2048  # characters


class FetchError(Exception):
    """The issuer answered, but with nothing that can be used."""


def checked(url: object) -> str:
    """`url` if it may be asked: https, a host, neither user nor fragment. Raises FetchError."""
    if not isinstance(url, str) or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise FetchError("the URL is no text, too long, or has characters that no URL has")
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc and not parts.fragment
        _ = parts.port
    except ValueError as error:
        raise FetchError("the URL is malformed") from error
    if not usable or "\\" in url:
        raise FetchError("the URL is not https with a host and without user and fragment")
    return url


def trust(certificate_authority: Path | None) -> ssl.SSLContext:
    """TLS 1.2+, names checked, trusting this file alone, or the machine's own authorities. Raises OSError (ssl.SSLError)."""
    context = ssl.create_default_context(cafile=certificate_authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate authority alone is trusted too, as by Go and curl
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13's default refuses private authorities without key identifiers
    return context


class HttpsFetch:
    """A `Fetch` that asks by HTTP. The authority's file is read for each GET, so that a renewed one is taken up."""

    def __init__(self, certificate_authority: Path | None) -> None:
        self._certificate_authority = certificate_authority
        trust(certificate_authority)  # a file that cannot be used is told at start, not at the first call

    async def __call__(self, url: str) -> bytes:
        checked(url)
        client = httpx.AsyncClient(
            verify=trust(self._certificate_authority),
            follow_redirects=False,
            timeout=10.0,  # for each step; the whole is bounded by who asks
            trust_env=not _is_loopback(url),  # HTTPS_PROXY, as the API server's own issuer client does
        )
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with client, client.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                raise FetchError(f"{url} {_other_answer(response)}")
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise FetchError(f"{url} answered compressed, which was not asked for")
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > LARGEST_DOCUMENT:
                    raise FetchError(f"{url} answered more than {LARGEST_DOCUMENT} bytes")
            return bytes(body)


def _other_answer(response: httpx.Response) -> str:
    """A redirect is not followed: it leads away from the issuer whose name the tokens bear (threats F5)."""
    if response.has_redirect_location:
        where = names.quoted(response.headers["location"])
        hint = "configure the issuer's own URL, exactly as it stands in its tokens (iss)"
        return f"answered {response.status_code}: it redirects to {where}, which is not followed; hint: {hint}"
    return f"answered {response.status_code}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
