"""The events of a session as they are recorded. Each event is one msgpack array in a block; its first element is the tag.

Fields that many events share: `time` is microseconds since 1970. `exchange` is the number of the exchange in its session, from 1.
`run` is an index into the runs of the session, from 0. An event's place in its session is not written: readers count it from 1 and
call it `seq`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

# Some fields of the events hold one of a few words. Code that records (`session`) may use only these words. Code that reads must
# accept any text, because a later version may write more words.
VerdictWord = Literal[
    "allow",
    "hold",  # a reviewer is asked; an allow or a deny follows, unless the call ended first or comes back later
    "deny",
    "refused",  # the request is malformed, unauthenticated or not forwardable; the reason says which
]
Outcome = Literal[
    "complete",  # the whole answer was passed on
    "denied",  # policy denied the call
    "refused",  # the call was refused before there was a verdict
    "failed",  # after an allow: the client got an error of the gateway's, not the cluster's answer
    "cut",  # the gateway or the cluster cut the answer after it had begun
    "aborted",  # the client left before the end
]
WhyEnded = Literal[
    "idle",
    "day",  # the session was a day old, or held the attempts of a day that is over
    "shutdown",
    "failed",  # a write or a sync of the journal failed
]

Headers = tuple[tuple[str, str], ...]  # (name, value) in the order of the wire; each character is one byte of the wire


def header_text(value: str) -> str:
    """A recorded header's value as people read it: UTF-8 where its bytes are that, else Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


class Event(msgspec.Struct, array_like=True, tag=True, gc=False):
    time: int


class SegmentStarted(Event, tag="segment"):
    """The first event of a segment, in the journal's own session, whose id is zeros.

    `torn` lists the tails of earlier segments that are no whole block, each as (file name, offset in bytes, SHA-256 of the bytes
    from there on). `version` is that of l7gw. `writer` is an id that each process draws when it starts. The sessions of a process
    are alive as long as it holds the lock of a segment."""

    version: str
    torn: tuple[tuple[str, int, bytes], ...]
    writer: str = ""


class SessionStarted(Event, tag="session"):
    """The first event of a session. It names the principal, so that `sessions list` needs no event after it."""

    id: str  # of the session: a UUIDv7
    cluster: str  # its name in the configuration
    user: str
    groups: tuple[str, ...]
    kind: str
    issuer: str
    actor: str
    address: str  # of the client that opened the session
    attempts: bool = False  # whether this is the day's session of calls without a principal


class RunStarted(Event, tag="run"):
    """A client process, such as one kubectl command, made its first call in the session."""

    id: str
    client: str  # the value of its User-Agent header
    command: str  # the value of its Kubectl-Command header


OF_BODIES = frozenset(("content-length", "transfer-encoding", "content-type"))  # headers that say whether a request has a body


class RequestRecorded(Event, tag="request"):
    """The head of a request, and what the gateway read from its target. A text is "" where the call has no such thing."""

    exchange: int
    run: int
    method: str
    target: str  # path and query as sent; credentials are replaced by "(credential)"
    headers: Headers  # credentials are replaced by "(credential)"
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    effects: tuple[str, ...]
    audit_id: str
    # Decoded from the target's query. A field is None where this kind of call has no such parameter or the query does not name it.
    argv: tuple[str, ...] | None = None  # the command of an exec
    container: str | None = None  # of exec, attach and log
    ports: tuple[int, ...] | None = None  # of a port-forward that names ports in its query; others name them as they open streams
    label_selector: str | None = None  # of list, watch and deletecollection
    field_selector: str | None = None  # of the same
    stdin: bool | None = None  # of exec and attach: whether the client asked for stdin
    tty: bool | None = None  # of exec and attach: whether the client asked for a terminal
    # As whom the caller asked to be taken (`--as`). The session's user is who he truly is. None: as himself
    as_user: str | None = None
    as_groups: tuple[str, ...] | None = None

    @property
    def may_have_body(self) -> bool:
        """Whether requests of this method may have a body."""
        return self.method in ("POST", "PUT", "PATCH", "DELETE")

    @property
    def says_body(self) -> bool:
        """Whether a header says that there is a body."""
        return any(value not in ("", "0") for name, value in self.headers if name in OF_BODIES)


class RequestBody(Event, tag="request-body"):
    """A part of a request's body, at most `call_record.LARGEST_EVENT` bytes."""

    exchange: int
    data: bytes


class VerdictRecorded(Event, tag="verdict"):
    """What was decided about a call. A stream that is judged again and cut has a second verdict; a port-forward has one more for
    each connection inside it."""

    exchange: int
    rule: str  # the name of the policy's rule that decided; "" where none did
    verdict: str  # a `VerdictWord`
    reason: str  # in an attempt without a principal it begins with the client's address
    own: bool = False  # whether it allows what the gateway itself asks the cluster within the call, and says nothing about the call


class ResponseRecorded(Event, tag="response"):
    """The head of the answer that the client was sent."""

    exchange: int
    status: int
    headers: Headers


class ResponseBody(Event, tag="response-body"):
    """A part of an answer's body, at most `call_record.LARGEST_EVENT` bytes, in the content encoding of the wire."""

    exchange: int
    data: bytes


