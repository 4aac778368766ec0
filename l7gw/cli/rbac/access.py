"""The part of `l7gw rbac render` that AWS must be told: an access entry, and who may assume which role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import click

from l7gw.aws import access
from l7gw.aws.access import Access
from l7gw.aws.arns import canonical
from l7gw.cluster.rbac_render import Part
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.kube.rbac import Subject

Format = Literal["yaml", "cli", "cloudformation", "terraform", "trust-policy", "role-policy", "gateway-policy"]
FORMATS: tuple[Format, ...] = get_args(Format)
WRITTEN: dict[Format, Callable[[Access], str]] = {
    "cli": access.entry_command,
    "cloudformation": access.entry_cloudformation,
    "terraform": access.entry_terraform,
    "trust-policy": access.trust_policy,
    "role-policy": access.role_policy,
    "gateway-policy": access.gateway_policy,
}


def access_of(cluster: Cluster, holder: Subject, own: str, *, ways_round: bool) -> Access | None:
    """What AWS must be told of a cluster of EKS; None for any other. `own` is the ARN of the gateway's own identity, "" for one
    that is not known. `ways_round`: the role may ask who else comes there. Raises UsageError."""
    if own:
        try:
            canonical(own)
        except ValueError as error:
            raise click.UsageError(f"--gateway: {error}") from None
    role = cluster.credential
    if cluster.eks is None or not isinstance(role, AwsRole):
        if ways_round:
            raise click.UsageError(f"--ways-round is about a cluster of EKS, and {cluster.name} is none that is reached by a role")
        return None
    if holder.kind != "Group" or holder.name.startswith(access.RESERVED):
        what = f"an access entry maps to a group, whose name does not begin with {', '.join(access.RESERVED)}"
        raise click.UsageError(f"--to {holder}\n  hint: {what}")
    return Access(
        cluster=cluster.eks.name,
        region=cluster.eks.region,
        role=role.role,
        group=holder.name,
        own=own,
        external_id=role.external_id,
        ways_round=ways_round,
    )


def alone(cluster: Cluster, found: Access | None, form: Format) -> str:
    """What `--format` prints of it. Raises UsageError for a cluster that is not one of EKS."""
    if found is None:
        hint = f"clusters.{cluster.name}: {{eks: {{name: ..., region: ...}}, credential: {{aws: {{role: ...}}}}}}"
        raise click.UsageError(f"--format {form} is about a cluster of EKS that is reached by a role\n  hint: {hint}")
    return WRITTEN[form](found)


def in_comments(name: str, found: Access) -> Iterator[Part]:
    """The access entry as a command, in comments, and how the policies are printed."""
    lines = [
        f"The access entry: sessions of the role {found.role} are the group {found.group} in the cluster, and nothing else.",
        "No access policy belongs to it (aws eks list-associated-access-policies shows them).",
        *(f"  {line}" for line in access.entry_command(found).splitlines()),
        f"The policies of IAM: l7gw rbac render {name} --format trust-policy | role-policy | gateway-policy",
    ]
    yield Part(tuple(lines), ())
