"""l7gw.yaml as typed, frozen settings. What this version lacks is an error that says so, never ignored."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import yaml

from l7gw import names
from l7gw.config.document import Document, Reader, plain, shown
from l7gw.config.private import fault_of_secret, fault_of_state
from l7gw.errors import ConfigurationError, Problem

DEFAULT = Path("/etc/l7gw/l7gw.yaml")
STATE = "/var/lib/l7gw"
LISTEN = "0.0.0.0:8443"

# A path prefix chooses a cluster, so its name must not be the first segment of a path of the API.
API_ROOTS = frozenset(("api", "apis", "openapi", "version", "healthz", "livez", "readyz", "metrics", "l7gw"))
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123 section 2.1, lower case
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL.pattern}(\.{LABEL.pattern})*", re.ASCII)
KINDS = ("human", "agent", "workload")

MOST_LISTENERS = 16  # a machine has few addresses; each is a socket
LONGEST_PREFIX = 64  # characters; with it a user must stay below the 256 bytes that can be impersonated
LONGEST_GLOB = 512  # characters, and
MOST_STARS = 8  # as in the patterns of a policy
LONGEST_ISSUER = 512  # characters; it stands in every session
DAY = 86400  # seconds: the longest lifetime that is common (Okta, Cognito); most tokens live an hour
LEAST_LIFETIME = 60  # seconds of a token; what ends sooner is over before it is used
MOST_LIFETIME = 400 * DAY  # seconds; a projected token of Kubernetes may live a year
MOST_AUDIENCES = 100  # of one issuer; its clients, as a rule one to three
LEAST_RESERVED = 1024**2  # bytes; what is buffered when the calls stop must still find room
MOST_RESERVED = 1024**4  # bytes; a reserve above a TiB is a typing mistake
NO_PASSWORD = "-"  # so that OpenSSL fails on an encrypted key, and asks nobody at a terminal


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path


@dataclass(frozen=True)
class KindRule:
    """`fixed`, or (where it is None) the kind whose list in `values` holds the claim's value; a missing claim is an agent."""

    fixed: str | None = "human"
    claim: str | None = None
    values: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class OidcIssuer:
    """A token is for us where its `aud` is one of `audiences` alone, or (`any_audience`) has one of them among others.

    `username`, `groups` and what `require` maps are claims: a name, or a path with dots. `groups` is the claim that lists them, ""
    for none. `require` maps claims to the text that they must have or hold; true or false has the text `true` or `false`.
    `email_verified` (require | if-present) is for `username: email`: if-present takes a token that does not speak of it.
    `longest_lifetime` is seconds from iat to exp.
    """

    issuer: str
    audiences: tuple[str, ...]
    username: str = "sub"
    groups: str = ""
    certificate_authority: Path | None = None
    kind: KindRule = KindRule()
    prefix: str = ""
    require: dict[str, str] = field(default_factory=dict, hash=False)
    end_with_credential: bool = False
    any_audience: bool = False
    email_verified: str = "require"
    longest_lifetime: int = DAY


@dataclass(frozen=True)
class ClientCertificate:
    certificate_authority: Path
    kind: KindRule = KindRule()
    prefix: str = ""


@dataclass(frozen=True)
class ClientCredential:
    certificate: Path
    key: Path


@dataclass(frozen=True)
class TokenFile:
    path: Path


@dataclass(frozen=True)
class Cluster:
    """`hosts` are TLS server names in lower case; `server_host` has no brackets; `prefix` stands before users and groups, but not
    in the `groups` here, which are as the identity gives them."""

    name: str
    server_host: str
    server_port: int
    certificate_authority: Path
    credential: ClientCredential | TokenFile
    hosts: tuple[str, ...] = ()
    tls: Certificate | None = None
    impersonate: str = "groups"  # groups | user | none
    prefix: str = "l7gw:"
    record: str = "all"  # all | metadata | none
    groups: tuple[str, ...] = ()  # globs: of the callers' groups that go up, beside those that rules name

    @property
    def server_authority(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.server_host}]" if ":" in self.server_host else self.server_host
        return host if self.server_port == 443 else f"{host}:{self.server_port}"


