"""A principal: the proven caller."""

from __future__ import annotations

import math
from dataclasses import dataclass

from l7gw.config.settings import Kind


@dataclass(frozen=True, slots=True)
class Principal:
    """`issuer` is the OIDC issuer's URL, or `client-certificate`. Issuer and user together name exactly one person.

    `user` and `groups` have their prefix. `actor` is the agent that acts for the user (RFC 8693 `act.sub`), "" for none.
    `address` is the client's IP address, "" while the credential is proven. `expires` is the credential's end in seconds since
    1970. `unfit` are spellings of groups that are no names (`identity.claims.Groups`); only a deny looks at them.
    """

    user: str
    groups: tuple[str, ...] = ()
    kind: Kind = "human"
    issuer: str = ""
    actor: str = ""
    address: str = ""
    expires: float = math.inf
    unfit: tuple[str, ...] = ()
