"""What `l7gw check` says of `identity`: who is let in, by which proof, under which name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.document import lasting
from l7gw.config.settings import DAY, ClientCertificate, IdentityEntry, OidcIssuer
from l7gw.quantities import many


def lines(entry: IdentityEntry) -> list[str]:
    """What an entry of `identity` lets in, in words."""
    prefix = f"{entry.prefix!r} before their names" if entry.prefix else ""
    if isinstance(entry, ClientCertificate):
        words = [f"client certificates of {entry.certificate_authority}", "user: CN, groups: O", f"as {entry.kind.fixed}", prefix]
        return ["; ".join(filter(None, words))]
    if isinstance(entry, AwsIdentity):
        return list(_of_aws(entry, prefix))
    user = f"user: claim {entry.username}"
    if entry.username == "email":
        user += ", if email_verified" if entry.email_verified == "require" else ", unless email_verified is false"
    groups = f"groups: claim {entry.groups}" if entry.groups else "no groups"
    required = ", ".join(f"{claim} is {value}" for claim, value in entry.require.items())
    words = [
        f"tokens of {entry.issuer} for {' or '.join(entry.audiences)}{' among others' if entry.any_audience else ''}",
        f"{user}, {groups}",
        _kind(entry),
        prefix,
        f"only where {required}" if required else "",
        f"for at most {lasting(entry.longest_lifetime)}" if entry.longest_lifetime != DAY else "",
        "streams end with the token" if entry.end_with_credential else "",
    ]
    return ["; ".join(filter(None, words))]


def _kind(entry: OidcIssuer) -> str:
    if entry.kind.claim is None:
        return f"as {entry.kind.fixed}"
    listed = ", ".join(f"{kind} for {' or '.join(values)}" for kind, values in entry.kind.values.items())
    return f"kind by claim {entry.kind.claim}: {listed}, agent where it is missing"


def _of_aws(entry: AwsIdentity, prefix: str) -> Iterator[str]:
    asked = f"STS at {entry.endpoint_url}" if entry.endpoint_url else f"STS in {', '.join(entry.regions)}"
    mapped = many(len(entry.map), "line of `map` says who some are", "lines of `map` say who some are")
    words = [
        f"tokens of EKS, verified by {asked}, of the accounts {', '.join(entry.accounts)}",
        mapped if entry.map else "",
        "sessions of IAM Identity Center are people: user: session name, groups: permission set",
        "others are agents: user: ARN of the role or user, no groups",
        prefix,
    ]
    yield "; ".join(filter(None, words))


def document(entry: IdentityEntry) -> dict[str, Any]:
    """The same as fields of JSON."""
    if isinstance(entry, AwsIdentity):
        return {
            "type": "aws",
            "accounts": list(entry.accounts),
            "regions": list(entry.regions),
            "map": [{"arn": one.arn, "user": one.user, "groups": list(one.groups), "kind": one.kind or ""} for one in entry.map],
            "endpoint-url": entry.endpoint_url,
            "prefix": entry.prefix,
        }
    kind = entry.kind.fixed or dict[str, Any](claim=entry.kind.claim, **entry.kind.values)
    if isinstance(entry, ClientCertificate):
        authority = str(entry.certificate_authority)
        return {"type": "client-certificate", "certificate-authority": authority, "kind": kind, "prefix": entry.prefix}
    return {
        "type": "oidc",
        "issuer": entry.issuer,
        "audience": list(entry.audiences),
        "audiences": "any-of" if entry.any_audience else "exact",
        "username": entry.username,
        "groups": entry.groups,
        "kind": kind,
        "prefix": entry.prefix,
        "require": entry.require,
        "email-verified": entry.email_verified,
        "longest-lifetime": entry.longest_lifetime,
        "end-with-credential": entry.end_with_credential,
    }