@dataclass(frozen=True)
class Recording:
    durable: str = "writes"  # none | writes | all
    reserve: int = 2 * 1024**3  # bytes that stay free on the disk


@dataclass(frozen=True)
class Settings:
    path: Path
    listen: tuple[tuple[str, int], ...]
    tls: Certificate
    state: Path
    identity: tuple[OidcIssuer | ClientCertificate, ...]
    clusters: dict[str, Cluster] = field(hash=False)
    policy: Path
    recording: Recording


def find(path: Path | None) -> Path:
    """The configuration file: the given one, else $L7GW_CONFIG, else /etc/l7gw/l7gw.yaml."""
    return (path or Path(os.environ.get("L7GW_CONFIG") or DEFAULT)).absolute()


LATER = {
    "admin": "health and metrics",
    "masking": "masking",
    "reviews": "the approvals",
    "limits": "limits per principal",
    "store": "more than one machine",
    "proxy-protocol": "load balancers",
    "people": "the approvals",
    "socket": "the approvals",
    "console": "the console",
    "hooks": "hooks of your own",
    "log": "settings of the log",
}
OF_TOKENS = ("require", "end-with-credential", "email-verified", "longest-lifetime", "audiences")  # beside `oidc` alone
IDENTITY_KEYS = ("oidc", "client-certificate", "kind", "prefix", *OF_TOKENS)
OIDC_KEYS = ("issuer", "audience", "audiences", "username", "groups", "certificate-authority")
CLUSTER_KEYS = ("hosts", "tls", "server", "certificate-authority", "credential", "impersonate", "prefix", "groups", "record")


def load(path: Path) -> Settings:
    """Read a configuration. Raises ConfigurationError with every mistake in it."""
    settings, _, problems = read(path)
    if settings is None:
        raise ConfigurationError(problems)
    return settings


def read(path: Path) -> tuple[Settings | None, Path | None, list[Problem]]:
    """The settings (None where there are mistakes), the policy's file where it is named and there, and all mistakes."""
    try:
        document = Document(path, "say which file with --config FILE or $L7GW_CONFIG")
    except ConfigurationError as error:
        return None, None, error.problems
    known = ("listen", "tls", "state", "workers", "identity", "clusters", "policy", "recording")
    top = document.reader(known, LATER)
    listen = _listen(top)
    _workers(top)
    tls = _certificate(top, required=True)
    state = _state(top)
    identity = _identity(top)
    clusters = _clusters(top)
    policy = top.file("policy", required=True)
    recording = _recording(top)
    problems = document.sorted_problems()
    if problems or tls is None or policy is None:
        return None, policy, problems
    return Settings(path, listen, tls, state, identity, clusters, policy, recording), policy, []


def _listen(top: Reader) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    addresses = top.listed("listen", one=True) if top.has("listen") else [(LISTEN, top.node)]
    for text, node in addresses or ():
        address = _address(text)
        if address is None:
            hint = "HOST:PORT, such as 0.0.0.0:8443 or [::]:8443"
            top.document.wrong(node, f"`listen`: {shown(text)} is no address", hint)
        elif address in found:
            top.document.wrong(node, f"`listen`: {text} stands twice")
        else:
            found.append(address)
    if len(found) > MOST_LISTENERS:
        top.wrong("listen", f"`listen` has more than {MOST_LISTENERS} addresses")
    return tuple(found)


def _address(text: str) -> tuple[str, int] | None:
    """Host (without brackets) and port; a port of 0 is any that is free."""
    host, _, digits = text.rpartition(":")
    if re.fullmatch(r"[0-9]{1,5}", digits) is None or int(digits) > 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        return (host[1:-1], int(digits)) if _is_ip(host[1:-1], 6) else None
    return (host, int(digits)) if _is_ip(host, 4) or _is_host_name(host.lower()) else None


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_host_name(text: str) -> bool:
    """A name of the DNS, in lower case. Digits at the end are an address that somebody mistyped (RFC 1123 section 2.1)."""
    return HOST_NAME.fullmatch(text) is not None and not text.rpartition(".")[2].isdigit()


