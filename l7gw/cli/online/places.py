"""A place that is asked over HTTPS: its address, its port, its TLS and whose CA. Nothing is sent there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cryptography import x509

from l7gw.cli.online.findings import Finding, of_step
from l7gw.cli.online.jobs import Job, Report
from l7gw.cluster.api_server import MACHINES, Place, connect
from l7gw.cluster.trial import Trial
from l7gw.config.settings import host_and_port
from l7gw.identity.fetch import trust
from l7gw.loopback import leads_to_loopback
from l7gw.timeouts import Timeouts


class Https(NamedTuple):
    """A place. `key` is where the configuration says its `url`, `what` names it in a sentence, and `authority` is the PEM file that
    is trusted there, None for this machine's authorities."""

    url: str
    key: str
    what: str
    authority: Path | None


def job_of(name: str, place: Https, timeouts: Timeouts) -> Job:
    """The job that reaches a place."""

    def work(report: Report) -> None:
        reach(report, place, timeouts)

    return Job(name, work)


def reach(report: Report, place: Https, timeouts: Timeouts) -> x509.Certificate | None:
    """Reach a place, and tell each step. Gives the certificate that it shows; None where it is not reached, or where a proxy of the
    environment reaches it."""
    parts = urlsplit(place.url)
    host, port = parts.hostname or "", parts.port or 443
    if proxy := proxy_for(place.url):
        report.tell(Finding(f"{report.name}: way", "green", f"by the proxy {proxy}, as the environment says"))
        return None
    try:
        context = trust(place.authority)
    except OSError as error:
        why = getattr(error, "strerror", None) or "it has no certificate in PEM"
        report.tell(
            Finding(f"{report.name}: CA", "red", f"{place.authority} cannot be used: {why}", "see `certificate-authority` there")
        )
        return None
    trusted = f"the CA in {place.authority}" if place.authority is not None else MACHINES
    otherwise = f"curl -sv https://{host_and_port(host, port)}"
    trial = Trial(report.begun, lambda step: report.tell(of_step(report.name, step, otherwise)))
    tls = connect(trial, Place("", host, port, context, trusted, place.what, place.key), timeouts)
    if tls is None:
        return None
    with tls:
        shown = tls.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown) if shown else None


def proxy_for(url: str) -> str:
    """The host of the proxy by which the gateway asks this URL; "" for none. A password in the variable is not shown."""
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all") or ""
    if not proxy or leads_to_loopback(url) or proxy_bypass(urlsplit(url).hostname or ""):
        return ""
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
