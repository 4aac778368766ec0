"""The ways round the gateway to an EKS cluster: who reaches it with a credential of his own, and by which setting.

What AWS and the cluster answered is read here; asking them is elsewhere (`eks_questions`). A way counts until it is the gateway's
own, or stands under `clusters.NAME.break-glass`.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import yaml

from l7gw.aws import arns
from l7gw.aws.policies import Allowed
from l7gw.config.clusters import PUBLIC_ENDPOINT
from l7gw.policy.patterns import glob

NODES = frozenset(("system:bootstrappers", "system:nodes", "system:node-proxier", "eks:kube-proxy-windows"))
# Types of access entries whose user and groups EKS fixes (EKS User Guide, "Create access entries"), and the one policy that such an
# entry has, of EKS Auto Mode
NODE_TYPES = frozenset(("EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"))
NODE_POLICIES = frozenset(("AmazonEKSAutoNodePolicy",))
LARGEST_LINES = 1024 * 1024  # characters of mapRoles; a ConfigMap has 1 MiB at most
MOST_CIDRS = 6  # in a sentence; EKS takes 40

Kind = Literal["access-entry", "aws-auth", "public-endpoint", "iam", "identity-provider", "cluster-creator"]
Standing = Literal[
    "open",  # a way round the gateway
    "break-glass",  # one that the configuration names
    "gateway",  # the gateway's own
    "node",  # a node's: EKS fixes as whom it comes, and RBAC's node authorizer what it may
    "aws",  # a service of AWS's, which nobody else can be
]


@dataclass(frozen=True)
class Way:
    """One way. `principal` is an ARN, or `public-endpoint`, or "" where nothing tells who it is. `remedy` is what closes it."""

    kind: Kind
    principal: str
    said: str
    remedy: str
    standing: Standing = "open"


class Unreadable(Exception):
    """Something that the cluster or AWS answered has another form. The text says which."""


def settled(ways: Iterable[Way], role: str, break_glass: tuple[str, ...]) -> list[Way]:
    """The ways, with those that are the gateway's own (`role` is the ARN of its role, "" for none) and those that the configuration
    names marked as such."""
    own = _canonical(role).lower()
    patterns = [glob(text.lower()) for text in break_glass]  # IAM does not tell names by the case of their letters

    def standing(way: Way) -> Standing:
        names = {way.principal.lower(), _canonical(way.principal).lower()} - {""}
        if own and own in names:
            return "gateway"
        if any(match(name) for match in patterns for name in names):
            return "break-glass"
        return way.standing

    return [replace(way, standing=standing(way)) for way in ways]


def is_one(arn: str, other: str) -> bool:
    """Whether both ARNs name the same role or user, whatever their paths."""
    return _canonical(arn).lower() == _canonical(other).lower()


def _canonical(arn: str) -> str:
    """The ARN without a path; as it is where it names no identity."""
    try:
        return arns.canonical(arn)
    except ValueError:
        return arn


# ---------------------------------------------------------------------- the endpoint and the mode


def of_endpoint(described: dict[str, Any]) -> Iterator[Way]:
    """Whether the endpoint is open to the world. `described` is `cluster` of eks:DescribeCluster."""
    network = described.get("resourcesVpcConfig") or {}
    if not network.get("endpointPublicAccess"):
        return
    cidrs = [text for text in network.get("publicAccessCidrs") or () if isinstance(text, str)]
    if _is_the_world(cidrs):
        name, region = _name_and_region(described)
        yield Way(
            "public-endpoint",
            PUBLIC_ENDPOINT,
            f"the endpoint takes calls from anywhere ({_some(cidrs)})",
            f"aws eks update-cluster-config --name {name} --region {region} "
            "--resources-vpc-config endpointPublicAccess=false,endpointPrivateAccess=true",
        )


def endpoint_in_words(described: dict[str, Any]) -> str:
    """From where the endpoint can be reached."""
    network = described.get("resourcesVpcConfig") or {}
    if not network.get("endpointPublicAccess"):
        return "private: it is reached from its VPC alone"
    private = " and from its VPC" if network.get("endpointPrivateAccess") else ""
    return f"public: it is reached from {_some(network.get('publicAccessCidrs') or ['0.0.0.0/0'])}{private}"


def _is_the_world(cidrs: list[str]) -> bool:
    """Whether these networks are all of IPv4 or of IPv6, alone or together. An endpoint without a list is open to all (EKS API,
    VpcConfigRequest)."""
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for text in cidrs:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return True  # what cannot be read may be anything
        networks[network.version].append(network)
    return not cidrs or any(one.prefixlen == 0 for some in networks.values() for one in ipaddress.collapse_addresses(some))


def of_mode(described: dict[str, Any]) -> Iterator[Way]:
    """Whether somebody is an administrator whom nothing shows: in the mode CONFIG_MAP whoever created the cluster."""
    if mode_of(described) == "CONFIG_MAP":
        name, region = _name_and_region(described)
        yield Way(
            "cluster-creator",
            "",
            "whoever created the cluster is system:masters in it, and in the mode CONFIG_MAP nothing shows who that is",
            f"aws eks update-cluster-config --name {name} --region {region} "
            "--access-config authenticationMode=API_AND_CONFIG_MAP  # then it is an access entry",
        )


def mode_of(described: dict[str, Any]) -> str:
    """The authentication mode: CONFIG_MAP, API or API_AND_CONFIG_MAP. Clusters older than the modes have the first."""
    return str((described.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP")


# ---------------------------------------------------------------------- who is let in


def of_entry(described: dict[str, Any], entry: dict[str, Any], policies: list[dict[str, Any]]) -> Way:
    """One access entry (`accessEntry` of eks:DescribeAccessEntry) and its associated policies."""
    principal, kind = str(entry.get("principalArn", "")), str(entry.get("type", "STANDARD"))
    groups = [str(group) for group in entry.get("kubernetesGroups") or ()]
    name, region = _name_and_region(described)
    standing: Standing = "open"
    if kind in NODE_TYPES and NODES.issuperset(groups) and all(_named(policy) in NODE_POLICIES for policy in policies):
        standing = "node"
    elif _is_a_service(principal):
        standing = "aws"
    parts = [
        f"access entry of type {kind}" if kind != "STANDARD" else "access entry",
        f"groups {', '.join(groups)}" if groups else "",
        *(_policy_in_words(policy) for policy in policies),
    ]
    remedy = f"aws eks delete-access-entry --cluster-name {name} --region {region} --principal-arn {shlex.quote(principal)}"
    return Way("access-entry", principal, "; ".join(filter(None, parts)), remedy, standing)


def _named(policy: dict[str, Any]) -> str:
    return str(policy.get("policyArn", "")).rpartition("/")[2]


def _policy_in_words(policy: dict[str, Any]) -> str:
    name = _named(policy)
    scope = policy.get("accessScope") or {}
    spaces = ", ".join(map(str, scope.get("namespaces") or ()))
    return f"{name} in {spaces}" if scope.get("type") == "namespace" else f"{name} in the whole cluster"


def of_aws_auth(data: dict[str, Any], partition: str = "aws") -> Iterator[Way]:
    """The lines of the ConfigMap `aws-auth`, in the order of the file. Raises Unreadable.

    mapRoles and mapUsers are lists of mappings in YAML, mapAccounts is a list of accounts, all users of which are let in by their
    ARN (aws-iam-authenticator, README, "EKSConfigMap").
    """
    for key, field in (("mapRoles", "rolearn"), ("mapUsers", "userarn")):
        for line in _lines(data, key):
            if not isinstance(line, dict) or not isinstance(line.get(field), str):
                raise Unreadable(f"a line of {key} has no {field}")
            groups = line.get("groups")
            texts = [str(group) for group in groups] if isinstance(groups, list) else []
            username = str(line.get("username", ""))
            is_node = key == "mapRoles" and username.startswith("system:node:") and bool(texts) and NODES.issuperset(texts)
            said = f"{key}: user {username or line[field]}" + (f", groups {', '.join(texts)}" if texts else "")
            yield Way("aws-auth", line[field], said, _edit(key), "node" if is_node else "open")
    for account in _lines(data, "mapAccounts"):
        said = f"mapAccounts: every user and role of account {account}"
        yield Way("aws-auth", f"arn:{partition}:iam::{account}:*", said, _edit("mapAccounts"))


def _edit(key: str) -> str:
    return f"take the line out of {key}: kubectl edit -n kube-system configmap/aws-auth"


def _lines(data: dict[str, Any], key: str) -> list[Any]:
    text = data.get(key) or "[]"
    if not isinstance(text, str) or len(text) > LARGEST_LINES:
        raise Unreadable(f"{key} is no text, or larger than a ConfigMap")
    try:
        found = yaml.load(text, _Plain)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Unreadable(f"{key} is no YAML") from None
    if found is not None and not isinstance(found, list):
        raise Unreadable(f"{key} is no list")
    return found or []


class _Plain(yaml.BaseLoader):
    """YAML in which every scalar is a text, accounts that begin with a zero too, and without aliases, of which a few lines could
    make gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def of_provider(described: dict[str, Any], provider: dict[str, Any]) -> Way:
    """One OIDC identity provider (`identityProviderConfig.oidc` of eks:DescribeIdentityProviderConfig), whose tokens EKS takes."""
    name, region = _name_and_region(described)
    arn, config = str(provider.get("identityProviderConfigArn", "")), str(provider.get("identityProviderConfigName", ""))
    said = f"tokens of {provider.get('issuerUrl')} for {provider.get('clientId')} are taken"
    remedy = (
        f"aws eks disassociate-identity-provider-config --cluster-name {name} --region {region} "
        f"--identity-provider-config type=oidc,name={shlex.quote(config)}"
    )
    return Way("identity-provider", arn, said, remedy)