class Frame(Event, tag="frame"):
    """Bytes of one channel of an exec, attach or port-forward, at most `call_record.LARGEST_EVENT` of them."""

    exchange: int
    # stdin stdout stderr error resize port-N port-N-error, where N is the pod's port. What the client sent and the gateway did not
    # pass on stands in stdin-not-passed, resize-not-passed, or message-not-passed (a message without a channel).
    channel: str
    up: bool  # true from the client to the cluster, false back
    stream: int
    data: bytes  # b"" where the cluster is recorded with `record: metadata`
    final: bool = False  # whether this was the last frame in this direction of the stream


class MaskRecorded(Event, tag="mask"):
    """A value was masked: what is recorded of the exchange has a placeholder in its place."""

    exchange: int
    detector: str  # the name of the detector, or of the structural rule, that found it
    # A path in a body, such as items[3].data.password; CHANNEL:OFFSET in a stream, an offset in the recorded bytes; `target`,
    # `argv[N]` or `headers.NAME` of a request
    where: str
    length: int  # bytes of the value
    tag: str  # the placeholder's tag; "" where the place was too short for a placeholder
    up: bool  # whether the caller sent the value
    late: bool = False  # of a stream: the client was shown the value's beginning before it was known to be one


class HoldRecorded(Event, tag="hold"):
    """A call was held for an approval, or its hold came to another state.

    `exchange` is 0 where the session in which the call was made is over; `session` is that session then. What the reviewer is shown
    stands in the event of a new hold and in that of a used approval, which also has all that reviewers said: it alone tells
    who approved what, and what he saw."""

    exchange: int
    hold: str  # its id, a UUIDv7
    state: str  # pending approved denied expired cancelled consumed void; covered: the call is of a run whose rest was approved
    rule: str  # the first rule that holds the call
    wait: str  # wait | come-back
    why: str = ""  # why it is denied, expired, cancelled or void
    command: str = ""  # the call in words of the gateway's
    shown: str = ""  # JSON: the diff, inventory or exec that the reviewer is shown, masked; "" in events of other states
    reviews: str = ""  # JSON: what reviewers said; "" in events of other states than consumed
    session: str = ""


class ReviewRecorded(Event, tag="review"):
    """Somebody said something to a hold. `exchange` and `session` as in a `HoldRecorded`."""

    exchange: int
    hold: str
    user: str
    verdict: str  # approve | deny
    note: str
    local: bool = False  # whether it was root at the socket, without a credential
    forced: tuple[str, ...] = ()  # the rules that a member of an emergency group forced
    reason: str = ""  # why he did
    rest_of_run: int = 0  # further calls of the run that he approves
    session: str = ""
    issuer: str = ""  # by what he proved who he is: an issuer's URL, client-certificate, slack, webhook; "" for local root


class KillRecorded(Event, tag="kill"):
    """Somebody ended a call that was under way (`l7gw sessions kill`). Its `end` follows."""

    exchange: int
    user: str
    reason: str
    local: bool = False  # whether it was at the socket, by root or the gateway's own user, without a credential


class GrantRecorded(Event, tag="grant"):
    """A group was asked for, or something was done to such a grant. It belongs to no exchange: it stands in the session of the one
    who asked on that cluster."""

    grant: str  # its id, a UUIDv7
    state: str  # pending approved denied expired revoked ended
    group: str
    cluster: str
    did: str  # request approve deny revoke; time: nobody answered, or it is over
    user: str  # who did it; "" where it was time
    note: str  # what he said; of a request the reason
    seconds: int  # how long it lasts
    starts: str = ""  # RFC 3339; "" before it is approved
    ends: str = ""  # as above
    local: bool = False  # whether it was root at the socket, without a credential
    forced: bool = False  # whether a member of an emergency group forced it
    reason: str = ""  # why he did
    reviews: str = ""  # JSON: all that reviewers said; "" in events of other states than approved


class ExchangeEnded(Event, tag="end"):
    """The last event of an exchange."""

    exchange: int
    outcome: str  # an `Outcome`
    reason: str = ""  # "" where the outcome is complete


class AttemptsDropped(Event, tag="dropped"):
    """Calls without a principal were left unrecorded: there were too many of them (`session.Attempts`), or the disk was behind."""

    count: int  # of calls


class ClockStepped(Event, tag="clock"):
    """The wall clock jumped while the session was running. Events happened in their order in the session, whatever their times say
    (threats H5)."""

    by: int  # microseconds; negative where the clock was set back


class SessionEnded(Event, tag="ended"):
    """The last event of a session."""

    reason: str  # a `WhyEnded`


class UnknownEvent:
    """An event whose name this version does not know, because a later version wrote it. Readers skip and count such events; they
    are never written."""

    __slots__ = ("name", "time")

    def __init__(self, name: str, time: int) -> None:
        self.name = name
        self.time = time


WrittenEvent = (
    SegmentStarted
    | SessionStarted
    | RunStarted
    | RequestRecorded
    | RequestBody
    | VerdictRecorded
    | ResponseRecorded
    | ResponseBody
    | Frame
    | MaskRecorded
    | HoldRecorded
    | ReviewRecorded
    | KillRecorded
    | GrantRecorded
    | ExchangeEnded
    | AttemptsDropped
    | ClockStepped
    | SessionEnded
)
AnyEvent = WrittenEvent | UnknownEvent

# Encodes one event. The type allows only those that readers know.
encode: Callable[[WrittenEvent], bytes] = msgspec.msgpack.Encoder().encode
