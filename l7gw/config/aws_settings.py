"""What l7gw.yaml says about AWS, as typed and frozen settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Per = Literal["person", "gateway"]  # for whom a role session is


@dataclass(frozen=True)
class Eks:
    """A cluster of EKS: its name there and its region. `endpoint_url` is where its API is asked, without a slash at its end, "" for
    AWS's own; `certificate_authority` is the PEM file that is trusted there, None for the machine's own authorities."""

    name: str
    region: str
    endpoint_url: str = ""
    certificate_authority: Path | None = None


@dataclass(frozen=True)
class AwsRole:
    """The role of IAM as which the gateway reaches a cluster.

    `per` says for whom a role session is: each person, or the gateway, whose one session all calls share. `session_tags` are added
    to the gateway's own. `profile` names a profile of AWS's files, "" for boto3's own chain. `region` is where STS is asked.
    `endpoint_url` and `certificate_authority` are as in `Eks`, for STS.
    """

    role: str
    per: Per = "person"
    external_id: str = ""
    session_tags: dict[str, str] = field(default_factory=dict, hash=False)
    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    certificate_authority: Path | None = None


@dataclass(frozen=True)
class ArnLine:
    """Who the AWS identities are whose canonical ARN the glob `arn` names.

    `user` is "" where they keep the name that they would have without this line. `kind` is None where they keep the kind.
    """

    arn: str
    user: str = ""
    groups: tuple[str, ...] = ()
    kind: Literal["human", "agent", "workload"] | None = None


@dataclass(frozen=True)
class AwsIdentity:
    """One entry for EKS tokens, which STS verifies.

    `accounts` are those whose users and roles are let in, twelve digits each. `regions` are those whose STS a token may name. Of
    `map` the first line counts that fits. `endpoint_url` is where STS is asked instead of at the host that the token names,
    without a slash at its end, "" for none; tokens made for its own host count too. `prefix` is put before the names of users and
    groups."""

    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    map: tuple[ArnLine, ...] = ()
    endpoint_url: str = ""
    certificate_authority: Path | None = None
    prefix: str = ""
