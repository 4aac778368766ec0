"""Tunnels mask what they carry: each channel by itself, nothing late, nothing lost, and what was masked is told."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from l7gw.gateway.channel_masks import PLACEHOLDER_SENT
from l7gw.kube.channels import EXEC_STREAMS, WebSocketChannels, WebSocketPorts
from l7gw.kube.status import failure
from l7gw.masking.bodies.streams import CLIENT_WAITS, MOST_GUESSES, RECORD_WAITS, StreamRules
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.masking.users_hooks import Place
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.wire.spdy_events import Data, Reset, SynReply, SynStream
from l7gw.wire.websocket_events import Close, Message
from tests.support.tunnel_ends import Wires, spdy_wires, websocket_wires

KEY = b"k" * 32
VALUE = b"hunter2!Xy/z+1"
STARS = b"*" * len(VALUE)
SUCCESS = b'{"metadata":{},"status":"Success"}'
SCANNER = Scanners(BUILT_IN).default


def _rules(*, tty: bool = False, obligations: Obligations = NO_OBLIGATIONS) -> StreamRules:
    registry = Registry(KEY, lambda: 0.0)
    registry.register("c", "n", VALUE)
    for number in range(MOST_GUESSES + 1):
        registry.register("c", "n", b"S3cret-number-%d!" % number)
    return StreamRules(
        tagger=Tagger(KEY, "c", "n"), scanner=SCANNER, registry=registry, obligations=obligations, sender="ann", tty=tty
    )


class Exec:
    """An exec over one of the protocols, spoken by channel."""

    def __init__(self, kind: str, *, hooks: Any = None, asked: frozenset[Any] = EXEC_STREAMS, **how: Any) -> None:
        self.kind = kind
        if kind == "websocket":
            self.wires: Wires = websocket_wires(WebSocketChannels("v5.channel.k8s.io", asked), _rules(**how), hooks)
        else:
            self.wires = spdy_wires("exec", wrapped=kind == "wrapped", rules=_rules(**how), hooks=hooks, asked=asked)
            names = {1: "error", 3: "stdin", 5: "stdout", 7: "stderr"}
            self.wires.say(*(SynStream(number, (("streamtype", name),)) for number, name in names.items()))
            self.wires.answer(*map(SynReply, names))
            self.wires.client.heard.clear()
            self.wires.recorded.clear()
        self._numbers = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3}
        if kind != "websocket":
            self._numbers = {"error": 1, "stdin": 3, "stdout": 5, "stderr": 7}

    def event(self, channel: str, data: bytes) -> Any:
        number = self._numbers[channel]
        return Message(bytes((number,)) + data) if self.kind == "websocket" else Data(number, data)

    def answer(self, channel: str, *parts: bytes) -> None:
        self.wires.answer(*(self.event(channel, part) for part in parts))

    def say(self, channel: str, *parts: bytes) -> None:
        self.wires.say(*(self.event(channel, part) for part in parts))

    def _heard(self, heard: list[Any], channel: str) -> bytes:
        number = self._numbers[channel]
        if self.kind == "websocket":
            return b"".join(one.data[1:] for one in heard if isinstance(one, Message) and one.data[0] == number)
        return b"".join(one.data for one in heard if isinstance(one, Data) and one.stream == number)

    def shown(self, channel: str) -> bytes:
        return self._heard(self.wires.client.heard, channel)

    def typed(self) -> bytes:
        return self._heard(self.wires.cluster.heard, "stdin")

    def recorded(self, channel: str) -> bytes:
        return b"".join(data for name, data, _ in self.wires.recorded if name == channel)


every = pytest.mark.parametrize("kind", ["websocket", "spdy", "wrapped"])


def _run(body: Callable[[], Any]) -> None:
    """Run a test whose alarms need an event loop."""

    async def run() -> None:
        body()

    asyncio.run(run())


@every
def test_frames_in_which_nothing_is_found_go_as_they_came(kind: str) -> None:
    session = Exec(kind)
    parts = [b"one\n", b"two\n", b"", b"three\n"]
    session.answer("stdout", *parts)
    assert [one for one in session.wires.client.heard if isinstance(one, Data | Message)] == [
        session.event("stdout", part) for part in parts
    ]
    assert [data for name, data, _ in session.wires.recorded if name == "stdout"] == parts
    assert not session.wires.found


@every
def test_a_value_is_masked_across_frames_and_reads_and_the_line_on_stderr_says_so(kind: str) -> None:
    def test() -> None:
        session = Exec(kind)
        session.answer("stdout", b"is ", VALUE[:5])
        session.answer("stdout", VALUE[5:9])
        assert session.shown("stdout") == session.recorded("stdout") == b"is "
        session.answer("stdout", VALUE[9:] + b" and " + VALUE[:3])
        session.answer("error", SUCCESS)
        assert session.shown("stdout") == session.recorded("stdout") == b"is " + STARS + b" and " + VALUE[:3]
        assert session.shown("stderr") == b"l7gw: 1 value masked (registry); this copy is not the original\n"
        assert session.shown("error") == SUCCESS
        heard = [one for one in session.wires.client.heard if isinstance(one, Data | Message)]
        assert heard[-1] == session.event("error", SUCCESS)  # behind all else, as the client may read no further
        assert [find.where for find in session.wires.found] == ["stdout:3"]

    _run(test)


@every
def test_a_prompt_is_shown_at_once_and_what_may_begin_a_value_25_ms_later(kind: str) -> None:
    async def run() -> None:
        session = Exec(kind, tty=True)
        session.answer("stdout", b"bash-5.2$ ")
        assert session.shown("stdout") == b"bash-5.2$ "
        session.answer("stdout", b"hunt")
        assert session.shown("stdout") == b"bash-5.2$ "
        session.wires.clock.advance(CLIENT_WAITS)
        session.wires.tunnel.release()
        assert session.shown("stdout") == b"bash-5.2$ hunt"
        assert session.recorded("stdout") == b"bash-5.2$ "
        session.wires.clock.advance(RECORD_WAITS)
        session.wires.tunnel.release()
        assert session.recorded("stdout") == b"bash-5.2$ hunt"

    asyncio.run(run())


@every
def test_what_is_held_is_shown_though_nothing_follows(kind: str) -> None:
    async def run() -> None:
        session = Exec(kind, tty=True)
        real = asyncio.get_running_loop().time
        session.wires.clock.monotonic = real  # type: ignore[method-assign]
        session.answer("stdout", b"hunt")
        while not session.shown("stdout"):
            await asyncio.sleep(0.005)
        assert session.shown("stdout") == b"hunt"
        session.wires.tunnel.client_ended("it left")

    asyncio.run(run())


@every
def test_what_is_typed_goes_up_as_typed_and_is_masked_in_the_record(kind: str) -> None:
    def test() -> None:
        session = Exec(kind)
        text = b"echo " + VALUE + b"\n"
        session.say("stdin", *(text[at : at + 1] for at in range(len(text))))
        assert session.typed() == text
        session.wires.tunnel.client_ended("it left")
        assert session.recorded("stdin") == b"echo " + STARS + b"\n"
        assert session.shown("stderr") == b""

    _run(test)


@every
@pytest.mark.parametrize("cut", [1, 9, 15, 100])
def test_a_placeholder_in_stdin_ends_the_stream_with_a_failure_before_it_is_whole_at_the_cluster(kind: str, cut: int) -> None:
    def test() -> None:
        session = Exec(kind)
        sent = b"password: l7gw-masked-registry-0123abcd\nother: " + VALUE + b"\n"
        session.say("stdin", sent[:cut])
        session.say("stdin", sent[cut:] or b"!")
        assert session.wires.outcome == "cut"
        assert b"l7gw-masked-r" not in session.typed()
        frames = [(name, data) for name, data, _ in session.wires.recorded if name.startswith("stdin")]
        assert b"".join(data for _, data in frames) == sent.replace(VALUE, STARS)
        assert frames[-1] == ("stdin-not-passed", (sent[cut:] or sent).replace(VALUE, STARS))
        status = session.shown("error") or failure("")
        assert json.loads(status)["message"] == f"l7gw: {PLACEHOLDER_SENT}"

    _run(test)


@every
def test_a_rule_may_end_a_stream_at_its_first_masked_value(kind: str) -> None:
    session = Exec(kind, obligations=Obligations(ends_on_mask=True))
    session.answer("stdout", b"is " + VALUE + b"\n", b"more\n")
    assert session.wires.outcome == "cut"
    assert "a value was masked (registry)" in session.wires.reason
    assert json.loads(session.shown("error"))["status"] == "Failure"
    assert VALUE not in session.shown("stdout") + session.recorded("stdout")


@every
def test_a_revealed_value_is_shown_and_neither_told_nor_recorded(kind: str) -> None:
    session = Exec(kind, obligations=Obligations(reveal=frozenset("*"), ends_on_mask=True))
    session.answer("stdout", b"is " + VALUE + b".\n")
    session.answer("error", SUCCESS)
    assert session.shown("stdout") == b"is " + VALUE + b".\n"
    assert session.recorded("stdout") == b"is " + STARS + b".\n"
    assert session.shown("stderr") == b"" and not session.wires.outcome


@every
def test_with_a_terminal_a_placeholder_has_its_own_length_and_stderr_no_line(kind: str) -> None:
    session = Exec(kind, tty=True)
    session.answer("stdout", b"is " + VALUE + b".\r\n")
    session.answer("error", SUCCESS)
    assert session.shown("stdout").startswith(b"is l7gw-masked-registry-")
    assert session.shown("stderr") == b""


@every
def test_what_is_held_is_given_when_the_stream_ends_however_it_ends(kind: str) -> None:
    endings: list[Callable[[Exec], None]] = [
        lambda session: session.wires.tunnel.end("a reason"),
        lambda session: session.wires.tunnel.client_ended("it left"),
        lambda session: session.wires.tunnel.cluster_ended(),
    ]
    if kind == "websocket":
        endings.append(lambda session: session.wires.answer(Close(1000)))
    else:
        endings += [
            lambda session: session.wires.answer(Data(5, b"", True)),
            lambda session: session.wires.answer(Reset(5, 5)),
            lambda session: session.wires.say(Reset(5, 5)),
        ]

    def test() -> None:
        for number, ending in enumerate(endings):
            for held, left in ((b"hun", b"hun"), (b"hunte", b"*****")):  # the cut beginning of a value is masked (threats E12)
                session = Exec(kind)
                session.answer("stdout", b"x " + held)
                assert session.recorded("stdout") == b"x "
                ending(session)
                assert session.recorded("stdout") == b"x " + left, number
                if number not in (1, 5):  # the client takes no more
                    assert session.shown("stdout") == b"x " + left, number

    _run(test)


@every
def test_stdout_and_stderr_are_masked_each_by_itself(kind: str) -> None:
    def test() -> None:
        session = Exec(kind)
        session.wires.answer(
            session.event("stdout", VALUE[:6]), session.event("stderr", b"a warning\n"), session.event("stdout", VALUE[6:] + b"\n")
        )
        session.answer("error", SUCCESS)
        assert session.shown("stdout") == STARS + b"\n"
        assert session.shown("stderr").startswith(b"a warning\nl7gw: 1 value masked")

    _run(test)


@every
def test_more_than_twenty_different_registered_values_in_one_tunnel_are_told_once(kind: str) -> None:
    def test() -> None:
        session = Exec(kind)
        for number in range(MOST_GUESSES):
            session.answer("stdout", b"S3cret-number-%d!\n" % number)
        assert session.wires.guesses == 0
        session.answer("stdout", VALUE + b"\n")
        assert session.wires.guesses == MOST_GUESSES + 1

    _run(test)


def test_a_forwarded_connection_is_masked_where_it_is_text_and_else_labelled_unmasked() -> None:
    def test() -> None:
        wires = websocket_wires(WebSocketPorts([80, 5432]), _rules())
        wires.answer(Message(b"\x00\x50\x00"), Message(b"\x02\x38\x15"))
        wires.say(Message(b"\x00GET / HTTP/1.1\r\nX: " + VALUE + b"\r\n\r\n"), Message(b"\x02\x00\x00\x00\x08\x04\xd2\x16\x2f"))
        wires.answer(Message(b"\x00HTTP/1.1 200 OK\r\n\r\n" + VALUE), Message(b"\x02S\x00\x00" + VALUE))
        wires.answer(Close(1000))
        data = {name: b"".join(data for of, data, _ in wires.recorded if of == name) for name, _, _ in wires.recorded}
        assert data["port-80"].count(STARS) == 2 and VALUE not in data["port-80"]
        assert VALUE in data["port-5432"]
        assert [name for name, _, _ in wires.recorded if name.endswith("-unmasked")] == ["port-5432-unmasked"] * 2
        assert VALUE in b"".join(one.data for one in wires.cluster.heard if isinstance(one, Message))  # it goes up as sent
        shown = b"".join(one.data for one in wires.client.heard if isinstance(one, Message) and one.data[:1] == b"\x00")
        assert VALUE not in shown and STARS in shown

    _run(test)


def test_a_forwarded_connection_in_which_something_else_follows_the_text_is_labelled_too_once_in_each_direction() -> None:
    def test() -> None:
        wires = websocket_wires(WebSocketPorts([80]), _rules())
        wires.answer(Message(b"\x00\x50\x00"))
        wires.say(Message(b"\x00GET / HTTP/1.1\r\n\r\n"))
        wires.answer(Message(b"\x00HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"))
        assert not [name for name, _, _ in wires.recorded if name.endswith("-unmasked")]
        wires.answer(Message(b"\x00" + gzip.compress(VALUE, mtime=0)), Message(b"\x00" + gzip.compress(VALUE, mtime=0)))
        wires.answer(Message(b"\x00HTTP/1.1 200 OK\r\n\r\n" + VALUE), Close(1000))
        assert [(name, up) for name, _, up in wires.recorded if name.endswith("-unmasked")] == [("port-80-unmasked", False)]
        shown = b"".join(one.data for one in wires.client.heard if isinstance(one, Message) and one.data[:1] == b"\x00")
        assert VALUE not in shown and STARS in shown

    _run(test)


class Canary:
    """Hooks of a call, with one that ends a channel on which it sees a word."""

    ended = ""
    sees_masked = True

    def channel(self, name: str, *, up: bool) -> Canary | None:
        return self

    def raw(self, data: bytes) -> list[Place]:
        return []

    def masked(self, data: bytes) -> list[Place]:
        if b"canary" in data:
            self.ended = "a canary sang"
        return []


@every
@pytest.mark.parametrize("channel", ["stdout", "stdin"])
def test_a_hook_ends_a_stream_before_what_it_saw_goes_on(kind: str, channel: str) -> None:
    def test() -> None:
        session = Exec(kind, hooks=Canary())
        if channel == "stdout":
            session.answer("stdout", b"a bird\n")
            session.answer("stdout", b"a canary\n")
        else:
            session.say("stdin", b"a bird\n")
            session.say("stdin", b"a canary\n")
        assert session.wires.outcome == "cut" and session.wires.reason == "a canary sang"
        assert json.loads(session.shown("error"))["message"] == "l7gw: a canary sang"
        seen = session.shown("stdout") if channel == "stdout" else session.typed()
        assert seen == b"a bird\n"
        assert session.recorded(channel) == b"a bird\n"
        assert session.recorded(f"{channel}-not-passed") == b"a canary\n"

    _run(test)


def test_what_is_kept_back_is_masked_in_the_record_too() -> None:
    def test() -> None:
        session = Exec("websocket", asked=frozenset(("stdout", "error")))
        session.answer("stderr", b"is " + VALUE + b"\n")
        session.wires.say(Message(b"\x04" + VALUE + b"\n"))
        session.say("stdin", VALUE + b"\n")
        assert session.wires.outcome == "cut"  # stdin was not asked for
        kept = b"".join(data for name, data, _ in session.wires.recorded if name.endswith("-not-passed"))
        assert kept.count(STARS) == 3 and VALUE not in kept

    _run(test)


@every
def test_of_what_is_typed_in_one_read_the_frames_before_a_placeholder_go_up_and_each_is_recorded_as_it_came(kind: str) -> None:
    def test() -> None:
        session = Exec(kind)
        session.say("stdin", b"# ")  # the first frame makes the mask
        session.say("stdin", b"ls\n", b"pwd\n", b"id\n")
        session.say("stdin", b"one\n", b"echo l7gw-masked-registry-0123abcd", b"two\n")
        assert session.typed() == b"# ls\npwd\nid\none\n" and session.wires.outcome == "cut"
        frames = [(name, data) for name, data, _ in session.wires.recorded if name.startswith("stdin")]
        typed = [("stdin", data) for data in (b"# ", b"ls\n", b"pwd\n", b"id\n", b"one\n")]
        assert frames == [*typed, ("stdin-not-passed", b"echo l7gw-masked-registry-0123abcd")]

    _run(test)
