"""`metav1.Status`, the form of a refusal that kubectl understands, in JSON and protobuf (AM pkg/apis/meta/v1/types.go)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from l7gw.errors import StatusReason
from l7gw.name_rules import visible

Causes = list[tuple[str, str, str]]  # of each its reason, its message, and the field that it is about

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
DISCOVERY = "apidiscovery.k8s.io"  # stands in the Accept of a client that asks for all API groups at once
MESSAGE = "l7gw: "
LARGEST_UPGRADE_BODY = 900  # bytes; kubectl's WebSocket library keeps the first 1,024 of a refusal (kubernetes-wire 6.2)
LONGEST_MESSAGE = 2000  # characters
LONGEST_ID = 36  # characters of a UUID; a cause of this length or less, such as a session, is never cut


def encode(
    accept: str | None,
    code: int,
    reason: StatusReason,
    message: str,
    *,
    session: str | None = None,
    rule: str | None = None,
    hold: str | None = None,
    upgrade: bool = False,
) -> tuple[str, bytes]:
    """Content type and body of a Status that tells a failure, in the encoding that `accept`
    names first; in JSON where it names none.

    `accept` is the Accept header, None where the request has none. `code` is the HTTP status, `reason` the StatusReason. The
    message gets the prefix `l7gw: `. Session, rule and hold become `details.causes`. But the only cause of a 422 is its message, as
    `kubectl edit` shows nothing else of one. With `upgrade`, for a refused upgrade, and of a hold the body has at most
    LARGEST_UPGRADE_BODY bytes: a client may meet the same words in either form.

    Aggregated discovery gets the message as plain text. There client-go shows a text, but decodes no Status, and would show
    `unknown` (kubernetes-wire 3.2).
    """
    text = visible(MESSAGE + message)[:LONGEST_MESSAGE]
    if accept is not None and DISCOVERY in accept:
        return "text/plain; charset=utf-8", text.encode() + b"\n"
    named = (("L7GWSession", session), ("L7GWRule", rule), ("L7GWHold", hold))
    causes = [(name, visible(value), "") for name, value in named if value]
    protobuf = prefers_protobuf(accept)
    fields = _protobuf if protobuf else _json

    def write(text: str, causes: Causes) -> bytes:
        return fields(code, reason, text, _of_invalid(text) if code == 422 else causes)

    body = write(text, causes)
    if (upgrade or hold) and len(body) > LARGEST_UPGRADE_BODY:
        body = _cut(write, text, causes)
    return (PROTOBUF if protobuf else JSON), body


def shown_code(accept: str | None, code: int) -> int:
    """The HTTP status that a refusal is sent with. Of a 503 and a 504 client-go shows a sentence of its own to whom asked for
    aggregated discovery, so these go there as a 502, of which it shows the text (kubernetes-wire 3.2)."""
    return 502 if code in (503, 504) and accept is not None and DISCOVERY in accept else code


def _of_invalid(text: str) -> Causes:
    """The cause of a 422. kubectl writes a cause as `FIELD: MESSAGE` (its pkg/cmd/util/helpers.go), and so shows `text`."""
    return [("", text.removeprefix(MESSAGE), MESSAGE.removesuffix(": "))]


def _cut(write: Callable[[str, Causes], bytes], text: str, causes: Causes) -> bytes:
    """The longest body of at most LARGEST_UPGRADE_BODY bytes. The message is cut. Where not even an empty
    message fits, the causes are cut first."""
    while len(write(MESSAGE + "…", causes)) > LARGEST_UPGRADE_BODY and any(len(value) > LONGEST_ID for _, value, _ in causes):
        causes = [(name, value[: max(len(value) // 2, LONGEST_ID)], field) for name, value, field in causes]
    fits, most = 0, len(text)  # characters
    while fits < most:
        middle = (fits + most + 1) // 2
        if len(write(text[:middle] + "…", causes)) <= LARGEST_UPGRADE_BODY:
            fits = middle
        else:
            most = middle - 1
    return write(text[:fits] + "…", causes)


def prefers_protobuf(accept: str | None) -> bool:
    """Whether Accept names protobuf before JSON. Other types do not count, as a Status cannot be written in them."""
    for clause in (accept or "").split(","):
        kind = clause.partition(";")[0].strip().lower()
        if kind == PROTOBUF and "stream=watch" not in clause:
            return True
        if kind in (JSON, "*/*", "application/*"):
            return False
    return False


def failure(message: str) -> bytes:
    """The Status for the error channel of an exec, in JSON. The exec then ends as failed, and kubectl prints the message."""
    text = visible(MESSAGE + message)[:LONGEST_MESSAGE]
    return msgspec.json.encode({"metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "code": 500})


def watch_error(code: int, reason: StatusReason, message: str, *, session: str, protobuf: bool) -> bytes:
    """The event that ends a watch as failed: its type is ERROR and its object a Status. client-go, and so kubectl, shows the
    message (AM pkg/watch/watch.go). In JSON it is one line; in protobuf a WatchEvent {1 type, 2 object {1 raw}} behind its length
    in four bytes, big-endian (AM pkg/apis/meta/v1/generated.proto, pkg/util/framer/framer.go)."""
    text = visible(MESSAGE + message)[:LONGEST_MESSAGE]
    causes = [("L7GWSession", visible(session), "")]
    if not protobuf:
        return b'{"type":"ERROR","object":' + _json(code, reason, text, causes).rstrip(b"\n") + b"}\n"
    event = _text(1, "ERROR") + _field(2, _field(1, _protobuf(code, reason, text, causes)))
    return len(event).to_bytes(4, "big") + event


def _json(code: int, reason: StatusReason, message: str, causes: Causes) -> bytes:
    told = [{key: text for key, text in zip(("reason", "message", "field"), cause, strict=True) if text} for cause in causes]
    details = {"causes": told} if told else {}
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }
    return msgspec.json.encode(document) + b"\n"


def _protobuf(code: int, reason: StatusReason, message: str, causes: Causes) -> bytes:
    """The Status in protobuf. Empty fields are written too, as by the API server.

    Status has the fields 1 metadata, 2 status, 3 message, 4 reason, 5 details {1 name, 2 group, 3 kind, 4 causes {1 reason, 2
    message, 3 field}, 5 retryAfterSeconds, 6 uid}, 6 code. It stands in the envelope `k8s\\0` + Unknown {1 TypeMeta {1 apiVersion,
    2 kind}, 2 raw, 3 encoding, 4 type} (kubernetes-wire 3.2).
    """
    details = (
        _field(1, b"")
        + _field(2, b"")
        + _field(3, b"")
        + b"".join(_field(4, _text(1, r) + _text(2, m) + _text(3, f)) for r, m, f in causes)
        + b"\x28\x00"
        + _field(6, b"")
    )
    status = (
        _field(1, _field(1, b"") + _field(2, b"") + _field(3, b""))
        + _text(2, "Failure")
        + _text(3, message)
        + _text(4, reason)
        + _field(5, details)
        + b"\x30"
        + _varint(code)
    )
    meta = _text(1, "v1") + _text(2, "Status")
    return b"k8s\x00" + _field(1, meta) + _field(2, status) + _field(3, b"") + _field(4, b"")


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
