"""What l7gw.yaml says, as typed and frozen settings. `load` reads them from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DAY = 86400  # seconds: the longest lifetime that is common (Okta, Cognito); most tokens live an hour


@dataclass(frozen=True)
class Certificate:
    """What the gateway shows to clients: PEM files that belong together."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class KindRule:
    """`fixed`, or (where it is None) the kind whose list in `values` holds the claim's value; a missing claim is an agent."""

    fixed: str | None = "human"
    claim: str | None = None
    values: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class OidcIssuer:
    """A token is for us where its `aud` is one of `audiences` alone, or (`any_audience`) has one of them among others.

    `username`, `groups` and what `require` maps are claims: a name, or a path with dots. `groups` is the claim that lists them, ""
    for none. `require` maps claims to the text that they must have or hold; true or false has the text `true` or `false`.
    `email_verified` (require | if-present) is for `username: email`: if-present takes a token that does not speak of it.
    `longest_lifetime` is in seconds, from iat to exp. `prefix` stands before users and groups.
    """

    issuer: str
    audiences: tuple[str, ...]
    username: str = "sub"
    groups: str = ""
    certificate_authority: Path | None = None
    kind: KindRule = KindRule()
    prefix: str = ""
    require: dict[str, str] = field(default_factory=dict, hash=False)
    end_with_credential: bool = False
    any_audience: bool = False
    email_verified: str = "require"
    longest_lifetime: int = DAY


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate of a client is for us where it chains up to this authority (PEM). `prefix` stands before users and groups."""

    certificate_authority: Path
    kind: KindRule = KindRule()
    prefix: str = ""


@dataclass(frozen=True)
class ClientCredential:
    """What the gateway shows to a cluster: PEM files that belong together."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TokenFile:
    """The file whose text is the bearer token that the gateway shows to a cluster."""

    path: Path


@dataclass(frozen=True)
class Cluster:
    """`hosts` are TLS server names in lower case; `server_host` has no brackets; `prefix` stands before users and groups, but not
    in the `groups` here, which are as the identity gives them."""

    name: str
    server_host: str
    server_port: int
    certificate_authority: Path
    credential: ClientCredential | TokenFile
    hosts: tuple[str, ...] = ()
    tls: Certificate | None = None
    impersonate: str = "groups"  # groups | user | none
    prefix: str = "l7gw:"
    record: str = "all"  # all | metadata | none
    groups: tuple[str, ...] = ()  # globs: of the callers' groups that go up, beside those that rules name

    @property
    def server_authority(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.server_host}]" if ":" in self.server_host else self.server_host
        return host if self.server_port == 443 else f"{host}:{self.server_port}"


@dataclass(frozen=True)
class Recording:
    durable: str = "writes"  # none | writes | all: which calls wait until they are on the disk
    reserve: int = 2 * 1024**3  # bytes that stay free on the disk


@dataclass(frozen=True)
class Settings:
    """The whole of l7gw.yaml, without a fault. All paths are absolute."""

    path: Path
    listen: tuple[tuple[str, int], ...]  # host without brackets, and port; 0 is any free one
    tls: Certificate
    state: Path
    identity: tuple[OidcIssuer | ClientCertificate, ...]
    clusters: dict[str, Cluster] = field(hash=False)  # by name
    policy: Path
    recording: Recording
