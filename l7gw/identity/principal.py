"""A principal: who was proven to ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """`issuer` is the OIDC issuer's URL, or `client-certificate`; with `user` it names one person and nobody else.

    `kind` is human, agent or workload; `actor` the agent that acts for the user (RFC 8693 `act.sub`), else "".
    `expires` is the credential's end in seconds since 1970 (None: it has none). `address` is the peer's IP address.
    `unfit` are spellings of groups whose form no name has (`identity.claims.Groups`): what denies looks at them, nothing else does.
    """

    user: str
    groups: tuple[str, ...] = ()
    kind: str = "human"
    issuer: str = ""
    actor: str = ""
    address: str = ""
    expires: float | None = None
    unfit: tuple[str, ...] = ()
