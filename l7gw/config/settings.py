"""What l7gw.yaml says, as typed and frozen settings. `load` reads them from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from l7gw.config.aws_settings import AwsIdentity, AwsRole, Eks
from l7gw.config.field_paths import FieldPath

SOCKET = "l7gw.sock"  # in the state
MOST_HOLDS = 500  # pending holds in all; nobody reads so many before saying yes (threats G5)
USUAL_HOLDS = 20  # pending holds of one principal
DAY = 86400  # seconds; the longest common lifetime of a token (Okta, Cognito); most live an hour

# Words that stand in the file, as types.
Kind = Literal["human", "agent", "workload"]  # of principals
EmailVerified = Literal[
    "require",  # the token says that the email is verified
    "if-present",  # the token says so, or does not speak of it
]
Impersonate = Literal[  # what the cluster is told about the caller
    "groups",  # the groups with their prefix; the user is the gateway's own
    "user",  # the user and the groups with their prefix
    "none",  # nothing
]
RecordMode = Literal[  # what is recorded of a cluster's calls
    "all",
    "metadata",  # neither bodies nor the bytes of frames
    "none",
]
Durable = Literal["none", "writes", "all"]  # which calls wait until their record is on the disk
LogAccess = Literal[  # which calls have lines in the log
    "on",  # all
    "errors",  # those that were refused or failed
    "off",
]
LogFormat = Literal[
    "auto",  # text where the log goes to a terminal, else JSON
    "text",
    "json",
]
LogLevel = Literal["debug", "info", "warning", "error"]  # the least that is written; `debug` is as `serve -v`
Warnings = Literal[  # which answers have a `Warning` of ours, which kubectl prints
    "all",
    "refusals",  # no answer that succeeds has one, so that `kubectl --warnings-as-errors` can be used
]
SlackShow = Literal[  # what a message to Slack has of what a call would do
    "summary",  # numbers and kinds, and no content of an object
    "diff",  # the masked difference, as far as a message of Slack's goes
]
HookPart = Literal[  # what a hook is called for
    "act",
    "object",
    "frame",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Certificate:
    """The certificate that the gateway shows to clients, and its key: paths of PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class KindRule:
    """Which kind of caller a credential proves: human, agent or workload.

    `fixed` is the kind of all. Where it is None, `values` maps each kind to the values of `claim` that prove it (`claims.kind_of`).
    A missing claim proves an agent.
    """

    fixed: Kind | None = "human"
    claim: str | None = None
    values: dict[Kind, tuple[str, ...]] = field(default_factory=dict, hash=False)


LoginToken = Literal["id", "access"]


@dataclass(frozen=True)
class OidcLogin:
    """How people log in at an issuer by `l7gw login`: the public client, what it asks for, which token the gateway gets, and
    the port to which the browser comes back, 0 for any."""

    client_id: str
    scopes: tuple[str, ...]
    token: LoginToken = "id"
    port: int = 0


@dataclass(frozen=True)
class OidcIssuer:
    """One entry for tokens of an issuer.

    The token's `aud` must be one of `audiences` and nothing else. With `any_audience` it may hold other audiences too.
    `username`, `groups` and the keys of `require` are claims: a name, or a path with dots. `username` is the claim that names the
    user. `groups` is the claim that lists the groups, "" for none. `require` maps a claim to the text that it must be, or hold; the
    texts of true and false are `true` and `false`.
    `email_verified` (require | if-present) counts for `username: email`: if-present accepts a token without that claim.
    `longest_lifetime` is in seconds, from iat to exp. `end_with_credential`: a running stream ends when the token does.
    `prefix` is put before the names of users and groups. `login` is for `l7gw kubeconfig --login` alone.
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
    email_verified: EmailVerified = "require"
    longest_lifetime: int = DAY
    login: OidcLogin | None = None


@dataclass(frozen=True)
class ClientCertificate:
    """One entry for client certificates: those that chain up to this authority, a PEM file.

    `prefix` is put before the names of users and groups.
    """

    certificate_authority: Path
    kind: KindRule = KindRule()
    prefix: str = ""


IdentityEntry = OidcIssuer | ClientCertificate | AwsIdentity


@dataclass(frozen=True)
class ClientCredential:
    """The certificate that the gateway shows to a cluster, and its key: paths of PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class TokenFile:
    """The path of the file that holds the bearer token that the gateway shows to a cluster."""

    path: Path


