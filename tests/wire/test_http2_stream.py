"""Small DATA frames of a stream are counted, and a body that comes slowly is no flood (threats B8)."""

from __future__ import annotations

import pytest

from l7gw.wire import http2_frames as frames
from l7gw.wire.http2_frames import ENHANCE_YOUR_CALM
from l7gw.wire.http2_limits import CONTROL_A_SECOND
from l7gw.wire.http2_stream import FRAMES_FREE, MOST_EMPTY, SMALLEST_AVERAGE
from tests.support.http2_reading import (
    GET,
    PADDED,
    client,
    data,
    frame,
    headers,
    post,
    refused,
    server,
    shown,
)


def test_a_hundred_empty_frames_are_taken_on_a_stream_and_no_more() -> None:
    for empty in (data(1), frame(frames.DATA, PADDED, 1, b"\3\0\0\0")):
        connection = server(post())
        assert connection.receive(empty * MOST_EMPTY) == []
        assert shown(connection.receive(empty)) == f"1 refused 400 then reset {ENHANCE_YOUR_CALM}"


@pytest.mark.parametrize(("size", "taken"), [(SMALLEST_AVERAGE, True), (SMALLEST_AVERAGE - 1, False)])
def test_after_a_thousand_frames_their_average_counts(size: int, taken: bool) -> None:
    connection = server(post())
    assert len(connection.receive(data(1, b"x" * size) * FRAMES_FREE)) == FRAMES_FREE
    assert shown(connection.receive(data(1, b"x" * size))).startswith(
        "1 body" if taken else f"1 refused 400 then reset {ENHANCE_YOUR_CALM}"
    )


def test_small_frames_count_on_a_body_that_is_dropped_as_well() -> None:
    connection = server(headers(1, (":method", "TRACE"), *GET[1:], end=False))
    assert shown(connection.receive(data(1) * (MOST_EMPTY + 1))) == f"1 refused 400 then reset {ENHANCE_YOUR_CALM}"


def test_a_cluster_may_send_as_small_as_it_likes() -> None:
    connection = client()
    connection.receive(headers(1, (":status", "200"), end=False))
    assert len(connection.receive(data(1, b"x") * 2 * FRAMES_FREE)) == 2 * FRAMES_FREE
    assert connection.receive(data(1) * 2 * MOST_EMPTY) == []


LATE = {"data": data(1), "small data": data(1, b"x" * (SMALLEST_AVERAGE - 1)), "headers": headers(1, ("a", "b"))}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_a_late_frame_is_counted_where_it_is_small(late: bytes) -> None:
    connection = server(post())
    connection.reset(1)
    connection.refill()
    for _ in range(CONTROL_A_SECOND):
        assert connection.receive(late) == []
    assert refused(connection, late) == ENHANCE_YOUR_CALM


def test_a_body_that_comes_late_is_no_flood() -> None:
    connection = server(post())
    connection.reset(1)
    for _ in range(5 * CONTROL_A_SECOND):
        assert connection.receive(data(1, b"x" * SMALLEST_AVERAGE)) == []


def test_events_that_a_cluster_still_sends_of_cancelled_watches_end_no_connection() -> None:
    connection = client()
    connection.reset(1)
    for _ in range(5 * CONTROL_A_SECOND):
        assert connection.receive(data(1, b"x")) == []
