"""Events of a cluster's audit log, as kube-apiserver writes them, and recordings of calls with the same ids."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from l7gw.clock import SystemClock
from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.recording import reader
from l7gw.recording.call_record import CallRecord
from l7gw.recording.events import Outcome, VerdictWord
from l7gw.recording.layout import HEADER_SIZE, HOLDS_SESSION_EVENTS, NO_SESSION
from l7gw.recording.recorder import Recorder
from tests.support.journals import ANN

PODS = "/api/v1/namespaces/shop/pods"
GATEWAY = "l7gw-gateway"


def called(
    recorder: Recorder,
    audit_id: str,
    target: str = PODS,
    method: str = "GET",
    *,
    who: Principal = ANN,
    cluster: str = "prod",
    verdict: VerdictWord = "allow",
    status: int = 200,
    outcome: Outcome | None = "complete",
) -> CallRecord:
    """Record a call; without `outcome` it has not ended yet."""
    session = recorder.session(who, cluster)
    record = session.begin(run_id="run", client="kubectl/v1.36", command="kubectl")
    path = target.removeprefix(f"/{cluster}")
    record.request(method=method, target=target, headers=(), act=describe(method, path), audit_id=audit_id)
    record.verdict(verdict, rule="all", reason="because")
    if status:
        record.response(status, ())
    if outcome is not None:
        record.end(outcome, "" if outcome == "complete" else "why")
    return record


def event(audit_id: str, target: str = PODS, method: str = "GET", *, session: str = "", **more: Any) -> dict[str, Any]:
    """The event of a call that is complete. With `session` it came through the gateway, as Ann. `at` is in seconds since 1970, now
    by default."""
    at = more.pop("at", SystemClock().wall())
    act = describe(method, target)
    time = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    said: dict[str, Any] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": audit_id, "stage": "ResponseComplete",
        "requestURI": target, "verb": act.verb, "user": {"username": GATEWAY, "groups": ["system:authenticated"]},
        "sourceIPs": ["10.0.0.9"], "userAgent": "kubectl/v1.36 (linux/amd64)", "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": time, "stageTimestamp": time, "annotations": {"authorization.k8s.io/decision": "allow"},
    }  # fmt: skip
    if session:
        extra = {"l7gw-user": [ANN.user], "l7gw-session": [session]}
        said["impersonatedUser"] = {"username": "l7gw", "groups": ["l7gw:engineers"], "extra": extra}
    if act.is_resource:
        ref = {
            "resource": act.resource, "apiGroup": act.group, "subresource": act.subresource,
            "namespace": act.namespace, "name": act.name, "apiVersion": "v1",
        }  # fmt: skip
        said["objectRef"] = {key: value for key, value in ref.items() if value}
    return {**said, **more}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def written(path: Path, *events: dict[str, Any]) -> Path:
    path.write_bytes(lines(*events))
    return path


def changed(state: Path) -> None:
    """Change a byte of the first block that holds calls."""
    path = reader.segments(state)[0]
    blocks = (
        one for one in reader.places(path) if one.header.session != NO_SESSION and not one.header.flags & HOLDS_SESSION_EVENTS
    )
    place = next(blocks)
    data = bytearray(path.read_bytes())
    data[place.offset + HEADER_SIZE + place.header.stored - 3] ^= 1
    path.write_bytes(data)
