"""A call's texts: what was sent, typed and shown, as lines, however it was framed."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.kube.requestinfo import describe
from l7gw.recording import events as e
from l7gw.recording.execs import Exec
from l7gw.recording.replay import LeftOut, shown
from l7gw.recording.search.byte_lines import LONGEST_LINE, Part
from l7gw.recording.search.calls import Call, Text, request_texts, said_texts
from l7gw.recording.search.journal_walk import CHANNELS
from tests.support.journals import PLAIN, TTY

ALL = frozenset(CHANNELS)


def request(target: str = PLAIN, method: str = "POST", **more: Any) -> e.RequestRecorded:
    act = describe(method, target)
    return e.RequestRecorded(
        1, exchange=1, run=0, method=method, target=target, headers=(), verb=act.verb, group=act.group, resource=act.resource,
        subresource=act.subresource, namespace=act.namespace, name=act.name, effects=(), audit_id="", argv=act.argv, tty=act.tty, **more,
    )  # fmt: skip


def frame(time: int, data: bytes, channel: str = "stdout", *, up: bool = False, stream: int = 1) -> e.Frame:
    return e.Frame(time, 1, channel, up, stream, data)


def texts(call: Call, *frames: e.Frame) -> list[Text]:
    return [text for one in frames for text in call.frame(one)] + list(call.end())


def plain(found: list[Text], channel: str) -> list[str]:
    return [line for text in found if text.channel == channel and text.shown for line in text.plain.decode().split("\n")[:-1]]


PIECES = st.lists(st.sampled_from(["a", "bc", "\n", "\x1b[1m", "ä", " ", "\r\n", "needle"]), max_size=15)


@given(pieces=PIECES, other=PIECES, length=st.integers(1, 7))
def test_lines_of_each_channel_are_whole_however_the_frames_cut_and_mix_them(
    pieces: list[str], other: list[str], length: int
) -> None:
    frames = []
    out, err = "".join(pieces).encode(), "".join(other).encode()
    for at in range(0, max(len(out), len(err)), length):
        frames += [frame(at, out[at : at + length]), frame(at, err[at : at + length], "stderr", stream=2)]
    found = texts(Call(request()), *frames)
    for channel, data in (("stdout", out), ("stderr", err)):
        lines = data.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert plain(found, channel) == [line.replace("\x1b[1m", "") for line in lines if data]


@given(pieces=st.lists(st.sampled_from(["ab", "\r\n", "\r", "\x1b[K", "\x1b[2;3H", "中", "x" * 30, "\x08", "\x1b[?1049h", "\x1b[?1049l", "\t"]), max_size=20), length=st.integers(1, 9))  # fmt: skip
def test_on_a_terminal_the_lines_are_those_that_a_replay_prints(pieces: list[str], length: int) -> None:
    data = "".join(pieces).encode()
    frames = [frame(0, b'{"Width":20,"Height":4}', "resize", up=True, stream=4)]
    frames += [frame(at, data[at : at + length]) for at in range(0, len(data), length)]
    one = Exec(1, TTY, "web-0", 0, True, frames, first_size=(20, 4))
    wanted = [line.text for line in shown(one, LeftOut())]
    assert plain(texts(Call(request(TTY)), *frames), "stdout") == wanted


def test_beside_that_the_output_of_a_terminal_is_there_as_it_was_sent() -> None:
    found = texts(Call(request(TTY)), frame(1, b"\x1b]52;c;c2VjcmV0\x07a"), frame(2, b"b\r\n"))
    assert plain(found, "stdout") == ["ab"]
    assert [text.lines for text in found if not text.shown] == [b"\x1b]52;c;c2VjcmV0\x07ab\n"]


def test_typed_lines_end_where_enter_was_pressed_and_are_there_corrected_and_as_typed() -> None:
    keys = [frame(at, bytes((key,)), "stdin", up=True, stream=0) for at, key in enumerate(b"lx\x7fs\rpwd\r")]
    found = [text for text in texts(Call(request(TTY)), *keys) if text.channel == "stdin"]
    assert [(text.time, text.lines, text.plain, text.up) for text in found] == [
        (4, b"lx\x7fs\n", b"ls\n", True), (8, b"pwd\n", b"pwd\n", True),
    ]  # fmt: skip


def test_the_two_directions_and_connections_of_a_port_forward_do_not_mix() -> None:
    call = Call(request("/api/v1/namespaces/d/pods/web-0/portforward"))
    found = texts(
        call, frame(1, b"GET ", "port-80", up=True, stream=1), frame(2, b"HTTP/1.1 ", "port-80"),
        frame(3, b"other\n", "port-80", up=True, stream=3), frame(4, b"/\r\n", "port-80", up=True), frame(5, b"200\r\n", "port-80"),
    )  # fmt: skip
    assert [(text.up, text.plain) for text in found] == [(True, b"other\n"), (True, b"GET /\n"), (False, b"HTTP/1.1 200\n")]


def test_bodies_are_unpacked_and_logs_are_told_apart() -> None:
    for target, channel in (("/api/v1/namespaces/d/pods/web-0/log", "log"), ("/api/v1/pods", "response-body")):
        call = Call(request(target, "GET"))
        call.response(e.ResponseRecorded(2, 1, 200, (("content-encoding", "gzip"),)))
        packed = gzip.compress(b"one\ntwo")
        found = [text for at in range(len(packed)) for text in call.answer(e.ResponseBody(3, 1, packed[at : at + 1]))] + list(
            call.end()
        )
        assert [(text.channel, text.up, text.lines) for text in found] == [(channel, False, b"one\n"), (channel, False, b"two\n")]
    call = Call(request("/api/v1/namespaces/d/pods"))
    assert not list(call.body(e.RequestBody(2, 1, b'{"a":')))
    assert list(call.body(e.RequestBody(3, 1, b"1}\n"))) == [Text(3, "request-body", True, b'{"a":1}\n', b'{"a":1}\n')]


def test_what_a_call_keeps_is_counted_and_given_up_at_its_end() -> None:
    call = Call(request(TTY))
    list(call.frame(frame(1, b"x" * 100)))
    assert call.held == 100 + 80 * 24 * 20
    assert list(call.end()) and call.held == 0 and not list(call.end())


def test_a_line_that_is_too_long_is_given_in_parts() -> None:
    found = texts(Call(request()), frame(1, b"x" * (LONGEST_LINE + 1)), frame(2, b"yes\n"))
    assert [isinstance(text.lines, Part) for text in found] == [True, True]


def test_a_request_is_searched_as_sent_and_decoded_with_its_argv_and_the_clients_command() -> None:
    target = "/api/v1/namespaces/d/pods/web-0/exec?command=sh&command=-c&command=cat%20%2Fetc%2Fpasswd"
    run = e.RunStarted(1, "run-1", "kubectl/v1.33", "kubectl exec")
    found = list(request_texts(request(target), run, ALL))
    assert [(text.channel, text.plain) for text in found] == [
        ("command", b"kubectl exec  kubectl/v1.33\n"),
        ("request", b"POST /api/v1/namespaces/d/pods/web-0/exec?command=sh&command=-c&command=cat /etc/passwd\n"),
        ("argv", b"sh -c cat /etc/passwd\n"),
    ]
    assert found[1].lines == b"POST " + target.encode() + b"\n"
    assert [text.channel for text in request_texts(request(target), None, frozenset({"argv"}))] == ["argv"]


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (e.VerdictRecorded(1, 1, "no nodes", "deny", "use the console"), ["deny (no nodes) use the console"]),
        (e.VerdictRecorded(1, 1, "all", "allow", "allowed"), []),
        (e.VerdictRecorded(1, 1, "", "deny", "a dry run", True), []),
        (e.ReviewRecorded(1, 1, "h", "lea", "approve", "seen it", reason="night"), ["lea: seen it", "lea: night"]),
        (e.KillRecorded(1, 1, "lea", "wrong pod"), ["lea: wrong pod"]),
        (e.GrantRecorded(1, "g", "pending", "oncall", "prod", "request", "ann", "pager", 60), ["ann: pager"]),
        (e.ExchangeEnded(1, 1, "complete"), []),
    ],
)  # fmt: skip
def test_refusals_and_notes_are_texts(event: e.WrittenEvent, wanted: list[str]) -> None:
    found = list(said_texts(event, ALL))
    assert [text.plain.decode() for text in found] == [f"{line}\n" for line in wanted]
    assert not list(said_texts(event, frozenset()))
