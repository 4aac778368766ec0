"""RoleBindings that the gateway makes and finds again: their paths, their objects, and what a list of them says."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import msgspec

GROUP = "rbac.authorization.k8s.io"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "l7gw"  # the value of MANAGED_BY, by which a gateway lists those of all gateways
GATEWAY = "l7gw/gateway"  # label: the id of the gateway that made it
EXPIRES = "l7gw/expires"  # label: seconds since 1970, from which on any gateway removes it
OWNER = {"grant": "l7gw/grant", "session": "l7gw/session"}  # labels: whose end it ends with
MOST_LISTED = 500  # bindings of one answer; more are listed when these are gone

OwnerKind = Literal["grant", "session"]
SubjectKind = Literal["User", "Group"]


def path_of(namespace: str, name: str = "") -> str:
    """The path of a binding, or of all of a namespace."""
    base = f"/apis/{GROUP}/v1/namespaces/{namespace}/rolebindings"
    return f"{base}/{name}" if name else base


def list_of_ours(namespace: str) -> str:
    """The target of a list of all that gateways made in a namespace."""
    return f"{path_of(namespace)}?labelSelector={quote(f'{MANAGED_BY}={OURS}', safe='')}&limit={MOST_LISTED}"


def manifest(
    name: str, *, role: str, role_kind: str, subject: str, subject_kind: SubjectKind, labels: dict[str, str], about: dict[str, str]
) -> bytes:
    """The RoleBinding as JSON. `about` are annotations, for people."""
    binding: dict[str, Any] = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "labels": {MANAGED_BY: OURS, **labels}, "annotations": about},
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": subject_kind, "name": subject}],
    }
    return msgspec.json.encode(binding)


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str] = {}


class Listed(msgspec.Struct):
    """A binding of a list."""

    metadata: _Metadata

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels

    @property
    def expires(self) -> int:
        """Seconds since 1970; 0 where no gateway's label says it."""
        text = self.labels.get(EXPIRES, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


class _List(msgspec.Struct):
    items: list[Listed]


def listed(body: bytes) -> list[Listed]:
    """The bindings of an answer to `list_of_ours`. Raises ValueError."""
    return msgspec.json.decode(body, type=_List).items
