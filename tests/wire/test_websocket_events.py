"""Runs of WebSocket messages; the other events are values, and what a connection makes of bytes is in `test_websocket`."""

from __future__ import annotations

from l7gw.wire.websocket_events import Message, Run


def test_the_messages_of_a_run_all_begin_with_its_first_byte() -> None:
    assert Run(1, [b"a", b"", b"bc"], b"").messages == [Message(b"\x01a"), Message(b"\x01"), Message(b"\x01bc")]
    assert Run(0, [], b"").messages == []
