"""What `l7gw rbac render` and `suggest` share: the cluster, its policy, and whom RBAC knows the gateway as."""

from __future__ import annotations

from pathlib import Path

import click

from l7gw.cli.kubeconfig import the_cluster
from l7gw.cluster.needs import GROUP
from l7gw.config.load import find, load
from l7gw.config.settings import Cluster, Settings
from l7gw.kube.rbac import Subject, SubjectKind
from l7gw.masking.configured import configured
from l7gw.policy.judge import Policy

KINDS: dict[str, SubjectKind] = {"group": "Group", "user": "User", "serviceaccount": "ServiceAccount"}

holder_option = click.option(
    "--to",
    "holder",
    metavar="KIND:NAME",
    default=f"group:{GROUP}",
    show_default=True,
    help="Whom the cluster takes the gateway's credential for: group:NAME, user:NAME or serviceaccount:NAMESPACE/NAME.",
)


def settled(config: Path | None, name: str) -> tuple[Settings, Cluster, Policy]:
    """The configuration, the cluster of this name, and the policy. Raises UsageError and ConfigurationError."""
    settings = load(find(config))
    cluster = the_cluster(settings, name)
    policy = Policy.load(settings.policy, configured(settings.masking, settings.path).names(settings.hooks))
    return settings, cluster, policy


def given_holder(text: str) -> Subject:
    """Whom `--to` names. Raises UsageError."""
    kind, _, name = text.partition(":")
    space, slash, account = name.partition("/")
    if kind not in KINDS or not name or (kind == "serviceaccount") != bool(slash and space and account):
        raise click.UsageError(f"--to {text!r}\n  hint: group:{GROUP}, user:NAME or serviceaccount:NAMESPACE/NAME")
    return Subject(KINDS[kind], account, space) if slash else Subject(KINDS[kind], name)
