"""What RBAC is asked for a call, and what it lets everybody do whom the API server knows."""

from __future__ import annotations

import re
from urllib.parse import unquote

from l7gw.kube.act import Act
from l7gw.kube.rbac import ALL, Right, Rule
from l7gw.kube.requestinfo import STREAMING

CREATED = 201
REVIEWS = "authorization.k8s.io"
# What the roles system:basic-user, system:discovery and system:public-info-viewer give to the group system:authenticated, where
# nobody took it away (KK plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go)
EVERYBODYS = (
    Rule(("create",), (REVIEWS,), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    Rule(
        ("get",),
        urls=(
            *("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"),
            *("/healthz", "/livez", "/readyz"),
        ),
    ),
)
_WORD = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)  # a group, a resource or a subresource that can be a real one
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)  # a DNS label
# The last letters of a name that Kubernetes made up (AM pkg/util/rand/rand.go): nothing will ever have that name again
_MADE_UP = re.compile(r".*-[bcdfghjklmnpqrstvwxz2456789]{5}", re.ASCII | re.DOTALL)


class Inexpressible(ValueError):
    """A call that no rule of RBAC can be about without being about others too."""


def rights_of(act: Act, status: int) -> tuple[Right, ...]:
    """What RBAC was asked for a call that the cluster answered with `status`. Raises Inexpressible.

    A GET that becomes a stream of a pod (WebSocket) is asked for `get`, and since 1.35 for `create` too. An update or a patch that
    made the object was asked for `create` as well, with the object's name (kubernetes-wire 7.5).
    """
    if not act.is_resource:
        path = unquote(act.path)
        if "*" in path or act.verb == ALL:
            raise Inexpressible("its path or its method has a star")
        return (Right(act.verb, path=path),)
    words = (act.resource, *filter(None, (act.group, act.subresource)))
    if not act.verb or not all(map(_WORD.fullmatch, words)):
        raise Inexpressible("no resource has such a name")
    if act.namespace and not _NAMESPACE.fullmatch(act.namespace):  # a list there is answered, and no Role can stand there
        raise Inexpressible("no namespace has such a name")
    resource = f"{act.resource}/{act.subresource}" if act.subresource else act.resource
    right = Right(act.verb, act.group, resource, act.namespace, act.name)
    streams = act.verb == "get" and act.group == "" and act.resource == "pods" and act.subresource in STREAMING
    makes = act.verb in ("update", "patch") and status == CREATED
    if streams or makes:
        return right, Right("create", act.group, resource, act.namespace, act.name)
    return (right,)


def is_everybodys(right: Right) -> bool:
    """Whether everybody has it whom the API server knows."""
    return any(rule.allows(right) for rule in EVERYBODYS)


def is_made_up(name: str) -> bool:
    """Whether the name ends as those do that Kubernetes makes up for pods, jobs and the like."""
    return _MADE_UP.fullmatch(name) is not None
