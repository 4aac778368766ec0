"""WebSocket frames as bytes; what a connection makes of them is in `test_websocket`."""

from __future__ import annotations

import pytest

from l7gw.wire.websocket import Connection
from l7gw.wire.websocket_events import Message, Run
from l7gw.wire.websocket_frames import BINARY, frame_bytes


@pytest.mark.parametrize(
    ("size", "head"), [(0, "8200"), (125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000")]
)
def test_the_length_of_a_frame_stands_in_its_shortest_form(size: int, head: str) -> None:
    data = b"x" * size
    assert frame_bytes(BINARY, data, False) == bytes.fromhex(head) + data
    masked = frame_bytes(BINARY, data, True)
    assert masked[0] == 0x82 and masked[1] == 0x80 | bytes.fromhex(head)[1] and len(masked) == len(bytes.fromhex(head)) + 4 + size


def test_messages_of_one_first_byte_are_a_run_whose_frames_are_those_that_came() -> None:
    one, two = frame_bytes(BINARY, b"\x01a", False) + frame_bytes(BINARY, b"\x01", False), frame_bytes(BINARY, b"\x02b", False)
    first, second = Connection("client").receive_runs(one + two)
    assert isinstance(first, Run) and isinstance(second, Run)
    assert (first.first, first.rests, first.frames) == (1, [b"a", b""], one)
    assert (second.first, second.rests, second.frames) == (2, [b"b"], two)
    assert first.messages == [Message(b"\x01a"), Message(b"\x01")]


def test_a_run_of_masked_messages_is_written_with_masks_of_its_own() -> None:
    sent = b"".join(frame_bytes(BINARY, b"\x00" + text, True) for text in (b"ls\n", b"x" * 200))
    (run,) = Connection("server").receive_runs(sent)
    assert isinstance(run, Run) and not run.frames
    up = Connection("client")
    up.send(run)
    written = up.take()
    assert written != sent
    assert Connection("server").receive(written) == [Message(b"\x00ls\n"), Message(b"\x00" + b"x" * 200)]
