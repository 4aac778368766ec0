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
