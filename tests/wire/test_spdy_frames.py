"""SPDY's control frames as bytes, as the tests' own writer has them."""

from __future__ import annotations

import pytest

from l7gw.wire.spdy_frames import STREAM_MASK, control_bytes, stream_of
from tests.support import spdy_frames as frames


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1\0\0\0\5", bytes(70_000)])
@pytest.mark.parametrize("flags", [0, 1, 3])
def test_a_control_frame_is_that_of_another_writer(payload: bytes, flags: int) -> None:
    assert control_bytes(3, flags, payload) == frames.control(3, payload, flags)


@pytest.mark.parametrize("stream", [0, 1, 129, STREAM_MASK])
def test_the_first_bit_is_no_part_of_a_streams_number(stream: int) -> None:
    for first_bit in (0, 1 << 31):
        assert stream_of((first_bit | stream).to_bytes(4, "big") + b"more") == stream
