"""Calls that a policy judges and the recorder writes down, without a gateway between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from l7gw.gateway.sent_object import look_by_type
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.find import Find
from l7gw.policy.judge import Policy
from l7gw.policy.looked import Looked
from l7gw.policy.rules import in_words
from l7gw.policy.verdict import Verdict
from l7gw.recording.call_record import CallRecord
from l7gw.recording.recorder import Recorder
from tests.support.journals import recorded


class Asked(NamedTuple):
    """A call as a client makes it. `masked` are places of what it sends that are masked in its record."""

    who: Principal
    method: str
    target: str
    body: bytes = b""
    cluster: str = "prod"
    content_type: str = "application/json"
    masked: tuple[str, ...] = ()


def judged(policy: Policy, asked: Asked) -> Verdict:
    """The verdict on a call. As in the gateway, its body is looked at where the head does not decide."""
    act = describe(asked.method, asked.target)
    verdict = policy.judge(asked.who, asked.cluster, act)
    if verdict.needs is None:
        return verdict
    looked = look_by_type(asked.content_type, asked.body) if asked.body else Looked()
    return policy.judge(asked.who, asked.cluster, act, looked)


def record_judged(recorder: Recorder, policy: Policy, asked: Asked, *, content: bool = True) -> CallRecord:
    """Record a call with its verdict and its end, as the gateway does: of a denied one no body."""
    act, verdict = describe(asked.method, asked.target), judged(policy, asked)
    record = recorder.session(asked.who, asked.cluster).begin(run_id="r", client="kubectl/v1.33", command="", content=content)
    headers = (("accept", "*/*"), *((("content-type", asked.content_type),) if asked.body else ()))
    record.request(method=asked.method, target=asked.target, headers=headers, act=act, audit_id="audit")
    for where in asked.masked:
        record.mask(Find(detector="token", where=where, length=9, tag="0123abcd"), up=True)
    if verdict.decision == "deny":
        words = verdict.reason if verdict.rule else f"{verdict.reason}: {in_words(act)}"
        record.verdict("deny", rule=verdict.rule, reason=words)
        record.response(403, ())
        record.end("denied", words)
        return record
    record.verdict(verdict.decision, rule=verdict.rule, reason=verdict.reason)
    if asked.body:
        record.request_body(asked.body)
    if verdict.decision == "hold":
        record.verdict("allow", rule=verdict.rule, reason="approved")
    record.response(200, (("content-type", "application/json"),))
    record.response_body(b"{}")
    record.end("complete")
    return record


def journal(
    state: Path, policy: Policy, calls: Iterable[Asked], *, more: Callable[[Recorder], object] = lambda recorder: None
) -> None:
    """A journal with these calls, each judged by the policy. `more` records what else there is."""

    def fill(recorder: Recorder) -> None:
        for asked in calls:
            record_judged(recorder, policy, asked)
        more(recorder)

    recorded(state, fill)
