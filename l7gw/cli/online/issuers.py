"""An issuer: the way there, its discovery document, its keys, its certificate and its clock; and STS, where AWS proves callers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import httpx

from l7gw.aws.hosts import partition_of
from l7gw.cli.online import places
from l7gw.cli.online.clocks import ahead_of
from l7gw.cli.online.expiry import of_certificate
from l7gw.cli.online.findings import Finding
from l7gw.cli.online.jobs import Job, Report
from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.settings import OidcIssuer, Settings
from l7gw.identity.fetch import FetchError, HttpsFetch
from l7gw.identity.keys import ALGORITHMS, Key, download
from l7gw.name_rules import visible
from l7gw.timeouts import Timeouts

LONGEST_WORDS = 300  # characters of why an issuer cannot be asked: it may quote what came
WELL_KNOWN = "/.well-known/openid-configuration"


def jobs_of(settings: Settings, now: datetime, timeouts: Timeouts) -> Iterator[Job]:
    """A job for each issuer, and for each endpoint of STS that a caller's token may name."""
    for entry in settings.identity:
        if isinstance(entry, OidcIssuer):
            yield _job_of(entry, now, timeouts)
        elif isinstance(entry, AwsIdentity):
            for url in [entry.endpoint_url] if entry.endpoint_url else map(_sts_of, entry.regions):
                place = places.Https(url, "regions", "STS", entry.certificate_authority)
                yield places.job_of(f"STS {url}", place, timeouts)


def _sts_of(region: str) -> str:
    partition = partition_of(region)
    return f"https://sts.{region}.{partition.domain if partition is not None else 'amazonaws.com'}"


def _job_of(entry: OidcIssuer, now: datetime, timeouts: Timeouts) -> Job:
    return Job(f"issuer {entry.issuer}", lambda report: _ask(report, entry, now, timeouts))


def _ask(report: Report, entry: OidcIssuer, now: datetime, timeouts: Timeouts) -> None:
    certificate = places.reach(report, places.Https(entry.issuer, "issuer", "the issuer", entry.certificate_authority), timeouts)
    if certificate is not None:
        hint = "it is renewed at the issuer"
        report.tell(of_certificate(f"{report.name}: certificate", certificate, now, "what the issuer shows", hint))
    if any(finding.state == "red" for finding in report.found):
        return
    report.begun("keys")
    fetch = _Fetch(entry)
    hint = f"curl -sS {entry.issuer.removesuffix('/')}{WELL_KNOWN}"
    try:
        keys = asyncio.run(_keys(entry, fetch, timeouts))
    except TimeoutError:
        report.tell(Finding(f"{report.name}: keys", "red", f"no answer within {timeouts.keys_fetch:.0f} s", hint))
        return
    except FetchError as error:
        said, _, remedy = str(error).partition("; hint: ")
        own = f"{hint} says what it is; `issuer` must be exactly the `iss` of its tokens"
        report.tell(Finding(f"{report.name}: keys", "red", visible(said[:LONGEST_WORDS]), remedy or own))
        return
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        said = f"{fetch.asked} cannot be asked: {str(error) or type(error).__name__}"
        report.tell(Finding(f"{report.name}: keys", "red", visible(said[:LONGEST_WORDS]), f"curl -sS {fetch.asked}"))
        return
    report.tell(_of_keys(f"{report.name}: keys", keys))
    ahead = ahead_of(fetch.date, fetch.received)
    if ahead is not None:
        report.skewed(report.name, ahead)


async def _keys(entry: OidcIssuer, fetch: _Fetch, timeouts: Timeouts) -> list[Key]:
    async with asyncio.timeout(timeouts.keys_fetch):
        return await download(entry.issuer, fetch)


def _of_keys(check: str, keys: list[Key]) -> Finding:
    if not keys:
        text = f"it publishes no key for {', '.join(ALGORITHMS)}"
        return Finding(check, "red", text, "let it sign by one of these (RSA of 2048 bits, P-256, Ed25519): no token counts before")
    counted = Counter(key.algorithm for key in keys)
    return Finding(check, "green", ", ".join(f"{count} for {algorithm}" for algorithm, count in counted.items()))


class _Fetch(HttpsFetch):
    """The gateway's own fetch, which remembers what was asked last and when the answer came."""

    def __init__(self, entry: OidcIssuer) -> None:
        super().__init__(entry.certificate_authority)
        self.asked, self.received = "", 0.0

    async def __call__(self, url: str) -> bytes:
        self.asked = url
        try:
            return await super().__call__(url)
        finally:
            self.received = time.time()
