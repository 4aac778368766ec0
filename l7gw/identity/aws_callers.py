"""Who an AWS identity is here: by the first line of `map` that names it, else by what AWS itself says of it."""

from __future__ import annotations

from l7gw.aws import arns
from l7gw.aws.hosts import partition_of
from l7gw.config.aws_settings import ArnLine, AwsIdentity
from l7gw.config.settings import Kind
from l7gw.identity.aws_sts import SignedBy
from l7gw.identity.claims import groups_of, name, refused, told
from l7gw.identity.principal import Principal

ISSUER = "aws"


def prove(signed: SignedBy, entry: AwsIdentity, expires: float) -> Principal:
    """Whom STS has proven. `expires` is in seconds since 1970. Raises Refusal 401 for an account or a partition that is not listed,
    and for a name that cannot be used.

    Without a line of `map` the name of a session is a person where IAM Identity Center alone gives it: at a role of one of its
    permission sets. Anybody else who may assume a role chooses the name of his session himself, so there the role is the caller.
    """
    who = signed.who
    if who.account not in entry.accounts:
        raise refused(f"the AWS account {who.account} is not listed here (`accounts`)")
    if who.partition not in {one.name for region in entry.regions if (one := partition_of(region)) is not None}:
        raise refused(f"the AWS identity is of the partition {who.partition}, of which no region is listed here (`regions`)")
    canonical = who.canonical
    is_person = bool(who.permission_set and who.session)
    user = who.session if is_person else canonical
    groups: tuple[str, ...] = (who.permission_set,) if is_person else ()
    kind: Kind = "human" if is_person else "agent"
    line = _line(entry, canonical)
    if line is not None:
        user, groups, kind = line.user or user, line.groups, line.kind or kind
    found = groups_of(list(groups), entry.prefix, f"the AWS identity {told(canonical)}")
    return Principal(
        name(entry.prefix + name(user, "the name of the AWS identity"), "the user with its prefix"),
        groups=found.fit,
        kind=kind,
        issuer=ISSUER,
        expires=expires,
        unfit=found.unfit,
    )


def _line(entry: AwsIdentity, canonical: str) -> ArnLine | None:
    return next((line for line in entry.map if arns.matches(line.arn, canonical)), None)
