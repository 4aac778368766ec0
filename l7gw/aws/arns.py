"""Amazon Resource Names of identities: read, written in one canonical form, and matched against the globs of a configuration.

`sts:GetCallerIdentity` names a role by its session: `arn:aws:sts::111122223333:assumed-role/Admin/ann`. The canonical form is the
one of IAM: `arn:aws:iam::111122223333:role/Admin`. It has no path, because STS never tells the path of a role, and because names of
roles and of users are unique within an account whatever their path (IAM API Reference, CreateRole and CreateUser).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

LONGEST_ARN = 2048  # characters; the most that IAM's own API takes for an ARN
MOST_STARS = 8  # in one glob; as in the patterns of a policy

IdentityKind = Literal["role", "user", "root", "assumed-role", "federated-user"]

_PARTS = re.compile(r"arn:(aws[a-z-]{0,16}):([a-z0-9-]{1,63}):([a-z0-9-]{0,63}):([0-9]{12}|aws)?:([\x21-\x7e]+)")
_PATH = r"(?:[\x21-\x2e\x30-\x7e]+/)*"  # names between slashes, each with its slash
_NAME = r"[\w+=,.@-]{1,64}"  # of a role, a user or a session
_IDENTITY = {
    "iam": re.compile(rf"(root)|(role|user)/{_PATH}({_NAME})", re.ASCII),
    # Of an assumed role the last part is the session. A path before the role's name is read, though STS writes none
    "sts": re.compile(rf"(assumed-role)/{_PATH}({_NAME})/({_NAME})|(federated-user)/({_NAME})", re.ASCII),
}
_GLOB = re.compile(r"(arn:aws[a-z-]{0,16}:iam::[0-9]{12}:)(root|(?:role|user)/[\w+=,.@*-]{1,64})", re.ASCII)
_ROLE = re.compile(rf"arn:aws[a-z-]{{0,16}}:iam::[0-9]{{12}}:role/{_PATH}{_NAME}", re.ASCII)
_RESERVED = re.compile(r"AWSReservedSSO_(.+)_([0-9a-f]{16})", re.ASCII)


class Arn(NamedTuple):
    """The parts of an ARN. `account` is twelve digits, or "" where the resource has none. `resource` is everything behind the fifth
    colon."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return ":".join(("arn", *self))


class IdentityArn(NamedTuple):
    """Whom an ARN names: `name` is the role or the user without a path, "" for the account's root. `session` is the name of the
    role's session, "" where there is none."""

    partition: str
    account: str
    kind: IdentityKind
    name: str = ""
    session: str = ""

    @property
    def canonical(self) -> str:
        """The ARN in IAM's form, without path and without session. A federated user has no such form and keeps STS's."""
        account = f"arn:{self.partition}:iam::{self.account}"
        match self.kind:
            case "root":
                return f"{account}:root"
            case "role" | "assumed-role":
                return f"{account}:role/{self.name}"
            case "user":
                return f"{account}:user/{self.name}"
            case "federated-user":
                return f"arn:{self.partition}:sts::{self.account}:federated-user/{self.name}"

    @property
    def permission_set(self) -> str:
        """The permission set of IAM Identity Center whose role this is; "" for any other identity. Identity Center alone creates
        and lets assume roles named AWSReservedSSO_SET_HASH."""
        found = _RESERVED.fullmatch(self.name) if self.kind in ("role", "assumed-role") else None
        return found[1] if found is not None else ""


def parse(text: str) -> Arn:
    """The parts of any ARN. Raises ValueError, whose message quotes nothing."""
    found = _PARTS.fullmatch(text) if len(text) <= LONGEST_ARN else None
    if found is None:
        raise ValueError("it is no ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)")
    return Arn(found[1], found[2], found[3], found[4] or "", found[5])


def identity(text: str) -> IdentityArn:
    """Whom the ARN of a user, a role, a role's session, a federated user or an account's root names. Raises ValueError, whose
    message quotes nothing."""
    arn = parse(text)
    pattern = _IDENTITY.get(arn.service)
    found = pattern.fullmatch(arn.resource) if pattern is not None and not arn.region and arn.account.isdigit() else None
    if found is None:
        raise ValueError("it is no ARN of a user, a role, a role's session or an account's root")
    if arn.service == "iam":
        kind: IdentityKind = "root" if found[1] else "role" if found[2] == "role" else "user"
        return IdentityArn(arn.partition, arn.account, kind, found[3] or "")
    if found[1]:
        return IdentityArn(arn.partition, arn.account, "assumed-role", found[2], found[3])
    return IdentityArn(arn.partition, arn.account, "federated-user", found[5])


def canonical(text: str) -> str:
    """The canonical form of an identity's ARN: `IdentityArn.canonical`. Raises ValueError."""
    return identity(text).canonical


def is_role(text: str) -> bool:
    """Whether the text is the ARN of a role, with or without a path: what `sts:AssumeRole` takes."""
    return len(text) <= LONGEST_ARN and _ROLE.fullmatch(text) is not None


def is_glob(text: str) -> bool:
    """Whether the text is a canonical ARN of a role, a user or an account's root, in whose last part `*` may stand."""
    return _GLOB.fullmatch(text) is not None and text.count("*") <= MOST_STARS


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    head, slash, name = pattern.rpartition("/")
    return re.compile(re.escape(head + slash) + ".*".join(map(re.escape, name.split("*"))), re.ASCII | re.IGNORECASE)


def matches(pattern: str, arn: str) -> bool:
    """Whether a glob (`is_glob`) names this canonical ARN.

    The case of letters is ignored: IAM does not tell names by it (CreateRole: "names are not distinguished by case"), and STS may
    tell the name of a role as whoever assumed it wrote it. aws-iam-authenticator compares so too.
    """
    return _glob(pattern).fullmatch(arn) is not None
