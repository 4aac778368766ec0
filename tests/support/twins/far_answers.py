"""What a scripted cluster answers, as bytes of HTTP/1.1 and as frames of HTTP/2."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any

DATE, AUDIT_ID = "{date}", "{audit-id}"  # values of fields that are filled in when the answer is made


@dataclass(frozen=True)
class Answer:
    """One answer. `framing` is length, chunked, close (its end is the connection's), or none (a head without a body). `cut` is the
    number of body bytes behind which the connection ends by `ends`; -1: none. `pieces` are the places at which its bytes are cut into
    reads. `waits` is the number of reads after which it stands still until the traffic lets it go on; -1: it does not."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: str = "length"
    interim: tuple[int, ...] = ()
    cut: int = -1
    ends: str = ""  # close | abort; of HTTP/2 a RST_STREAM, or a GOAWAY
    pieces: tuple[int, ...] = ()
    waits: int = -1
    raw: bytes = b""  # instead of all that: bytes of HTTP/1.1


def filled(headers: tuple[tuple[str, str], ...], now: float, audit_id: str) -> list[tuple[str, str]]:
    """The fields with what they say only now."""
    said = {DATE: _date(int(now)), AUDIT_ID: audit_id}
    return [(name, said.get(value, value)) for name, value in headers]


@lru_cache(maxsize=16)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def of_http1(answer: Answer, now: float, audit_id: str, method: str) -> list[bytes | str]:
    """The reads that an answer is over HTTP/1.1, and behind them how the connection ends, where it does."""
    if answer.raw:
        whole = answer.raw
    else:
        head = [f"HTTP/1.1 {answer.status} Said"]
        head += [f"{name}: {value}" for name, value in filled(answer.headers, now, audit_id)]
        body = answer.body if answer.cut < 0 else answer.body[: answer.cut]
        if answer.framing == "length":
            head.append(f"Content-Length: {len(answer.body)}")
        elif answer.framing == "chunked":
            head.append("Transfer-Encoding: chunked")
            body = _chunked(body, whole=answer.cut < 0)
        elif answer.framing == "close":
            head.append("Connection: close")
        else:
            body = b""
        if method == "HEAD" or answer.status in (204, 304):
            body = b""
        interim = b"".join(b"HTTP/1.1 %d Wait\r\nX-Interim: yes\r\n\r\n" % status for status in answer.interim)
        whole = interim + "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
    reads: list[bytes | str] = [*_cut(whole, answer.pieces)]
    if answer.ends:
        reads.append(answer.ends)
    elif answer.framing == "close":
        reads.append("close")
    return reads


def _chunked(body: bytes, *, whole: bool) -> bytes:
    half = (len(body) + 1) // 2
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return parts + b"0\r\n\r\n" if whole else parts


def _cut(data: bytes, places: tuple[int, ...]) -> list[bytes]:
    marks = sorted({0, *(place % (len(data) + 1) for place in places), len(data)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def of_http2(answer: Answer, now: float, audit_id: str, method: str, stream: int, pack: Any) -> tuple[bytes, bytes, bytes]:
    """The frames of an answer's heads, its body, and the frames behind the body. `pack` encodes a list of fields."""
    heads = b"".join(frame(1, 4, stream, pack([(":status", str(status))])) for status in answer.interim)
    fields = [(":status", str(answer.status))]
    fields += [(name.lower(), value) for name, value in filled(answer.headers, now, audit_id)]
    body = answer.body if answer.cut < 0 else answer.body[: answer.cut]
    if method == "HEAD" or answer.status in (204, 304) or answer.framing == "none":
        body = b""
    if answer.framing == "length" and answer.status not in (204, 304):
        fields.append(("content-length", str(len(answer.body))))
    cut = bool(answer.ends)
    heads += frame(1, 4 if body or cut else 5, stream, pack(fields))
    last = b""
    if answer.ends == "abort":
        last = frame(3, 0, stream, struct.pack(">I", 2))
    elif answer.ends == "close":
        last = frame(7, 0, 0, struct.pack(">II", stream, 0)) + frame(3, 0, stream, struct.pack(">I", 2))
    return heads, body, last
