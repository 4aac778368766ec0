"""Whether the certificate that a client is shown names the host that the client types.

The TLS server name says which certificate that is (`gateway/tls.py`): that of the cluster whose `hosts`
have it, else the gateway's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from l7gw.cli.kubeconfig.trust import covers
from l7gw.cli.online.findings import Finding
from l7gw.cluster.api_server import listed, names_in
from l7gw.config.settings import Settings

EVERYWHERE = ("0.0.0.0", "::")  # what a listener is bound to, not a bind of ours


class Typed(NamedTuple):
    """A host that clients type, as far as that is known: `sure` where it was said, and not guessed."""

    host: str
    certificate: Path
    sure: bool


def hosts_of(settings: Settings, addresses: tuple[str, ...]) -> list[Typed]:
    """What clients type: the hosts that were given, else the `hosts` of clusters, and for clusters without any the addresses that
    are listened on, or the names of this machine."""
    by_host = {host: (cluster.tls or settings.tls).certificate for cluster in settings.clusters.values() for host in cluster.hosts}
    if addresses:
        given = [host.lower() for host in addresses]
        return [Typed(host, by_host.get(host, settings.tls.certificate), sure=True) for host in dict.fromkeys(given)]
    found = [Typed(host, certificate, sure=True) for host, certificate in by_host.items()]
    if all(cluster.hosts for cluster in settings.clusters.values()):
        return found
    bound = [host for host, _ in settings.listen if host not in EVERYWHERE]
    guessed = bound if len(bound) == len(settings.listen) else dict.fromkeys((socket.getfqdn(), socket.gethostname()))
    return [*found, *(Typed(host.lower(), settings.tls.certificate, sure=False) for host in guessed)]


def of_names(settings: Settings, addresses: tuple[str, ...]) -> Iterator[Finding]:
    """A finding for each host that clients type."""
    for typed in hosts_of(settings, addresses):
        check = f"name {typed.host}"
        try:
            certificate = x509.load_pem_x509_certificates(typed.certificate.read_bytes())[0]
        except (OSError, ValueError):
            continue  # `expiry` says that it cannot be read
        if covers(certificate, typed.host):
            yield Finding(check, "green", f"{typed.certificate} names it")
            continue
        text = f"{typed.certificate} does not name it, but {listed(names_in(certificate))}"
        if typed.sure:
            yield Finding(check, "red", text, f"a certificate that names {typed.host}: kubectl refuses this one there")
        else:
            yield Finding(check, "yellow", f"{text}; clients may type another name", "--address HOST says what clients type")
