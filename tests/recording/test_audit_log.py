"""An audit log is read in each shape in which people have it, and what cannot be read is counted."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from typing import Any

import pytest

from l7gw.recording.audit_event import AuditEvent
from l7gw.recording.audit_log import AuditLog
from tests.support.audit_events import event, lines

EVENTS = [
    event("a-1", at=1.0),
    event("a-2", "/api/v1/secrets", at=2.5),
    event("a-3", "/version", at=3.0, sourceIPs=["1.1.1.1", "::1"]),
]
STREAM = "kube-apiserver-audit-0f1e"
OTHER = "authenticator-0f1e"


def _messages(*, stream: bool = True) -> list[dict[str, Any]]:
    named = {"logStreamName": STREAM} if stream else {}
    return [{**named, "timestamp": 1, "message": json.dumps(one), "ingestionTime": 2, "eventId": "3"} for one in EVENTS]


def _insights() -> list[list[dict[str, str]]]:
    return [[{"field": "@timestamp", "value": "2026"}, {"field": "@message", "value": json.dumps(one)}] for one in EVENTS]


def _subscription(events: list[dict[str, Any]], stream: str = STREAM, group: str = "/aws/eks/prod/cluster") -> dict[str, Any]:
    messages = [{"id": "1", "timestamp": 1, "message": json.dumps(one)} for one in events]
    head = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": stream, "subscriptionFilters": ["x"]}
    return {**head, "logEvents": messages}


SHAPES = {
    "lines": lines(*EVENTS),
    "lines of Windows": lines(*EVENTS).replace(b"\n", b"\r\n"),
    "lines without a last newline": lines(*EVENTS).rstrip(),
    "an export to S3": b"".join(b"2026-11-28T05:00:00.000Z " + line for line in lines(*EVENTS).splitlines(keepends=True)),
    "aws logs tail": b"".join(
        b"2026-11-28T05:00:00.000000+00:00 %s " % STREAM.encode() + line for line in lines(*EVENTS).splitlines(keepends=True)
    ),
    "lines with messages": lines(*_messages()),
    "lines of Logs Insights": lines(*({"@timestamp": "x", "@message": one, "@logStream": STREAM} for one in EVENTS)),
    "filter-log-events": json.dumps({"events": _messages(), "searchedLogStreams": [{"a": True}]}, indent=4).encode(),
    "filter-log-events in a line": json.dumps({"searchedLogStreams": [], "events": _messages()}).encode(),
    "get-log-events": json.dumps({"events": _messages(stream=False), "nextForwardToken": "f/1"}, indent=4).encode(),
    "get-query-results": json.dumps({"results": _insights(), "status": "Complete"}, indent=4).encode(),
    "a list": json.dumps(EVENTS).encode(),
    "a list, written for people": json.dumps(EVENTS, indent=2).encode(),
    "jq .": b"".join(json.dumps(one, indent=2).encode() + b"\n" for one in EVENTS),
    "an EventList": json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": EVENTS}).encode(),
    "a subscription": b"".join(json.dumps(_subscription([one])).encode() for one in EVENTS),
}


def _read(data: bytes, log: AuditLog | None = None) -> tuple[list[AuditEvent], AuditLog]:
    log = log or AuditLog()
    return list(log.read(io.BytesIO(data))), log


@pytest.mark.parametrize("packed", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_its_events(shape: str, packed: int) -> None:
    data = SHAPES[shape]
    for _ in range(packed):
        data = gzip.compress(data)
    found, log = _read(data)
    assert [one.audit_id for one in found] == ["a-1", "a-2", "a-3"]
    assert (log.events, log.garbled) == (3, 0)
    assert found[1].about == "secrets" and found[1].received == 2_500_000
    assert found[2].about == "/version" and found[2].address == "::1"


def test_packed_files_one_behind_the_other_are_one_log() -> None:
    assert len(_read(b"".join(gzip.compress(lines(one)) for one in EVENTS))[0]) == 3


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "lines without a last newline"])
def test_a_log_that_ends_in_the_middle_gives_what_came_before_and_says_so(shape: str) -> None:
    data = SHAPES[shape]
    cut = data[: data.rindex(b"a-3") + 1]
    found, log = _read(cut)
    assert [one.audit_id for one in found] == ["a-1", "a-2"]
    assert log.garbled == 1


@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_a_packed_log_that_is_cut_or_changed_is_counted(harm: str) -> None:
    data = gzip.compress(lines(*EVENTS) * 50)
    data = data[:-20] if harm == "cut" else data[:-6] + bytes(6)
    assert _read(data)[1].garbled == 1


GARBLED = [
    b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"b","stageTimestamp":"yesterday"}',
    b'{"kind":"Event","auditID":"b","requestURI":"/api',
    b'","verb":"get"}',
    b'{"kind":"Event","level":"Metadata"}',
    b"\xff\xfe\x00",
    b"2026-11-28T05:00:00.000Z " + b'{"auditID": "b", ',
]


@pytest.mark.parametrize("line", GARBLED)
def test_a_line_that_cannot_be_read_is_counted_and_the_others_are_given(line: bytes) -> None:
    found, log = _read(lines(EVENTS[0]) + line + b"\n" + lines(EVENTS[1]))
    assert [one.audit_id for one in found] == ["a-1", "a-2"] and (log.garbled, log.other) == (1, 0)


def test_a_line_longer_than_any_event_is_counted_once() -> None:
    found, log = _read(lines(EVENTS[0]) + b'{"auditID": "' + b"x" * (40 << 20) + b"\n" + lines(EVENTS[1]))
    assert len(found) == 2 and log.garbled == 1


def test_lines_of_other_logs_are_no_events_and_no_damage() -> None:
    other = [
        b"I1128 05:00:00.000000       1 controller.go:1] synced",
        b'time="2026-11-28T05:00:00Z" level=info msg="access granted"',
        b"2026-11-28T05:00:00.000Z I1128 05:00:00.000000       1 leaderelection.go:1] {won}",
        b'{"level":"info","ts":"2026","msg":"x"}',
        json.dumps({"logStreamName": OTHER, "message": json.dumps(EVENTS[0])}).encode(),
        json.dumps({"logStreamName": OTHER, "message": "x"}).encode(),
        b"2026-11-28T05:00:00.000000+00:00 %s " % OTHER.encode() + lines(EVENTS[0]).strip(),
    ]
    found, log = _read(lines(EVENTS[0]) + b"\n".join(other) + b"\n\n")
    assert [one.audit_id for one in found] == ["a-1"] and (log.garbled, log.other) == (0, len(other))


def test_a_message_of_the_audit_log_that_is_no_event_is_damage() -> None:
    found, log = _read(lines({"logStreamName": STREAM, "message": "cut here"}, {"logStreamName": STREAM, "message": '{"a": '}))
    assert not found and log.garbled == 2


def test_other_clusters_in_a_subscription_are_left_out_where_the_cluster_is_known() -> None:
    mine, others, streams = (
        _subscription(EVENTS[:1]),
        _subscription(EVENTS[1:2], group="/aws/eks/dev/cluster"),
        _subscription([], OTHER),
    )
    data = b"".join(json.dumps(one).encode() for one in (others, mine, streams, _subscription(EVENTS[2:])))
    found, log = _read(data, AuditLog("prod"))
    assert [one.audit_id for one in found] == ["a-1", "a-3"] and (log.other, log.garbled) == (1, 0)
    assert len(_read(data)[0]) == 3


def test_an_event_of_every_field_and_of_none_is_read() -> None:
    bare = {"kind": "Event", "auditID": "x"}
    found, log = _read(lines({**EVENTS[0], "requestObject": {"auditID": 1, "message": "m"}, "user": {"extra": {"a": ["b"]}}}, bare))
    assert log.garbled == 0 and [one.audit_id for one in found] == ["a-1", "x"]
    assert found[0].user.says("a") == "b" and found[1].received == 0 and found[1].address == ""


def test_what_was_read_is_told_by_its_bytes() -> None:
    data = gzip.compress(lines(*EVENTS) * 1000)
    told: list[int] = []
    list(AuditLog().read(io.BytesIO(data), told.append))
    assert sum(told) == len(data)


MEMORY = """
import io, resource, sys
from l7gw.recording.audit_log import AuditLog

class Many(io.RawIOBase):
    def __init__(self, head, one, count):
        self.left, self.one, self.head = count, one * 200, head
    def read(self, size):
        if self.head:
            head, self.head = self.head, b""
            return head
        self.left -= 1
        return self.one if self.left > 0 else b""

head, one, count = {"lines": (b"", sys.argv[2].encode() + b"\\n", 100), "list": (b"[", sys.argv[2].encode() + b",\\n", 100)}[sys.argv[1]]
log = AuditLog()
assert sum(1 for _ in log.read(Many(head, one, 5))) == 800
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(1 for _ in log.read(Many(head, one, count))) == 19800
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("shape", ["lines", "list"])
def test_a_log_of_any_length_is_read_in_flat_memory(shape: str) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, shape, json.dumps(EVENTS[0])], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 1024  # KiB; the whole is 17 MB
