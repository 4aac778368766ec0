"""HTTP/2 frames as bytes are read as they were written, and as `hyperframe` reads them."""

from __future__ import annotations

import pytest
from hyperframe.frame import ContinuationFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from l7gw.wire import http2_frames as frames


def read(data: bytes) -> list[Frame]:
    """The frames in `data`, as another implementation reads them."""
    found = []
    while data:
        frame, size = Frame.parse_frame_header(memoryview(data[: frames.HEAD_SIZE]))
        frame.parse_body(memoryview(data[frames.HEAD_SIZE : frames.HEAD_SIZE + size]))
        found.append(frame)
        data = data[frames.HEAD_SIZE + size :]
    return found


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 100_000])
def test_a_head_is_read_as_it_was_written(size: int) -> None:
    data = frames.frame(frames.DATA, frames.END_STREAM, 7, bytes(size))
    assert frames.read_head(b"before" + data, 6) == (size, frames.DATA, frames.END_STREAM, 7)
    assert data.startswith(frames.data_head(size, frames.END_STREAM, 7))


def test_the_reserved_bit_is_no_part_of_a_streams_number() -> None:
    assert frames.read_head(b"\0\0\0\0\0\x80\0\0\x01", 0)[3] == 1


@pytest.mark.parametrize("size", [0, 9, 10, 11, 20, 21, 35])
@pytest.mark.parametrize("end", [True, False])
def test_a_header_block_is_cut_into_frames_of_the_largest_size_and_the_last_alone_ends_it(size: int, end: bool) -> None:
    block = bytes(range(size))
    first, *more = read(frames.header_frames(3, block, end=end, largest=10))
    assert isinstance(first, HeadersFrame) and ("END_STREAM" in first.flags) is end
    assert all(isinstance(frame, ContinuationFrame) for frame in more)
    assert ["END_HEADERS" in frame.flags for frame in (first, *more)] == [False] * len(more) + [True]
    assert b"".join(frame.data for frame in (first, *more)) == block
    assert all(len(frame.data) <= 10 for frame in (first, *more))


def test_what_ends_streams_and_windows_is_read_alike() -> None:
    settings = {frames.MAX_FRAME_SIZE: 20_000, frames.INITIAL_WINDOW_SIZE: 2**31 - 1}
    one, two, three, four = read(
        frames.reset_frame(5, frames.CANCEL)
        + frames.settings_frame(settings)
        + frames.goaway_frame(9, frames.NO_ERROR)
        + frames.window_frame(5, 2**31 - 1)
    )
    assert isinstance(one, RstStreamFrame) and (one.stream_id, one.error_code) == (5, frames.CANCEL)
    assert isinstance(two, SettingsFrame) and two.settings == settings
    assert isinstance(three, GoAwayFrame) and (three.last_stream_id, three.error_code) == (9, frames.NO_ERROR)
    assert isinstance(four, WindowUpdateFrame) and (four.stream_id, four.window_increment) == (5, 2**31 - 1)
