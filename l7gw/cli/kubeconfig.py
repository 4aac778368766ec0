"""`l7gw kubeconfig CLUSTER`: a client's kubeconfig, without credentials."""

from __future__ import annotations

import base64
import ipaddress
import re
from pathlib import Path

import click
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from l7gw.cli.options import config_option
from l7gw.config.document import nearest
from l7gw.config.load import find, load
from l7gw.config.settings import Cluster

HEADER = """\
# {name} through l7gw. No credential is in here: give the user one, for example
#   kubectl config set-credentials {name} --exec-api-version=client.authentication.k8s.io/v1 --exec-command=YOUR-TOKEN-PLUGIN
"""


@click.command(short_help="Print a client's kubeconfig, without credentials.")
@click.argument("cluster")
@click.option("--address", metavar="HOST:PORT", required=True, help="Where clients reach the gateway.")
@click.option(
    "--certificate-authority",
    "authority",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What clients trust; else the last certificate of the gateway's own chain.",
)
@config_option
def kubeconfig(cluster: str, address: str, authority: Path | None, config: Path | None) -> None:
    """Print the kubeconfig with which clients reach CLUSTER through this gateway. It holds no credential.

    A cluster with `hosts` is reached by its first host name, which also works for `kubectl get --raw` and `kubectl proxy`; one
    without by the path https://HOST:PORT/CLUSTER, which those two drop.

    \b
    l7gw kubeconfig prod --address gw.example.com:8443 > prod.kubeconfig
    KUBECONFIG=prod.kubeconfig kubectl get pods
    l7gw kubeconfig prod --address 10.0.0.5:8443 --certificate-authority company-ca.crt
    """
    settings = load(find(config))
    found = settings.clusters.get(cluster)
    if found is None:
        near = nearest(cluster, list(settings.clusters))
        hint = f"did you mean {near}?" if near else "one of " + ", ".join(settings.clusters)
        raise click.UsageError(f"no cluster {cluster!r} is configured\n  hint: {hint}")
    host = _host(address)
    chain = _certificates((found.tls or settings.tls).certificate)
    trusted = _certificates(authority) if authority is not None else chain[-1:]
    reached_by = found.hosts[0] if found.hosts else host
    _warn(chain[0], trusted[0], reached_by)
    click.echo(HEADER.format(name=found.name) + yaml.safe_dump(_document(found, address, host, trusted), sort_keys=False), nl=False)


def _host(address: str) -> str:
    """The host of HOST[:PORT], without brackets. Raises UsageError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?", address)
    if match is None or (match[3] and not 0 < int(match[3]) < 65536):
        raise click.UsageError(f"{address!r} is no address\n  hint: HOST:PORT, such as gw.example.com:8443 or [2001:db8::1]:8443")
    return match[1] or match[2]


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise click.UsageError(f"{path} holds no certificate in PEM") from None


def _document(cluster: Cluster, address: str, host: str, trusted: list[x509.Certificate]) -> dict[str, object]:
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in trusted)
    there: dict[str, str] = {"server": f"https://{address}" if cluster.hosts else f"https://{address}/{cluster.name}"}
    if cluster.hosts and host.lower() not in cluster.hosts:
        there["tls-server-name"] = cluster.hosts[0]
    there["certificate-authority-data"] = base64.b64encode(pem).decode()
    name = cluster.name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": there}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _warn(own: x509.Certificate, trusted: x509.Certificate, host: str) -> None:
    """Say on stderr what would make clients fail."""
    if not _names(own, host):
        click.echo(f"l7gw: the gateway's certificate does not name {host}: clients will refuse it", err=True)
    if not _is_authority(trusted):
        what = "the certificate that clients will trust is the gateway's own, no authority's: it must be replaced with it"
        click.echo(
            f"l7gw: {what}\n  hint: --certificate-authority FILE, or the authority at the end of `tls: certificate:`", err=True
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _names(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate is for this host (RFC 6125 section 6.4): it has the address itself, or the name in full or with a star
    as its first label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    wanted = host.lower()
    starred = "*." + wanted.partition(".")[2]
    return any(name.lower() in (wanted, starred) for name in names.get_values_for_type(x509.DNSName))
