"""What `l7gw rbac render` and `suggest` share: the cluster, its policy, and whom RBAC knows the gateway as."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path

import click
from cryptography import x509
from cryptography.x509.oid import NameOID

from l7gw.cli.kubeconfig.command import the_cluster
from l7gw.cluster.needs import GROUP
from l7gw.config.load import find, load
from l7gw.config.settings import ClientCredential, Cluster, Settings, TokenFile
from l7gw.kube.rbac import Subject, SubjectKind
from l7gw.masking.configured import configured
from l7gw.policy.judge import Policy

KINDS: dict[str, SubjectKind] = {"group": "Group", "user": "User", "serviceaccount": "ServiceAccount"}

holder_option = click.option(
    "--to",
    "holder",
    metavar="KIND:NAME",
    help="Whom the cluster takes the gateway's credential for: group:NAME, user:NAME or serviceaccount:NAMESPACE/NAME.  "
    f"[default: whom the token or the certificate names, else group:{GROUP}]",
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
        raise click.UsageError(
            f"--to {text!r} names no kind and name\n  hint: group:{GROUP}, user:NAME or serviceaccount:NAMESPACE/NAME"
        )
    return Subject(KINDS[kind], account, space) if slash else Subject(KINDS[kind], name)


def holder_of(cluster: Cluster, text: str | None) -> Subject:
    """Whom `--to` names, and without it whom the cluster's credential names. A binding that is applied again replaces whom it named
    before, so that without `--to` the gateway's rights must not go to a group that it is not in. Raises UsageError."""
    if text is not None:
        return given_holder(text)
    try:
        if isinstance(cluster.credential, TokenFile):
            return _of_token(cluster.credential.path.read_text("ascii")) or Subject("Group", GROUP)
        if isinstance(cluster.credential, ClientCredential):
            return _of_certificate(cluster.credential.certificate.read_bytes())
    except (OSError, ValueError):
        click.echo(f"l7gw: the credential of {cluster.name} cannot be read: bound is group {GROUP}; --to says another", err=True)
    return Subject("Group", GROUP)


def _of_token(token: str) -> Subject | None:
    """The service account that a token is of, None where it is another's. Raises ValueError."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    named = str(claims.get("sub", "") if isinstance(claims, dict) else "").split(":")
    return Subject("ServiceAccount", named[3], named[2]) if len(named) == 4 and named[:2] == ["system", "serviceaccount"] else None


def _of_certificate(pem: bytes) -> Subject:
    """The gateways' group where the certificate is in it, else its user, as an API server reads CN and O. Raises ValueError."""
    subject = x509.load_pem_x509_certificates(pem)[0].subject
    names = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Subject("User", names[-1]) if names and GROUP not in groups else Subject("Group", GROUP)
