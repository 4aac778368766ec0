"""The step of a call in which placeholders of masked values come back (`masking/coming_back/coming_back.py`).

Where the body holds a placeholder, the gateway reads the stored object: a GET as the caller, by a side call (`side_calls.py`) that
the policy must allow like a GET of his own. In the recording stands a verdict about this reading, and the body as it was sent.
What the cluster says to the reading but 200 is told to the caller, and nothing goes up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from l7gw.errors import Refusal
from l7gw.gateway.guard import Step
from l7gw.gateway.request_body import RequestBody
from l7gw.gateway.side_calls import Asked, AskingCall, Judging, SideAnswer, SideCall, check_allowed
from l7gw.kube.act import Act
from l7gw.masking.call_masks import CallMasks
from l7gw.masking.coming_back.coming_back import must_be_read, new_object, restore
from l7gw.masking.coming_back.json_patch import LEADING
from l7gw.masking.coming_back.restoring import Reading
from l7gw.masking.placeholder_search import holds, in_target, may_hold
from l7gw.masking.sent.sent_body import Sent, format_of
from l7gw.timeouts import Timeouts
from l7gw.wire.events import Request

LARGEST_OBJECT = 8 * 1024 * 1024  # bytes; what etcd and the API server keep has 3 MiB at most, and JSON may be longer than protobuf
WHY = "to restore masked values, the gateway reads the object as you"

T = TypeVar("T")


class Services(Judging, Protocol):
    """What the step asks of the worker."""

    timeouts: Timeouts


class RestoredCall(AskingCall, Protocol):
    """What the step asks of the call."""

    @property
    def worker(self) -> Services: ...

    body: RequestBody
    masks: CallMasks | None
    guarded: bool

    def in_steps(self, size: int, work: Callable[[], T], then: Callable[[Callable[[], T]], Step | None]) -> Step | None:
        """Do work of the masks on so many bytes, in steps where they are many, and then take the step `then`."""


def restore_first(call: RestoredCall, then: Step) -> Step | None:
    """The step `then`, once no placeholder is left in the body: where it holds one, the stored object is read first. Raises
    Refusal."""
    assert call.act
    sent = to_restore(call.act, call.request, call.body.joined())
    if sent is None:
        return then
    reading = reading_of(call.act, call.worker.timeouts)
    check_allowed(call, reading)
    SideCall(call, reading, partial(_came, call, then, sent)).begin()
    return None


def _came(call: RestoredCall, then: Step, sent: Sent, said: SideAnswer | Refusal) -> Step | None:
    assert call.masks
    size = len(said.body) if isinstance(said, SideAnswer) else 0
    return call.in_steps(size, partial(restored, sent, said, call.masks), partial(_replace, call, then, sent))


def _replace(call: RestoredCall, then: Step, sent: Sent, restored_body: Callable[[], bytes]) -> Step | None:
    body = restored_body()
    call.body.replace(body)
    call.guarded = tests_first(sent, body)
    return then


def check_head(request: Request, target: str, field: str) -> None:
    """Raises Refusal for a placeholder where nothing is restored: in the target, which has the arguments of an exec, and in
    headers. `target` is without the cluster's path prefix, and `field` what `in_headers` says of the headers."""
    if where := "the URL" if in_target(target) else field:
        words = f"{where} holds the placeholder of a masked value, and is not restored there; write the real value"
        # An upgrade is refused by a 403: clients show no other refusal of it as it is
        raise Refusal(403, "Forbidden", words) if request.upgrade else Refusal(422, "Invalid", words)


def to_restore(act: Act, request: Request, body: bytes) -> Sent | None:
    """The body, where it holds a placeholder for which the stored object must be read; else None. Raises Refusal 422 for a
    placeholder that nothing can restore."""
    if not body:
        return None
    kind = format_of(next((value for name, value in request.headers if name == "content-type"), None))
    if kind is None or not act.is_resource or act.subresource == "proxy":
        if may_hold(body) and holds(body):
            raise Refusal(422, "Invalid", "the body holds the placeholder of a masked value, and here it cannot be restored")
        return None
    sent = Sent(act=act, format=kind, body=body)
    return sent if must_be_read(sent) else None


def reading_of(act: Act, timeouts: Timeouts) -> Asked:
    """The side call that reads the object that a call is about."""
    path = act.path.removesuffix(f"/{act.subresource}") if act.subresource else act.path
    return Asked(method="GET", target=path, why=WHY, largest=LARGEST_OBJECT, within=timeouts.answer_begins)


def restored(sent: Sent, said: SideAnswer | Refusal, masks: CallMasks) -> bytes:
    """The body that goes up, by what the cluster said to the reading. Raises Refusal where a placeholder cannot be restored."""
    if isinstance(said, Refusal):
        raise said
    if said.status == 404 and sent.format == "apply":
        if may_hold(sent.body):
            raise new_object("")
        return sent.body  # what is applied makes the object
    if said.status != 200:
        raise said.refusal(WHY)
    if not said.is_json:
        raise Refusal(502, "BadGateway", f"{WHY}, and the cluster's answer is no JSON")
    return restore(sent, Reading(stored=said.body, mask=masks.shown().mask, tagger=masks.tagger(sent.act.namespace)))


def tests_first(sent: Sent, body: bytes) -> bool:
    """Whether the gateway has put a `test` of the object's version before the operations of a JSON patch."""
    return sent.format == "json-patch" and body.startswith(LEADING)
