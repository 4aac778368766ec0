"""What the approvals are told and what they tell: structs that travel as JSON, between processes, to people and into the store.

Every message has a version, which grows when a field changes its meaning. Readers skip fields that they do not know, so a field may
be added without a new version. A `Review` alone takes no unknown field, as people mistype. Texts are bounded where they are read. A
text that a requester chose is kept as it came: whoever shows it escapes it (`name_rules.visible`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Protocol, get_args

import msgspec
from msgspec import Meta

from l7gw.budget_terms import BudgetKind, BudgetTerms, Limit
from l7gw.config.settings import Kind, RecordMode
from l7gw.hold_terms import HoldTerms, RuleTerms, Wait
from l7gw.identity.principal import Principal
from l7gw.kube.acting_as import ActsAs

State = Literal["pending", "approved", "denied", "expired", "cancelled", "consumed", "void"]
STATES: tuple[State, ...] = get_args(State)
ReviewVerdict = Literal["approve", "deny"]
Proof = Literal[  # by what a reviewer proved who he is
    "oidc",
    "client-certificate",
    "aws",  # never approves
    "local",  # root at the socket, without a credential
    "slack",  # a button in Slack: its signature, and the map of the configuration
    "webhook",  # a signed answer, and the map of the configuration
]

VERSION = 1
LONGEST_NOTE = 1000  # characters of a reviewer's note or reason
LONGEST_VIEW = 64 * 1024  # characters of a diff or of a body as it was sent; nobody reads more before saying yes
MOST_ITEMS = 200  # objects that an inventory lists; the others are counted
MOST_RECENT = 20  # calls that the requester made in the minutes before
MOST_CALLS = 50  # further calls of a run that one approval covers
LONGEST_REST = 30 * 60  # seconds that it covers them
USUAL_REST = 10 * 60  # seconds, where the reviewer names none

Note = Annotated[str, Meta(max_length=LONGEST_NOTE)]
View = Annotated[str, Meta(max_length=LONGEST_VIEW)]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages. Fields go by keyword."""


class Requester(Message, frozen=True, kw_only=True):
    """The principal of a held call, as in a session's JSON."""

    user: str
    groups: tuple[str, ...] = ()
    kind: Kind = "human"
    issuer: str = ""
    actor: str = ""  # the agent that acts for the user; "" for none
    address: str = ""


class Claimed(Message, frozen=True, kw_only=True):
    """The client's own words about its call: nobody has checked them."""

    command: str = ""  # of its header Kubectl-Command
    user_agent: str = ""


# ---------------------------------------------------------------------- what a reviewer is shown, masked without any reveal


class InventoryItem(Message, frozen=True, kw_only=True):
    """One object that a delete concerns. `fate` says in words what becomes of it."""

    kind: str
    name: str
    namespace: str = ""
    fate: str = ""


class Inventory(Message, frozen=True, kw_only=True):
    """What a delete would destroy. `counts` are the numbers of objects by kind, `items` the first MOST_ITEMS of them.
    `warnings` are sentences, such as of the PodDisruptionBudget that it would break."""

    items: Annotated[tuple[InventoryItem, ...], Meta(max_length=MOST_ITEMS)] = ()
    counts: dict[str, int] = {}
    warnings: tuple[str, ...] = ()


class ExecView(Message, frozen=True, kw_only=True):
    """What an exec would run, and as whom. A text is "" where it is not known."""

    pod: str
    container: str = ""
    image: str = ""
    owner: str = ""  # such as `Deployment web`
    service_account: str = ""
    rbac: tuple[str, ...] = ()  # what the service account may do, in short
    argv: tuple[str, ...] | None = None
    stdin: bool = False
    tty: bool = False


