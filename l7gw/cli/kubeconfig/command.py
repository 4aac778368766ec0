"""`l7gw kubeconfig CLUSTER`: a client's kubeconfig, without credentials; or one that is there led through the gateway."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import click
from cryptography import x509

from l7gw.cli.completing import clusters
from l7gw.cli.kubeconfig.edit import CannotEdit, Entry, Kubeconfig, rewrite
from l7gw.cli.kubeconfig.login_block import user_of
from l7gw.cli.kubeconfig.merge import Merged
from l7gw.cli.kubeconfig.merge import merge as merged_into
from l7gw.cli.kubeconfig.trust import (
    as_pem,
    certificates_in,
    covers,
    is_authority,
    of_pem,
    warn_of_authority,
    warn_of_client_certificates,
    warn_of_name,
    warn_of_port,
    why_not_trusted,
)
from l7gw.cli.options import config_option
from l7gw.config.document import nearest
from l7gw.config.load import find, load
from l7gw.config.settings import Certificate, Cluster, Settings
from l7gw.name_rules import visible
from l7gw.plainyaml import dumped

HEADER = """\
# {name} through l7gw. No credential is in here. Give the user one, for example
#   kubectl config set-credentials {name} --kubeconfig THIS-FILE --token=TOKEN
# or in place of `user: {{}}`, where a program prints tokens:
#   user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: YOUR-TOKEN-PLUGIN, interactiveMode: IfAvailable}}}}
"""
LOGIN_HEADER = "# {name} through l7gw. No credential is in here: kubectl gets one from `l7gw login`.\n"


@click.command(short_help="Print a client's kubeconfig, or lead one that is there through the gateway.")
@click.argument("cluster", shell_complete=clusters)
@click.option("--address", metavar="HOST:PORT", required=True, help="Where clients reach the gateway.")
@click.option(
    "--certificate-authority",
    "authority",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="What clients trust; else the last certificate of the gateway's own chain.",
)
@click.option(
    "--edit",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="Change the server in this kubeconfig, and the CA where it must.",
)
@click.option("--context", metavar="NAME", help="With --edit: whose cluster is changed; else the current context's.")
@click.option(
    "--merge",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="Put cluster, user and context into this kubeconfig, such as ~/.kube/config.",
)
@click.option("--name", metavar="NAME", help="What the entries are called; default: CLUSTER.")
@click.option("--set-current", is_flag=True, help="With --merge: make it the current context.")
@click.option("--force", is_flag=True, help="With --merge: change a cluster or context of the name that leads elsewhere.")
@click.option("--login", "logs_in", is_flag=True, help="Let kubectl call `l7gw login`, as the configuration's issuer says.")
@click.option("--issuer", metavar="URL", help="With --login: where several issuers have a `login`.")
@click.option("--login-command", metavar="COMMAND", default="l7gw", help="With --login: what kubectl calls; default: l7gw.")
@config_option
def kubeconfig(
    *,
    cluster: str,
    address: str,
    authority: Path | None,
    logs_in: bool,
    issuer: str | None,
    login_command: str,
    config: Path | None,
    **into: Any,
) -> None:
    """Print the kubeconfig with which clients reach CLUSTER through this gateway. It holds no credential.

    A cluster with `hosts` is reached by its first host name, which also works for `kubectl get --raw` and `kubectl proxy`; one
    without by the path https://HOST:PORT/CLUSTER, which those two drop.

    With --edit nothing is printed but what was changed in FILE: `server`, and the CA where the gateway's certificate is of another.
    All else in it stays byte for byte, the credential among it; the same command again changes nothing.

    With --merge the file gets a cluster, a user and a context of the name, or what differs in them is changed; all else stays byte
    for byte. Its current context stays unless there is none, or with --set-current. A credential that it has is never replaced, and
    an entry that leads elsewhere only with --force.

    With --login the user's token comes from `l7gw login`, at the issuer whose `login` the configuration has.

    \b
    l7gw kubeconfig prod --address gw.example.com:8443 > prod.kubeconfig
    KUBECONFIG=prod.kubeconfig kubectl get pods
    l7gw kubeconfig prod --address 10.0.0.5:8443 --certificate-authority company-ca.crt
    l7gw kubeconfig prod --address gw.example.com:8443 --login
    l7gw kubeconfig prod --address gw.example.com:8443 --login --merge ~/.kube/config --set-current

    \b
    aws eks update-kubeconfig --name prod --alias prod
    l7gw kubeconfig prod --address prod.gw.example.com:8443 --edit ~/.kube/config --context prod

    Exit status: 0 yes, 2 wrong usage, or a file that cannot be changed.
    """
    goes = _Into(**into)
    goes.check(logs_in=logs_in)
    settings = load(find(config))
    trusted = None if authority is None else certificates_in(authority)
    way = _Way(the_cluster(settings, cluster), address, _host(address), trusted)
    warn_of_port(address, settings.listen)
    if goes.edit is not None:
        _edit(settings, way, goes.edit, goes.context)
        return
    _made(settings, way, goes, user_of(settings, issuer, address, login_command) if logs_in else {})


@dataclass(frozen=True)
class _Into:
    """What becomes of the kubeconfig: the options of the command that say so."""

    edit: Path | None
    context: str | None
    merge: Path | None
    name: str | None
    set_current: bool
    force: bool

    def check(self, *, logs_in: bool) -> None:
        """Raises UsageError for options that mean nothing together."""
        if self.context and self.edit is None:
            raise click.UsageError("--context says which cluster of a file is meant\n  hint: --edit FILE says which file")
        if (self.set_current or self.force) and self.merge is None:
            raise click.UsageError("--set-current and --force are about what a file has\n  hint: --merge FILE says which file")
        if self.edit is not None and (self.merge is not None or self.name):
            raise click.UsageError("--edit changes an entry that is there\n  hint: --merge FILE adds one, under --name NAME")
        if self.edit is not None and logs_in:
            raise click.UsageError("--edit leaves the credential of a file as it is\n  hint: --merge FILE --login adds another")


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


def _made(settings: Settings, way: _Way, goes: _Into, user: dict[str, object]) -> None:
    """Print a kubeconfig, or merge it into another."""
    name = goes.name or way.cluster.name
    document = _document(way, _trusted(settings, way), user, name)
    if goes.merge is None:
        click.echo((LOGIN_HEADER if user else HEADER).format(name=name) + dumped(document), nl=False)
    else:
        _merge(goes.merge, document, goes)


def _trusted(settings: Settings, way: _Way) -> list[x509.Certificate]:
    """What clients are to trust, and on stderr what would make them fail all the same."""
    tls = way.cluster.tls or settings.tls
    chain = certificates_in(tls.certificate)
    trusted = way.trusted or [next((one for one in reversed(chain) if is_authority(one)), chain[-1])]
    warn_of_name(chain[0], way.cluster.hosts[0] if way.cluster.hosts else way.host)
    warn_of_authority(trusted[0])
    if fault := why_not_trusted(tls, as_pem(trusted)):
        click.echo(f"l7gw: clients will refuse the gateway's certificate: {fault}", err=True)
    return trusted


def _merge(file: Path, document: dict[str, Any], goes: _Into) -> None:
    """Put the entries of a kubeconfig into another, and say what was done and what comes next."""
    found: list[Merged] = []

    def with_ours(octets: bytes) -> bytes:
        found.append(merged_into(octets, document, force=goes.force, set_current=goes.set_current))
        return found[-1].octets

    try:
        changed = rewrite(file, with_ours, make=True)
    except CannotEdit as error:
        raise click.UsageError(f"{file} {error}") from None
    name, merged = document["current-context"], found[-1]
    click.echo(f"{file}: {'changed' if changed else 'has all of it already; nothing was changed'}")
    click.echo("".join(f"  {line}\n" for line in merged.said), nl=False)
    if not merged.credential:
        to_type = f"kubectl config set-credentials {quote(name)} --kubeconfig {quote(str(file))} --token=TOKEN"
        click.echo(f"  {name} has no credential yet: {to_type}")
    if merged.current != name:
        click.echo(f"  the current context stays {visible(merged.current)}; kubectl --context {quote(name)} uses this one")


def _edit(settings: Settings, way: _Way, file: Path, context: str | None) -> None:
    """Lead one cluster of a kubeconfig through the gateway, and say what was changed."""
    said: list[str] = []
    shown: list[x509.Certificate] = []

    def through(octets: bytes) -> bytes:
        document = Kubeconfig(octets, file.resolve().parent)
        entry = document.entry(context)
        server, tls = _served(settings, way, entry)
        authority = None if entry.insecure else _authority(way, tls, entry)
        contexts = f" (context{'s' * (len(entry.contexts) > 1)} {', '.join(entry.contexts)})" if entry.contexts else ""
        said.append(f"cluster {entry.name}{contexts}")
        shown.extend(one for pem in document.client_certificates(entry) for one in of_pem(pem)[:1])
        said.append(f"  server: {entry.server} -> {server}" if entry.server != server else f"  server: {server}, as before")
        if entry.insecure:
            said.append("  insecure-skip-tls-verify stays: this client does not ask who answers it")
        elif authority is None:
            said.append("  its CA stays")
        else:
            said.append(f"  its CA is now {', '.join(one.subject.rfc4514_string() for one in of_pem(authority))}")
        return document.changed(entry, server, authority)

    try:
        changed = rewrite(file, through)
    except CannotEdit as error:
        raise click.UsageError(f"{file} {error}") from None
    click.echo(f"{file}: {'changed' if changed else 'leads through the gateway already; nothing was changed'}")
    click.echo("\n".join(map(visible, said)))
    warn_of_client_certificates(shown, settings.identity)


def _served(settings: Settings, way: _Way, entry: Entry) -> tuple[str, Certificate]:
    """The `server` with which this entry reaches the cluster, and the certificate that the gateway shows there. Raises
    CannotEdit."""
    cluster, name = way.cluster, (entry.tls_server_name or way.host).lower()
    other = next((one.name for one in settings.clusters.values() if one is not cluster and name in one.hosts), "")
    if other:
        raise CannotEdit(f"would lead to cluster {other}: it has the host {name}")
    tls = (cluster.tls or settings.tls) if name in cluster.hosts else settings.tls
    own = certificates_in(tls.certificate)[0]
    if entry.tls_server_name and not covers(own, name):
        raise CannotEdit(
            f"has `tls-server-name: {visible(entry.tls_server_name)}`, which the gateway's certificate does not name: take it out"
        )
    if not entry.tls_server_name and not entry.insecure:
        warn_of_name(own, name)
    return f"https://{way.address}" if name in cluster.hosts else f"https://{way.address}/{cluster.name}", tls


def _authority(way: _Way, tls: Certificate, entry: Entry) -> bytes | None:
    """The CA that the entry must have, in PEM; None where the one that it has will do."""
    if way.trusted is None and not why_not_trusted(tls, entry.authority):
        return None
    trusted = way.trusted or certificates_in(tls.certificate)[-1:]
    pem = as_pem(trusted)
    if entry.authority and set(of_pem(entry.authority)) == set(trusted):
        return None
    if way.trusted is None and (fault := why_not_trusted(tls, pem)):
        click.echo(f"l7gw: clients will refuse the gateway's certificate, whatever CA they trust: {fault}", err=True)
        return None
    warn_of_authority(trusted[0])
    return pem


def _host(address: str) -> str:
    """The host of HOST[:PORT], without brackets. Raises UsageError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::([0-9]{1,5}))?", address)
    if match is None or (match[3] and not 0 < int(match[3]) < 65536):
        raise click.UsageError(f"{address!r} is no address\n  hint: HOST:PORT, such as gw.example.com:8443 or [2001:db8::1]:8443")
    return match[1] or match[2]


def _document(way: _Way, trusted: list[x509.Certificate], user: dict[str, object], name: str) -> dict[str, Any]:
    cluster = way.cluster
    there: dict[str, str] = {"server": f"https://{way.address}" if cluster.hosts else f"https://{way.address}/{cluster.name}"}
    if cluster.hosts and way.host.lower() not in cluster.hosts:
        there["tls-server-name"] = cluster.hosts[0]
    there["certificate-authority-data"] = base64.b64encode(as_pem(trusted)).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": there}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
