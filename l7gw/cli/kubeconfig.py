"""`l7gw kubeconfig CLUSTER`: a client's kubeconfig, without credentials; or one that is there led through the gateway."""

from __future__ import annotations

import base64
import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from l7gw.cli.completing import clusters
from l7gw.cli.kubeconfig_edit import CannotEdit, Entry, Kubeconfig, rewrite
from l7gw.cli.login_block import user_of
from l7gw.cli.options import config_option
from l7gw.config.document import nearest
from l7gw.config.load import find, load
from l7gw.config.private import load_pair
from l7gw.config.settings import Certificate, Cluster, Settings
from l7gw.plainyaml import dumped

HEADER = """\
# {name} through l7gw. No credential is in here: give the user one, for example
#   kubectl config set-credentials {name} --exec-api-version=client.authentication.k8s.io/v1 --exec-command=YOUR-TOKEN-PLUGIN
"""
LOGIN_HEADER = "# {name} through l7gw. No credential is in here: kubectl gets one from `l7gw login`.\n"


@click.command(short_help="Print a client's kubeconfig, or lead one that is there through the gateway.")
@click.argument("cluster", shell_complete=clusters)
@click.option("--address", metavar="HOST:PORT", required=True, help="Where clients reach the gateway.")
@click.option(
    "--certificate-authority",
    "authority",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What clients trust; else the last certificate of the gateway's own chain.",
)
@click.option(
    "--edit",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Change the server in this kubeconfig, and the CA where it must.",
)
@click.option("--context", metavar="NAME", help="With --edit: whose cluster is changed; else the current context's.")
@click.option("--login", "logs_in", is_flag=True, help="Let kubectl call `l7gw login`, as the configuration's issuer says.")
@click.option("--issuer", metavar="URL", help="With --login: where several issuers have a `login`.")
@click.option("--login-command", metavar="COMMAND", default="l7gw", help="With --login: what kubectl calls; default: l7gw.")
@config_option
def kubeconfig(
    *,
    cluster: str,
    address: str,
    authority: Path | None,
    edit: Path | None,
    context: str | None,
    logs_in: bool,
    issuer: str | None,
    login_command: str,
    config: Path | None,
) -> None:
    """Print the kubeconfig with which clients reach CLUSTER through this gateway. It holds no credential.

    A cluster with `hosts` is reached by its first host name, which also works for `kubectl get --raw` and `kubectl proxy`; one
    without by the path https://HOST:PORT/CLUSTER, which those two drop.

    With --edit nothing is printed but what was changed in FILE: `server`, and the CA where the gateway's certificate is of another.
    All else in it stays byte for byte, the credential among it; the same command again changes nothing.

    With --login the user's token comes from `l7gw login`, at the issuer whose `login` the configuration has.

    \b
    l7gw kubeconfig prod --address gw.example.com:8443 > prod.kubeconfig
    KUBECONFIG=prod.kubeconfig kubectl get pods
    l7gw kubeconfig prod --address 10.0.0.5:8443 --certificate-authority company-ca.crt
    l7gw kubeconfig prod --address gw.example.com:8443 --login

    \b
    aws eks update-kubeconfig --name prod --alias prod
    l7gw kubeconfig prod --address prod.gw.example.com:8443 --edit ~/.kube/config --context prod

    Exit status: 0 yes, 2 wrong usage, or a file that cannot be changed.
    """
    if context is not None and edit is None:
        raise click.UsageError("--context says which cluster of a file is meant\n  hint: --edit FILE says which file")
    if edit is not None and logs_in:
        raise click.UsageError("--edit leaves the credential of a file as it is\n  hint: --login without --edit prints a new one")
    settings = load(find(config))
    found = the_cluster(settings, cluster)
    host = _host(address)
    trusted = None if authority is None else _certificates(authority)
    if edit is not None:
        _edit(settings, _Way(found, address, host, trusted), edit, context)
        return
    user = user_of(settings, issuer, address, login_command) if logs_in else {}
    _print(settings, _Way(found, address, host, trusted), user)


def the_cluster(settings: Settings, name: str) -> Cluster:
    """The cluster of this name. Raises UsageError with the nearest where there is none."""
    found = settings.clusters.get(name)
    if found is None:
        near = nearest(name, list(settings.clusters))
        hint = f"did you mean {near}?" if near else "one of " + ", ".join(settings.clusters)
        raise click.UsageError(f"no cluster {name!r} is configured\n  hint: {hint}")
    return found


@dataclass(frozen=True)
class _Way:
    """How clients reach the gateway: host and port, the host alone, and the certificates that they are to trust, None where
    nobody said which."""

    cluster: Cluster
    address: str
    host: str
    trusted: list[x509.Certificate] | None


def _print(settings: Settings, way: _Way, user: dict[str, object]) -> None:
    cluster = way.cluster
    chain = _certificates((cluster.tls or settings.tls).certificate)
    trusted = way.trusted or chain[-1:]
    _warn(chain[0], trusted[0], cluster.hosts[0] if cluster.hosts else way.host)
    document = dumped(_document(way, trusted, user))
    click.echo((LOGIN_HEADER if user else HEADER).format(name=cluster.name) + document, nl=False)


