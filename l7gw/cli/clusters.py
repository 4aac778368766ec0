"""`l7gw clusters`: which clusters there are, whether one can be used, and every way round the gateway."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

import click
from rich import box
from rich.table import Table

from l7gw.cli.answers import console, seconds_of
from l7gw.cli.check_clusters import KINDS
from l7gw.cli.completing import clusters as completed
from l7gw.cli.kubeconfig.command import the_cluster
from l7gw.cli.options import config_option, table_option
from l7gw.config.aws_settings import AwsRole
from l7gw.config.certificates import all_ending, life
from l7gw.config.load import find, load, load_without_tls
from l7gw.config.settings import Certificate, ClientCredential, Cluster, Settings, TokenFile

LONGEST_WAIT = 24 * 3600  # seconds of --wait


@click.group(short_help="The clusters: list them, test one and every way round the gateway, get it a certificate.")
def clusters() -> None:
    """The clusters of the configuration. Nothing here needs a running gateway.

    \b
      l7gw clusters list
      l7gw clusters test prod
      l7gw clusters certificate prod
    """


@clusters.command("list")
@config_option
@table_option
def list_clusters(config: Path | None, output: str) -> None:
    """List the clusters: how clients reach each, where it is, as what the gateway comes there, and when certificates end.

    Nothing is asked over the network. A certificate that ends within 30 days is told on stderr.

    \b
      l7gw clusters list
      l7gw clusters list -o json | jq -r '.[] | select(.tls.ends < "2027-02-01") | .name'
    """
    settings = load(find(config))
    if output == "json":
        click.echo(json.dumps([_document(settings, cluster) for cluster in settings.clusters.values()], indent=2))
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for head in ("CLUSTER", "REACHED BY", "SERVER", "CREDENTIAL", "IMPERSONATE", "CERTIFICATE ENDS"):
            table.add_column(head, overflow="fold")
        for cluster in settings.clusters.values():
            table.add_row(*_row(settings, cluster))
        console().print(table)
    for words in all_ending(settings):
        click.echo(f"l7gw: {words}", err=True)


def _row(settings: Settings, cluster: Cluster) -> Iterator[str]:
    ends = _ends(_shown(settings, cluster))
    yield cluster.name
    yield ", ".join(cluster.hosts) or f"/{cluster.name}"
    yield cluster.url or (f"EKS {cluster.eks.name}, {cluster.eks.region}" if cluster.eks is not None else "")
    yield _credential(cluster.credential)
    yield cluster.impersonate
    yield "?" if ends is None else str(ends.date())


def _credential(credential: ClientCredential | TokenFile | AwsRole) -> str:
    match credential:
        case ClientCredential():
            return "certificate"
        case TokenFile():
            return "token file"
        case AwsRole():
            return f"{credential.role}, for each person" if credential.per == "person" else credential.role
        case _:
            assert_never(credential)


def _shown(settings: Settings, cluster: Cluster) -> Certificate:
    """The certificate that clients of a cluster are shown."""
    return cluster.tls or settings.tls


def _ends(certificate: Certificate) -> datetime | None:
    try:
        return life(certificate.certificate)[1].astimezone(UTC)
    except (OSError, ValueError):
        return None


def _document(settings: Settings, cluster: Cluster) -> dict[str, Any]:
    tls = _shown(settings, cluster)
    ends = _ends(tls)
    return {
        "name": cluster.name,
        "hosts": list(cluster.hosts),
        "server": cluster.url or None,
        "eks": None if cluster.eks is None else {"name": cluster.eks.name, "region": cluster.eks.region},
        "credential": KINDS[type(cluster.credential)],
        "role": cluster.credential.role if isinstance(cluster.credential, AwsRole) else None,
        "break_glass": list(cluster.break_glass),
        "impersonate": cluster.impersonate,
        "prefix": cluster.prefix,
        "groups": list(cluster.groups),
        "record": cluster.record,
        "tls": {"certificate": str(tls.certificate), "ends": None if ends is None else ends.strftime("%Y-%m-%dT%H:%M:%SZ")},
    }


@clusters.command(short_help="Try a cluster step by step, and look for every way round the gateway.")
@click.argument("name", shell_complete=completed)
@click.option("--profile", metavar="P", default="", help="Ask AWS about ways round with this profile, not with the gateway's role.")
@config_option
@table_option
def test(name: str, profile: str, config: Path | None, output: str) -> None:
    """Try cluster NAME step by step, with the gateway's own credential: its AWS credentials, its role, what EKS says of the cluster
    (where it is one of EKS), the way there (DNS, TCP, TLS and whose CA), the version, whom the cluster takes the gateway for, and
    each permission that impersonation needs under this policy.

    Then it looks for every way round the gateway: access entries, lines of `aws-auth`, a public endpoint, identity providers, and
    principals whose IAM policies allow eks:AccessKubernetesApi. One is open until it is closed, or named under
    `clusters.NAME.break-glass`; the gateway's own role is known. What cannot be seen is told at the end.

    Each step has its time; one that fails says what to do, and what cannot be tried without it is told as not tried.

    Exit status: 0 all is well, 1 a way round is open, 2 wrong usage or configuration, 3 a step failed.

    \b
      l7gw clusters test prod
      l7gw clusters test prod --profile audit           # with the rights of somebody who may read IAM
      l7gw clusters test prod -o json | jq '.ways_round[] | select(.standing == "open")'
    """
    from l7gw.cli.clusters_test import tested

    settings = load(find(config))
    cluster = the_cluster(settings, name)
    if profile and cluster.eks is None:
        raise click.UsageError(f"--profile is about ways round at AWS, and {name} is no cluster of EKS")
    sys.exit(tested(settings, cluster, profile, output))


@clusters.command(short_help="Get the gateway a certificate of the cluster's own CA.")
@click.argument("name", shell_complete=completed)
@click.option("--wait", "lasting", metavar="10m", default="10m", show_default=True, help="How long to wait for the approval.")
@click.option("--renew", is_flag=True, help="Ask for another one, with a new key, though there is a good one or an open request.")
@click.option("--print", "printed", is_flag=True, help="Ask nobody: print the request, for an administrator to create and approve.")
@click.option(
    "--install",
    "answer",
    metavar="FILE",
    type=click.Path(readable=False, path_type=Path),
    help="Install the certificate that --print led to; - is stdin.",
)
@config_option
def certificate(name: str, lasting: str, renew: bool, printed: bool, answer: Path | None, config: Path | None) -> None:
    """Get a certificate for the `hosts` of cluster NAME that the cluster's own CA signs, and install it at `clusters.NAME.tls`.
    Clients whose kubeconfig pins that CA then change one line, `server:`.

    EKS signs for any name that an administrator of the cluster approves (signer beta.eks.amazonaws.com/app-serving), for a year.
    The key is made here, has mode 0600 and never leaves this machine. The request is made with the gateway's own credential, where
    RBAC lets it; else --print gives it to an administrator. `check`, `clusters list` and the gateway's log warn 30 days before the
    end.

    Exit status: 0 installed, or none is due yet; 2 wrong usage or configuration; 3 refused, or not approved in time.

    \b
      l7gw clusters certificate prod                        # in another terminal: kubectl certificate approve NAME
      l7gw clusters certificate prod --print > csr.yaml     # kubectl create -f csr.yaml, approve, get
      l7gw clusters certificate prod --install prod.pem
    """
    from l7gw.cli import clusters_certificate as of

    if printed and answer is not None:
        raise click.UsageError("--print begins what --install ends: one of them")
    if renew and answer is not None:
        raise click.UsageError("--renew makes another key than the one that --install is for")
    settings, tls = load_without_tls(find(config), name)
    job = of.job_of(settings, the_cluster(settings, name), tls)
    ends = None if renew or printed or answer is not None else of.good_until(job)
    if ends is not None:
        click.echo(f"{job.tls.certificate} is good until {ends.date()}; --renew asks for another one")
    elif printed:
        of.print_request(job, of.key_for(job, renew=renew))
    else:
        of.certify(job, renew=renew, seconds=seconds_of(lasting, LONGEST_WAIT, "--wait"), answer=answer)
