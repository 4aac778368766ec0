"""A hostile or faulty cluster on HTTP/2 behind a real gateway. An answer that is not whole never ends cleanly. A fault of one
stream does not touch its neighbours. A request that may have been acted upon is not sent again. The cluster is made with hyperframe
and hpack."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hyperframe.frame import ContinuationFrame, HeadersFrame, PingFrame, PriorityFrame, PushPromiseFrame, WindowUpdateFrame

from l7gw.gateway.anew import MOST_TRIES
from tests.support.faults import exec_client, long_list, trouble, until
from tests.support.figures import figure
from tests.support.http_callers import CALLERS, WATCH, Caller, Cut
from tests.support.scene import Scene, scene
from tests.support.scripted_cluster_http2 import (
    EVENT,
    MORE,
    OK,
    STATUS,
    Asked,
    Cluster,
    Far,
    Field,
    answering,
    data,
    goaway,
    raw,
    reset,
    settings,
)

FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL = 3, 7, 8
PODS = "/api/v1/namespaces/default/pods/"


class Stage:
    """A gateway in front of the cluster. A shell is open through it, so that reads go over HTTP/2."""

    def __init__(self, it: Scene, cluster: Cluster) -> None:
        self.it = it
        self.cluster = cluster
        self.told: Counter[tuple[str, str]] = Counter()  # (target, outcome) as clients saw it -> number of calls
        self._callers: dict[str, Caller] = {}

    def caller(self, protocol: str) -> Caller:
        """A client of this protocol, which is kept between tests while its connection is open."""
        caller = self._callers.get(protocol)
        if caller is None or not caller.open:
            caller = self._callers[protocol] = CALLERS[protocol](self.it)
        return caller

    def call(self, protocol: str, name: str, method: str = "GET") -> tuple[int, bytes]:
        """Make a call about the pod of this name."""
        return self.ask(protocol, PODS + name, method)

    def ask(self, protocol: str, target: str, method: str = "GET") -> tuple[int, bytes]:
        """Make a call. Returns status and body; status 0 for an answer that was cut."""
        try:
            status, body = self.caller(protocol).call(target, method)
        except Cut:
            status, body = 0, b""
        self.told[target, "cut" if not status else "failed" if status >= 500 else "complete"] += 1
        return status, body

    def close(self) -> None:
        for caller in self._callers.values():
            caller.close()

    def calls(self, callers: list[Caller], names: list[str]) -> list[int]:
        """Make one call with each caller, all at once. Returns the statuses."""

        def call(caller: Caller, name: str) -> int:
            status, _ = caller.call(PODS + name)
            self.told[PODS + name, "failed" if status >= 500 else "complete"] += 1
            return status

        with ThreadPoolExecutor(len(callers)) as pool:
            return list(pool.map(call, callers, names))

    def fine(self, protocol: str) -> bool:
        """Whether a call without a fault is answered."""
        before, self.cluster.answer = self.cluster.answer, answering
        try:
            return self.call(protocol, "fine") == (200, b"{}")
        finally:
            self.cluster.answer = before

    def no_trouble(self) -> None:
        assert not trouble(self.it)
        assert "failed at this call" not in self.it.gateway.log


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    cluster = Cluster()
    with scene(tmp_path_factory.mktemp("far"), cluster) as it:
        it.upstream.speaks("h2", "http/1.1")
        shell, _ = exec_client(it)
        with shell:
            yield (stage := Stage(it, cluster))
            stage.close()


@pytest.fixture
def watched(stage: Stage, protocol: str) -> Iterator[Caller]:
    """A watch that has begun. It is the neighbour of the next call on the shared connection."""
    stage.cluster.answer = answering
    with contextlib.closing(CALLERS[protocol](stage.it)) as watch:
        watch.hear(EVENT)
        yield watch


# ---------------------------------------------------------------------- answers that are none

Fault = Callable[[Far, int], bytes]


def fields(*more: Field) -> Fault:
    """An answer with further fields and two bytes."""
    return lambda far, stream: far.head(stream, *OK, *more) + data(stream, b"{}", end=True)


def only(*these: Field) -> Fault:
    return lambda far, stream: far.head(stream, *these) + data(stream, b"{}", end=True)


LENGTH = ("content-length", "4")
INTERIM = (":status", "103")

# Faults of one answer: its stream is reset, and no other.
OF_A_STREAM: dict[str, Fault] = {
    "more-than-announced": lambda far, n: far.head(n, *OK, LENGTH) + data(n, b"{}") + data(n, b"{} ", end=True),
    "less-than-announced": lambda far, n: far.head(n, *OK, LENGTH) + data(n, b"{}") + data(n, b"", end=True),
    "nothing-of-what-was-announced": lambda far, n: far.head(n, *OK, LENGTH, end=True),
    "two-lengths": fields(LENGTH, ("content-length", "2")),
    "one-length-twice": fields(("content-length", "2"), ("content-length", "2")),
    "length-signed": fields(("content-length", "+2")),
    "length-list": fields(("content-length", "2, 2")),
    "length-empty": fields(("content-length", "")),
    "length-hex": fields(("content-length", "0x2")),
    "second-head": lambda far, n: far.head(n, *OK) + far.head(n, *OK) + data(n, b"{}", end=True),
    "second-head-behind-a-body": lambda far, n: far.head(n, *OK) + data(n, b"{}") + far.head(n, *OK, end=True),
    "trailers-that-end-nothing": lambda far, n: far.head(n, *OK) + data(n, b"{}") + far.head(n, ("x-t", "1")),
    "trailers-in-capitals": lambda far, n: far.head(n, *OK) + data(n, b"{}") + far.head(n, ("X-T", "1"), end=True),
    "eleven-interim-answers": lambda far, n: b"".join(far.head(n, INTERIM) for _ in range(11)) + fields()(far, n),
    "interim-that-ends": lambda far, n: far.head(n, INTERIM, end=True),
    "interim-alone": lambda far, n: far.head(n, INTERIM) + data(n, b"{}", end=True),
    "interim-with-length": lambda far, n: far.head(n, INTERIM, LENGTH) + fields()(far, n),
    "switched": only((":status", "101"), ("upgrade", "websocket")),
    "switched-plainly": only((":status", "101")),
    "data-first": lambda far, n: data(n, b"{}") + fields()(far, n),
    "no-content-with-data": lambda far, n: far.head(n, (":status", "204")) + data(n, b"{}", end=True),
    "no-content-with-length": only((":status", "204"), ("content-length", "2")),
    "not-modified-with-data": lambda far, n: far.head(n, (":status", "304"), ("etag", '"1"')) + data(n, b"{}", end=True),
    "length-0-with-data": lambda far, n: far.head(n, *OK, ("content-length", "0")) + data(n, b"{}", end=True),
    "capitals": fields(("X-Name", "1")),
    "no-name": fields(("", "1")),
    "space-in-a-name": fields(("x name", "1")),
    "colon-in-a-name": fields(("x:name", "1")),
    "line-end-in-a-name": fields(("x\r\nset-cookie", "1")),
    "line-end-in-a-value": fields(("x-name", "1\r\ncontent-length: 0")),
    "newline-in-a-value": fields(("x-name", "1\ncontent-length: 0")),
    "nul-in-a-value": fields(("x-name", "1\0")),
    "connection": fields(("connection", "close")),
    "keep-alive": fields(("keep-alive", "timeout=5")),
    "chunked": fields(("transfer-encoding", "chunked")),
    "upgrade": fields(("upgrade", "h2c")),
    "te": fields(("te", "gzip")),
    "no-status": only(("content-type", "text/plain")),
    "two-statuses": only(STATUS, STATUS),
    "late-status": only(("content-type", "text/plain"), STATUS),
    "status-of-two-digits": only((":status", "20")),
    "status-of-four-digits": only((":status", "2000")),
    "status-099": only((":status", "099")),
    "status-600": only((":status", "600")),
    "status-with-a-reason": only((":status", "200 OK")),
    "status-of-letters": only((":status", "abc")),
    "unknown-pseudo-field": only(STATUS, (":path", "/")),
    "a-hundred-and-one-fields": fields(*[(f"x-{number}", "1") for number in range(100)]),
    "160-KiB-of-fields": fields(*[("x-large", "v" * 4000)] * 40),
    "window-update-of-nothing": lambda far, n: far.head(n, *OK) + raw(8, 0, n, bytes(4)),
    "window-too-large": lambda far, n: far.head(n, *OK) + WindowUpdateFrame(n, 2**31 - 1).serialize(),
    "priority-of-another-size": lambda far, n: far.head(n, *OK) + raw(2, 0, n, bytes(4)),
    "reset": lambda far, n: far.head(n, *OK) + data(n, b"{}") + reset(n, 2),
    "reset-and-more": lambda far, n: far.head(n, *OK) + reset(n, 8) + data(n, b"{}", end=True),
    "redirect": only((":status", "302"), ("location", "https://elsewhere/")),
    "unauthorized": only((":status", "401"), ("www-authenticate", "Basic")),
}  # fmt: skip


def block(packed: bytes, *more: bytes, end: bool = True) -> Fault:
    """An answer with this header block, unchanged, in one frame for each part."""

    def made(far: Far, stream: int) -> bytes:
        frames = [HeadersFrame(stream, packed, flags=["END_STREAM"])]
        frames += [ContinuationFrame(stream, part) for part in more]
        if end:
            frames[-1].flags.add("END_HEADERS")
        return b"".join(frame.serialize() for frame in frames)

    return made


def instead(*parts: bytes) -> Fault:
    """An answer's head, followed by these frames."""
    return lambda far, stream: far.head(stream, *OK) + b"".join(parts)


