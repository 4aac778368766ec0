"""Sending one POST: over verified TLS, to the place that the configuration names and no other, with bounds (threats G7)."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

import httpx

from l7gw.file_stamp import Stamp
from l7gw.identity.fetch import FetchError, bounded_body, client_for, trust

LARGEST_ANSWER = 256 * 1024  # bytes; Slack's answer holds the message, which has 50 blocks of 3,000 characters at most
LONGEST_REST = 600.0  # seconds for which a peer may ask us to wait; Slack asks for 30 or so
LONGEST_WORDS = 200  # characters of why it cannot be reached: they may quote what came
AGENT = "l7gw"


class NotTold(Exception):
    """The other side could not be told. The text says why, and holds nothing secret.

    `rest` is how many seconds it asks us to wait, 0 for none. `alone`: only this message is refused; else it takes none just now.
    """

    def __init__(self, why: str, *, rest: float = 0.0, alone: bool = False) -> None:
        super().__init__(why)
        self.rest = rest
        self.alone = alone


class Answer(NamedTuple):
    """`rest` is the answer's Retry-After in seconds, 0 where there is none."""

    status: int
    body: bytes
    rest: float


class Posts:
    """POSTs to URLs of one side. The authority file is read again when it changes; None is the machine's own authorities."""

    def __init__(self, certificate_authority: Path | None) -> None:
        self._authority = certificate_authority
        self._stamp = Stamp(*[certificate_authority] if certificate_authority else [])
        self._context: ssl.SSLContext | None = None

    async def send(self, url: str, body: bytes, headers: dict[str, str], within: float) -> Answer:
        """Send a body. Raises NotTold where there is no answer within so many seconds, or one that is too large."""
        try:
            async with asyncio.timeout(within):
                return await self._send(url, body, headers)
        except TimeoutError as error:
            raise NotTold(f"no answer within {within:.0f} s") from error
        except FetchError as error:
            raise NotTold(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotTold(f"it cannot be reached: {str(error)[:LONGEST_WORDS] or type(error).__name__}") from error

    async def _send(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._context is None or self._stamp.changed():
            self._context = await asyncio.to_thread(trust, self._authority)  # reading the machine's authorities takes 20 ms
        client = client_for(url, self._context)
        about = {"user-agent": AGENT, "accept-encoding": "identity", **headers}
        async with client, client.stream("POST", url, content=body, headers=about) as response:
            answered = await bounded_body(response, "it", LARGEST_ANSWER)
            return Answer(response.status_code, answered, _rest(response.headers.get("retry-after", "")))


def _rest(said: str) -> float:
    """Seconds of a Retry-After; a date counts for nothing, and our own pace holds then."""
    return min(float(said), LONGEST_REST) if said.isascii() and said.isdigit() and len(said) < 10 else 0.0
