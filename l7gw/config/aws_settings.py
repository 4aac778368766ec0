"""What l7gw.yaml says about AWS, as typed and frozen settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Per = Literal["person", "gateway"]  # for whom a role session is


@dataclass(frozen=True)
class AwsRole:
    """The role of IAM as which the gateway reaches a cluster.

    `per` says for whom a role session is: each person, or the gateway, whose one session all calls share.
    """

    role: str
    per: Per = "person"