def _workers(top: Reader) -> None:
    node = top.node_of("workers")
    if node is None:
        return
    value = plain(node)
    if value == "auto" or (type(value) is int and value == 1):
        return
    if type(value) is int and value > 1:
        top.wrong("workers", "`workers`: more than one is not in this version", "leave it out, or say 1")
    else:
        top.wrong("workers", "`workers` must be auto or a number")


def _state(top: Reader) -> Path:
    """The folder of all evidence. It need not be there yet; where it is, nobody else may look into it (threats J5)."""
    state = top.path("state") or Path(STATE)
    try:
        about = state.stat()
    except FileNotFoundError:
        return state
    except OSError as error:
        top.wrong("state", f"`state`: {state} cannot be read: {error.strerror}")
        return state
    if not stat.S_ISDIR(about.st_mode):
        top.wrong("state", f"`state`: {state} is no folder")
        return state
    fault = fault_of_state(state, about)
    if fault is not None:
        top.wrong("state", f"`state`: {state}, where recordings are readable, {fault[0]}", fault[1])
    return state


def _certificate(reader: Reader, *, required: bool = False) -> Certificate | None:
    if not reader.has("tls"):
        if required:
            reader.missing("tls", "tls: {certificate: server.crt, key: server.key}; certs/development-ca.sh makes a pair")
        return None
    pair = _pair(reader.inner("tls", ("certificate", "key")), "certificate", "key")
    return Certificate(*pair) if pair else None


def _pair(reader: Reader, certificate_key: str, key_key: str) -> tuple[Path, Path] | None:
    """A certificate and its key: there, private, and belonging together."""
    certificate, key = reader.file(certificate_key, required=True), reader.file(key_key, required=True)
    if key is not None:
        _private(reader, key_key, key)
    if certificate is None or key is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, NO_PASSWORD)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or "one of them is no PEM, or the key is encrypted"
        what = f"{certificate} and {key} are no certificate and its key: {why.replace('_', ' ').lower()}"
        reader.wrong(
            certificate_key, what, f"compare: openssl x509 -noout -pubkey -in {certificate}; openssl pkey -pubout -in {key}"
        )
        return None
    return certificate, key


def _private(reader: Reader, key: str, path: Path) -> None:
    """Who can read the file is the gateway (threats J5)."""
    try:
        about = path.stat()
    except OSError:
        return  # it went away since `file` opened it; whoever uses it will say so
    fault = fault_of_secret(path, about, os.geteuid())
    if fault is not None:
        reader.wrong(key, f"`{key}`: {path} {fault[0]}", fault[1])


def _authority(reader: Reader, *, required: bool) -> Path | None:
    path = reader.file("certificate-authority", required=required)
    if path is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except (OSError, ValueError):
            reader.wrong("certificate-authority", f"{path} holds no certificate in PEM")
            return None
    return path


def _prefix(reader: Reader, default: str = "") -> str:
    prefix = reader.text("prefix", default)
    if len(prefix) > LONGEST_PREFIX:
        reader.wrong("prefix", f"`prefix` is longer than {LONGEST_PREFIX} characters")
    if prefix.startswith("system:") or "," in prefix:
        reader.wrong("prefix", f"`prefix` {shown(prefix)} begins with system:, or holds a comma", 'such as "l7gw:"')
    elif fault := names.fault(prefix + "-"):  # a name follows
        reader.wrong("prefix", f"`prefix` {shown(prefix)} {fault}", 'such as "l7gw:"')
    return prefix


# ---------------------------------------------------------------------- identity