LARGE = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000  # a field of 4,000 bytes that enters the table; 0xbe then refers to it

# Faults that make the connection itself unsound: all its streams end, and the next call gets another connection.
OF_THE_CONNECTION: dict[str, Fault] = {
    "data-behind-the-end": lambda far, n: fields()(far, n) + data(n, b"{}", end=True),
    "answer-to-nobody": lambda far, n: far.head(n + 2, *OK, end=True),
    "answer-of-an-even-number": lambda far, n: far.head(2, *OK, end=True),
    "data-to-nobody": lambda far, n: data(n + 2, b"{}"),
    "reset-of-nobody": lambda far, n: reset(n + 2, 8),
    "window-of-nobody": lambda far, n: WindowUpdateFrame(n + 2, 1).serialize(),
    "push": lambda far, n: PushPromiseFrame(n, 2, far.pack.encode([STATUS]), flags=["END_HEADERS"]).serialize(),
    "head-on-stream-0": lambda far, n: raw(1, 5, 0, b"\x88"),
    "data-on-stream-0": instead(raw(0, 0, 0, b"{}")),
    "unpacked-index-0": block(b"\x80"),
    "unpacked-index-unknown": block(b"\x88\xff\x20"),
    "unpacked-number-too-long": block(b"\x88\xff\xff\xff\xff\xff\xff\xff\x01"),
    "unpacked-table-too-large": block(b"\x3f\xe2\x1f\x88"),
    "unpacked-late-update": block(b"\x88\x20"),
    "unpacked-string-cut": block(b"\x88\x00\x05ab"),
    "unpacked-huffman-of-no-code": block(b"\x88\x00\x01x\x84\xff\xff\xff\xff"),
    "bomb": block(b"\x88" + LARGE + b"\xbe" * 900),
    "bomb-of-small-fields": block(b"\x88" + b"\x89" * 1001),
    "block-of-80-KiB": block(b"\x88", *[b"\x00\x01x\x7f\x81\x7f" + b"v" * 16_384] * 5),
    "block-in-twelve-frames": block(b"\x88", *[b""] * 11),
    "block-cut-in-two": lambda far, n: block(b"\x88", end=False)(far, n) + data(n, b"{}", end=True),
    "continuation-of-nothing": lambda far, n: ContinuationFrame(n, b"\x88", flags=["END_HEADERS"]).serialize(),
    "frame-larger-than-told": lambda far, n: far.head(n, *OK) + data(n, bytes(65_537), end=True),
    "padding-larger-than-its-frame": lambda far, n: far.head(n, *OK) + raw(0, 8, n, b"\x05{}"),
    "padding-of-no-frame": lambda far, n: raw(1, 0xC, n, b""),
    "settings-of-five-bytes": instead(raw(4, 0, 0, bytes(5))),
    "settings-on-a-stream": lambda far, n: raw(4, 0, n, bytes(6)),
    "settings-acknowledged-with-more": instead(raw(4, 1, 0, bytes(6))),
    "settings-push": instead(settings(ENABLE_PUSH=1)),
    "settings-window": instead(settings(INITIAL_WINDOW_SIZE=2**31)),
    "settings-frame": instead(settings(MAX_FRAME_SIZE=16_383)),
    "settings-of-a-kind-a-hundred-times": instead(raw(4, 0, 0, b"\x00\x04\x00\x00\xff\xff" * 100)),
    "settings-flood": instead(*[settings()] * 300),
    "ping-flood": instead(*[PingFrame(0, b"8 bytes.").serialize()] * 300),
    "ping-of-seven-bytes": instead(raw(6, 0, 0, bytes(7))),
    "ping-on-a-stream": lambda far, n: raw(6, 0, n, bytes(8)),
    "priority-flood": lambda far, n: PriorityFrame(n, 0, 1).serialize() * 300,
    "unknown-flood": instead(*[raw(0xFA, 0, 0)] * 300),
    "window-flood": instead(*[WindowUpdateFrame(0, 1).serialize()] * 3000),
    "window-of-nothing": instead(raw(8, 0, 0, bytes(4))),
    "window-of-the-connection-too-large": instead(*[WindowUpdateFrame(0, 2**31 - 1).serialize()] * 2),
    "reset-of-three-bytes": lambda far, n: raw(3, 0, n, bytes(3)),
    "goaway-of-seven-bytes": instead(raw(7, 0, 0, bytes(7))),
    "goaway-on-a-stream": lambda far, n: raw(7, 0, n, bytes(8)),
    "http-1.1": lambda far, n: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize("name", [*OF_A_STREAM, *OF_THE_CONNECTION])
def test_bytes_of_a_cluster_that_are_no_answer_are_not_passed_on(stage: Stage, watched: Caller, name: str, protocol: str) -> None:
    fault = {**OF_A_STREAM, **OF_THE_CONNECTION}[name]
    stage.cluster.answer = lambda far, asked: far.send(fault(far, asked.stream))
    far, watch = stage.cluster.came(WATCH)[-1]
    status, body = stage.call(protocol, name)
    ((served, _),) = stage.cluster.came(PODS + name)[-1:]
    assert served is far, "the neighbour is none"
    assert status in (0, 502), (status, body)
    if name in OF_A_STREAM:
        far.send(data(watch.stream, MORE))
        watched.hear(MORE)
    else:
        with pytest.raises(Cut):
            watched.hear(MORE)
    assert stage.fine(protocol)
    assert (stage.cluster.fars[-1] is far) == (name in OF_A_STREAM)
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
def test_an_answer_to_head_has_no_body(stage: Stage, watched: Caller, protocol: str) -> None:
    def script(far: Far, asked: Asked) -> None:
        far.send(far.head(asked.stream, *OK, LENGTH), data(asked.stream, b"{} " if "bad" in asked.path else b"", end=True))

    stage.cluster.answer = script
    assert stage.call(protocol, "head-good", "HEAD") == (200, b"")
    assert stage.call(protocol, "head-bad", "HEAD")[0] in (0, 502)
    far, watch = stage.cluster.came(WATCH)[-1]
    far.send(data(watch.stream, MORE))
    watched.hear(MORE)
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
def test_frames_around_a_whole_answer_are_not_passed_on(stage: Stage, protocol: str) -> None:
    def script(far: Far, asked: Asked) -> None:
        n = asked.stream
        far.send(
            b"".join(far.head(n, INTERIM, ("link", "</x>")) for _ in range(10)), far.head(n, *OK, ("content-length", "2")),
            raw(0, 8, n, b"\x03{\0\0\0"), data(n), raw(0, 8, n, b"\x01}\0"), far.head(n, ("grpc-status", "0"), end=True), far.head(n, *OK, end=True), reset(n, 0),
        )  # fmt: skip

    stage.cluster.answer = script
    assert stage.call(protocol, "trailers") == (200, b"{}")
    assert stage.fine(protocol)
    stage.no_trouble()


# ---------------------------------------------------------------------- the first words

GREETINGS = {
    "goaway-of-nothing": settings() + goaway(0),
    "goaway-of-all": settings() + goaway(2**31 - 1),
    "no-stream": settings(MAX_CONCURRENT_STREAMS=0),
    "no-settings": PingFrame(0, b"8 bytes.").serialize(),
    "acknowledgement-first": raw(4, 1, 0) + settings(),
    "push": settings(ENABLE_PUSH=1),
    "http-1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_cluster_that_takes_no_call_from_the_first_is_a_502_and_not_dialled_without_end(
    stage: Stage, greeting: str, protocol: str
) -> None:
    stage.cluster.leave()
    before, stage.cluster.greeting = stage.cluster.greeting, GREETINGS[greeting]
    dialled = len(stage.cluster.fars)
    try:
        assert stage.call(protocol, f"greeted-{greeting}")[0] == 502
        until(lambda: len(stage.cluster.fars) == dialled + 1)  # a connection is counted after its greeting
    finally:
        stage.cluster.greeting = before
    assert stage.fine(protocol)
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_cluster_that_allows_less_while_calls_run_keeps_those_and_gets_others_elsewhere(
    stage: Stage, watched: Caller, protocol: str
) -> None:
    far, watch = stage.cluster.came(WATCH)[-1]
    for most in (1, 0):
        far.send(settings(MAX_CONCURRENT_STREAMS=most, INITIAL_WINDOW_SIZE=0))
        until(lambda: stage.fine(protocol) and stage.cluster.came(PODS + "fine")[-1][0] is not far)
        far.send(data(watch.stream, MORE))
        watched.hear(MORE)
    assert not far.resets
    stage.no_trouble()


# ---------------------------------------------------------------------- answers that are cut (threats I8)

WHOLE = b'{"a":"b"}'
ANSWERS: dict[str, tuple[str, tuple[Field, ...]]] = {  # name -> the target, and further fields of its answer
    "read": (f"{PODS}cut", (("content-length", str(len(WHOLE))),)),
    "read-without-length": (f"{PODS}cut-without-length", ()),
    "watch": ("/api/v1/namespaces/cut/pods?watch=true", ()),
    "log": (f"{PODS}cut/log?follow=true", ()),
}


def parts(far: Far, stream: int, answer: str, count: int = 3) -> bytes:
    """The first `count` frames of a whole answer."""
    head = far.head(stream, *OK, *ANSWERS[answer][1]) if count else b""  # a head that was made must be sent
    return head + b"".join([data(stream, WHOLE[:5]), data(stream, WHOLE[5:], end=True)][: max(0, count - 1)])


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize("how", ["tcp", "tls", "reset"])
@pytest.mark.parametrize("answer", ["read", "read-without-length", "watch"])
def test_an_answer_that_is_cut_at_any_byte_is_no_clean_end(stage: Stage, answer: str, how: str, protocol: str) -> None:
    size, length = 1, 0

    def script(far: Far, asked: Asked) -> None:
        nonlocal size
        whole = parts(far, asked.stream, answer)
        size = len(whole)
        far.send(whole[:length])
        far.end(how)

    target, _ = ANSWERS[answer]
    stage.cluster.leave()
    refused = cut = 0
    while length < size:
        stage.cluster.answer = script
        status, _ = stage.ask(protocol, target)
        assert status in (0, 502), f"cut behind byte {length}"
        refused, cut = refused + (status == 502), cut + (not status)
        length += 1
    figure(
        "I8", f"an answer of HTTP/2 to a {answer} cut at each byte by {how}, {protocol}", "never a clean end",
        f"{refused} times a 502, {cut} times a cut, of {size}",
    )  # fmt: skip
    if how != "reset":
        if answer == "watch":
            assert cut > 20, "not one answer was cut within its body"
        else:
            assert not cut, "an object is masked before its head goes out"
        assert stage.ask(protocol, target) == (200, WHOLE)
        until(lambda: stage.cluster.fars[-1].over)  # a call that meets the end of this connection may be lost
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_reset_with_any_code_is_no_clean_end(stage: Stage, watched: Caller, answer: str, protocol: str) -> None:
    target, _ = ANSWERS[answer]
    far, watch = stage.cluster.came(WATCH)[-1]
    for code in (*range(14), 0xFF):
        for count in range(3):

            def script(far: Far, asked: Asked, count: int = count, code: int = code) -> None:
                far.send(parts(far, asked.stream, answer, count), reset(asked.stream, code))

            stage.cluster.answer = script
            before = len(stage.cluster.came(target))
            status, _ = stage.ask(protocol, target)
            turned_away = code == REFUSED_STREAM and not count
            assert status in (0, 502) if count else status == (503 if turned_away else 502), (code, count)
            tries = MOST_TRIES + 1 if turned_away else 1
            assert len(stage.cluster.came(target)) == before + tries, (code, count)
    stage.cluster.answer = lambda far, asked: far.send(parts(far, asked.stream, answer), reset(asked.stream, 0))
    assert stage.ask(protocol, target) == (200, WHOLE)
    far.send(data(watch.stream, MORE))
    watched.hear(MORE)
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_behind_which_the_cluster_goes_away_is_no_clean_end(stage: Stage, answer: str, protocol: str) -> None:
    target, _ = ANSWERS[answer]
    for taken in (True, False):
        for count in range(3):

            def script(far: Far, asked: Asked, count: int = count, taken: bool = taken) -> None:
                far.send(parts(far, asked.stream, answer, count), goaway(asked.stream if taken else asked.stream - 1, count))
                far.end("tcp")

            stage.cluster.answer = script
            before = len(stage.cluster.came(target))
            status, _ = stage.ask(protocol, target)
            turned_away = not taken and not count
            assert status in (0, 502) if count else status == (503 if turned_away else 502), (taken, count)
            assert len(stage.cluster.came(target)) == before + (MOST_TRIES + 1 if turned_away else 1), (taken, count)

    def whole(far: Far, asked: Asked) -> None:
        far.send(goaway(asked.stream), parts(far, asked.stream, answer))
        far.end("tcp")

    stage.cluster.answer = whole
    assert stage.ask(protocol, target) == (200, WHOLE)
    stage.no_trouble()


# ---------------------------------------------------------------------- what was not acted upon

MANY = 50


@pytest.fixture
def many(stage: Stage, protocol: str) -> Iterator[list[Caller]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(CALLERS[protocol](stage.it))) for _ in range(MANY)]


