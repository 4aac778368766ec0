"""The second half of a call: the cluster's answer. It is checked, masked, recorded and handed to the client as it comes. A 101
opens the tunnel.

Where an answer is masked, its head waits for the first bytes that the mask gives: an answer that cannot be read is a 502 that way,
and what was masked can be told in the head. The head of a watch waits for nothing: it must go out before the first event. A watch
that cannot be read ends with an event that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, cast

from l7gw.cluster.upstream import MASKING, Upstream
from l7gw.errors import Refusal
from l7gw.gateway.answer import HeldAnswer, acceptable_upgrade, checked_response, chosen_protocol, shown_headers, unreadable
from l7gw.gateway.answered_call import AnsweredCall, Timed
from l7gw.gateway.far_side import FarSide
from l7gw.gateway.known_call import KnownCall
from l7gw.gateway.masked_log import MaskedLog
from l7gw.gateway.refusal import LastWords
from l7gw.gateway.self_reviews import Held, held_back
from l7gw.gateway.tunnel import Tunnel
from l7gw.gateway.tunnel_opening import open_tunnel
from l7gw.gateway.tunnel_sides import ClientSide, ClusterSide, Sides
from l7gw.kube.act import Act
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.status import watch_error
from l7gw.kube.warning_header import warning_field
from l7gw.masking.bodies.answers import AS_IT_CAME, LIVE, ORDINARY, choice
from l7gw.masking.bodies.answers import shown_headers as masked_headers
from l7gw.masking.bodies.bodies import MUCH_OF_OBJECT, BodyMask, ObjectBody, Piece
from l7gw.masking.call_masks import CallMasks
from l7gw.recording.call_record import CallRecord
from l7gw.recording.redact import recorded_headers
from l7gw.steps import InSteps
from l7gw.wire.events import CHUNKED, Body, BodyParts, Closed, End, HttpEvent, Raw, Request, Response

SLICE = 256 * 1024  # bytes of a masked body that are sent before it is asked whether the client takes more

Given = TypeVar("Given", list[Piece], list[Piece] | None)


class AnswerRelay:
    """Handles the answer to one request. `request` is the one that went upstream. `begun` is true once the answer's head went to
    the client; from then on the answer can only be cut. `whole` is true once all of an answer that was held back has come."""

    __slots__ = (
        "begun", "whole", "_act", "_at_once", "_behind", "_beside", "_call", "_choice", "_done", "_far", "_guarded", "_head_waits",
        "_held", "_known", "_log", "_mask", "_masks", "_record", "_refused", "_request", "_steps", "_told_end", "_unsent",
        "_upstream", "_worker",
    )  # fmt: skip

    def __init__(
        self,
        call: AnsweredCall,
        upstream: Upstream,
        far: FarSide,
        act: Act,
        request: Request,
        record: CallRecord,
        worker: Timed,
        masks: CallMasks,
        *,
        guarded: bool = False,
        known: KnownCall | None = None,
    ) -> None:
        """`known` is what calls with the same head were, where this one is the same."""
        self._known = known
        self.begun = False
        self.whole = False
        self._call = call
        self._upstream = upstream
        self._far = far
        self._act = act
        self._request = request
        self._record = record
        self._worker = worker
        self._guarded = guarded
        self._beside = ""  # what is told beside the cluster's 403
        self._held: Held | None = None  # an answer that is not whole yet, and may be told in other words
        self._masks = masks
        self._choice = AS_IT_CAME
        self._mask: BodyMask | None = None  # None where the body passes as it comes
        self._head_waits: Response | None = None  # the head, while it waits for the mask
        self._unsent: list[bytes | memoryview] = []  # of the body, what waits for a client that reads slowly: slices, few of them
        self._told_end = False
        self._at_once = b""  # a small body that came whole, until its end has come too
        self._steps: InSteps[list[Piece]] | None = None  # what the mask does in steps just now
        self._behind: list[HttpEvent] = []  # what came meanwhile
        self._done = False  # whether the mask has given all
        self._log: MaskedLog | None = None  # holds bytes for a time alone
        self._refused: Refusal | None = None  # why the mask lets nothing more of the answer pass

    def take_whole(self, known: KnownCall, events: list[HttpEvent]) -> bool:
        """Take an answer that came whole in one read as the one before of its shape: it is recorded and handed on alike. Its
        body is searched as ever. Returns False where the events must be taken one by one."""
        if len(events) != 3 or type(head := events[0]) is not Response or type(body := events[1]) is not Body:
            return False
        if self._far.standing.troubled:
            return False
        answer = known.answered(head)
        if answer is None or not answer.passes(known.shown, body.data):
            return False
        call = self._call
        call.answers()
        self.begun = True
        self._record.answered(answer.form, call.audit_id, body.data)
        call.client.send_whole(answer.head(call.audit_id, head.length, len(body.data)), body)
        call.finish("complete", "")
        return True

    def take(self, event: HttpEvent) -> None:
        """Take one event of the answer. Raises Refusal where the answer is not passed on, PeerError where the cluster broke its
        protocol."""
        if self._held is not None and not self._let_go(event):
            return
        if self._steps is not None:
            self._behind.append(event)
            self.whole = self.whole or isinstance(event, End)
            return
        call = self._call
        if isinstance(event, Body):
            if self._mask is not None:
                if self._comes_at_once(event.data):
                    self._at_once = event.data
                else:
                    self._give(self._mask, event.data)
                return
            self._record.response_body(event.data)
            call.client.send(event)
        elif isinstance(event, BodyParts):
            assert self._mask is not None
            if not self._glanced(self._mask, event.parts):
                self._give(self._mask, b"".join(event.parts))
        elif isinstance(event, Raw):
            assert call.tunnel is not None
            call.tunnel.from_cluster(event.data)
        elif isinstance(event, Response):
            self._held = held_back(event, self._act, self._call.can_i, guarded=self._guarded)
            if self._held is None:
                self._head(event)
        elif isinstance(event, End):
            if self._mask is not None:
                self.whole = True
                if self._at_once:
                    assert isinstance(self._mask, ObjectBody)
                    self._given(partial(self._mask.at_once, self._at_once), whole=True)
                else:
                    self._give(self._mask, None)
                return
            call.client.send(event)
            call.finish("complete", "")
        elif isinstance(event, Closed) and call.tunnel is not None:
            call.tunnel.cluster_ended()

    def _comes_at_once(self, data: bytes) -> bool:
        """Whether these bytes are the whole body of a small object, as of most answers. To ask the mask once, when such a body
        ends, saves 3 us."""
        head, chosen = self._head_waits, self._choice
        if head is None or chosen.sort != "object" or chosen.packed:
            return False
        return len(data) == head.length <= MUCH_OF_OBJECT

    def _let_go(self, event: HttpEvent) -> bool:
        """Whether the event goes on to the client. An answer is held back until it is known what it is about."""
        held = self._held
        assert held is not None
        if held.takes(event):
            return False
        self.whole = isinstance(event, End)
        refusal = held.refusal(self._far.name, self._far.standing, self._request) if self.whole else None
        self._held = None
        if refusal is not None:
            raise refusal
        if self.whole and isinstance(held, HeldAnswer):
            self._beside = self._call.beside(held)
        self._head(held.head)
        for body in held.body:
            self.take(body)
        return True

    def _head(self, response: Response) -> None:
        call, act = self._call, self._act
        checked_response(response, act, self._far.standing, self._request)
        call.answers()
        switching = response.status == 101
        if switching:
            acceptable_upgrade(self._request, act, response)
        elif self._request.upgrade:
            call.upgrade_refused()
        self._choose(response)
        if self._mask is None:
            self._send_head(response, response.length)
        elif self._choice.sort in LIVE:
            self._send_head(response, CHUNKED)
        else:
            self._head_waits = response

    def _choose(self, response: Response) -> None:
        """Choose how the answer is masked. Raises Refusal 502 for an answer that cannot be."""
        try:
            self._choice = choice(
                self._act,
                response.status,
                response.headers,
                length=response.length,
                bodiless=self._request.method == "HEAD",
                takes_gzip=("accept-encoding", "gzip") in self._request.headers,
            )
        except Unreadable as error:
            raise unreadable(error) from error
        if self._choice.sort == "log":
            self._log = MaskedLog(self._call, self._masks, self._worker, packed=bool(self._choice.packed))
            self._mask = self._log.mask
        else:
            self._mask = self._masks.answer(self._choice)
        if self._choice.sort in ("log", "object") and not self._choice.packed:
            self._upstream.in_parts(kept=self._choice.sort == "object")

    def _send_head(self, response: Response, length: int) -> None:
        """Send the answer's head. `length` is as in `Response`."""
        call, mask = self._call, self._mask
        session = self._record.session.id
        proxied = self._act.subresource == "proxy"
        quiet = response.status < 400 and self._worker.settings.warnings == "refusals"
        headers = response.headers
        if self._choice is not AS_IT_CAME:
            # What goes on before the body is whole may still be edited.
            edited = mask is not None and (mask.edited or length == CHUNKED)
            warnings = mask.warnings if mask is not None and not quiet else []
            headers = masked_headers(headers, self._choice, edited=edited, warnings=warnings)
        shown = shown_headers(headers, call.audit_id, session, call.client.websocket_key, response.status, proxied=proxied)
        recorded = shown
        ordinary = ORDINARY.issuperset([name for name, _ in shown])
        if not ordinary:
            shown, recorded, finds = self._masks.headers(shown)
            for find in finds:
                self._record.mask(find, up=False)
        warned = call.warning if not quiet and response.status != 101 else ""
        if fields := tuple(warning_field(words) for words in (warned, self._beside) if words):
            shown, recorded = (*shown, *fields), (*recorded, *fields)
        self._record.response(response.status, recorded_headers(recorded))
        if self._known is not None and ordinary and not fields and (mask is None or not (mask.edited or length == CHUNKED)):
            self._known.remember_answer(response, shown, self._choice)
        if response.status == 101:
            call.tunnel = self._tunnel(response)
        self.begun = True
        if response.status == 101 or (self._act.follows and response.status < 300):
            self._request = call.opens()
        call.client.send(Response(response.status, shown, length, upgrade=response.upgrade))
        if call.tunnel is not None:
            call.client.flush()
            call.tunnel.begin()

    def _give(self, mask: BodyMask, data: bytes | None) -> None:
        """Give the mask the next bytes; where there are none, the body is whole. What may be much work is done in steps."""
        work = mask.end if data is None else partial(mask.feed, data)
        if not mask.much(data):
            self._given(work, whole=data is None)
            return
        if data is not None and self._glanced(mask, (data,)):
            return
        steps = self._worker.steps.begin(work, self._call.masked)
        if steps.over:
            self._given(steps.result, whole=data is None)
            return
        self._steps, self._done = steps, data is None
        self._upstream.pause(MASKING)

    def _glanced(self, mask: BodyMask, parts: Sequence[bytes | memoryview]) -> bool:
        """Whether the mask could take many bytes with little work."""
        if (pieces := self._masked(partial(mask.glance, parts))) is not None:
            self._hand_on(pieces)
        return pieces is not None

    def masked(self) -> None:
        """What the mask did in steps is done: hand it on, and take what came meanwhile."""
        steps, self._steps = self._steps, None
        if steps is None:
            return
        behind, self._behind = self._behind, []
        if self._call.upstream is not None:
            self._call.upstream.resume(MASKING)
        self._given(steps.result, whole=self._done)
        for event in behind:
            if not self._call.over:
                self.take(event)

    def _given(self, work: Callable[[], list[Piece]], *, whole: bool) -> None:
        """Hand on what the mask gives. Raises Refusal 502 where the body cannot be read."""
        pieces = self._masked(work)
        self._done = whole
        self._hand_on(pieces, whole=whole)
        if whole:
            self.go_on()

    def _masked(self, work: Callable[[], Given]) -> Given:
        try:
            return work()
        except Unreadable as error:
            self._refused = unreadable(error)
            raise self._refused from error
        except Refusal as refusal:
            self._refused = refusal
            raise

    def _hand_on(self, pieces: list[Piece], *, whole: bool = False) -> None:
        """Record what was found, and record and send the pieces. `whole`: these are the last ones."""
        if self._head_waits is not None and (pieces or whole):
            head, self._head_waits = self._head_waits, None
            self._send_head(head, sum(len(piece.shown) for piece in pieces) if whole else CHUNKED)
        mask, record, send = self._mask, self._record, self._call.client.send
        assert mask is not None
        if mask.finds:
            for find in mask.finds:
                record.mask(find, up=False)
                if self._log is not None:
                    self._log.found(find)
            mask.finds.clear()
        for piece in pieces:
            if piece.recorded:
                record.response_body(piece.recorded)
            if len(piece.shown) <= SLICE and not self._unsent:
                if piece.shown:
                    send(_body(piece.shown))
            else:
                self._unsent += (piece.shown[at : at + SLICE] for at in range(0, len(piece.shown), SLICE))
        if self._unsent:
            self.go_on()
        if self._log is not None:
            self._log.look()

    def told(self, refusal: Refusal) -> bool:
        """The call fails behind the answer's head. Whether its client could be told why, and took that as the answer's end: a watch
        has an event for it, which stands behind whole events where the mask refuses the rest, or nothing of it waits."""
        if self._choice.sort != "watch" or self._told_end:
            return False
        behind_whole = isinstance(refusal, LastWords) and self._steps is None and not self._unsent
        if refusal is not self._refused and not behind_whole:
            return False
        assert isinstance(self._mask, ObjectBody)
        words = watch_error(
            refusal.code,
            refusal.reason,
            refusal.message,
            session=self._record.session.id,
            protobuf=self._choice.protobuf,
        )
        self._told_end = True
        for piece in self._mask.last(words):
            self._record.response_body(piece.recorded)
            self._unsent.append(piece.shown)
        while self._unsent:
            self._call.client.send(_body(self._unsent.pop(0)))
        self._call.client.send(End())
        return True

    def release(self) -> None:
        """Record and send what was held of a log for as long as it may be."""
        if self._log is not None and self._steps is None:
            self._hand_on(self._log.mask.release())

    def go_on(self) -> None:
        """Send what waits for the client, as far as the client takes it. An object comes out of its mask at once, however large."""
        client = self._call.client
        while self._unsent and client.writable:
            client.send(_body(self._unsent.pop(0)))
            client.flush()
        if self._done and not self._unsent and self._steps is None and not self._told_end:
            self._told_end = True
            client.send(End())
            self._call.finish("complete", "")

    def close(self) -> None:
        """The call is over: nothing of the answer is held any more."""
        if self._steps is not None:
            self._steps.abandon()
            self._steps = None
        if self._mask is not None:
            self._mask.close()
        if self._log is not None:
            self._log.close()

    def _tunnel(self, response: Response) -> Tunnel:
        # Upgrades come over HTTP/1.1 alone and go up over a connection of their own. So both sides are whole connections.
        client, cluster = cast(ClientSide, self._call.client), cast(ClusterSide, self._upstream)
        sides = Sides(self._call, client, cluster, self._record, self._masks, self._worker.clock, self._worker.timeouts)
        websocket = self._request.upgrade == "websocket"
        return open_tunnel(sides, self._act, websocket=websocket, subprotocol=chosen_protocol(response, websocket=websocket))


def _body(data: bytes | memoryview) -> Body | BodyParts:
    return Body(data) if isinstance(data, bytes) else BodyParts((data,), len(data))
