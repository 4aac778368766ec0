"""What is said about grants: who asks for a group, on which cluster, for how long and why, and what people say to that.

As `messages.py`: structs that travel as JSON, with a version, bounded where they are read; a text that a requester chose is kept as
it came. A review of a grant is a `messages.Review` without a rest of a run.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta

from l7gw.approval.messages import Message, Requester, ReviewersView, ReviewView
from l7gw.config.settings import DAY
from l7gw.hold_terms import RuleTerms

GrantState = Literal["pending", "approved", "denied", "expired", "revoked", "ended"]
GRANT_STATES: tuple[GrantState, ...] = get_args(GrantState)
Deed = Literal["request", "approve", "deny", "revoke", "time"]

GRANT_VERSION = 1
LONGEST_REASON = 1000  # characters of what the requester says, as of a reviewer's note
LONGEST_NAME = 256  # characters of a group or a cluster; no directory has longer names
LONGEST_GRANT = DAY  # seconds

Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Lasting = Annotated[int, Meta(ge=1, le=LONGEST_GRANT)]


class GrantAsked(Message, frozen=True, kw_only=True):
    """A group that is asked for. `principal.groups` are those of the credential alone, `person` is the canonical person of the
    requester. `seconds` is how long it shall last, `ttl` how long it is pending. `terms` say who approves. `tokens` are the digests
    of the credentials by which the same principal called so far (identity's `remembered.digest`)."""

    principal: Requester
    person: str
    group: Name
    cluster: Name
    seconds: Lasting
    reason: Reason
    terms: RuleTerms
    ttl: int
    tokens: tuple[str, ...] = ()
    version: int = GRANT_VERSION

    what: ClassVar[str] = "request"

    @property
    def rules(self) -> tuple[RuleTerms, ...]:
        return (self.terms,)


class Grant(Message, frozen=True, kw_only=True):
    """A grant as it is now, and as `l7gw grants list -o json` prints it. Times are RFC 3339, microseconds, UTC."""

    id: str  # a UUIDv7
    state: GrantState
    group: str
    cluster: str
    principal: Requester
    reason: str
    seconds: int = msgspec.field(name="for")  # how long it lasts
    created: str
    expires: str  # until when a pending one may be answered
    starts: str | None  # when it was approved; None before, and where it never was
    ends: str | None  # when an approved one ends, or would have ended; None as above
    ended: str | None  # when it came to its last state; None while it is pending or approved
    why: str  # why it is denied, expired, revoked or ended; "" else
    needed: int  # approvals
    approvals: int  # so far
    reviewers: ReviewersView
    reviews: tuple[ReviewView, ...]
    version: int = GRANT_VERSION

    @property
    def asks(self) -> tuple[ReviewersView, ...]:
        """Whom it asks."""
        return (self.reviewers,)


class GrantDone(Message, frozen=True, kw_only=True):
    """What was done to a grant, for the record: by `user`, "" where it was time. `local` is root at the socket, without a
    credential; `forced` with its `reason` an approval by a member of an emergency group."""

    did: Deed
    user: str = ""
    note: str = ""
    local: bool = False
    forced: bool = False
    reason: str = ""


decode_grant = msgspec.json.Decoder(Grant).decode
