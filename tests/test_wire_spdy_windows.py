"""SPDY flow control: what may be written, what is credited, and the bounds of both."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import spdy
from l7gw.wire.errors import OurError, PeerError
from l7gw.wire.spdy import Data, HeadersFrame, Reset, WindowUpdate
from l7gw.wire.spdy_windows import INITIAL_WINDOW, LARGEST_WINDOW, MOST_QUEUED, QUEUED_FRAME, Windows
from tests import spdy_frames as frames
from tests.fuzz.wire_spdy import whole
from tests.spdy_frames import client_of, server_of


def opened(*streams: int) -> Windows:
    windows = Windows()
    for stream in streams:
        windows.open(stream)
    return windows


def test_no_more_is_written_than_the_smaller_of_both_windows() -> None:
    windows = opened(1, 3)
    windows.queue(1, (bytes(40_000), False, None))
    windows.queue(3, (bytes(40_000), True, None))
    assert [len(data) for data, _, _ in windows.ready(1)] == [40_000]
    assert [(len(data), final) for data, final, _ in windows.ready(3)] == [(INITIAL_WINDOW - 40_000, False)]
    assert windows.update(3, 1000) and windows.ready(3) == []
    assert windows.update(0, 1000) and [len(data) for data, _, _ in windows.ready(3)] == [1000]
    assert windows.waiting == [3]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90_000)), max_size=30))
def test_what_is_queued_comes_out_whole_and_in_order_and_never_past_the_window(acts: list[tuple[int, int]]) -> None:
    windows, given_in, came_out, room = opened(1), b"", b"", INITIAL_WINDOW
    for kind, size in acts:
        if kind == 0 and windows.queued + size + QUEUED_FRAME <= MOST_QUEUED:
            data = bytes([len(given_in) % 251]) * size
            given_in += data
            windows.queue(1, (data, False, None))
        elif kind and size:
            assert windows.update(0, size) and windows.update(1, size)
            room += size
        if windows.waits(1):
            came_out += b"".join(data for data, _, _ in windows.ready(1))
        assert len(came_out) == min(room, len(given_in))
    assert given_in.startswith(came_out)


def test_an_empty_frame_needs_no_window_but_keeps_its_place() -> None:
    windows = opened(1)
    windows.queue(1, (bytes(INITIAL_WINDOW), False, None))
    windows.queue(1, (b"", True, None))
    assert len(windows.ready(1)) == 2
    windows.open(3)
    windows.queue(3, (b"x", False, None))
    windows.queue(3, (b"", True, None))
    assert windows.ready(3) == []


def test_the_queue_has_a_bound_and_empty_frames_count_in_it() -> None:
    windows = opened(1, 3)
    windows.queue(1, (bytes(MOST_QUEUED - 2 * QUEUED_FRAME), False, None))
    windows.queue(3, (b"", False, None))
    with pytest.raises(OurError):
        windows.queue(3, (b"", False, None))
    windows.forget(1)
    assert windows.queued == QUEUED_FRAME
    windows.ready(3)
    assert windows.queued == 0


def test_settings_of_the_peer_move_its_streams_windows_also_below_zero_but_not_the_connections() -> None:
    windows = opened(1)
    windows.queue(1, (bytes(60_000), False, None))
    windows.ready(1)
    windows.new_initial_out(1000)
    windows.open(3)
    assert windows.send == {0: INITIAL_WINDOW - 60_000, 1: 1000 - 60_000, 3: 1000}
    windows.queue(1, (b"x", False, None))
    assert windows.ready(1) == []


@pytest.mark.parametrize("size", [LARGEST_WINDOW, LARGEST_WINDOW + 1])
def test_no_window_is_larger_than_31_bits(size: int) -> None:
    windows = opened(1)
    good = size == LARGEST_WINDOW
    assert windows.update(1, size - INITIAL_WINDOW) == good
    if good:
        windows.update(0, size - INITIAL_WINDOW)
        opened().new_initial_out(size)
        return
    with pytest.raises(PeerError):
        windows.update(0, size - INITIAL_WINDOW)
    with pytest.raises(PeerError):
        opened().new_initial_out(size)
    windows = opened(1)
    windows.update(1, 1)
    with pytest.raises(PeerError):
        windows.new_initial_out(LARGEST_WINDOW)


def test_credit_is_given_for_all_that_came_once_half_the_window_is_used() -> None:
    windows = opened(1)
    half = INITIAL_WINDOW // 2
    assert windows.spend(1, half) == 0
    assert windows.spend(1, 1) == half + 1
    assert windows.spend(1, INITIAL_WINDOW) == INITIAL_WINDOW
    assert windows.fits(1, INITIAL_WINDOW) and not windows.fits(1, INITIAL_WINDOW + 1)
    with pytest.raises(PeerError):
        windows.spend(0, INITIAL_WINDOW + 1)


def test_our_settings_may_widen_the_windows_that_we_give_and_not_narrow_them() -> None:
    windows = opened(1)
    windows.new_initial_in(100_000)
    windows.open(3)
    assert windows.receive == {0: INITIAL_WINDOW, 1: 100_000, 3: 100_000}
    for wrong in (99_999, LARGEST_WINDOW + 1):
        with pytest.raises(OurError):
            windows.new_initial_in(wrong)


# ---------------------------------------------------------------------- through a connection


def test_without_windows_nothing_is_obeyed_and_nothing_produced() -> None:
    client, (server, _) = client_of(1), server_of(1)
    client.receive(frames.control(4, struct.pack(">III", 1, 7, 0)))
    client.send(Data(1, bytes(200_000)))
    assert len(server.receive(client.take())[0].data) == 200_000  # type: ignore[union-attr]
    assert server.take() == b""
    assert server.receive(frames.window(0, 2**31 - 1) * 2) == [WindowUpdate(0, 2**31 - 1)] * 2


def test_an_end_that_waits_for_the_window_closes_the_stream_when_it_goes_and_nothing_follows_it() -> None:
    client, (server, _) = client_of(1, windows=True), server_of(1)
    client.send(Data(1, bytes(65_536) + b"x"))
    client.send(HeadersFrame(1, (("a", "b"),)))
    client.send(Data(1, b"tail", True))
    assert client.receive(frames.data(1, b"", 1)) == [Data(1, b"", True)]
    with pytest.raises(OurError):
        client.send(Data(1, b"more"))
    first = server.receive(client.take())
    assert first == [Data(1, bytes(65_536))]
    client.receive(frames.window(0, 100) + frames.window(1, 3))
    assert server.receive(client.take()) == [Data(1, b"x"), HeadersFrame(1, (("a", "b"),)), Data(1, b"ta")]
    client.receive(frames.window(1, 2))
    assert server.receive(client.take()) == [Data(1, b"il", True)]
    assert not client.streams and not client.queued


@pytest.mark.parametrize("pieces_of", [1, 1000, 100_000])
def test_more_than_a_streams_window_resets_it_however_it_is_cut(pieces_of: int) -> None:
    server, _ = server_of(1, 3, windows=True)
    run = frames.data(1, bytes(40_000)) + frames.data(3, bytes(60_000)) + frames.data(3, b"x", 1)
    server._windows.receive[3] = 59_999  # type: ignore[union-attr]
    events = whole([event for at in range(0, len(run), pieces_of) for event in server.receive(run[at : at + pieces_of])])
    assert events == [Data(1, bytes(40_000)), Reset(3, spdy.FLOW_CONTROL_ERROR)]
    assert server.take() == (
        frames.window(0, 40_000) + frames.window(1, 40_000) + frames.reset(3, spdy.FLOW_CONTROL_ERROR) + frames.window(0, 60_000)
    )


def test_more_than_the_connections_window_ends_it() -> None:
    server, _ = server_of(1, windows=True)
    with pytest.raises(PeerError) as refused:
        server.receive(frames.data(1, bytes(65_537)))
    assert refused.value.code == spdy.FLOW_CONTROL_ERROR


def test_a_streams_last_frame_gets_credit_for_the_connection_alone() -> None:
    server, _ = server_of(1, windows=True)
    server.receive(frames.data(1, bytes(40_000), spdy.FLAG_FIN))
    assert server.take() == frames.window(0, 40_000)


def test_data_of_streams_that_are_gone_still_counts_for_the_connection() -> None:
    server, _ = server_of(1, windows=True)
    server.receive(frames.reset(1) + frames.data(1, bytes(40_000)))
    assert server.take() == frames.window(0, 40_000)


def test_a_streams_window_past_31_bits_resets_the_stream_and_the_connections_ends_it() -> None:
    client = client_of(1, windows=True)
    assert client.receive(frames.window(1, 2**31 - 1))[-1] == Reset(1, spdy.FLOW_CONTROL_ERROR)
    with pytest.raises(PeerError):
        client.receive(frames.window(0, 2**31 - 1))
