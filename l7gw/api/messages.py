"""What the API is sent and what it answers, beside the holds themselves (`approval.messages.Hold`). docs/api.md shows them."""

from __future__ import annotations

import stat
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from l7gw.approval.grant_messages import Grant, Lasting, Name, Reason
from l7gw.approval.messages import LONGEST_REST, MOST_CALLS, USUAL_REST, Hold, Message, Note, State

VERSION = 1
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH  # of the socket's folder: who may write there could put a socket of his own
ROOT = "/l7gw"  # below it are the API's paths, on every host of the gateway
PREFIX = "/l7gw/v1/"
LARGEST_SAID = 32 * 1024  # bytes of a review; a note and a reason of 1,000 characters have 24 KiB where all of them are escaped
LARGEST_PAGE = 8 * 1024 * 1024  # bytes of holds in one answer; where more are asked for, `before` leads on
USUAL_LIST = 100  # holds of one answer, where the caller names no number


class Said(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reviewer sends to `approve` or `deny`. `for` is in seconds."""

    note: Note = ""
    rest_of_run: Annotated[int, Meta(ge=0, le=MOST_CALLS)] = 0
    for_seconds: Annotated[int, Meta(ge=1, le=LONGEST_REST)] = msgspec.field(default=USUAL_REST, name="for")
    force: bool = False
    reason: Note = ""
    version: Literal[1] = 1


class GrantRequest(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to ask for a group. `for` is in seconds."""

    group: Name
    cluster: Name
    for_seconds: Lasting = msgspec.field(name="for")
    reason: Reason
    version: Literal[1] = 1


class SaidOfGrant(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to `approve`, `deny` or `revoke` of a grant."""

    note: Note = ""
    force: bool = False
    reason: Note = ""
    version: Literal[1] = 1


class Page(Message, frozen=True, kw_only=True):
    """A part of the list of holds, newest first. The next part is asked for with this `before`; "" where this is the last."""

    holds: list[msgspec.Raw]
    before: str = ""
    version: int = VERSION


class HoldPage(Message, frozen=True, kw_only=True):
    """A `Page` as its reader takes it."""

    holds: list[Hold]
    before: str = ""
    version: int = VERSION


class GrantPage(Message, frozen=True, kw_only=True):
    """As `Page`, of grants."""

    grants: list[msgspec.Raw]
    before: str = ""
    version: int = VERSION


class GrantsPage(Message, frozen=True, kw_only=True):
    """A `GrantPage` as its reader takes it."""

    grants: list[Grant]
    before: str = ""
    version: int = VERSION


class Fault(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Why the API said no. `reason` is a word of Kubernetes' `metav1.Status`; `state` that of the hold, where it is over."""

    code: int
    reason: str
    message: str
    hold: str = ""
    state: State | Literal[""] = ""


class Failure(Message, frozen=True, kw_only=True):
    """The answer where the API said no; also the last line of a watch that the gateway ends."""

    error: Fault
    version: int = VERSION


decode_said = msgspec.json.Decoder(Said).decode
decode_grant_request = msgspec.json.Decoder(GrantRequest).decode
decode_said_of_grant = msgspec.json.Decoder(SaidOfGrant).decode
decode_grants = msgspec.json.Decoder(GrantsPage).decode
decode_page = msgspec.json.Decoder(HoldPage).decode
decode_failure = msgspec.json.Decoder(Failure).decode
