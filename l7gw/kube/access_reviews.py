"""What the authorization API is asked and answers: SubjectAccessReviews of the gateway's own, which ask whether RBAC lets somebody
act as another.

What is asked of each name, and in which resource, is as kube-apiserver asks it of an impersonator (AS
pkg/endpoints/filters/impersonation/impersonation.go).
"""

from __future__ import annotations

import msgspec

from l7gw import plainjson
from l7gw.kube.acting_as import ActsAs

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
AUTHENTICATED = "system:authenticated"  # the group that the API server adds to whom it knows, and to whom somebody impersonates
LONGEST_REASON = 300  # characters of the cluster's own words


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The resource attributes of a review."""

    verb: str
    resource: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f'{self.resource} "{self.name}"' + (f" in namespace {self.namespace}" if self.namespace else "")


class _Status(msgspec.Struct):
    allowed: bool
    reason: str = ""


class _Review(msgspec.Struct):
    kind: str
    status: _Status


def asked_of(acts_as: ActsAs) -> tuple[Attributes, ...]:
    """What an impersonator must be allowed: the user or the service account, then each group."""
    space, slash, name = acts_as.account.partition("/")
    user = Attributes("impersonate", "serviceaccounts", name, space) if slash else Attributes("impersonate", "users", acts_as.user)
    return (user, *(Attributes("impersonate", "groups", group) for group in acts_as.groups))


def review(user: str, groups: tuple[str, ...], extra: dict[str, list[str]], asked: Attributes) -> bytes:
    """A SubjectAccessReview in JSON, of a user as the API server knows him when the gateway impersonates him."""
    spec = {"user": user, "groups": [*groups, AUTHENTICATED], "extra": extra, "resourceAttributes": asked}
    return msgspec.json.encode({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})


def answered(body: bytes) -> tuple[bool, str]:
    """Whether a review that was answered allows, and why, in the cluster's words. Raises ValueError for any other body."""
    try:
        found = msgspec.convert(plainjson.read(body), _Review)
    except msgspec.ValidationError as error:
        raise ValueError("no review") from error
    if found.kind != "SubjectAccessReview":
        raise ValueError("another kind")
    return found.status.allowed, found.status.reason[:LONGEST_REASON]
