"""What the side that parses traffic asks the side that holds the keys of AWS, and the answers.

They are Structs so that a socket pair can carry them, once the two sides are two processes (threats J4). None of them holds a key
of AWS. A token is good for one cluster and for minutes.
"""

from __future__ import annotations

import msgspec

from l7gw.errors import StatusReason


class TokenWanted(msgspec.Struct, frozen=True):
    """A token for a cluster, by its name in the configuration, that shows the cluster this user.

    `user` is named as the gateway names him, with his prefix. Issuer and user are "" where the cluster's role session is the
    gateway's own (`per: gateway`).
    """

    cluster: str
    issuer: str = ""
    user: str = ""


class Token(msgspec.Struct, frozen=True):
    """A bearer token. `expires` is when the cluster takes it no more, in seconds since 1970, less a margin."""

    text: str
    expires: float

    def __repr__(self) -> str:  # messages are logged where one could not be handled
        return f"Token(expires={self.expires!r})"


class DescribeWanted(msgspec.Struct, frozen=True):
    """What EKS knows of a cluster, by its name in the configuration."""

    cluster: str


class Described(msgspec.Struct, frozen=True):
    """What eks:DescribeCluster answers. `endpoint` is a URL, `certificate_authority` a PEM, `version` such as `1.33`."""

    endpoint: str
    certificate_authority: str
    version: str
    arn: str


class Failed(msgspec.Struct, frozen=True):
    """What was wanted cannot be had now. `message` is for people, and names the step and what to do."""

    status: int
    reason: StatusReason
    message: str
