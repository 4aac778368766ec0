"""What a vector expects, what was seen on both sides of a proxy, and whether the two agree.

The reading of the upstream's bytes is written for this room: it shares no code with the codecs that are judged by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from tests.support.vector_files import Vector

EXPECTED, REFUSED = "as expected", "refused though fine"
LENIENT = "passed though to be refused"  # the requests that the client meant, each whole and clean
UNSAFE = "passed something unsafe"  # a request that nobody meant, one with two readings, a dangerous header, or a tunnel
OTHER = "otherwise"  # no answer, an answer too many, or a request that was begun upstream and cut
OUTCOMES = (EXPECTED, REFUSED, LENIENT, UNSAFE, OTHER)

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIRST_LINE = re.compile(rb"%s /[!-~]* HTTP/1\.1" % TOKEN)
FIELD_LINE = re.compile(rb"(%s): ?([\t -~\x80-\xff]*)" % TOKEN)
ONCE = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type", b"upgrade", b"connection")


@dataclass
class Message:
    """A request as it reached the upstream. `faults` are things in it that no careful proxy writes."""

    method: bytes
    target: bytes
    head: bytes
    body: bytes = b""
    faults: list[str] = field(default_factory=list)


@dataclass
class Seen:
    """The traces of one vector: the bytes of each upstream connection; the statuses and the end that the client saw."""

    upstream: list[bytes]
    statuses: list[int]  # of final answers and 101s
    reset: bool = False  # RST_STREAM, GOAWAY with an error
    closed: bool = False  # the proxy ended the connection

    @property
    def refusal(self) -> bool:
        return self.reset or self.closed or any(status >= 400 for status in self.statuses)


def framing(head: bytes) -> tuple[bytes, list[bytes]]:
    """The body's framing as a plain upstream reads it: b"chunked", a number, or b""; and all lengths and codings in the head."""
    said = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    codings = [value.strip().lower() for name, _, value in said if name.strip().lower() == b"transfer-encoding"]
    lengths = [value.strip() for name, _, value in said if name.strip().lower() == b"content-length"]
    if codings:
        return b"chunked", codings + lengths
    return (lengths[0] if lengths and lengths[0].isdigit() else b""), lengths


def read_message(data: bytes) -> tuple[Message, bytes] | None:
    """The first request in `data`, and the bytes behind it; None while it is not whole."""
    head, ends, rest = data.partition(b"\r\n\r\n")
    if not ends:
        return None
    line, *lines = head.split(b"\r\n")
    match = FIRST_LINE.fullmatch(line)
    method, _, target = line.rpartition(b" ")[0].partition(b" ")
    message = Message(method, target, head)
    if match is None:
        message.faults.append(f"the request line {line!r}")
    names = []
    for text in lines:
        found = FIELD_LINE.fullmatch(text)
        if found is None:
            message.faults.append(f"the line {text!r}")
        else:
            names.append(found[1].lower())
    message.faults += [f"{name.decode()} twice" for name in ONCE if names.count(name) > 1]
    kind, said = framing(head)
    if len(said) > 1 or (said not in ([], [b"chunked"]) and re.fullmatch(rb"0|[1-9][0-9]{0,17}", said[0]) is None):
        message.faults.append(f"the framing {said!r}")
    if kind == b"chunked":
        return _chunks(message, rest)
    length = int(kind or b"0")
    if len(rest) < length:
        return None
    message.body = rest[:length]
    return message, rest[length:]


def _chunks(message: Message, rest: bytes) -> tuple[Message, bytes] | None:
    while True:
        line, ends, rest = rest.partition(b"\r\n")
        if not ends:
            return None
        if re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line) is None:
            message.faults.append(f"the chunk size {line!r}")
            return message, rest
        size = int(line, 16)
        if not size:
            break
        if len(rest) < size + 2:
            return None
        message.body += rest[:size]
        if rest[size : size + 2] != b"\r\n":
            message.faults.append("a chunk that does not end where it says")
            return message, rest
        rest = rest[size + 2 :]
    trailers, ends, left = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not ends:
        return None
    message.head += trailers  # so that forbidden headers are searched for in trailers too
    return message, left


def messages(connection: bytes) -> tuple[list[Message], bytes]:
    """The requests on one upstream connection, and the bytes that are no request, such as those behind an upgrade."""
    found: list[Message] = []
    while connection and (read := read_message(connection)) is not None:
        message, connection = read
        found.append(message)
        if re.search(rb"(?im)^upgrade:", message.head):
            break
    return found, connection


@dataclass(frozen=True)
class Wanted:
    """One reading of `expect:`. `requests` are the request lines that may reach the upstream. With `refused` nothing else passes,
    and a refusal comes behind the answers of those requests."""

    requests: tuple[str, ...]
    refused: bool
    answered: bool = True  # false: a reset of the stream may destroy the answer

    @property
    def answers(self) -> int:
        return len(self.requests) * self.answered + self.refused


