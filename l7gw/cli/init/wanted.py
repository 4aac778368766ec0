"""What `l7gw init` is told: each answer looked at when it is given, so that a wrong one is named by its option."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import click

from l7gw.cli.kubeconfig.edit import CannotEdit, Entry, Kubeconfig
from l7gw.config.clusters import API_ROOTS
from l7gw.config.fields import LABEL, address_of, is_ip, url_of
from l7gw.name_rules import visible

USUAL = Path("~/.kube/config")
LARGEST = 4 * 1024 * 1024  # bytes of a kubeconfig or a bundle of authorities; as `kubeconfig/edit` has it
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", re.ASCII)  # of a person or a group: it stands in certificates and commands


@dataclass(frozen=True)
class Cluster:
    """A cluster to put the gateway before. `authority` is its CA in PEM, `suggested` a name for it, `kubectl` the options by which
    its administrator reaches it."""

    server: str
    host: str
    port: int
    authority: bytes
    suggested: str
    kubectl: tuple[str, ...]


@dataclass(frozen=True)
class Issuer:
    """An OIDC issuer of people. `login` is the client by which they log in, "" for none."""

    url: str
    audience: str
    username: str
    groups: str
    login: str
    authority: Path | None


@dataclass(frozen=True)
class Wanted:
    """All that was asked for. `issuer` is None where people come by client certificates. `pair` and `credential` are certificate
    and key of the gateway, for its clients and for the cluster; None where they are to be made. `command` is how l7gw is called."""

    folder: Path
    name: str
    cluster: Cluster
    address: str
    host: str
    listen: str
    state: str
    pair: tuple[Path, Path] | None
    credential: tuple[Path, Path] | None
    issuer: Issuer | None
    user: str
    group: str
    namespace: str
    agents: bool
    command: str


def wrong(option: str, what: str, hint: str = "") -> click.UsageError:
    """A mistake in an option, with what to type."""
    return click.UsageError(f"{option} {what}" + (f"\n  hint: {hint}" if hint else ""))


# ---------------------------------------------------------------------- the cluster


def from_kubeconfig(file: Path, context: str | None, server: str, authority: Path | None) -> Cluster:
    """The cluster that a context of a kubeconfig leads to. Its credential is not read. `server` and `authority` count instead of
    what stands there. Raises UsageError."""
    octets = read(file, "--kubeconfig")
    try:
        entry = Kubeconfig(octets, file.resolve().parent).entry(context)
    except CannotEdit as error:
        raise wrong(f"--kubeconfig {file}", str(error)) from None
    used = ("--kubeconfig", str(file.absolute()), *(("--context", context) if context else ()))
    place = server or entry.server
    host, port = _server(place, "--server" if server else f"--kubeconfig {file} has a cluster {entry.name!r} whose `server`")
    if not server and entry.tls_server_name:
        name = visible(entry.tls_server_name)
        hint = f"--server https://{name}:{port}, where that name leads there too"
        raise wrong(f"--kubeconfig {file}", f"has `tls-server-name: {name}`, which a gateway does not have", hint)
    return Cluster(place, host, port, _authority_of(entry, file, authority), _suggested(entry.name), used)


def from_server(server: str, authority: Path | None) -> Cluster:
    """The cluster at a URL. Raises UsageError."""
    host, port = _server(server, "--server")
    if authority is None:
        hint = "--certificate-authority FILE, or --kubeconfig FILE, which has both"
        raise wrong("--server", "says where the cluster is, and not whom to trust there", hint)
    return Cluster(server, host, port, _bundle(authority), "cluster", ())


def _server(text: str, what: str) -> tuple[str, int]:
    url, port = url_of(text)
    if url is None or url.hostname is None or url.path.strip("/") or url.query or url.fragment:
        raise wrong(what, f"must be https://HOST[:PORT], not {text!r}", "such as https://10.0.0.1:6443")
    return url.hostname, port


def _authority_of(entry: Entry, file: Path, given: Path | None) -> bytes:
    if given is not None:
        return _bundle(given)
    if entry.insecure or entry.authority is None:
        why = "asks nobody who answers (insecure-skip-tls-verify)" if entry.insecure else "names no certificate authority"
        hint = "--certificate-authority FILE: the cluster's CA in PEM; a gateway has to know whom it speaks to"
        raise wrong(f"--kubeconfig {file}", f"has a cluster {entry.name!r} that {why}", hint)
    return _pem(entry.authority, f"--kubeconfig {file} has a cluster {entry.name!r} whose certificate authority")


def _bundle(path: Path) -> bytes:
    return _pem(read(path, "--certificate-authority"), f"--certificate-authority {path}")


def _pem(octets: bytes, what: str) -> bytes:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=octets.decode("ascii"))
    except (ValueError, OSError):  # ssl.SSLError is an OSError
        raise wrong(what, "holds no certificate in PEM") from None
    return octets


def _suggested(name: str) -> str:
    """A name for the cluster, made of the one in a kubeconfig."""
    made = re.sub(r"[^a-z0-9]+", "-", name.rpartition("/")[2].lower()).strip("-")[:63].strip("-")
    return made if LABEL.fullmatch(made) and made not in API_ROOTS else "cluster"


# ---------------------------------------------------------------------- single answers


def read(path: Path, option: str) -> bytes:
    """The bytes of a file that an option names. Raises UsageError."""
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST + 1)
    except OSError as error:
        raise wrong(f"{option} {path}", f"cannot be read: {(error.strerror or 'no file').lower()}") from None
    if len(octets) > LARGEST:
        raise wrong(f"{option} {path}", f"is larger than {LARGEST // 1024**2} MiB")
    return octets


def cluster_name(text: str) -> str:
    """Raises UsageError where no cluster can have this name."""
    if LABEL.fullmatch(text) is None:
        raise wrong(
            "--cluster", f"{text!r} cannot be a cluster's name", "1 to 63 lower-case letters, digits and hyphens: it stands in URLs"
        )
    if text in API_ROOTS:
        raise wrong(
            "--cluster",
            f"{text!r} cannot be a cluster's name: https://GATEWAY/{text} is a path of the API",
            f"such as {text}-cluster",
        )
    return text


def addressed(text: str) -> tuple[str, str, int]:
    """HOST:PORT as clients type it, the host without brackets, and the port; 8443 where none is said. Raises UsageError."""
    bare = address_of(text)
    found = bare or address_of(f"{text}:8443")
    if found is None or not found[1]:
        raise wrong("--address", f"{text!r} is no address", "HOST:PORT, such as gw.example.com:8443 or [2001:db8::1]:8443")
    return (text if bare else f"{text}:8443"), found[0].lower(), found[1]


def listening(text: str | None, host: str, port: int) -> str:
    """Where the gateway listens: where it was said, else on loopback where clients are to come by that, else everywhere. Raises
    UsageError."""
    if text is None:
        own = "0.0.0.0" if not is_loopback(host) else "127.0.0.1" if host == "localhost" else f"[{host}]" if ":" in host else host
        return f"{own}:{port}"
    if address_of(text) is None:
        raise wrong("--listen", f"{text!r} is no address", "HOST:PORT, such as 0.0.0.0:8443 or [::]:8443")
    return text


def is_loopback(host: str) -> bool:
    """Whether clients on this machine alone get there."""
    return host == "localhost" or host == "::1" or (is_ip(host, 4) and host.startswith("127."))


def issuer_url(text: str) -> str:
    """Raises UsageError where it is none (OpenID Connect Discovery 1.0, section 3)."""
    url, _ = url_of(text)
    if url is None or url.query or url.fragment:
        raise wrong(
            "--issuer", f"must be an https URL, exactly as the tokens' iss, not {text!r}", "such as https://idp.example.com"
        )
    return text


def named(text: str, option: str) -> str:
    """Raises UsageError where nobody can have this name here."""
    if NAME.fullmatch(text) is None or text.startswith("system"):
        raise wrong(option, f"{text!r} cannot be a name here", "1 to 63 letters, digits and any of ._@-")
    return text


def default_kubeconfig() -> Path | None:
    """The kubeconfig that kubectl would take: the only one in $KUBECONFIG, else ~/.kube/config. None where there is none, or where
    $KUBECONFIG has several, of which somebody must say which is meant."""
    said = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    found = Path(said[0]) if len(said) == 1 else None if said else USUAL.expanduser()
    return found if found is not None and found.is_file() else None


def namespace(text: str) -> str:
    """Raises UsageError where no namespace can have this name."""
    if LABEL.fullmatch(text) is None:
        raise wrong("--namespace", f"{text!r} cannot be a namespace's name", "1 to 63 lower-case letters, digits and hyphens")
    return text
