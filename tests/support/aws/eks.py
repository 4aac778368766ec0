"""EKS as the stand-in for AWS answers it: clusters whose endpoint and CA a test chooses, and their access entries."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.support.aws.bodies import Refused
from tests.support.aws.https_server import Asked
from tests.support.aws.keys import ACCOUNT

REGION = "eu-west-1"
ANYWHERE = ("0.0.0.0/0",)
CREATED = 1767225600.0  # wall seconds: when everything here was made
PAGE = 100  # most in one answer, as at AWS; a request may ask for fewer


@dataclass
class Cluster:
    """A cluster at EKS. `described` is what DescribeCluster answers; a test changes it at will."""

    described: dict[str, Any]
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the principal's ARN
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by the principal's ARN

    @property
    def arn(self) -> str:
        return str(self.described["arn"])

    def move(self, endpoint: str, certificate_authority: str) -> None:
        """Another endpoint and CA (PEM)."""
        data = base64.b64encode(certificate_authority.encode()).decode()
        self.described |= {"endpoint": endpoint, "certificateAuthority": {"data": data}}

    def entry(self, principal: str, groups: Sequence[str] = (), *, user: str = "", kind: str = "STANDARD") -> None:
        """Make an access entry. `user` is "" for the name that EKS makes of the ARN."""
        name = str(self.described["name"])
        self.entries[principal] = {
            "clusterName": name,
            "principalArn": principal,
            "kubernetesGroups": list(groups),
            "accessEntryArn": self.arn.replace(":cluster/", ":access-entry/")
            + f"/{principal.rsplit('/', 1)[-1]}/{len(self.entries)}",
            "createdAt": CREATED,
            "modifiedAt": CREATED,
            "tags": {},
            "username": user or principal,
            "type": kind,
        }

    def associate(self, principal: str, policy: str, *namespaces: str) -> None:
        """Associate an access policy (`AmazonEKSClusterAdminPolicy`) with an entry: for the cluster, or for these namespaces."""
        scope = {"type": "namespace" if namespaces else "cluster", "namespaces": list(namespaces)}
        whole = {
            "policyArn": f"arn:aws:eks::aws:cluster-access-policy/{policy}",
            "accessScope": scope,
            "associatedAt": CREATED,
            "modifiedAt": CREATED,
        }
        self.policies.setdefault(principal, []).append(whole)


class Eks:
    """What EKS knows of all regions. `answers` are those of a test for further operations: method and path (without the query) ->
    what gives the JSON."""

    def __init__(self) -> None:
        self.clusters: dict[tuple[str, str], Cluster] = {}  # by region and name
        self.answers: dict[tuple[str, str], Callable[[Asked], object]] = {}

    def cluster(
        self,
        name: str,
        endpoint: str,
        certificate_authority: str,
        *,
        region: str = REGION,
        account: str = ACCOUNT,
        partition: str = "aws",
        version: str = "1.33",
        public: bool = True,
        cidrs: Sequence[str] = ANYWHERE,
        mode: str = "API_AND_CONFIG_MAP",
    ) -> Cluster:
        """Make a cluster. `certificate_authority` is PEM, `mode` its authentication mode."""
        described = {
            "name": name,
            "arn": f"arn:{partition}:eks:{region}:{account}:cluster/{name}",
            "createdAt": CREATED,
            "version": version,
            "roleArn": f"arn:{partition}:iam::{account}:role/{name}-control-plane",
            "resourcesVpcConfig": {
                "subnetIds": ["subnet-1", "subnet-2"],
                "securityGroupIds": [],
                "clusterSecurityGroupId": "sg-1",
                "vpcId": "vpc-1",
                "endpointPublicAccess": public,
                "endpointPrivateAccess": True,
                "publicAccessCidrs": list(cidrs) if public else [],
            },
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.0.0.0/24", "ipFamily": "ipv4"},
            "logging": {"clusterLogging": [{"types": ["audit"], "enabled": True}]},
            "identity": {"oidc": {"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{name}"}},
            "status": "ACTIVE",
            "platformVersion": "eks.9",
            "tags": {},
            "health": {"issues": []},
            "accessConfig": {"authenticationMode": mode},
            "upgradePolicy": {"supportType": "EXTENDED"},
            "deletionProtection": False,
        }
        cluster = Cluster(described)
        cluster.move(endpoint, certificate_authority)
        self.clusters[region, name] = cluster
        return cluster

    def operation(self, asked: Asked) -> tuple[str, str]:
        """The name of the operation, and that of its cluster."""
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        match (asked.method, parts):
            case "GET", ["clusters"]:
                return "ListClusters", ""
            case "GET", ["clusters", name]:
                return "DescribeCluster", name
            case "GET", ["clusters", name, "access-entries"]:
                return "ListAccessEntries", name
            case "GET", ["clusters", name, "access-entries", _]:
                return "DescribeAccessEntry", name
            case "GET", ["clusters", name, "access-entries", _, "access-policies"]:
                return "ListAssociatedAccessPolicies", name
        return f"{asked.method} {asked.path}", parts[1] if len(parts) > 1 else ""

    def answer(self, asked: Asked, region: str) -> object:
        """What the operation gives. Raises RefusedError."""
        scripted = self.answers.get((asked.method, asked.path))
        if scripted is not None:
            return scripted(asked)
        operation, name = self.operation(asked)
        if operation == "ListClusters":
            return {"clusters": [name for where, name in self.clusters if where == region]}
        cluster = self.clusters.get((region, name))
        if cluster is None:
            raise Refused(404, "ResourceNotFoundException", f"No cluster found for name: {name}.").error()
        if operation == "DescribeCluster":
            return {"cluster": copy.deepcopy(cluster.described)}
        return self._of_entries(asked, operation, cluster)

    def _of_entries(self, asked: Asked, operation: str, cluster: Cluster) -> object:
        if cluster.described["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
            raise Refused(
                400,
                "InvalidRequestException",
                "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
            ).error()
        if operation == "ListAccessEntries":
            return _page("accessEntries", list(cluster.entries), asked)
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        principal = parts[3] if len(parts) > 3 else ""
        if principal not in cluster.entries:
            raise Refused(
                404,
                "ResourceNotFoundException",
                f"The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'. ({principal})",
            ).error()
        if operation == "DescribeAccessEntry":
            return {"accessEntry": cluster.entries[principal]}
        if operation == "ListAssociatedAccessPolicies":
            told = {"clusterName": cluster.described["name"], "principalArn": principal}
            return {**told, **_page("associatedAccessPolicies", cluster.policies.get(principal, []), asked)}
        raise Refused(400, "InvalidRequestException", f"the stand-in does not know {operation}").error()


def _page(name: str, everything: Sequence[object], asked: Asked) -> dict[str, object]:
    query = dict(parse_qsl(asked.query))
    begin, size = int(query.get("nextToken", "0")), int(query.get("maxResults", PAGE))
    more = {"nextToken": str(begin + size)} if begin + size < len(everything) else {}
    return {name: everything[begin : begin + size], **more}
