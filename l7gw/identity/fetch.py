"""Fetching an issuer's documents: one bounded GET over verified TLS for each (threats F5)."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from l7gw import name_rules
from l7gw.loopback import leads_to_loopback

Fetch = Callable[[str], Awaitable[bytes]]
"""A function that takes a URL and gives the whole body. It raises FetchError, OSError or httpx.HTTPError."""

LARGEST_DOCUMENT = 1024 * 1024  # bytes; real key sets have less than 10 KiB; go-oidc, which Kubernetes uses, has no bound
ASKED_AS = {"Accept": "application/json", "Accept-Encoding": "identity"}  # headers: what is unpacked has no bound
LONGEST_URL = 2048  # characters


class FetchError(Exception):
    """The issuer answered, but with nothing that can be used."""


def checked(url: object) -> str:
    """`url`, if it may be fetched: https, with a host, without a user or a fragment. Raises FetchError."""
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
    """A TLS context that trusts the authorities of this file alone, or the machine's where it is None. It needs TLS 1.2 and checks
    names. Raises OSError (ssl.SSLError)."""
    context = ssl.create_default_context(cafile=certificate_authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a file may hold an intermediate authority alone, as for Go and curl
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13's default; it refuses authorities without key identifiers
    return context


def client_for(url: str, trusted: ssl.SSLContext) -> httpx.AsyncClient:
    """A client for one question to this URL. It follows no redirect, and has no bound of time: the caller has one for the whole. A
    proxy of the environment (HTTPS_PROXY) is asked as the API server's issuer client asks it, and never about this machine."""
    return httpx.AsyncClient(verify=trusted, follow_redirects=False, timeout=None, trust_env=not leads_to_loopback(url))


class HttpsFetch:
    """A `Fetch` over HTTPS. It reads the authority file for each GET, so that a renewed file is used. `date` is the header of the
    last answer."""

    def __init__(self, certificate_authority: Path | None) -> None:
        self.date = ""
        self._certificate_authority = certificate_authority
        trust(certificate_authority)  # so that a file that cannot be used fails at start, not at the first call

    async def __call__(self, url: str) -> bytes:
        checked(url)
        client = client_for(url, trust(self._certificate_authority))  # the caller bounds the whole (`Timeouts.keys_fetch`)
        async with client, client.stream("GET", url, headers=ASKED_AS) as response:
            self.date = response.headers.get("date", "")
            if response.status_code != 200:
                raise FetchError(f"{url} {_other_answer(response)}")
            return await whole_body(response, url)


async def whole_body(response: httpx.Response, who: str) -> bytes:
    """The body of an answer to ASKED_AS. `who` is its subject in words. Raises FetchError where it is compressed, or has more than
    LARGEST_DOCUMENT bytes."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError(f"{who} answered compressed, which was not asked for")
    return await bounded_body(response, who, LARGEST_DOCUMENT)


async def bounded_body(response: httpx.Response, who: str, most: int) -> bytes:
    """The body of an answer as it came, packed or not. Raises FetchError where it has more than `most` bytes."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most:
            raise FetchError(f"{who} answered more than {most} bytes")
    return bytes(body)


def _other_answer(response: httpx.Response) -> str:
    """What is wrong with an answer that is no 200. A redirect is not followed, as it leads away from the issuer (threats F5)."""
    if response.has_redirect_location:
        where = name_rules.quoted(response.headers["location"])
        hint = "configure the issuer's own URL, exactly as it stands in its tokens (iss)"
        return f"answered {response.status_code}: it redirects to {where}, which is not followed; hint: {hint}"
    return f"answered {response.status_code}"
