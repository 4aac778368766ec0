"""One call of the API, over any connection: its head, its caller, its body, and the answer.

    begin     the head has come: is it for a path of ours?                400, 405, 413
    identify  who asks?                                                   401
    pace      does he ask too often?                                      429
    gather    the body, whole
    answer    by `handlers`; a watch goes on as lines of JSON until one of both sides ends it

No call of the API reaches a cluster, and none is judged by the policy: who may see and review a hold, its rule says. A review is
recorded by the desk, in the session of the held call. What is refused for want of a credential is counted in the log.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable

from l7gw.api import handlers, replies, session_handlers, signed
from l7gw.api.call_sides import Client, Services, Told
from l7gw.api.callers import Caller, Peer, of_peer, of_principal, sees
from l7gw.api.handlers import Watch, fault_of
from l7gw.api.lines import Lines
from l7gw.api.messages import LARGEST_SAID, Failure
from l7gw.api.pace import Pace
from l7gw.api.requests import Answer, ApiRequest
from l7gw.api.watches import Watches
from l7gw.approval.messages import Hold, encode
from l7gw.errors import Refusal
from l7gw.identity.bearer import bearer_of, check_alone
from l7gw.identity.pending import Pending
from l7gw.identity.principal import Principal
from l7gw.name_rules import quoted, visible
from l7gw.wire.events import CHUNKED, NO_BODY, Body, End, Informational, Request, Response

log = logging.getLogger(__name__)

TOLD_AT_ONCE = 50  # holds that a watch reads at a time of those that are there
PLAIN = re.compile("[a-z0-9-]{0,36}")  # a segment of a path of ours; what else a caller writes there is not logged
PROVE_EVERY = 30.0  # seconds between two looks at whether the credential of a watch still counts


class Api:
    """What all calls of the API share."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.pace = Pace()
        self.watches = Watches()
        self._watching: dict[ApiCall, None] = {}

    def tick(self) -> None:
        """Once a second."""
        self.watches.follow(self.services.desk_if_any)

    def began_to_watch(self, call: ApiCall) -> None:
        self._watching[call] = None

    def ended_watch(self, call: ApiCall) -> None:
        self._watching.pop(call, None)

    def drain(self, why: str) -> None:
        """The gateway ends: end every watch with a line that says so."""
        for call in list(self._watching):
            call.cut(why)


