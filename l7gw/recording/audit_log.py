"""Reads a cluster's audit log in the shapes in which people have it:

- lines of JSON, as kube-apiserver writes them, also with a time before each, as CloudWatch exports them to S3;
- what `aws logs filter-log-events`, `get-log-events`, `get-query-results` and subscriptions give: a document whose events hold a
  line each, beside the name of its stream;
- a list, or Kubernetes' EventList.

All of them may be packed with gzip, twice too, as Firehose does. A log is read once, front to back, and never whole in memory.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import msgspec

from l7gw.recording.audit_event import AuditEvent
from l7gw.recording.json_documents import LARGEST, Documents

CHUNK = 1024 * 1024  # bytes that are read at a time
FIRST = 4096  # bytes of the beginning by which the shape is known
MOST_PACKED = 2  # times that a log may be packed
AUDIT_STREAM = "kube-apiserver-audit"  # the beginning of the names of EKS's streams of audit events

_DOCUMENT = re.compile(rb'\s*(?:\[|\{\s*\n|\{\s*"(?:events|searchedLogStreams|results|messageType|owner|nextForwardToken|items)")')
_LIST = re.compile(rb'\s*\{[^\n]{0,300}"kind"\s*:\s*"EventList"')
# What may stand before a line's JSON: a time, and the name of a stream
_BEFORE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]{8,20}(?:Z|[+-][0-9:]{4,5})?\s+(?:(\S{1,512})\s+)?")
_OTHER_LOG = re.compile(rb'[IWEF][0-9]{4} |time="|\{"level":')  # how klog, and EKS's authenticator, begin their lines
_GROUP = re.compile(rb'"logGroup"\s*:\s*"([^"]{1,512})"')
_STREAM = re.compile(rb'"logStream"\s*:\s*"([^"]{1,512})"')


class _Line(AuditEvent, rename="camel", gc=False):
    """An audit event, or what CloudWatch has around one."""

    kind: str = ""
    message: msgspec.Raw = msgspec.Raw()
    insights_message: msgspec.Raw = msgspec.field(name="@message", default_factory=msgspec.Raw)
    log_stream_name: str = ""
    insights_stream: str = msgspec.field(name="@logStream", default="")
    field: str = ""  # one column of an answer of get-query-results
    value: str = ""


_decode = msgspec.json.Decoder(_Line).decode


class AuditLog:
    """The events of a log, or of several. `eks_cluster` is the EKS name of the cluster that is meant, "" where that is not known.

    `garbled` counts what cannot be read: lines that are no whole JSON, or cut, and ends of files that are missing. `other` counts
    lines of other logs, and of other clusters.
    """

    def __init__(self, eks_cluster: str = "") -> None:
        self.events = 0
        self.garbled = 0
        self.other = 0
        self._group = f"/aws/eks/{eks_cluster}/cluster" if eks_cluster else ""

    def read(self, file: BinaryIO, told: Callable[[int], None] = lambda size: None) -> Iterator[AuditEvent]:
        """The events of one file. `told` is called with the bytes of the file that were read since the last call. Raises
        OSError."""
        try:
            source = _unpacked(io.BufferedReader(_Told(file, told), CHUNK))
            first = source.peek(FIRST)
            if _DOCUMENT.match(first) or _LIST.match(first):
                yield from self._documents(source)
            else:
                yield from self._lines(source)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.garbled += 1  # what is packed ends in the middle, or was changed

    def take(self, line: bytes, stream: str = "") -> AuditEvent | None:
        """The event of one line, None where it is none: that is counted. `stream` is the name of CloudWatch's stream, "" where it
        is not known."""
        if stream and not stream.startswith(AUDIT_STREAM):
            self.other += 1
            return None
        line = line.strip()
        if not line:
            return None
        if not line.startswith(b"{"):
            before = _BEFORE.match(line)
            if before is None:
                return self._no_event(other=not stream and _OTHER_LOG.match(line) is not None)
            named = (before[1] or b"").decode("utf-8", "replace")
            if before[1] and before[1].startswith(b"{"):  # no stream, but the JSON itself
                named, line = "", line[before.start(1) :]
            else:
                line = line[before.end() :]
            if not line.startswith(b"{"):
                return self._no_event(other=not named.startswith(AUDIT_STREAM))
            return self.take(line, named)
        return self._decoded(line, stream)

    # ------------------------------------------------------------------ inside

    def _no_event(self, *, other: bool) -> AuditEvent | None:
        if other:
            self.other += 1
        else:
            self.garbled += 1
        return None

    def _decoded(self, data: bytes, stream: str, *, inner: bool = False) -> AuditEvent | None:
        try:
            found = _decode(data)
            message = bytes(found.message) or bytes(found.insights_message)
            if message.startswith(b'"'):
                message = msgspec.json.decode(message, type=str).encode()
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._no_event(other=False)
        if found.audit_id and not message:
            self.events += 1
            return found
        if found.field:
            message = found.value.encode() if found.field == "@message" else b""
            if not message:
                return None
        if message and not inner:
            named = found.log_stream_name or found.insights_stream or stream
            if named and not named.startswith(AUDIT_STREAM):
                return self._no_event(other=True)
            if message.lstrip().startswith(b"{"):
                return self._decoded(message, named, inner=True)
            return self._no_event(other=not named)
        return self._no_event(other=not stream and found.kind not in ("Event", "EventList"))

    def _lines(self, source: io.BufferedReader) -> Iterator[AuditEvent]:
        while line := source.readline(LARGEST):
            if len(line) == LARGEST and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = source.readline(CHUNK)
                self.garbled += 1
                continue
            event = self.take(line)
            if event is not None:
                yield event

    def _documents(self, source: io.BufferedReader) -> Iterator[AuditEvent]:
        documents = Documents()
        head, stream, other = b"", "", False
        for data in documents.objects(iter(lambda: source.read1(CHUNK), b"")):
            if documents.head is not head:
                head = documents.head
                group, named = _GROUP.search(head), _STREAM.search(head)
                other = bool(self._group and group and group[1].decode("utf-8", "replace") != self._group)
                stream = named[1].decode("utf-8", "replace") if named else ""
            if other or (stream and not stream.startswith(AUDIT_STREAM)):
                self.other += 1
                continue
            event = self._decoded(data, stream)
            if event is not None:
                yield event
        self.garbled += documents.lost


def _unpacked(source: io.BufferedReader) -> io.BufferedReader:
    for _ in range(MOST_PACKED):
        if source.peek(2)[:2] != b"\x1f\x8b":
            break
        source = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=source, mode="rb")), CHUNK)
    return source


class _Told(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None]) -> None:
        self._file = file
        self._tell = told

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = cast(memoryview, buffer)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._tell(len(data))
        return len(data)
