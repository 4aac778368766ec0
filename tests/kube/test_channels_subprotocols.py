"""The subprotocols of exec over WebSocket that the gateway offers, and the older port-forward.

READ and WRITTEN are what wsstream of apimachinery 0.36.3 did with these messages, each sent once as TEXT and once as BINARY. The
channels were the kubelet's for an exec. None stands for a message that wsstream dropped; the gateway refuses it.
"""

from __future__ import annotations

import pytest

from l7gw.cluster.headers import TUNNEL_PROTOCOL, WEBSOCKET_PROTOCOLS
from l7gw.kube.channel_frames import ChannelFrame
from l7gw.kube.channels import EXEC_STREAMS, HALF_CLOSING, WebSocketChannels, WebSocketPorts
from l7gw.kube.status import failure
from l7gw.wire.errors import PeerError
from l7gw.wire.websocket_events import Close, Message

SIZE = b'{"Width":120,"Height":40}\n'
STATUS = b'{"metadata":{},"status":"Success"}'
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
Case = tuple[bytes, tuple[str, bytes] | None]

READ: list[Case] = [
    (b"\x00foo\n", ("stdin", b"foo\n")),
    (b"\x00", ("stdin", b"")),
    (b"\x04" + SIZE, ("resize", SIZE)),
    (b"\x01x", None),
    (b"\x05x", None),
    (b"0Zm9vCgo=", None),
]
WRITTEN: list[tuple[bytes, str, bytes]] = [
    (b"\x01", "stdout", b""),
    (b"\x01hello\n", "stdout", b"hello\n"),
    (b"\x02\x00\xff", "stderr", b"\x00\xff"),
    (b"\x03" + STATUS, "error", STATUS),
]
NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}


def test_the_subprotocols_that_are_offered_are_those_whose_channels_can_be_read() -> None:
    assert {name for names in WEBSOCKET_PROTOCOLS.values() for name in names} == {V4, V5, TUNNEL_PROTOCOL}
    assert HALF_CLOSING == V5


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(("protocol", "case"), [(name, case) for name in (V4, V5) for case in READ])
def test_a_clients_message_is_read_as_the_kubelet_reads_it(protocol: str, case: Case, text: bool) -> None:
    data, found = case
    channels = WebSocketChannels(protocol, EXEC_STREAMS)
    if found is None:
        with pytest.raises(PeerError) as refused:
            channels.up(Message(data, text))
        assert refused.value.code == 1008
    else:
        name, plain = found
        assert channels.up(Message(data, text)) == ChannelFrame(channel=name, up=True, stream=NUMBERS[name], data=plain)


@pytest.mark.parametrize(("protocol", "data", "name", "plain"), [(name, *case) for name in (V4, V5) for case in WRITTEN])
def test_a_clusters_message_is_read_as_the_kubelet_wrote_it(protocol: str, data: bytes, name: str, plain: bytes) -> None:
    assert WebSocketChannels(protocol, EXEC_STREAMS).down(Message(data)) == ChannelFrame(
        channel=name, up=False, stream=NUMBERS[name], data=plain
    )


def test_v4_has_no_close_signal() -> None:
    """A kubelet of v4 ignores a message of channel 255, and so does the gateway: stdin goes on."""
    channels = WebSocketChannels(V4, EXEC_STREAMS)
    for _ in range(2):
        assert channels.up(Message(b"\xff\x00")) == ChannelFrame(
            channel="stdin", up=True, stream=0, data=b"", final=True, passed=False
        )
        assert channels.up(Message(b"\x00ls")).passed
    for data in (b"\x2f\x00", b"/", b"/AA=="):
        with pytest.raises(PeerError):
            channels.up(Message(data))


@pytest.mark.parametrize("protocol", [V4, V5])
def test_a_failure_is_a_status_on_the_error_channel_and_a_close(protocol: str) -> None:
    status = failure("because")
    message, close = WebSocketChannels(protocol, EXEC_STREAMS).failure(status)
    assert close == Close(1000) and isinstance(message, Message) and not message.text
    told = WebSocketChannels(protocol, EXEC_STREAMS).down(message)
    assert told == ChannelFrame(channel="error", up=False, stream=3, data=status)


def test_a_failure_of_the_older_port_forward_is_words_on_each_ports_error_channel() -> None:
    ports = WebSocketPorts([8080, 443])
    assert ports.down(Message(b"\x01\x90\x1f")) == ChannelFrame(
        channel="port-8080-error", up=False, stream=1, data=b"\x90\x1f", preamble=True
    )
    *messages, close = ports.failure(failure("because"))
    assert close == Close(1000)
    assert messages[0].data[:1] == b"\x01"  # type: ignore[union-attr]
    frames = [ports.down(message) for message in messages]  # type: ignore[arg-type]
    assert [(frame.channel, frame.data) for frame in frames] == [
        ("port-8080-error", b"l7gw: because"), ("port-443-error", b"\xbb\x01"), ("port-443-error", b"l7gw: because"),
    ]  # fmt: skip