def wanted(expect: str) -> list[Wanted]:
    """`refused`, `one METHOD TARGET`, `two METHOD TARGET, METHOD TARGET`; `... then refused`; readings joined by ` or `;
    `... then reset` where the answer is lost with the stream or the connection.

    Raises ValueError for anything else.
    """
    found = []
    for text in expect.split(" or "):
        reset = text.endswith(" then reset")
        first, then, rest = text.removesuffix(" then reset").partition(" then refused")
        count, _, lines = first.partition(" ")
        if text == "refused":
            found.append(Wanted((), True))
        elif count in ("one", "two") and not rest:
            requests = tuple(lines.split(", "))
            if len(requests) != ("one", "two").index(count) + 1:
                raise ValueError(f"{expect!r}: not as many requests as it says")
            found.append(Wanted(requests, bool(then) or reset, not reset))
        else:
            raise ValueError(f"{expect!r} is no expectation")
    return found


def judge(vector: Vector, seen: Seen) -> tuple[str, str]:
    """The outcome, and why it is not EXPECTED. Of several allowed readings the one counts that gives the best outcome."""
    outcomes = [_judge(vector, reading, seen) for reading in wanted(vector.fields["expect"])]
    return min(outcomes, key=lambda outcome: (EXPECTED, REFUSED, LENIENT, OTHER, UNSAFE).index(outcome[0]))


def _judge(vector: Vector, reading: Wanted, seen: Seen) -> tuple[str, str]:
    passed: list[Message] = []
    cut = False
    for connection in seen.upstream:
        found, rest = messages(connection)
        passed += found
        tunnel = bool(found) and re.search(rb"(?im)^upgrade:", found[-1].head) is not None
        if rest and not found and not reading.requests and seen.refusal and _begun(rest):
            cut = True
        elif rest and (not tunnel or re.search(rb"(?i)http/1|^[a-z]+ /", rest)):
            return UNSAFE, f"the upstream got what is no whole request: {rest[:200]!r}"
    lines = [f"{message.method.decode('latin-1')} {message.target.decode('latin-1')}" for message in passed]
    if not passed and reading.requests:
        return (REFUSED, f"refused: {seen}") if seen.refusal else (OTHER, f"no answer: {seen}")
    if len(passed) != len(reading.requests):
        clean = not any(message.faults for message in passed) and "absent" not in vector.fields
        meant = not cut and _meant(vector, lines)
        return (LENIENT if clean and meant else UNSAFE), f"reached the upstream: {lines}"
    if cut:
        return OTHER, "a request was begun at the upstream, and cut"
    for message, line, asked in zip(passed, lines, reading.requests, strict=True):
        if message.faults:
            return UNSAFE, f"the upstream got {message.faults}"
        if plain(line) != plain(asked):
            return (LENIENT if _meant(vector, [line]) else UNSAFE), f"{line!r} reached the upstream"
        absent = vector.fields.get("absent", "").lower().encode()
        if absent and absent in message.head.lower():
            return UNSAFE, f"{absent!r} reached the upstream: {message.head!r}"
        body = vector.fields.get("body")
        if body is not None and message.body != body.encode():
            return UNSAFE, f"the upstream got the body {message.body!r}"
    return _judge_answers(vector, reading, seen)


def _begun(rest: bytes) -> bool:
    """Whether these bytes are a clean head, and a body that never became whole."""
    head, ends, _ = rest.partition(b"\r\n\r\n")
    read = read_message(re.sub(rb"(?i)\r\n(content-length|transfer-encoding):[^\r]*", b"", head) + ends)
    return read is not None and not read[0].faults and len(framing(head)[1]) == 1


def plain(line: str) -> tuple[str, list[tuple[str, str]]]:
    """A request line without its escapes: the same page may be asked for in several spellings."""
    path, _, query = line.partition("?")
    return unquote(path, "latin-1"), parse_qsl(query, keep_blank_values=True, encoding="latin-1")


def _meant(vector: Vector, lines: list[str]) -> bool:
    """Whether these are the two requests that the client wrote one behind the other."""
    text = vector.data.decode("latin-1")
    pseudo = dict(re.findall(r"(?m)^  (:method|:path): (.*)$", text))
    first = f"{pseudo[':method']} {pseudo[':path']}" if len(pseudo) == 2 else " ".join(text.split()[:2])
    first = re.sub(r"^(\S+) [a-z]+://[^/]*", r"\1 ", first)  # absolute form asks for the same page (RFC 9112 section 3.2.2)
    behind = re.search(r"GET (/api/v1/namespaces/smuggled/secrets) HTTP/1\.1\r\nHost: [^\r]*\r\n[^\r]*\r\n\r\n\Z", text)
    second = vector.fields.get("behind") or (behind and f"GET {behind[1]}")
    written = [first, *([second] if second and "within" not in vector.fields else [])]
    return [plain(line) for line in lines] == [plain(line) for line in written[: len(lines)]]


def _judge_answers(vector: Vector, reading: Wanted, seen: Seen) -> tuple[str, str]:
    status = int(vector.fields.get("status", "200"))
    answers = [status] * len(reading.requests) if reading.answered else []
    served = [found for found in seen.statuses if found == status]
    more = [found for found in seen.statuses if found != status] + served[len(answers) :]
    if any(found < 400 for found in more):
        return UNSAFE, f"answers {seen.statuses} where {answers} were due"
    if served[: len(answers)] != answers:
        return OTHER, f"answers {seen.statuses} where {answers} were due"
    if more and not reading.refused:
        return OTHER, f"a refusal too many: {seen.statuses}"
    if reading.refused and not (more or seen.closed or seen.reset):
        return OTHER, f"no refusal: {seen}"
    return EXPECTED, ""
