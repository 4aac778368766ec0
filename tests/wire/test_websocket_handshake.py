"""The keys of a WebSocket's handshake."""

from __future__ import annotations

from l7gw.wire.websocket_handshake import accept_key, new_key, valid_key


def test_the_answer_to_a_handshake_key_is_that_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
    assert valid_key(new_key())
    assert not any(map(valid_key, ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==\n", "x" * 24]))