class Shown(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a reviewer is shown of a call beside its head. One of the first four fields is set; none where nothing can be shown."""

    diff: View | None = None  # a unified diff of the object as it stands and as a dry run made it
    inventory: Inventory | None = None
    exec: ExecView | None = None
    sent: View | None = None  # the body as it was sent, where no dry run can be made of it
    dry_run: str = ""  # why there is no dry run, or what a webhook of the cluster said to it; "" where it succeeded
    recent: Annotated[tuple[str, ...], Meta(max_length=MOST_RECENT)] = ()  # what the requester did in the minutes before


# ---------------------------------------------------------------------- a held call


class Asked(Message, frozen=True, kw_only=True):
    """A call that must be approved. `run`, `session` and `exchange` are those of the recording.

    `person` is the canonical person of the requester (`people.People.person`). A waiting call is bound to `binding`, one that comes
    back to `intent`, each 64 hex digits; an exec, attach or port-forward has both, as its retry over SPDY is the same call.
    `uids` are those of the objects that were shown.
    `tokens` are the digests of credentials with which the session called so far (identity's `remembered.digest`).
    """

    principal: Requester
    person: str
    session: str
    run: str
    exchange: int
    cluster: str
    command: str  # written by us from the act
    verb: str
    terms: HoldTerms
    binding: str = ""
    intent: str = ""
    claimed: Claimed = Claimed()
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    argv: tuple[str, ...] | None = None
    effects: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    acts_as: ActsAs | None = None  # as whom the call is made in the cluster (`--as`); None: as the principal
    shown: Shown = Shown()
    record: RecordMode | None = None  # what the recording keeps of the call, by its rule; None where its cluster says it
    version: int = VERSION

    what: ClassVar[str] = "call"

    @property
    def rules(self) -> tuple[RuleTerms, ...]:
        return self.terms.rules

    @property
    def bound(self) -> str:
        """What `claim` must bring: the binding of a waiting call, the intent of one that comes back."""
        return self.binding if self.terms.wait == "wait" else self.intent


class ReviewersView(Message, frozen=True, kw_only=True):
    """Who may approve, by name. Of several rules these are all names together; who counts for which rule stands in `Hold.rules`."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    owner: bool = False
    minimum: int = 1
    emergency: tuple[str, ...] = ()  # groups whose members may force it


class RuleView(Message, frozen=True, kw_only=True):
    """One of the rules that hold a call: whom it asks, and how many approvals count for it so far."""

    rule: str
    reviewers: ReviewersView
    approvals: int = 0
    forced: bool = False


class ReviewView(Message, frozen=True, kw_only=True):
    """What somebody said. `rules` are the rules for which his approval counts, at the groups that he had when he said so."""

    user: str
    verdict: ReviewVerdict
    note: str
    time: str  # RFC 3339, microseconds, UTC
    groups: tuple[str, ...] = ()
    issuer: str = ""
    address: str = ""
    local: bool = False  # root at the socket, without a credential
    forced: tuple[str, ...] = ()  # the rules that the approval forces
    reason: str = ""  # of a forced approval
    rest_of_run: int = 0
    rules: tuple[str, ...] = ()


class Rest(Message, frozen=True, kw_only=True):
    """The rest of a run that an approval lets pass: so many calls more, until then (RFC 3339, microseconds, UTC)."""

    calls: int
    until: str


class Hold(Message, frozen=True, kw_only=True):
    """A hold as it is now, and as `l7gw holds show -o json` prints it. Times are RFC 3339, microseconds, UTC."""

    id: str  # a UUIDv7
    state: State
    session: str
    run: str
    exchange: int
    principal: Requester
    cluster: str
    command: str
    claimed: Claimed
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    argv: tuple[str, ...] | None
    effects: tuple[str, ...]
    rule: str  # the first rule that holds the call
    rules: tuple[RuleView, ...]  # all of them
    message: str
    wait: Wait
    created: str
    expires: str  # when a pending hold ends, or when an approved one must have been used
    ended: str | None  # None while it is pending or approved
    why: str  # why it is denied, cancelled or void; "" else
    needed: int  # approvals in all, where each reviewer counts for every rule
    reviewers: ReviewersView
    reviews: tuple[ReviewView, ...]
    shown: Shown
    uids: tuple[str, ...] = ()
    rest: Rest | None = None  # None where nothing is left, or none was allowed; `until` may be past
    acts_as: ActsAs | None = None  # as whom the call is made in the cluster (`--as`); null: as the principal
    record: RecordMode | None = None  # as in `Asked`
    replaces: str = ""  # the hold in whose place this one stands, since the object changed; "" for none
    version: int = VERSION

    @property
    def asks(self) -> tuple[ReviewersView, ...]:
        """Whom it asks: the reviewers of each rule."""
        return tuple(rule.reviewers for rule in self.rules)


# ---------------------------------------------------------------------- an answer to it


class Reviewer(Message, frozen=True, kw_only=True):
    """Who reviews, from his own credential. `principal.groups` are those of the credential alone: no granted group is among them.

    `token_digest` is identity's `remembered.digest` of the credential, "" for local root. `auth_time` is when the person logged
    in, in seconds since 1970; None where the issuer does not say.
    """

    principal: Principal
    proven: Proof
    token_digest: str = ""
    auth_time: float | None = None

    @property
    def local(self) -> bool:
        return self.proven == "local"


class Review(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reviewer says. `rest_of_run` further calls of the same run may pass for `for_seconds`. `force`: a member of an
    emergency group approves alone, and says why in `reason`."""

    verdict: ReviewVerdict
    note: Note = ""
    rest_of_run: Annotated[int, Meta(ge=0, le=MOST_CALLS)] = 0
    for_seconds: Annotated[int, Meta(ge=1, le=LONGEST_REST)] = USUAL_REST
    force: bool = False
    reason: Note = ""
    version: Literal[1] = 1


class Reviewable(Protocol):
    """What is asked of reviewers: a call, or a group for some time. `what` is the word for it."""

    what: ClassVar[str]

    @property
    def principal(self) -> Requester: ...

    @property
    def person(self) -> str: ...

    @property
    def tokens(self) -> tuple[str, ...]: ...

    @property
    def rules(self) -> tuple[RuleTerms, ...]:
        """Who approves: each one's reviewers are asked."""


class Waiter(Protocol):
    """A call that waits for its hold."""

    def hold_changed(self, hold: Hold) -> None:
        """The hold is approved, denied, expired or void. Called on the loop, once for each of these states that it comes to; the
        record of it is on the disk."""


class Evidence(Protocol):
    """What the desk asks of the recording."""

    def changed(self, hold: Hold, review: ReviewView | None, then: Callable[[Exception | None], None]) -> None:
        """Record that a hold has come to its state, or what somebody said of it. `then` is called on the loop with None once it is
        on the disk, or with the error. Answers come in the order of the calls."""

    def covered(self, hold: str, asked: Asked, then: Callable[[Exception | None], None]) -> None:
        """Record that a call passes as the rest of a run that was approved with this hold. `then` as above."""


local_root = Reviewer(principal=Principal("local:root"), proven="local")
decode_hold = msgspec.json.Decoder(Hold).decode
encode = msgspec.json.Encoder().encode


# ---------------------------------------------------------------------- budgets


class Spending(Message, frozen=True, kw_only=True):
    """A call that a budget is about. `person` is the canonical person who asks, behind an agent the one for whom it acts, and
    `kinds` are those of the budget's kinds that the call is of; of a deletecollection there may be none."""

    person: str
    budget: BudgetTerms
    kinds: tuple[BudgetKind, ...]


class Spent(Message, frozen=True, kw_only=True):
    """A call was counted. `key` is that of its row, `time` is in microseconds since 1970."""

    key: str
    rule: str
    kinds: tuple[BudgetKind, ...]
    time: int


class Exceeded(Message, frozen=True, kw_only=True):
    """A call was not counted: so many calls of a kind have passed. `goes_on` is when one may pass again, in microseconds since
    1970; of several kinds that are used up it is the one that goes on last."""

    limit: Limit
    goes_on: int