@dataclass(frozen=True)
class Cluster:
    """One cluster.

    `server_host` has no brackets around an IPv6 address. It is "", and `certificate_authority` is None, where `eks` is there: EKS
    says both. `hosts` are TLS server names in lower case. `prefix` is put before the
    names of users and groups that the cluster is told.
    """

    name: str
    server_host: str
    server_port: int
    certificate_authority: Path | None
    credential: ClientCredential | TokenFile | AwsRole
    hosts: tuple[str, ...] = ()
    tls: Certificate | None = None
    impersonate: Impersonate = "groups"
    prefix: str = "l7gw:"
    record: RecordMode = "all"
    eks: Eks | None = None  # the cluster of EKS whose endpoint is followed
    break_glass: tuple[str, ...] = ()  # who may go round the gateway: globs over ARNs, and the word `public-endpoint`
    groups: tuple[str, ...] = ()  # globs over groups without `prefix`: the cluster is told these, and those that rules name
    aws_cluster_id: str = ""

    @property
    def aws_id(self) -> str:
        """The id by which a token of EKS names this cluster (x-k8s-aws-id); "" where it takes no such token."""
        return self.aws_cluster_id or (self.eks.name if self.eks is not None else "")

    @property
    def server_authority(self) -> str:
        """Host and port as they stand in a Host header."""
        return host_and_port(self.server_host, self.server_port)

    @property
    def url(self) -> str:
        """The URL of the API server; "" where EKS says it."""
        return f"https://{self.server_authority}" if self.eks is None else ""


def host_and_port(host: str, port: int) -> str:
    """Host and port of a server as they stand in a URL and in a Host header."""
    named = f"[{host}]" if ":" in host else host
    return named if port == 443 else f"{named}:{port}"


def listened_on(host: str, port: int) -> str:
    """An address that something listens on, for people."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Recording:
    durable: Durable = "writes"
    reserve: int = 2 * 1024**3  # bytes that stay free on the disk


@dataclass(frozen=True)
class Log:
    """What is written to stderr."""

    access: LogAccess = "on"
    format: LogFormat = "auto"
    level: LogLevel = "info"


@dataclass(frozen=True)
class Hook:
    """A class of the user's own Python that the gateway calls.

    `path` is the folder of its module. Nobody but the owner may write there. `parts` is empty where the class itself says what it
    is for.
    """

    name: str
    module: str  # dotted, relative to `path`
    class_name: str
    path: Path
    raw: bool  # whether it sees data as it is, before masking
    parts: tuple[HookPart, ...]
    line: int  # in l7gw.yaml


@dataclass(frozen=True)
class MaskingSwitch:
    """A detector that is turned on or off. `line` is where it stands in l7gw.yaml, here and below."""

    name: str
    on: bool
    line: int


@dataclass(frozen=True)
class MaskingPattern:
    """A detector of the user's own. `name` is [a-z0-9-]{1,32}; `pattern` is not compiled yet."""

    name: str
    pattern: str
    line: int


@dataclass(frozen=True)
class MaskingField:
    """A field of objects whose texts are masked. `group` "" is any group."""

    kind: str
    group: str
    path: FieldPath
    line: int


@dataclass(frozen=True)
class MaskingTest:
    """A text, and the names of the detectors that find something in it."""

    text: str
    finds: frozenset[str]
    line: int


