"""The section `clusters` of l7gw.yaml: where each cluster is, and how the gateway speaks with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, get_args

import yaml

from l7gw import name_rules
from l7gw.config.aws import eks_of
from l7gw.config.aws_role import role_of
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.document import Reader, shown
from l7gw.config.fields import LABEL, authority_of, certificate_of, check_private, is_host_name, pair_of, prefix_of, url_of
from l7gw.config.settings import ClientCredential, Cluster, Impersonate, RecordMode, TokenFile

# A path prefix chooses a cluster, so its name must not be the first segment of a path of the API.
API_ROOTS = frozenset(("api", "apis", "openapi", "version", "healthz", "livez", "readyz", "metrics", "l7gw"))
AWS_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}", re.ASCII)  # an EKS name has at most 100, a UUID 36
LONGEST_GLOB = 512  # characters; as in the patterns of a policy
PUBLIC_ENDPOINT = "public-endpoint"  # in `break-glass`: the endpoint may be open to the world
BREAK_GLASS = re.compile(r"arn:aws[a-z-]{0,16}:(iam|sts|eks):[a-z0-9-]{0,40}:[0-9]{12}:[\x21-\x7e]{1,512}", re.ASCII)
MOST_STARS = 8  # in one glob; as in the patterns of a policy
CLUSTER_KEYS = (
    *("hosts", "tls", "server", "certificate-authority", "credential", "impersonate", "prefix", "groups", "record", "eks"),
    "aws-cluster-id",
    "break-glass",
)
LATER = {"retention": "retention"}
CREDENTIAL_KEYS = {"client-certificate": "certificate", "client-key": "certificate", "token-file": "token", "aws": "role"}


def clusters_of(top: Reader) -> dict[str, Cluster]:
    """The clusters that have no mistake, by name, in the file's order. Every mistake is reported to the document."""
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
        reader = Reader(top.document, node, f"cluster {name}", CLUSTER_KEYS, LATER, place=name_node)
        cluster = _cluster(name, reader, hosts)
        if cluster is not None:
            found[name] = cluster
    return found


def _cluster(name: str, reader: Reader, taken: dict[str, str]) -> Cluster | None:
    if not isinstance(reader.node, yaml.MappingNode):
        return None
    eks = eks_of(reader)
    place = _place(reader)
    hosts = _hosts(name, reader, taken)
    credential = _credential(reader, eks)
    if eks is not None and isinstance(credential, ClientCredential):
        reader.wrong(
            "credential", f"`credential` of {reader.what}: EKS knows no client certificates but its own", "credential: {aws: ...}"
        )
    tls = certificate_of(reader)
    if reader.has("tls") and not reader.has("hosts"):
        reader.wrong("tls", f"`tls` of cluster {name} serves its `hosts`, and there are none", "name them, or leave `tls` out")
    impersonate = reader.choice("impersonate", Cluster.impersonate, get_args(Impersonate))
    record = reader.choice("record", Cluster.record, get_args(RecordMode))
    prefix = prefix_of(reader, "l7gw:")
    groups = _groups(reader, impersonate)
    aws_id = _aws_id(reader)
    if place is None or credential is None or (eks is None and reader.has("eks")):
        return None
    return Cluster(
        name=name,
        server_host=place.host,
        server_port=place.port,
        certificate_authority=place.certificate_authority,
        eks=eks,
        credential=credential,
        hosts=hosts,
        tls=tls,
        impersonate=impersonate,
        prefix=prefix,
        record=record,
        groups=groups,
        aws_cluster_id=aws_id,
        break_glass=_break_glass(reader),
    )


class _Place(NamedTuple):
    """Where a cluster is, and whom it trusts; "", 0 and None where EKS says that."""

    host: str
    port: int
    certificate_authority: Path | None


def _place(reader: Reader) -> _Place | None:
    """Where the cluster is. None where that has a mistake, which is reported."""
    if reader.has("eks"):
        for key in ("server", "certificate-authority"):
            if reader.has(key):
                hint = "leave it out, or leave `eks` out"
                reader.wrong(key, f"`{key}` of {reader.what} is what EKS describes, and changes with that", hint)
        return _Place("", 0, None)
    server = reader.text("server", required=True)
    url, port = url_of(server)
    if url is not None and (url.path.strip("/") or url.query or url.fragment):
        url = None
    if server and url is None:
        reader.wrong("server", f"`server` of {reader.what} must be https://HOST[:PORT], not {shown(server)}")
    authority = authority_of(reader, required=True)
    if url is None or url.hostname is None or authority is None:
        return None
    return _Place(url.hostname, port, authority)


