"""`l7gw clusters certificate NAME`: a certificate of the cluster's own CA for the gateway, so that kubeconfigs keep theirs."""

from __future__ import annotations

import os
import ssl
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console

from l7gw.cli.reached_cluster import UNKNOWN, the_api_server
from l7gw.cli.state import fail
from l7gw.cluster import signing_request
from l7gw.cluster.api_server import ApiServer
from l7gw.cluster.serving_certificate import checked, key_of, key_pem, manifest, named_hosts, new_key
from l7gw.cluster.trial import Failure
from l7gw.config.certificates import is_due
from l7gw.config.private import fault_of_secret, load_pair
from l7gw.config.settings import Certificate, Cluster, Settings
from l7gw.file_replace import Owner, replace_file
from l7gw.os_faults import in_words, told
from l7gw.plainyaml import dumped

USAGE = 2  # exit status
LARGEST = 64 * 1024  # bytes of a certificate or a key that is read
PUBLIC, PRIVATE = 0o644, 0o600  # modes of new files


@dataclass(frozen=True)
class Job:
    """The certificate that is wanted: for the cluster's hosts, at the paths of `clusters.NAME.tls`."""

    cluster: Cluster
    tls: Certificate
    owner: Owner

    @property
    def waiting(self) -> Path:
        """Where the key is until its certificate is installed. Whoever cuts this command off goes on with the same key."""
        return self.tls.key.with_name(f"{self.tls.key.name}.new")


def job_of(settings: Settings, cluster: Cluster, tls: Certificate | None) -> Job:
    """Ends the command where the configuration does not say what is wanted."""
    name = cluster.name
    if not cluster.hosts:
        hint = f"clusters.{name}.hosts: [{name}.gw.example.com], the name in clients' `server:`"
        fail(f"cluster {name} has no `hosts`, for which the certificate would be\n  hint: {hint}", USAGE)
    if tls is None:
        hint = f"clusters.{name}.tls: {{certificate: {name}.crt, key: {name}.key}}; this command makes the files"
        fail(f"cluster {name} has no `tls`, where the certificate would be put\n  hint: {hint}", USAGE)
    for path in (tls.certificate, tls.key):
        if not path.parent.is_dir():
            fail(f"there is no folder {path.parent}", USAGE)
    return Job(cluster, tls, _owner(settings.state))


def _owner(state: Path) -> Owner:
    """Whose the files are to be: the gateway's user, to whom the state belongs."""
    try:
        about = state.stat()
    except OSError:
        return os.geteuid(), os.getegid()
    return about.st_uid, about.st_gid


def good_until(job: Job) -> datetime | None:
    """When the certificate that is there ends. None where another one should be asked for: it is due, or made for other hosts, or
    not there, or its key is another's, as after a disk that was full between both."""
    try:
        found = x509.load_pem_x509_certificates(job.tls.certificate.read_bytes())[0]
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), job.tls.certificate, job.tls.key)
    except (OSError, ValueError):
        return None
    ends = found.not_valid_after_utc
    due = is_due(found.not_valid_before_utc, ends, datetime.now(UTC))
    return ends if set(job.cluster.hosts) <= named_hosts(found) and not due else None


def key_for(job: Job, *, renew: bool) -> rsa.RSAPrivateKey:
    """The key whose certificate was not installed yet, else a new one, which is put there. `renew`: a new one in any case."""
    if not renew and job.waiting.exists():
        try:
            about = job.waiting.stat()
            if fault := fault_of_secret(job.waiting, about, os.geteuid()):
                fail(f"{job.waiting} {fault[0]}\n  hint: remove it; this command then makes another", USAGE)
            return key_of(job.waiting.read_bytes()[:LARGEST])
        except (OSError, ValueError) as error:
            fail(f"{job.waiting} cannot be used: {in_words(error)}\n  hint: remove it; this command then makes another", USAGE)
    key = new_key()
    try:
        job.waiting.unlink(missing_ok=True)
        replace_file(job.waiting, key_pem(key), mode=PRIVATE, owner=job.owner)
    except OSError as error:
        fail(f"{job.waiting} cannot be written: {told(error)}", UNKNOWN)
    return key