@dataclass(frozen=True)
class Masking:
    """What is masked beside Secrets. `masking.configured` makes the detectors of it."""

    registry: bool = True  # whether values of Secrets that were read are recognised elsewhere
    detectors: tuple[MaskingSwitch, ...] = ()
    patterns: tuple[MaskingPattern, ...] = ()
    fields: tuple[MaskingField, ...] = ()
    tests: tuple[MaskingTest, ...] = ()


@dataclass(frozen=True)
class Person:
    """One person with several names. All are users' names with their prefix; `user` is the one by which the person goes."""

    user: str
    also: tuple[str, ...]


@dataclass(frozen=True)
class PostgresServer:
    """A database at a PostgreSQL server: libpq's keywords, the password among them, which no text of this object shows."""

    keywords: dict[str, str] = field(repr=False, hash=False)

    @property
    def place(self) -> str:
        """Where the database is, in words for people."""
        known = self.keywords
        hosts = known.get("host") or known.get("hostaddr") or "the host that libpq's environment names"
        port = f", port {known['port']}" if "port" in known else ""
        return f"PostgreSQL at {hosts}{port}, database {known.get('dbname') or known.get('user') or 'of its environment'}"

    @property
    def verified(self) -> bool:
        """Whether nobody between here and the server can pass for it."""
        return self.keywords.get("sslmode") == "verify-full"

    @property
    def near(self) -> bool:
        """Whether the server is on this machine."""
        hosts = (self.keywords.get("hostaddr") or self.keywords.get("host") or "/").split(",")
        return all(host.startswith("/") or host in ("localhost", "127.0.0.1", "::1") for host in hosts)


@dataclass(frozen=True)
class Mapped:
    """Who a person is that Slack or a webhook names: the user, with his groups, as a token of an issuer would name him."""

    user: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class SlackReviews:
    """Holds are told in a channel of Slack, and answered by its buttons.

    `listen` is where Slack's answers come in: host without brackets, and port. `users` maps ids of Slack's to people. `endpoint` is
    the URL of Slack's API, without a slash at its end.
    """

    listen: tuple[str, int]
    token_file: Path
    signing_secret_file: Path
    channel: str
    users: dict[str, Mapped] = field(hash=False)
    show: SlackShow
    endpoint: str
    certificate_authority: Path | None  # None: the machine's own


@dataclass(frozen=True)
class WebhookReviews:
    """Holds are told by a signed POST to `url`, and answered by a signed POST to the gateway. `users` maps the names that the other
    side gives to people."""

    url: str
    secret_file: Path
    users: dict[str, Mapped] = field(hash=False)
    certificate_authority: Path | None


@dataclass(frozen=True)
class Settings:
    """The whole of l7gw.yaml, without a mistake. All paths are absolute."""

    path: Path
    listen: tuple[tuple[str, int], ...]  # host without brackets, and port; port 0 is any free port
    tls: Certificate
    state: Path
    identity: tuple[IdentityEntry, ...]
    clusters: dict[str, Cluster] = field(hash=False)  # by name
    policy: Path
    recording: Recording
    hooks: tuple[Hook, ...] = ()
    masking: Masking = Masking()
    people: tuple[Person, ...] = ()
    reviews_local: bool = False  # whether root at the socket may approve without a credential
    slack: SlackReviews | None = None
    webhook: WebhookReviews | None = None
    most_holds: int = USUAL_HOLDS  # pending holds of one principal
    socket: Path | None = None  # where the API's socket is, if not in the state
    socket_group: str = ""  # whose members may connect to it too; "" for none
    store: PostgresServer | None = None  # where the metadata is; None for SQLite in the state
    log: Log = Log()
    warnings: Warnings = "all"

    @property
    def mapped(self) -> tuple[Mapped, ...]:
        """Who may answer in Slack or by the webhook."""
        return tuple(who for one in (self.slack, self.webhook) if one is not None for who in one.users.values())

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are told of holds, by their names in the outbox."""
        return tuple(name for name, there in (("slack", self.slack), ("webhook", self.webhook)) if there is not None)

    @property
    def socket_path(self) -> Path:
        return self.socket or self.state / SOCKET
