"""The RBAC that `l7gw init` writes: the gateway's own account, what `l7gw rbac render` prints for it, and first bindings of
callers."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from l7gw.cli.init.text import AGENT_GROUP, AGENTS
from l7gw.cli.init.wanted import Wanted, wrong
from l7gw.cli.rbac.manifests import text_of
from l7gw.cluster.rbac_render import Names, Part, Rendering, Unresolved, slug
from l7gw.config.settings import Settings
from l7gw.kube.rbac import Subject, binding
from l7gw.policy.judge import Policy

SPACE, ACCOUNT = "l7gw", "gateway"  # of the service account


def rbac_of(wanted: Wanted, settings: Settings, policy: Policy) -> str:
    """YAML that an administrator of the cluster applies. Raises UsageError where the credential's name cannot be bound."""
    account = wanted.credential is None
    holder = Subject("ServiceAccount", ACCOUNT, SPACE) if account else Subject("User", _common_name(wanted))
    try:
        parts = list(Rendering(settings.clusters[wanted.name], policy, holder, given=Names(), recorded=Names()).parts())
    except Unresolved as error:
        raise wrong("--client-certificate", str(error), error.hint) from None
    own = [Part(("The gateway's own account in the cluster. Tokens are made for it.",), _account())] if account else []
    return text_of([*own, *parts, *_callers(wanted, settings.clusters[wanted.name].prefix)])


def _common_name(wanted: Wanted) -> str:
    """As whom the cluster knows the certificate."""
    assert wanted.credential is not None
    subject = x509.load_pem_x509_certificates(wanted.credential[0].read_bytes())[0].subject
    found = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not found:
        raise wrong(f"--client-certificate {wanted.credential[0]}", "has no common name: a cluster would know nobody by it")
    return found[-1]


def _account() -> tuple[dict[str, Any], ...]:
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": SPACE}},
    )


def _callers(wanted: Wanted, prefix: str) -> list[Part]:
    """What callers may do at most, by their groups as they arrive: Kubernetes' own roles `view` and `edit`."""
    groups = [wanted.group, *([AGENTS + AGENT_GROUP] if wanted.agents else [])]
    made = [_bound(f"l7gw-view-{slug(group)}", "view", prefix + group) for group in groups]
    made.append(_bound(f"l7gw-edit-{slug(wanted.group)}", "edit", prefix + wanted.group, wanted.namespace))
    about = (
        "What callers may do at most, whatever the policy says: they arrive with these groups. Kubernetes' own roles `view` and",
        f"`edit` are where to begin; `l7gw rbac suggest {wanted.name}` says later how little was used.",
    )
    return [Part(about, tuple(made))]


def _bound(name: str, role: str, group: str, space: str = "") -> dict[str, Any]:
    made = binding(name, [Subject("Group", group)], space, of_cluster=True)
    return {**made, "roleRef": {**made["roleRef"], "name": role}}