def _identity(top: Reader) -> tuple[OidcIssuer | ClientCertificate, ...]:
    found: list[OidcIssuer | ClientCertificate] = []
    seen: dict[str, yaml.Node] = {}
    nodes = top.items("identity")
    if not nodes and (not top.has("identity") or isinstance(top.node_of("identity"), yaml.SequenceNode)):
        top.wrong("identity", "`identity` has no entry", "without one nobody can be let in")
    for node in nodes:
        entry = Reader(top.document, node, "an entry of `identity`", IDENTITY_KEYS, {"aws": "EKS"})
        if entry.node is None or not isinstance(entry.node, yaml.MappingNode):
            continue
        prefix = _prefix(entry)
        if prefix in seen:
            what = f"the same prefix {shown(prefix)} as" if prefix else "no `prefix`, as has"
            what = f"this entry of `identity` has {what} the one in line {seen[prefix].start_mark.line + 1}"
            top.document.wrong(node, what, "all but one need one, no two the same: else two issuers could name the same person")
        seen.setdefault(prefix, node)
        made = _entry(entry, node, prefix)
        if made is not None:
            found.append(made)
    return tuple(found)


def _entry(entry: Reader, node: yaml.Node, prefix: str) -> OidcIssuer | ClientCertificate | None:
    if entry.has("oidc") and entry.has("client-certificate"):
        entry.document.wrong(node, "an entry of `identity` is one of oidc, client-certificate", "make it two entries")
    if entry.has("oidc"):
        return _oidc(entry, _kind(entry), prefix)
    if not entry.has("client-certificate"):
        if "aws" not in entry.not_yet:
            entry.document.wrong(node, "an entry of `identity` needs oidc or client-certificate")
        return None
    for key in OF_TOKENS:
        if entry.has(key):
            entry.wrong(key, f"`{key}` is for oidc", "a certificate has no claims")
    kind = _kind(entry)
    if kind.claim is not None:
        entry.wrong("kind", "`kind` of client certificates is human, agent or workload", "a certificate has no claims")
    inner = entry.inner("client-certificate", ("certificate-authority",))
    authority = _authority(inner, required=True)
    if authority is None or not _readable(inner, authority):
        return None
    return ClientCertificate(authority, kind, prefix)


def _readable(reader: Reader, authority: Path) -> bool:
    """Whether identity can read it too: OpenSSL takes spellings of PEM that `cryptography` does not."""
    from cryptography import x509  # 60 ms, for those alone who have such an entry

    try:
        return bool(x509.load_pem_x509_certificates(authority.read_bytes()))
    except (OSError, ValueError):
        hint = f"openssl x509 -in {authority} -clrtrust -out ca.crt"
        reader.wrong("certificate-authority", f"{authority} is no list of certificates that begin with BEGIN CERTIFICATE", hint)
        return False


def _oidc(entry: Reader, kind: KindRule, prefix: str) -> OidcIssuer | None:
    oidc = entry.inner("oidc", OIDC_KEYS)
    issuer, audiences = oidc.text("issuer", required=True), _audiences(oidc)
    url, _ = _url(issuer)
    # OpenID Connect Discovery 1.0, section 3: https, no query, no fragment
    if issuer and (url is None or url.query or url.fragment or issuer.endswith(("?", "#")) or len(issuer) > LONGEST_ISSUER):
        oidc.wrong("issuer", f"`issuer` must be an https URL, exactly as the tokens' iss, not {shown(issuer)}")
    require = _require(entry)
    authority = _authority(oidc, required=False)
    username, groups = oidc.text("username", "sub"), oidc.text("groups")
    for key, value in (("username", username), ("groups", groups)):
        if oidc.has(key) and not value:
            oidc.wrong(key, f"`{key}` is empty", "it names a claim; leave it out for the default")
    beside = entry if entry.has("audiences") else oidc
    if beside is entry and oidc.has("audiences"):
        oidc.wrong("audiences", "`audiences` stands in `oidc` and beside it", "once is enough")
    any_audience = beside.text("audiences", "exact", choices=("exact", "any-of")) == "any-of"
    verified = entry.text("email-verified", "require", choices=("require", "if-present"))
    if entry.has("email-verified") and username != "email":
        entry.wrong("email-verified", "`email-verified` is for `username: email`", "leave it out, or name users by their email")
    lifetime = entry.duration("longest-lifetime", DAY, least=LEAST_LIFETIME, most=MOST_LIFETIME)
    ends = entry.flag("end-with-credential")
    if not issuer or not audiences:
        return None
    names_of = (username, groups, authority, kind, prefix)
    return OidcIssuer(issuer, audiences, *names_of, require, ends, any_audience, verified, lifetime)


