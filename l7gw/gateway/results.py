"""`result` of a condition: the object that a dry run of the call gives.

It is a look, as those of `hold_views.py` are: it yields what is to be asked, as the requester. A dry run of a patch applies it,
whichever its type, and the API server's defaults and the cluster's webhooks have had their say. Conditions see it unmasked, and the
requester sees none of it: what he is told of a dry run that failed is masked, and is what the cluster says to himself.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import msgspec

from l7gw.errors import Refusal, StatusReason
from l7gw.gateway.hold_views import Subject, can_be_rehearsed, in_words
from l7gw.gateway.sent_object import look_by_type
from l7gw.gateway.side_calls import Asked, SideAnswer
from l7gw.kube.act import Act, acting
from l7gw.kube.dry_runs import is_eviction
from l7gw.kube.requestinfo import describe
from l7gw.masking.sent.sent_body import format_of
from l7gw.policy.looked import NO_RESULT, Looked, Value

INVALID = 422  # kube-apiserver then names the values of the whole object that do not fit, also those that the call leaves alone
UNTOLD = "its dry run failed: the cluster finds what it would make invalid, and why is for those who may read the object"
NO_OBJECT = "the dry run gives no object"
# The cluster's refusals that clients act upon by their reason: they make the call again, or take the object that is there.
_TOLD: Final[dict[str, StatusReason]] = {"AlreadyExists": "AlreadyExists", "Conflict": "Conflict", "NotFound": "NotFound"}

Asking = Generator[Asked, SideAnswer | Refusal, Any]


class Result(msgspec.Struct, frozen=True):
    """What conditions see of a dry run: `value`, None where there is none, and in `fault` why. `refused` is what the cluster says
    to the call itself, where it says that the object is gone, changed, or there already. `quotes`: the cluster's words in `fault`
    may quote what is stored, since it looked at the object that the call would make."""

    value: Value = None
    fault: str = ""
    refused: Refusal | None = None
    quotes: bool = False

    def beside(self, sent: Looked) -> Looked:
        """What conditions see of the call, of which `sent` is what it sends."""
        return msgspec.structs.replace(sent, result=self.value, result_fault=self.fault)


def reading_of(act: Act) -> Act | None:
    """The act that reads the whole object that a write is about; None of one that makes it."""
    if act.verb == "create" and not act.subresource:
        return None
    return acting(describe("GET", act.path.removesuffix(f"/{act.subresource}")), act.acts_as)


def result_of(subject: Subject) -> Generator[Asked, SideAnswer | Refusal, Result]:
    """What the dry run of a call gives. Of a delete or an eviction it is the object that would go: as the dry run gives it or,
    where that gives a Status alone, as it stands. Raises Refusal for a placeholder that cannot be restored."""
    if not (yield from can_be_rehearsed(subject)):
        return Result(fault=NO_RESULT)
    deletes = subject.act.verb == "delete" or is_eviction(subject.act)
    body = subject.body
    if subject.restoring is not None and subject.restore is not None and not deletes:
        body = subject.restore((yield subject.restoring))
    said = yield subject.rehearses(body)
    if isinstance(said, Refusal) or said.status not in (200, 201, 202):
        return _failed(subject, said)
    found = _read(said)
    if _is_status(found.object):
        return (yield from _standing(subject, found.object)) if deletes else Result(fault=NO_OBJECT)
    return _seen(found)


def _standing(subject: Subject, status: dict[str, Any]) -> Asking:
    """The object that a delete is about, as it stands. `status` is what its dry run said."""
    act = subject.act
    said = yield subject.asks(act.path.removesuffix("/eviction") if is_eviction(act) else act.path)
    if isinstance(said, Refusal) or said.status != 200:
        return Result(fault=f"what stands there cannot be read: {in_words(subject, said)}")
    found = _read(said)
    meant, uid = ((one.get(key) or {}).get("uid") for one, key in ((status, "details"), (found.object or {}, "metadata")))
    if meant and uid != meant and not found.fault:
        return Result(fault="another object stands there by now")
    return _seen(found)


def _failed(subject: Subject, said: SideAnswer | Refusal) -> Result:
    words = in_words(subject, said)
    refused = None
    if isinstance(said, SideAnswer) and (reason := _TOLD.get(_reason(said.body))) is not None:
        refused = Refusal(said.status, reason, words)
    quotes = isinstance(said, SideAnswer) and said.status == INVALID
    return Result(fault=f"its dry run failed: {words}", refused=refused, quotes=quotes)


def untold(result: Result) -> Result:
    """The result for a caller who may not read the object."""
    return Result(fault=UNTOLD) if result.quotes else result


def _read(said: SideAnswer) -> Looked:
    named = dict(said.headers)
    kind = named.get("content-type", "")
    if named.get("content-encoding", "identity") != "identity" or format_of(kind) is None:
        return Looked(fault=NO_OBJECT)
    return look_by_type(kind, said.body)


def _seen(found: Looked) -> Result:
    if found.fault or not isinstance(found.object, dict):
        return Result(fault=found.fault or NO_OBJECT)
    return Result(value=found.object)


def _is_status(value: Value) -> bool:
    return isinstance(value, dict) and (value.get("kind"), value.get("apiVersion")) == ("Status", "v1")


class _Status(msgspec.Struct):
    reason: str = ""


def _reason(body: bytes) -> str:
    """The reason of a Status; "" of what is none."""
    try:
        return msgspec.json.decode(body, type=_Status).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
