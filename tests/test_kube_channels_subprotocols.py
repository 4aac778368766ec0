"""The channel protocols of exec over WebSocket that the gateway does not let pass but can read, and those that it does.

READ and WRITTEN are what wsstream of apimachinery 0.36.3 did with these messages, each sent once as TEXT and once as BINARY; the
channels were the kubelet's for an exec. None: it dropped the message, where these readers refuse it."""

from __future__ import annotations

import pytest

from l7gw.kube.channels import EXEC_STREAMS, SUBPROTOCOLS, ChannelFrame, WebSocketChannels, WebSocketPorts
from l7gw.kube.status import failure
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket import Close, Connection, Message

SIZE = b'{"Width":120,"Height":40}\n'
STATUS = b'{"metadata":{},"status":"Success"}'
BINARY = [name for name, one in SUBPROTOCOLS.items() if not one.base64]
BASE64 = ["base64.channel.k8s.io", "v4.base64.channel.k8s.io"]
Case = tuple[bytes, tuple[str, bytes] | None]

READ: list[Case] = [
    (b"\x00foo\n", ("stdin", b"foo\n")),
    (b"\x00", ("stdin", b"")),
    (b"\x04" + SIZE, ("resize", SIZE)),
    (b"\x01x", None),
    (b"\x05x", None),
    (b"0Zm9vCgo=", None),
]
READ_BASE64: list[Case] = [
    (b"0Zm9vCg==", ("stdin", b"foo\n")),
    (b"0", ("stdin", b"")),
    (b"4eyJXaWR0aCI6MTIwLCJIZWlnaHQiOjQwfQo=", ("resize", SIZE)),
    (b"0Zm9v\r\nCg==\n", ("stdin", b"foo\n")),
    (b"0Zm9vCh==", ("stdin", b"foo\n")),
    (b"0bHMK", ("stdin", b"ls\n")),
    (b"0Zg==", ("stdin", b"f")),
    (b"0Zm9vCg", None),
    (b"0Zm9vCg==Zg==", None),
    (b"0Zm 9v", None),
    (b"0Zm9v-_==", None),
    (b"0=", None),
    (b"\x00Zm9vCg==", None),
    (b"1eA==", None),
    (b"5eA==", None),
]
WRITTEN: list[tuple[bytes, str, bytes]] = [
    (b"\x01", "stdout", b""),
    (b"\x01hello\n", "stdout", b"hello\n"),
    (b"\x02\x00\xff", "stderr", b"\x00\xff"),
    (b"\x03" + STATUS, "error", STATUS),
]
WRITTEN_BASE64: list[tuple[bytes, str, bytes]] = [
    (b"1", "stdout", b""),
    (b"1aGVsbG8K", "stdout", b"hello\n"),
    (b"2AP8=", "stderr", b"\x00\xff"),
    (b"3eyJtZXRhZGF0YSI6e30sInN0YXR1cyI6IlN1Y2Nlc3MifQ==", "error", STATUS),
]
NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}


def test_the_table_has_every_protocol_once() -> None:
    assert {name for name, one in SUBPROTOCOLS.items() if one.base64} == set(BASE64)
    assert {name for name, one in SUBPROTOCOLS.items() if one.status} == {
        "v4.channel.k8s.io", "v5.channel.k8s.io", "v4.base64.channel.k8s.io",
    }  # fmt: skip
    assert [name for name, one in SUBPROTOCOLS.items() if one.close] == ["v5.channel.k8s.io"]
    assert [name for name, one in SUBPROTOCOLS.items() if not one.resize] == ["v2.channel.k8s.io"]


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(
    ("protocol", "case"),
    [(name, case) for name in BINARY for case in READ] + [(name, case) for name in BASE64 for case in READ_BASE64],
)
def test_a_clients_message_is_read_as_the_kubelet_reads_it(protocol: str, case: Case, text: bool) -> None:
    data, found = case
    channels = WebSocketChannels(protocol, EXEC_STREAMS)
    if found is None or (found[0] == "resize" and protocol == "v2.channel.k8s.io"):
        with pytest.raises(PeerError) as refused:
            channels.up(Message(data, text))
        assert refused.value.code == 1008
    else:
        name, plain = found
        assert channels.up(Message(data, text)) == ChannelFrame(name, True, NUMBERS[name], plain, False)


@pytest.mark.parametrize(
    ("protocol", "data", "name", "plain"),
    [(name, *case) for name in BINARY for case in WRITTEN] + [(name, *case) for name in BASE64 for case in WRITTEN_BASE64],
)
def test_a_clusters_message_is_read_as_the_kubelet_wrote_it(protocol: str, data: bytes, name: str, plain: bytes) -> None:
    message = Message(data, protocol in BASE64)
    assert WebSocketChannels(protocol, EXEC_STREAMS).down(message) == ChannelFrame(name, False, NUMBERS[name], plain, False)


@pytest.mark.parametrize("protocol", [name for name in SUBPROTOCOLS if name != "v5.channel.k8s.io"])
def test_only_v5_has_a_close_signal(protocol: str) -> None:
    """A kubelet ignores it in the others (channel 255 of five), and so do we: stdin goes on."""
    channels = WebSocketChannels(protocol, EXEC_STREAMS)
    for _ in range(0 if SUBPROTOCOLS[protocol].base64 else 2):
        assert channels.up(Message(b"\xff\x00")) == ChannelFrame("stdin", True, 0, b"", True, passed=False)
        assert channels.up(Message(b"\x00ls")).passed
    for data in (b"\x2f\x00", b"/", b"/AA=="):
        with pytest.raises(PeerError):
            channels.up(Message(data))


def test_the_vector_of_base64_is_read_from_its_frame() -> None:
    (message,) = Connection("server").receive(bytes.fromhex("818537fa213d079869707c"))
    assert isinstance(message, Message)
    assert WebSocketChannels("base64.channel.k8s.io", EXEC_STREAMS).up(message).data == b"ls\n"


@pytest.mark.parametrize("protocol", SUBPROTOCOLS)
def test_a_failure_is_told_in_what_the_protocol_has_for_it(protocol: str) -> None:
    status = failure("because")
    message, close = WebSocketChannels(protocol, EXEC_STREAMS).failure(status)
    assert close == Close(1000) and isinstance(message, Message)
    assert message.text is SUBPROTOCOLS[protocol].base64
    told = WebSocketChannels(protocol, EXEC_STREAMS).down(message)
    assert told == ChannelFrame("error", False, 3, status if SUBPROTOCOLS[protocol].status else b"l7gw: because", False)


@pytest.mark.parametrize(("protocol", "first"), [("v4.channel.k8s.io", b"\x01"), ("v4.base64.channel.k8s.io", b"1")])
def test_a_failure_of_the_older_port_forward_is_words_on_each_ports_error_channel(protocol: str, first: bytes) -> None:
    ports = WebSocketPorts([8080, 443], protocol)
    told = b"1kB8=" if protocol.startswith("v4.base64") else b"\x01\x90\x1f"
    assert ports.down(Message(told)) == ChannelFrame("port-8080-error", False, 1, b"\x90\x1f", False)
    *messages, close = ports.failure(failure("because"))
    assert close == Close(1000)
    assert messages[0].data[:1] == first  # type: ignore[union-attr]
    frames = [ports.down(message) for message in messages]  # type: ignore[arg-type]
    assert [(frame.channel, frame.data) for frame in frames] == [
        ("port-8080-error", b"l7gw: because"), ("port-443-error", b"\xbb\x01"), ("port-443-error", b"l7gw: because"),
    ]  # fmt: skip