def _audiences(oidc: Reader) -> tuple[str, ...]:
    if not oidc.has("audience"):
        oidc.missing("audience")
        return ()
    found = oidc.texts("audience", one=True) or ()
    if len(found) > MOST_AUDIENCES:
        oidc.wrong("audience", f"`audience` has more than {MOST_AUDIENCES} values")
    return tuple(dict.fromkeys(found))


def _require(entry: Reader) -> dict[str, str]:
    require = {}
    for claim, _, node in entry.entries("require"):
        value = plain(node)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, str) and value:
            require[claim] = value
        else:
            entry.document.wrong(node, f"`require`: {claim} must be text, true or false", f'{claim}: "..."')
    return require


def _kind(entry: Reader) -> KindRule:
    node = entry.node_of("kind")
    if not isinstance(node, yaml.MappingNode):
        return KindRule(entry.text("kind", "human", choices=KINDS))
    inner = entry.inner("kind", ("claim", *KINDS))
    values = {kind: values for kind in KINDS if (values := inner.texts(kind, one=True))}
    if not any(inner.has(kind) for kind in KINDS):
        entry.wrong("kind", "`kind` by a claim needs the values that tell", 'kind: {claim: client_kind, agent: ["bot"]}')
    of = {value: kind for kind in values for value in values[kind]}
    if sum(len(set(listed)) for listed in values.values()) > len(of):
        entry.wrong("kind", "`kind`: one value stands for two kinds")
    return KindRule(None, inner.text("claim", required=True), values)


def _url(text: str) -> tuple[SplitResult | None, int]:
    """An https URL and its port; None for anything else, or with somebody's name and password in it."""
    try:
        url = urlsplit(text)
        port = 443 if url.port is None else url.port
        host = url.hostname or ""
    except ValueError:
        return None, 0
    good = url.scheme == "https" and port and "@" not in url.netloc and not any(c.isspace() or c == "\\" for c in text)
    good = good and (_is_ip(host, 4) or _is_ip(host, 6) or _is_host_name(host))
    return (url, port) if good else (None, 0)


# ---------------------------------------------------------------------- clusters


def _clusters(top: Reader) -> dict[str, Cluster]:
    found: dict[str, Cluster] = {}
    hosts: dict[str, str] = {}
    entries = top.entries("clusters")
    if not entries and (not top.has("clusters") or isinstance(top.node_of("clusters"), yaml.MappingNode)):
        top.wrong("clusters", "`clusters` has no entry", "clusters: {prod: {server: https://..., ...}}")
    for name, name_node, node in entries:
        if LABEL.fullmatch(name) is None:
            hint = "1 to 63 lower-case letters, digits and hyphens: it stands in URLs"
            top.document.wrong(name_node, f"{shown(name)} cannot be a cluster's name", hint)
        elif name in API_ROOTS:
            what = f"{name!r} cannot be a cluster's name: https://GATEWAY/{name} is a path of the API"
            top.document.wrong(name_node, what, f"such as {name}-cluster")
        later = {"eks": "EKS", "retention": "retention"}
        reader = Reader(top.document, node, f"cluster {name}", CLUSTER_KEYS, later, place=name_node)
        cluster = _cluster(name, reader, hosts)
        if cluster is not None:
            found[name] = cluster
    return found