def of_allowed(allowed: Allowed) -> Way:
    """A role or user whose policies allow eks:AccessKubernetesApi, by which the console shows what is in the cluster."""
    how = "allow" if allowed.verdict == "yes" else "may allow, under conditions or by a policy that IAM did not show,"
    bounded = "; its permission boundary, which is not read, may take it away" if allowed.bounded else ""
    return Way(
        "iam",
        allowed.arn,
        f"its policies {how} eks:AccessKubernetesApi: {', '.join(allowed.by)}{bounded}",
        "take the action out of its policies, or deny it",
        "aws" if _is_a_service(allowed.arn) else "open",
    )


def _is_a_service(arn: str) -> bool:
    """Whether the role is linked to a service of AWS's: nobody else can make a role with that path. A path may hold colons, so that
    the ARN is read from its beginning (IAM API, CreateRole)."""
    return arn.split(":", 5)[5:] != [] and arn.split(":", 5)[5].startswith("role/aws-service-role/")


def _name_and_region(described: dict[str, Any]) -> tuple[str, str]:
    arn = str(described.get("arn", "")).split(":")
    return shlex.quote(str(described.get("name", ""))), arn[3] if len(arn) > 3 else ""


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - MOST_CIDRS} more" if len(texts) > MOST_CIDRS else ""
    return (", ".join(texts[:MOST_CIDRS]) or "no list of networks") + more