def tries(stage: Stage, names: list[str]) -> list[int]:
    """How often each of these requests came. All tries of one call must be the same, word for word."""
    found = []
    ids = set()
    for name in names:
        came = [asked.fields for _, asked in stage.cluster.came(PODS + name)]
        assert len(set(came)) == 1
        ids.add(dict(came[0])["audit-id"])
        found.append(len(came))
    assert len(ids) == len(names)
    return found


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_call_refused_unread_is_sent_again_a_few_times_and_is_then_a_503(stage: Stage, many: list[Caller], protocol: str) -> None:
    for times in range(1, MOST_TRIES + 2):
        asked_for: Counter[str] = Counter()

        def script(far: Far, asked: Asked, times: int = times, asked_for: Counter[str] = asked_for) -> None:
            asked_for[asked.path] += 1
            if asked_for[asked.path] <= times:
                far.send(reset(asked.stream, REFUSED_STREAM))
            else:
                answering(far, asked)

        stage.cluster.answer = script
        names = [f"refused-{protocol[-1]}-{times}-{number}" for number in range(MANY)]
        statuses = stage.calls(many, names)
        assert set(statuses) == {200 if times <= MOST_TRIES else 503}
        assert set(tries(stage, names)) == {min(times, MOST_TRIES) + 1}
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_goaway_amid_many_reads_sends_those_it_did_not_take_elsewhere_and_no_other(
    stage: Stage, many: list[Caller], protocol: str
) -> None:
    held: list[tuple[Far, Asked]] = []

    def script(far: Far, asked: Asked) -> None:
        if held and held[0][0] is not far:
            answering(far, asked)
            return
        held.append((far, asked))
        if len(held) == MANY:
            taken = held[: MANY // 2]
            far.send(goaway(taken[-1][1].stream))
            for _, one in reversed(taken):
                answering(far, one)

    stage.cluster.answer = script
    names = [f"going-{protocol[-1]}-{number}" for number in range(MANY)]
    assert set(stage.calls(many, names)) == {200}
    assert Counter(tries(stage, names)) == {1: MANY // 2, 2: MANY // 2}
    taken = {asked.path for _, asked in held[: MANY // 2]}
    assert all(len(stage.cluster.came(path)) == 1 for path in taken)
    stage.no_trouble()


# ---------------------------------------------------------------------- slow clients, and such as leave

LARGE_ANSWER = b"".join(long_list(8 * 1024 * 1024))


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_large_answer_that_is_not_read_holds_back_no_neighbour(stage: Stage, watched: Caller, protocol: str) -> None:
    def script(far: Far, asked: Asked) -> None:
        if "large" in asked.path:
            far.send(far.head(asked.stream, *OK))
            far.waiting[asked.stream] = memoryview(LARGE_ANSWER)
        else:
            answering(far, asked)

    stage.cluster.answer = script
    far, watch = stage.cluster.came(WATCH)[-1]
    with contextlib.closing(CALLERS[protocol](stage.it)) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        target = f"{PODS}large-unread"
        before = len(stage.cluster.came(target))
        slow.ask(target)
        until(lambda: len(stage.cluster.came(target)) > before)
        served, unread = stage.cluster.came(target)[-1]
        assert served is far

        def stands() -> bool:
            if unread.stream not in far.waiting:  # it was asked for, and its answer is not begun yet
                return False
            left = len(far.waiting[unread.stream])
            time.sleep(0.2)
            return left == len(far.waiting[unread.stream]) and far.room[unread.stream] == 0

        until(stands)
        for _ in range(50):
            assert stage.call(protocol, "small") == (200, b"{}")
        assert stage.call(protocol, "large") == (200, LARGE_ANSWER)
        far.send(data(watch.stream, MORE))
        watched.hear(MORE)
        beyond = data(unread.stream, bytes(16_384))  # as many bytes as its window allows
        assert until(lambda: far.resets.get(unread.stream) or far.send(beyond)) == FLOW_CONTROL_ERROR
        stage.told[target, "cut"] += 1
    assert stage.call(protocol, "small") == (200, b"{}")
    assert all(served is far for served, _ in stage.cluster.came(PODS + "small")[-51:])
    stage.no_trouble()


@pytest.mark.parametrize("protocol", CALLERS)
def test_a_call_that_its_client_leaves_is_cancelled_at_the_cluster(stage: Stage, watched: Caller, protocol: str) -> None:
    far, watch = stage.cluster.came(WATCH)[-1]
    for count in range(3):
        name = f"left-{count}"
        stage.cluster.answer = lambda far, asked, count=count: far.send(parts(far, asked.stream, "read", count))  # type: ignore[misc]
        with contextlib.closing(CALLERS[protocol](stage.it)) as caller:
            before = len(stage.cluster.came(PODS + name))
            caller.ask(PODS + name)
            until(lambda name=name, before=before: len(stage.cluster.came(PODS + name)) > before)  # type: ignore[misc]
            served, asked = stage.cluster.came(PODS + name)[-1]
            assert served is far
            caller.leave()
            assert until(lambda stream=asked.stream: far.resets.get(stream)) == CANCEL  # type: ignore[misc]
            stage.told[PODS + name, "aborted"] += 1
    far.send(data(watch.stream, MORE))
    watched.hear(MORE)
    stage.no_trouble()


# ---------------------------------------------------------------------- the record


def test_each_call_of_these_tests_has_one_record_with_one_outcome(stage: Stage) -> None:
    """A call that was sent again has one record, too. The outcome is the one that the client saw."""
    assert stage.fine("http/1.1")
    found: Counter[tuple[str, str]] = Counter()
    for session in stage.it.gateway.sessions():
        events = stage.it.gateway.events(session["id"])
        targets = {event["exchange"]: event["target"] for event in events if event["type"] == "request"}
        assert len(targets) == sum(event["type"] == "request" for event in events)
        found.update((targets[event["exchange"]], event["outcome"]) for event in events if event["type"] == "end")
    asked = {target for target, _ in stage.told}
    assert {key: count for key, count in found.items() if key[0] in asked} == stage.told