class ApiCall:
    """One call. It has the entries of an exchange (`gateway/exchange.py`), so that a connection need not know which it has."""

    __slots__ = (
        "_api", "_body", "_caller", "_client", "_end_watch", "_lines", "_list_on", "_next_proof", "_peer", "_request", "_token",
        "_down", "_reason", "_status", "_whole", "audit_id", "began", "over",
    )  # fmt: skip

    upstream = None  # no call of the API has a connection to a cluster
    waits_for_reviewer = is_told_within = False

    def __init__(self, api: Api, client: Client, request: Request, peer: Peer | None = None) -> None:
        self._api = api
        self._client = client
        self._request = request
        self._peer = peer
        self._token: str | None = None
        self._caller: Caller | None = None
        self._body = b""
        self._whole = False
        self._status = self._down = 0  # of the answer; bytes of its body
        self._reason = ""  # why the call is not complete
        self._end_watch: Callable[[], object] | None = None
        self._lines: Lines | None = None  # of a watch
        self._list_on: Callable[[], None] | None = None  # asks for more of what is there; None while it is asked, or at its end
        self._next_proof = 0.0
        self.audit_id = str(uuid.uuid4())
        self.began = api.services.clock.monotonic()
        self.over = False

    # ------------------------------------------------------------------ entries, as those of an exchange

    @property
    def is_stream(self) -> bool:
        """Whether the call may last for hours."""
        return self._end_watch is not None

    @property
    def waits_for_body(self) -> bool:
        return not self._whole and not self.over

    def begin(self) -> None:
        """The head has come."""
        self._guarded(self._begin)

    def on_body(self, data: bytes) -> None:
        self._guarded(lambda: self._take(data))

    def on_request_end(self) -> None:
        self._whole = True
        self._guarded(self._go_on)

    def malformed(self, refusal: Refusal, *, answerable: bool) -> None:
        """The rest of the request cannot be read, or came too slowly."""
        if not self.over:
            self._reason = refusal.message
            if answerable:
                self._send_refusal(refusal, close=True)
                self._client.flush()
            self._leave()

    def client_gone(self, why: str) -> None:
        self._reason = why
        self._leave()

    def on_client_writable(self, *, writable: bool) -> None:
        if writable and not self.over:
            self._guarded(self._readable_again)

    def cut(self, why: str) -> None:
        """End a watch with a line that says why; a call that is not answered yet is refused."""
        if not self.over:
            self._guarded(lambda: self._fail(Refusal(503, "ServiceUnavailable", why)))

    def rejudge(self) -> None:
        """Called every 30 s. The policy's rules stand in each hold; whether the credential still counts, `tick` looks."""

    def tick(self, now: float) -> None:
        """Once a second."""
        lines = self._lines
        if lines is not None:
            self._guarded(lambda: self._tick_watch(lines, now))

    # ------------------------------------------------------------------ who, how often, the body

    def _begin(self) -> None:
        request = self._request
        if request.upgrade:
            raise Refusal(400, "BadRequest", "the API has no upgrades")
        if request.length > LARGEST_SAID:
            raise _too_large()
        if request.length not in (0, NO_BODY) and not handlers.takes_body(request.method):
            raise Refusal(400, "BadRequest", f"a {visible(request.method)} has no body here")
        if any(name.startswith("impersonate-") for name, _ in request.headers):
            raise Refusal(403, "Forbidden", "an approval is given by one's own credential: --as means nothing here")
        if replies.is_reply(request.target):  # its signature proves it, once its body is there
            self._known(replies.somebody(self._client.address))
            return
        self._token = bearer_of(request)
        if self._token is None and not self._client.certificates and self._peer is not None:
            self._known(of_peer(self._peer))
            return
        who = self._api.services.identity.of(self._token, self._client.certificates, self._client.address)
        if isinstance(who, Pending):
            who.then(lambda said: self._guarded(lambda: self._identified(said)))
        else:
            self._identified(who)

    def _identified(self, who: Principal | Refusal) -> None:
        if self.over:
            return
        if isinstance(who, Refusal):
            raise who
        if self._token is not None:
            check_alone(self._request, self._token)
        self._known(of_principal(who, self._token, self._client.certificates, self._peer))

    def _known(self, caller: Caller) -> None:
        if not self._api.pace.takes(caller.name, self._api.services.clock.monotonic()):
            raise Refusal(429, "TooManyRequests", "you ask the API too often; wait a moment")
        self._caller = caller
        if self._request.expects_continue and not self._whole:
            self._client.send(Informational(100))
        self._go_on()

    def _take(self, data: bytes) -> None:
        if self.over:
            return
        self._body += data
        if len(self._body) > LARGEST_SAID:
            raise _too_large()

    def _go_on(self) -> None:
        """Answer, once the caller is known and the request is whole."""
        if self._caller is None or not self._whole or self.over:
            return
        headers = dict(self._request.headers)
        asked = ApiRequest(
            method=self._request.method,
            target=self._request.target,
            body=self._body,
            content_type=headers.get("content-type", ""),
        )

        def then(said: Answer | Watch | Refusal) -> None:
            self._guarded(lambda: self._answered(said))

        if replies.is_reply(asked.target):
            replies.answer(self._api.services, asked, headers.get(signed.HEADER, ""), then)
        elif session_handlers.takes(asked):
            session_handlers.answer(self._api.services, asked, self._caller, then)
        else:
            handlers.answer(self._api.services, asked, self._caller, then)

    # ------------------------------------------------------------------ answers

    def _answered(self, said: Answer | Watch | Refusal) -> None:
        if self.over:
            return
        if isinstance(said, Refusal):
            raise said
        if isinstance(said, Watch):
            self._watch(said)
            return
        if said.about and self._caller is not None:
            log.info("%s: %s (%s)", quoted(self._caller.name), said.about, self.audit_id)
        self._send(said.status, said.body)
        self._finish()

    def _fail(self, refusal: Refusal) -> None:
        if self.over:
            return
        self._reason = refusal.message
        if refusal.code in (401, 403, 429):
            name = quoted(self._caller.name) if self._caller is not None else "somebody"
            self._api.services.of_peers.warning(
                self._client.address or "the socket", "the API refused %s: %s", name, refusal.message
            )
        if self._end_watch is not None:
            self._client.send(Body(encode(Failure(error=fault_of(refusal))) + b"\n"))
            self._client.send(End())
        else:
            self._send_refusal(refusal, close=False)
        self._finish()

    def _send_refusal(self, refusal: Refusal, *, close: bool) -> None:
        self._send(refusal.code, encode(Failure(error=fault_of(refusal))), close=close)

    def _send(self, status: int, body: bytes, *, close: bool = False) -> None:
        self._status, self._down = status, len(body)
        headers = (("content-type", "application/json"), *SAFE, ("audit-id", self.audit_id))
        self._client.send(Response(status, headers, len(body), keep_alive=not close))
        if self._request.method != "HEAD":
            self._client.send(Body(body))
        self._client.send(End())

    def _finish(self) -> None:
        self._leave()
        self._client.flush()
        self._client.finished(self)

    def _tell(self, event: str) -> None:
        """Log the call. Who is not known is counted elsewhere: a stranger could fill the log."""
        caller, request = self._caller, self._request
        if caller is None or self.over or replies.is_reply(request.target):
            return
        self._api.services.api_called(
            Told(
                event,
                self._client.address,
                self._client.http,
                caller.reviewer.principal if caller.reviewer is not None else Principal(caller.name),
                request.method.lower(),
                "/".join(one if PLAIN.fullmatch(one) else "-" for one in request.target.partition("?")[0].split("/")),
                self._status,
                len(self._body),
                self._down,
                self._api.services.clock.monotonic() - self.began,
                self.audit_id,
                self._reason,
            )
        )

    def _leave(self) -> None:
        self._tell("close" if self._end_watch is not None else "call")
        self.over = True
        end, self._end_watch = self._end_watch, None
        self._lines = self._list_on = None
        if end is not None:
            end()
            self._api.ended_watch(self)

    # ------------------------------------------------------------------ watching

    def _watch(self, watch: Watch) -> None:
        services = self._api.services
        self._end_watch = self._api.watches.add(self, self._caller.name if self._caller is not None else "")
        self._api.began_to_watch(self)
        self._lines = Lines(self._api.watches, self._client, self._may_see, services.clock.monotonic)
        self._next_proof = services.clock.monotonic() + PROVE_EVERY
        headers = (("content-type", "application/jsonl"), *SAFE, ("audit-id", self.audit_id))
        self._status = 200
        self._tell("open")
        self._client.send(Response(200, headers, CHUNKED))
        self._client.flush()
        self._api.watches.follow(services.desk_if_any)
        self._list(watch, "")

    def _list(self, watch: Watch, before: str) -> None:
        """Tell what is there, a part at a time: the next is asked for when the watcher has read this one."""
        self._list_on = None
        desk = self._api.services.desk_if_any
        if desk is not None:
            desk.list(
                watch.states, lambda found: self._guarded(lambda: self._listed(watch, found)), most=TOLD_AT_ONCE, before=before
            )

    def _may_see(self, hold: Hold) -> bool:
        desk = self._api.services.desk_if_any
        return desk is not None and self._caller is not None and sees(self._caller, hold, desk.person)

    def _listed(self, watch: Watch, found: list[Hold] | Refusal) -> None:
        if isinstance(found, Refusal):
            raise found
        if len(found) == TOLD_AT_ONCE:
            self._list_on = lambda: self._list(watch, found[-1].id)
        if self._lines is not None:
            self._lines.tell(found)
            self._go_on_listing()

    def _go_on_listing(self) -> None:
        if self._list_on is not None and self._lines is not None and self._lines.all_told:
            self._list_on()

    def hold_changed(self, hold: Hold) -> None:
        """A hold is new or has changed."""
        self._guarded(lambda: self._changed(hold))

    def _changed(self, hold: Hold) -> None:
        if self._lines is not None and not self._lines.changed(hold):
            self._abort()

    def _readable_again(self) -> None:
        if self._lines is not None:
            self._lines.write()
            self._go_on_listing()

    def _tick_watch(self, lines: Lines, now: float) -> None:
        services = self._api.services
        if lines.is_unread(services.timeouts.answer_unread):
            self._abort()
            return
        if now - self.began > services.timeouts.longest_stream:
            raise Refusal(503, "ServiceUnavailable", "this watch has run for long enough; watch again")
        if (self._token is not None or self._client.certificates) and now >= self._next_proof:
            self._next_proof = now + PROVE_EVERY
            who = services.identity.of(self._token, self._client.certificates, self._client.address)  # raises 401 once it is over
            if isinstance(who, Pending):
                who.then(lambda said: self._guarded(lambda: self._proven(said)))
        lines.keep_alive()

    def _proven(self, who: Principal | Refusal) -> None:
        if isinstance(who, Refusal) and who.code == 401:
            raise who

    def _abort(self) -> None:
        """A watcher who reads nothing is cut, so that he cannot take it for the end."""
        self._leave()
        self._client.abort()

    # ------------------------------------------------------------------ a bug of ours ends this call alone

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Refusal as refusal:
            self._fail(refusal)
        except Exception:
            log.exception("a call of the API failed (%s)", self.audit_id)
            if not self.over:
                self._abort()


SAFE = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def _too_large() -> Refusal:
    return Refusal(413, "RequestEntityTooLarge", f"what is sent to the API has at most {LARGEST_SAID // 1024} KiB")
