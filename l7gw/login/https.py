"""One question to an issuer over verified TLS: bounded in size and time, and never led elsewhere (threats F5)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from l7gw.identity.fetch import ASKED_AS, FetchError, checked, client_for, trust, whole_body
from l7gw.login.failure import LoginFailed
from l7gw.name_rules import visible
from l7gw.os_faults import in_words, remedy

WITHIN = 20.0  # seconds for one answer; issuers answer in one or two
LONGEST_REASON = 200  # characters of a failure of TLS or a connection


class Answer(NamedTuple):
    """What the issuer said. `date` is its clock, in seconds since 1970; None where it does not say."""

    status: int
    body: bytes
    date: float | None


Ask = Callable[[str, dict[str, str] | None], Awaitable[Answer]]
"""Asks for a URL: by GET, or by POST with a form. Raises LoginFailed, whose words hold nothing of the form or of the answer."""


class Https:
    """An `Ask` that trusts the authorities of this file alone, or the machine's where it is ""."""

    def __init__(self, authority: str, within: float = WITHIN) -> None:
        self._within = within
        try:
            self._trust = trust(Path(authority) if authority else None)
        except (OSError, ValueError) as error:
            reason = in_words(error) if isinstance(error, OSError) else "it is no list of certificates"
            hint = remedy(error) or "name a file in PEM that has the authority's certificate"
            raise LoginFailed(f"{visible(authority)} cannot be used as certificate authority: {visible(reason)}", hint) from None

    async def __call__(self, url: str, form: dict[str, str] | None = None) -> Answer:
        try:
            host = urlsplit(checked(url)).netloc
        except FetchError as error:
            raise LoginFailed(f"the issuer names a URL that is not asked: {error}") from None
        try:
            async with asyncio.timeout(self._within):
                return await self._answer(url, form, host)
        except TimeoutError:
            raise LoginFailed(f"{host} gave no answer within {self._within:g} s", passing=True) from None
        except FetchError as error:
            raise LoginFailed(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._lost(host, error) from None

    async def _answer(self, url: str, form: dict[str, str] | None, host: str) -> Answer:
        client = client_for(url, self._trust)
        async with client, client.stream("GET" if form is None else "POST", url, data=form, headers=ASKED_AS) as response:
            if 300 <= response.status_code < 400:
                hint = "--issuer must be the URL that stands in the issuer's tokens (iss)"
                raise LoginFailed(f"{host} answers with a redirect ({response.status_code}), which is not followed", hint)
            body = await whole_body(response, host)
            return Answer(response.status_code, body, _date(response.headers.get("date", "")))

    @staticmethod
    def _lost(host: str, error: Exception) -> LoginFailed:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        hint = ""
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {cause.verify_message}"
            hint = "--certificate-authority FILE, or the clock of this machine"
        elif isinstance(error, httpx.RemoteProtocolError):
            reason = "it speaks no HTTP that can be read"  # the library's own words quote what was said
        else:
            reason = in_words(error)
            hint = remedy(error) or "look at the address, at what it leads through (HTTPS_PROXY) and at firewalls"
        return LoginFailed(f"{host} cannot be reached: {visible(reason)[:LONGEST_REASON]}", hint, passing=True)


def _date(text: str) -> float | None:
    """An HTTP date (RFC 9110 section 5.6.7) in seconds since 1970."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