def print_request(job: Job, key: rsa.RSAPrivateKey) -> None:
    """Print the request for an administrator, and say on stderr what comes next."""
    made, name = manifest(job.cluster.name, key, job.cluster.hosts), job.cluster.name
    click.echo(dumped(made), nl=False)
    csr = made["metadata"]["name"]
    click.echo(
        f"l7gw: the key is {job.waiting}. An administrator creates and approves what was printed:\n"
        f"  kubectl create -f FILE && kubectl certificate approve {csr}\n"
        f"  kubectl get csr {csr} -o jsonpath='{{.status.certificate}}' | base64 -d > {name}.pem\n"
        f"and the answer is installed with\n  l7gw clusters certificate {name} --install {name}.pem",
        err=True,
    )


def asked_for(job: Job, key: rsa.RSAPrivateKey, server: ApiServer, seconds: float) -> bytes:
    """Make the request, and wait until it is approved and signed. Raises Failure."""
    made = manifest(job.cluster.name, key, job.cluster.hosts)
    name = made["metadata"]["name"]
    signing_request.create(server, made)
    click.echo(
        f"asked for a certificate for {', '.join(job.cluster.hosts)}; an administrator of the cluster approves it:", err=True
    )
    click.echo(f"  kubectl certificate approve {name}", err=True)
    until = time.monotonic() + seconds
    shows = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with shows.status("waiting …") as status:  # shows nothing where stderr is no terminal

        def told(state: signing_request.State) -> None:
            what = "approval" if state == "pending" else "the signer"
            status.update(f"waiting for {what}, for {max(0, round(until - time.monotonic()))} s more …")

        return signing_request.wait(server, name, until, told)


def install(job: Job, key: rsa.RSAPrivateKey, pem: bytes, authority: bytes) -> None:
    """Put certificate and key in their places. Ends the command for a certificate that is not the one that was asked for."""
    try:
        chain, ends = checked(pem, key, job.cluster.hosts, authority)
    except ValueError as error:
        fail(f"the certificate cannot be used: {error}\n  nothing was installed", UNKNOWN)
    try:
        replace_file(job.tls.key, key_pem(key), mode=PRIVATE, owner=job.owner, keeps_mode=_is_private(job.tls.key))
        replace_file(job.tls.certificate, chain, mode=PUBLIC, owner=job.owner)
        job.waiting.unlink(missing_ok=True)
    except OSError as error:
        fail(f"the certificate cannot be installed: {told(error, named=True)}", UNKNOWN)
    host = job.cluster.hosts[0]
    click.echo(
        f"installed {job.tls.certificate}, until {ends.date()}; a running gateway shows it within a second\n"
        f"clients change one line: l7gw kubeconfig {job.cluster.name} --address {host}:PORT --edit ~/.kube/config"
    )


def _is_private(path: Path) -> bool:
    """Whether a file is there that nobody else can read."""
    try:
        return fault_of_secret(path, path.stat(), os.geteuid()) is None
    except FileNotFoundError:
        return True


def certify(job: Job, *, renew: bool, seconds: float, answer: Path | None) -> None:
    """Have the certificate, by asking the cluster, or from the file `answer` (`-`: stdin), and install it."""
    if answer is not None and not job.waiting.exists():
        fail(
            f"there is no key that waits for a certificate: {job.waiting}\n  hint: --print makes one, and the request for it", USAGE
        )
    key = key_for(job, renew=renew)
    pem = None if answer is None else _read(answer)
    server, authority = the_api_server(job.cluster)
    try:
        found = pem if pem is not None else asked_for(job, key, server, seconds)
    except Failure as failure:
        fail(f"{failure}\n  hint: {failure.remedy or f'l7gw clusters test {job.cluster.name}'}{_or_print(job, failure)}", UNKNOWN)
    except KeyboardInterrupt:
        fail("interrupted; the request stays, and this command goes on with it when it is run again", UNKNOWN)
    finally:
        server.close()
    install(job, key, found, authority)


def _or_print(job: Job, failure: Failure) -> str:
    if failure.remedy != signing_request.GRANT:
        return ""
    return f"; or an administrator asks: l7gw clusters certificate {job.cluster.name} --print"


def _read(answer: Path) -> bytes:
    try:
        if str(answer) == "-":
            return sys.stdin.buffer.read(LARGEST)
        with answer.open("rb") as file:
            return file.read(LARGEST)
    except OSError as error:
        fail(f"{answer} cannot be read: {told(error)}", USAGE)