def _edit(settings: Settings, way: _Way, file: Path, context: str | None) -> None:
    """Lead one cluster of a kubeconfig through the gateway, and say what was changed."""
    said: list[str] = []

    def through(octets: bytes) -> bytes:
        document = Kubeconfig(octets, file.resolve().parent)
        entry = document.entry(context)
        server, tls = _served(settings, way, entry)
        authority = None if entry.insecure else _authority(way, tls, entry)
        contexts = f" (context{'s' * (len(entry.contexts) > 1)} {', '.join(entry.contexts)})" if entry.contexts else ""
        said.append(f"cluster {entry.name}{contexts}")
        said.append(f"  server: {entry.server} -> {server}" if entry.server != server else f"  server: {server}, as before")
        if entry.insecure:
            said.append("  insecure-skip-tls-verify stays: this client does not ask who answers it")
        elif authority is None:
            said.append("  its CA stays")
        else:
            said.append(f"  its CA is now {', '.join(one.subject.rfc4514_string() for one in _pem(authority))}")
        return document.changed(entry, server, authority)

    try:
        changed = rewrite(file, through)
    except CannotEdit as error:
        raise click.UsageError(f"{file} {error}") from None
    click.echo(f"{file}: {'changed' if changed else 'leads through the gateway already; nothing was changed'}")
    click.echo("\n".join(said))


def _served(settings: Settings, way: _Way, entry: Entry) -> tuple[str, Certificate]:
    """The `server` with which this entry reaches the cluster, and the certificate that the gateway shows there. Raises
    CannotEdit."""
    cluster, name = way.cluster, (entry.tls_server_name or way.host).lower()
    other = next((one.name for one in settings.clusters.values() if one is not cluster and name in one.hosts), "")
    if other:
        raise CannotEdit(f"would lead to cluster {other}: it has the host {name}")
    tls = (cluster.tls or settings.tls) if name in cluster.hosts else settings.tls
    own = _certificates(tls.certificate)[0]
    if entry.tls_server_name and not _names(own, name):
        raise CannotEdit(
            f"has `tls-server-name: {entry.tls_server_name}`, which the gateway's certificate does not name: take it out"
        )
    if not entry.tls_server_name and not entry.insecure:
        _warn_of_name(own, name)
    return f"https://{way.address}" if name in cluster.hosts else f"https://{way.address}/{cluster.name}", tls


def _authority(way: _Way, tls: Certificate, entry: Entry) -> bytes | None:
    """The CA that the entry must have, in PEM; None where the one that it has will do."""
    if way.trusted is None and not _why_not_trusted(tls, entry.authority):
        return None
    trusted = way.trusted or _certificates(tls.certificate)[-1:]
    pem = _as_pem(trusted)
    if entry.authority and set(_pem(entry.authority)) == set(trusted):
        return None
    if way.trusted is None and (fault := _why_not_trusted(tls, pem)):
        click.echo(f"l7gw: clients will refuse the gateway's certificate, whatever CA they trust: {fault}", err=True)
        return None
    _warn_of_authority(trusted[0])
    return pem


def _why_not_trusted(tls: Certificate, authority: bytes | None) -> str:
    """Why a client that trusts these certificates in PEM (None: those of this machine) refuses the gateway's; "" where it trusts
    it. It is asked by a handshake in memory. Names are not looked at."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        if authority is None:
            theirs.load_default_certs()
        else:
            theirs.load_verify_locations(cadata=authority.decode("ascii"))
        load_pair(ours, tls.certificate, tls.key)
    except (ValueError, OSError):  # ssl.SSLError is an OSError
        return "no certificate in PEM"
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = ours.wrap_bio(up, down, server_side=True), theirs.wrap_bio(down, up)
    for side in (client, server) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except ssl.SSLError as error:
            return error.reason or "no TLS"
    return ""


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


def _document(way: _Way, trusted: list[x509.Certificate], user: dict[str, object]) -> dict[str, object]:
    cluster = way.cluster
    there: dict[str, str] = {"server": f"https://{way.address}" if cluster.hosts else f"https://{way.address}/{cluster.name}"}
    if cluster.hosts and way.host.lower() not in cluster.hosts:
        there["tls-server-name"] = cluster.hosts[0]
    there["certificate-authority-data"] = base64.b64encode(_as_pem(trusted)).decode()
    name = cluster.name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": there}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _as_pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _pem(octets: bytes) -> list[x509.Certificate]:
    """The certificates in PEM; none where there is anything else."""
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        return []


def _warn(own: x509.Certificate, trusted: x509.Certificate, host: str) -> None:
    """Say on stderr what would make clients fail."""
    _warn_of_name(own, host)
    _warn_of_authority(trusted)


def _warn_of_name(own: x509.Certificate, host: str) -> None:
    if not _names(own, host):
        click.echo(f"l7gw: the gateway's certificate does not name {host}: clients will refuse it", err=True)


def _warn_of_authority(trusted: x509.Certificate) -> None:
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
