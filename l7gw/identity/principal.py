"""A principal: the proven caller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """`issuer` is the OIDC issuer's URL, or `client-certificate`. Issuer and user together name exactly one person.

    `user` and `groups` have their prefix. `kind` is human, agent or workload. `actor` is the agent that acts for the user (RFC 8693
    `act.sub`), "" for none. `address` is the client's IP address. `expires` is the end of the credential in seconds since 1970,
    None for no end. `unfit` are spellings of groups that are no names (`identity.claims.Groups`); only a deny looks at them.
    """

    user: str
    groups: tuple[str, ...] = ()
    kind: str = "human"
    issuer: str = ""
    actor: str = ""
    address: str = ""
    expires: float | None = None
    unfit: tuple[str, ...] = ()
