"""What is known of a cluster's answers of one shape to calls with the same header fields: how such an answer was recorded and
handed on.

Only answers in whose head nothing is masked, and to which the gateway adds no words, are known. Of each new answer the body is
still searched for what must be masked; where there may be something, `AnswerRelay` takes the answer step by step.
"""

from __future__ import annotations

from typing import Any

from l7gw.kube.objects.node import Unreadable
from l7gw.masking.bodies.answers import AS_IT_CAME, Choice
from l7gw.masking.bodies.bodies import ASKED_HERE, ObjectMasks, passes
from l7gw.recording.call_form import AnswerForm
from l7gw.recording.redact import recorded_headers
from l7gw.wire.events import NO_BODY, Headers, ReadyHead, Response


class KnownAnswer:
    """Answers of one shape, as `Response.shape` has it, and of one Date. `shown` is the head that the client got."""

    __slots__ = ("form", "shape", "_as_it_came", "_date", "_headers", "_protobuf", "_ready", "_status")

    def __init__(self, response: Response, shown: Headers, choice: Choice) -> None:
        """`shown` are the header fields that the client got, the audit id last."""
        self.shape: Any = response.shape
        self._status = response.status
        self._as_it_came = choice is AS_IT_CAME
        self._protobuf = choice.protobuf
        self._headers = shown[:-1]
        self._date = response.date
        self._form_anew()

    def _form_anew(self) -> None:
        self.form = AnswerForm(self._status, recorded_headers((*self._headers, ("audit-id", ""))))
        self._ready = ReadyHead()

    def at(self, date: str) -> KnownAnswer:
        """The same with this Date, which changes once a second. It costs 3 us where it has."""
        if date != self._date:
            self._date = date
            self._headers = tuple([("date", date) if name == "date" else (name, value) for name, value in self._headers])
            self._form_anew()
        return self

    def passes(self, masks: ObjectMasks, body: bytes) -> bool:
        """Whether a whole body passes as it came by the masks of its call. Where this is false, the long way finds out what becomes
        of it."""
        if self._as_it_came:
            return True
        try:
            return len(body) <= ASKED_HERE and passes(masks, body, protobuf=self._protobuf)
        except Unreadable:
            return False

    def head(self, audit_id: str, stated: int, size: int) -> Response:
        """The head that the client gets. `stated` is the length of the cluster's answer, as in `Response`, and `size` that of its
        body in bytes: a body that is looked at is held until it is whole."""
        length = stated if self._as_it_came else size
        return Response(self._status, (*self._headers, ("audit-id", audit_id)), length, ready=self._ready)


def can_be_known(response: Response, choice: Choice) -> bool:
    """Whether an answer is of a kind that may be handed on as the one before: a success, whose body is one object of the API
    server's or is not looked at. Of one without a body it is not known how a body would be masked: its shape leaves the length
    out."""
    if response.shape is None or response.length in (0, NO_BODY) or not 200 <= response.status < 300:
        return False
    return choice is AS_IT_CAME or (choice.sort == "object" and not choice.packed)