def _aws_id(reader: Reader) -> str:
    """The id by which tokens of EKS name the cluster. It is sent as a header, so nothing else may stand in it."""
    text = reader.text("aws-cluster-id")
    if reader.has("aws-cluster-id") and AWS_ID.fullmatch(text) is None:
        hint = "the cluster's name at EKS, or the id that its aws-iam-authenticator has"
        reader.wrong("aws-cluster-id", f"`aws-cluster-id` has 1 to 128 letters, digits and any of .-_:/, not {shown(text)}", hint)
    return text


def _groups(reader: Reader, impersonate: Impersonate) -> tuple[str, ...]:
    """Globs over the callers' groups, spelled as in a policy. `*` alone stands for all groups."""
    if impersonate == "none" and reader.has("groups"):
        reader.wrong("groups", "`groups` go up where the gateway impersonates", "impersonate: groups, or user")
    found = []
    for text, node in reader.listed("groups", one=True) or ():
        if not text or len(text) > LONGEST_GLOB or text.count("*") > MOST_STARS:
            what = f"`groups`: {shown(text)} is empty, longer than {LONGEST_GLOB} characters, or has more than {MOST_STARS} stars"
            reader.document.wrong(node, what)
        elif fault := "holds a comma" if "," in text else name_rules.fault(text):
            reader.document.wrong(node, f"`groups`: {shown(text)} {fault}: no such group goes up")
        else:
            found.append(text)
    return tuple(found)


def _break_glass(reader: Reader) -> tuple[str, ...]:
    """Who may go round the gateway to a cluster of EKS. A glob names principals of one account, and says which."""
    if reader.has("break-glass") and not reader.has("eks"):
        reader.wrong(
            "break-glass", f"`break-glass` of {reader.what} is about EKS", "eks: {name: ..., region: ...}, or leave it out"
        )
    found = []
    for text, node in reader.listed("break-glass", one=True) or ():
        if text != PUBLIC_ENDPOINT and (BREAK_GLASS.fullmatch(text) is None or text.count("*") > MOST_STARS):
            hint = f"arn:aws:iam::111122223333:role/break-glass-*, or {PUBLIC_ENDPOINT}; stars stand behind the account alone"
            reader.document.wrong(node, f"`break-glass`: {shown(text)} is no ARN of an account", hint)
        else:
            found.append(text)
    return tuple(found)


def _hosts(name: str, reader: Reader, taken: dict[str, str]) -> tuple[str, ...]:
    """The cluster's TLS server names, in lower case. No other cluster may have one of them."""
    found = []
    for text, node in reader.listed("hosts", one=True) or ():
        host = text.lower()
        if not is_host_name(host):
            hint = "a TLS server name: no address, no port, no star (RFC 6066 section 3)"
            reader.document.wrong(node, f"`hosts`: {shown(text)} is no host name", hint)
        elif host in taken:
            reader.document.wrong(node, f"`hosts`: {host} belongs to cluster {taken[host]} already")
        else:
            taken[host] = name
            found.append(host)
    return tuple(found)


def _credential(reader: Reader, eks: Eks | None) -> ClientCredential | TokenFile | AwsRole | None:
    if not reader.has("credential"):
        hint = "credential: {client-certificate: gw.crt, client-key: gw.key}, or {token-file: F}, or {aws: {role: ARN}}"
        reader.missing("credential", hint)
        return None
    inner = reader.inner("credential", tuple(CREDENTIAL_KEYS))
    if sum(map(inner.has, ("client-certificate", "token-file", "aws"))) > 1 or (
        inner.has("client-key") and (inner.has("token-file") or inner.has("aws"))
    ):
        inner.wrong("client-key", "`credential` is one of a client certificate, a token and a role")
    if inner.has("aws"):
        if not reader.has("eks"):
            hint = "eks: {name: NAME, region: REGION}, in the place of `server` and `certificate-authority`"
            inner.wrong("aws", f"`aws` of `credential` makes tokens of EKS, and {reader.what} has no `eks`", hint)
        return role_of(inner, eks)
    if inner.has("token-file"):
        path = inner.file("token-file", required=True)
        if path is not None:
            check_private(inner, "token-file", path)
        return TokenFile(path) if path else None
    pair = pair_of(inner, "client-certificate", "client-key")
    return ClientCredential(*pair) if pair else None
