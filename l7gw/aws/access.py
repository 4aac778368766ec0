"""What an administrator sets up at AWS for a cluster: the access entry that maps the gateway's role to one group, the role's trust
policy, and who may do what by IAM. Everything is a text that he runs or stores; nothing is asked of AWS here.

The entry has no access policy: the role gets from EKS nothing but the group, and from RBAC what `rbac render` writes for that group
(EKS API Reference, CreateAccessEntry).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from shlex import quote
from typing import Any

from l7gw.aws.failures import TO_ASSUME as ASSUMING
from l7gw.plainyaml import dumped

TO_ASSUME = list(ASSUMING)
LANGUAGE = "2012-10-17"  # version of IAM's policy language
# What `l7gw clusters test` asks to see the ways round the gateway, of the cluster and what belongs to it, and of the account
OF_CLUSTER = [
    "eks:ListAccessEntries",
    "eks:DescribeAccessEntry",
    "eks:ListAssociatedAccessPolicies",
    "eks:ListIdentityProviderConfigs",
    "eks:DescribeIdentityProviderConfig",
]
OF_ACCOUNT = ["iam:GetAccountAuthorizationDetails"]
RESERVED = ("system:", "eks:", "aws:", "amazon:", "iam:")  # how a group of an access entry must not begin


@dataclass(frozen=True)
class Access:
    """Who comes to which cluster of EKS. `role` is the ARN of the role that the gateway assumes, `own` the ARN of the identity that
    the gateway itself has at AWS, and `group` the one that the role's sessions have in the cluster. With `ways_round` the role may
    also ask who else comes there."""

    cluster: str
    region: str
    role: str
    group: str
    own: str = ""
    external_id: str = ""
    ways_round: bool = False

    @property
    def partition(self) -> str:
        return self.role.split(":")[1]

    @property
    def account(self) -> str:
        return self.role.split(":")[4]

    @property
    def cluster_arn(self) -> str:
        return f"arn:{self.partition}:eks:{self.region}:{self.account}:cluster/{self.cluster}"

    @property
    def in_cluster(self) -> list[str]:
        """The ARNs of what belongs to the cluster: its access entries and its identity providers."""
        place = f"arn:{self.partition}:eks:{self.region}:{self.account}"
        return [f"{place}:access-entry/{self.cluster}/*", f"{place}:identityproviderconfig/{self.cluster}/*"]

    @property
    def gateway(self) -> str:
        """The gateway's own identity, or a text in the form of an ARN that says what to put there."""
        return self.own or f"arn:{self.partition}:iam::{self.account}:role/THE-GATEWAYS-OWN-ROLE"


def entry_command(access: Access) -> str:
    """The access entry as a command of the `aws` CLI, in lines."""
    return (
        f"aws eks create-access-entry --region {quote(access.region)} --cluster-name {quote(access.cluster)} \\\n"
        f"  --principal-arn {quote(access.role)} \\\n"
        f"  --kubernetes-groups {quote(access.group)} --type STANDARD\n"
    )


def entry_cloudformation(access: Access) -> str:
    """The access entry as a template of CloudFormation, in YAML."""
    properties = {
        "ClusterName": access.cluster,
        "PrincipalArn": access.role,
        "KubernetesGroups": [access.group],
        "Type": "STANDARD",
    }
    template = {"Resources": {"L7gwAccessEntry": {"Type": "AWS::EKS::AccessEntry", "Properties": properties}}}
    return dumped({"AWSTemplateFormatVersion": "2010-09-09", **template})


def entry_terraform(access: Access) -> str:
    """The access entry as a resource of Terraform."""
    return (
        'resource "aws_eks_access_entry" "l7gw" {\n'
        f"  cluster_name      = {_hcl(access.cluster)}\n"
        f"  principal_arn     = {_hcl(access.role)}\n"
        f"  kubernetes_groups = [{_hcl(access.group)}]\n"
        '  type              = "STANDARD"\n'
        "}\n"
    )


def trust_policy(access: Access) -> str:
    """Who may assume the role, in JSON. An external id is asked for where the role is assumed; of the other two actions IAM knows
    none, and without the first they are worth nothing."""
    allowed: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": access.gateway}}
    if not access.external_id:
        return _policy({**allowed, "Action": TO_ASSUME})
    named = {"Condition": {"StringEquals": {"sts:ExternalId": access.external_id}}}
    return _policy({**allowed, "Action": TO_ASSUME[:1], **named}, {**allowed, "Action": TO_ASSUME[1:]})


def role_policy(access: Access) -> str:
    """What the role may do at AWS, in JSON: ask what the cluster is, and with `ways_round` what `l7gw clusters test` asks. A token
    for the cluster needs no permission."""
    describe = {"Effect": "Allow", "Action": ["eks:DescribeCluster"], "Resource": access.cluster_arn}
    if not access.ways_round:
        return _policy(describe)
    of_cluster = {"Effect": "Allow", "Action": OF_CLUSTER, "Resource": [access.cluster_arn, *access.in_cluster]}
    return _policy(describe, of_cluster, {"Effect": "Allow", "Action": OF_ACCOUNT, "Resource": "*"})


def gateway_policy(access: Access) -> str:
    """What the gateway's own identity may do at AWS, in JSON: assume the role, and say for whom."""
    return _policy({"Effect": "Allow", "Action": TO_ASSUME, "Resource": access.role})


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": LANGUAGE, "Statement": list(statements)}, indent=2) + "\n"


def _hcl(text: str) -> str:
    """A text as a string of Terraform's language, in which `${` and `%{` begin a template."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