def _cluster(name: str, reader: Reader, taken: dict[str, str]) -> Cluster | None:
    if not isinstance(reader.node, yaml.MappingNode):
        return None
    url, port = None, 0
    if "eks" not in reader.not_yet:
        server = reader.text("server", required=True)
        url, port = _url(server)
        if url is not None and (url.path.strip("/") or url.query or url.fragment):
            url = None
        if server and url is None:
            reader.wrong("server", f"`server` of cluster {name} must be https://HOST[:PORT], not {shown(server)}")
    hosts = _hosts(name, reader, taken)
    authority = _authority(reader, required="eks" not in reader.not_yet)
    credential = _credential(reader)
    tls = _certificate(reader)
    if reader.has("tls") and not reader.has("hosts"):
        reader.wrong("tls", f"`tls` of cluster {name} serves its `hosts`, and there are none", "name them, or leave `tls` out")
    impersonate = reader.text("impersonate", "groups", choices=("groups", "user", "none"))
    record = reader.text("record", "all", choices=("all", "metadata", "none"))
    prefix = _prefix(reader, "l7gw:")
    groups = _groups(reader, impersonate)
    if url is None or url.hostname is None or authority is None or credential is None:
        return None
    return Cluster(name, url.hostname, port, authority, credential, hosts, tls, impersonate, prefix, record, groups)


def _groups(reader: Reader, impersonate: str) -> tuple[str, ...]:
    """Globs over the callers' groups, as in a policy; here `*` is all of them."""
    if impersonate == "none" and reader.has("groups"):
        reader.wrong("groups", "`groups` go up where the gateway impersonates", "impersonate: groups, or user")
    found = []
    for text, node in reader.listed("groups", one=True) or ():
        if not text or len(text) > LONGEST_GLOB or text.count("*") > MOST_STARS:
            what = f"`groups`: {shown(text)} is empty, longer than {LONGEST_GLOB} characters, or has more than {MOST_STARS} stars"
            reader.document.wrong(node, what)
        elif fault := "holds a comma" if "," in text else names.fault(text):
            reader.document.wrong(node, f"`groups`: {shown(text)} {fault}: no such group goes up")
        else:
            found.append(text)
    return tuple(found)


def _hosts(name: str, reader: Reader, taken: dict[str, str]) -> tuple[str, ...]:
    """The cluster's TLS server names, which no other cluster may have."""
    found = []
    for text, node in reader.listed("hosts", one=True) or ():
        host = text.lower()
        if not _is_host_name(host):
            hint = "a TLS server name: no address, no port, no star (RFC 6066 section 3)"
            reader.document.wrong(node, f"`hosts`: {shown(text)} is no host name", hint)
        elif host in taken:
            reader.document.wrong(node, f"`hosts`: {host} belongs to cluster {taken[host]} already")
        else:
            taken[host] = name
            found.append(host)
    return tuple(found)


def _credential(reader: Reader) -> ClientCredential | TokenFile | None:
    if not reader.has("credential"):
        reader.missing("credential", "credential: {client-certificate: gw.crt, client-key: gw.key}, or {token-file: F}")
        return None
    inner = reader.inner("credential", ("client-certificate", "client-key", "token-file"), {"aws": "EKS"})
    if inner.has("token-file"):
        if inner.has("client-certificate") or inner.has("client-key"):
            inner.wrong("token-file", "`credential` is a client certificate or a token, not both")
        path = inner.file("token-file", required=True)
        if path is not None:
            _private(inner, "token-file", path)
        return TokenFile(path) if path else None
    if inner.not_yet:
        return None
    pair = _pair(inner, "client-certificate", "client-key")
    return ClientCredential(*pair) if pair else None


def _recording(top: Reader) -> Recording:
    inner = top.inner("recording", ("durable", "reserve"))
    durable = inner.text("durable", "writes", choices=("none", "writes", "all"))
    return Recording(durable, inner.size("reserve", 2 * 1024**3, least=LEAST_RESERVED, most=MOST_RESERVED))
