"""A peer that stops acknowledging bytes is dead; a peer that only does not read is not."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
import uvloop

from l7gw.cluster.liveness import LOOK_EVERY, Liveness, State
from l7gw.timeouts import USUAL_TIMEOUTS


def looked_at(states: list[State], within: float) -> int:
    """How many looks, two seconds apart, it took until the connection counted as lost; -1 where it never did."""
    now = 100.0
    left = iter(states)
    liveness = Liveness(None, within, lambda: next(left))  # type: ignore[arg-type]
    for number in range(len(states)):
        if liveness.is_lost(now):
            return number
        now += LOOK_EVERY
    return -1


@pytest.mark.parametrize("within", [USUAL_TIMEOUTS.cluster_acknowledges, USUAL_TIMEOUTS.client_acknowledges])
def test_a_connection_whose_bytes_are_never_acknowledged_is_lost_in_time(within: float) -> None:
    silent = [(1, 500.0 + LOOK_EVERY * number) for number in range(40)]  # it was idle for long before
    assert looked_at(silent, within) == within / LOOK_EVERY


def test_a_connection_whose_bytes_are_acknowledged_now_and_then_is_not_lost() -> None:
    assert looked_at([(1, LOOK_EVERY * (number % 6)) for number in range(100)], USUAL_TIMEOUTS.cluster_acknowledges) == -1


def test_a_silent_connection_that_owes_no_acknowledgement_is_not_lost() -> None:
    assert looked_at([(0, 1000.0 + number) for number in range(100)], USUAL_TIMEOUTS.cluster_acknowledges) == -1
    owing = [(1, 1000.0), (0, 1000.0)] * 50  # at every other look a segment is under way
    assert looked_at(owing, USUAL_TIMEOUTS.cluster_acknowledges) == -1


def test_the_state_of_a_connection_is_read_once_in_two_seconds() -> None:
    asked: list[float] = []
    liveness = Liveness(None, 1.0, lambda: (asked.append(0.0) or 0, 0.0))  # type: ignore[arg-type, func-returns-value]
    for tenth in range(100):
        liveness.is_lost(100.0 + tenth / 10)
    assert len(asked) == 10 / LOOK_EVERY


def test_a_peer_whose_window_is_closed_lives() -> None:
    """Its kernel acknowledges the probes, so no acknowledgement is missing for longer than one look."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = socket.create_server(("127.0.0.1", 0))  # the kernel accepts the connection, and no process ever reads it
        transport, _ = await loop.create_connection(asyncio.Protocol, *server.getsockname())
        liveness = Liveness(transport, 3.0)
        transport.write(bytes(32 * 1024 * 1024))
        began = time.monotonic()
        while time.monotonic() - began < 8:
            await asyncio.sleep(0.5)
            assert transport.get_write_buffer_size() > 0 and not liveness.is_lost(time.monotonic())
        transport.abort()
        server.close()

    uvloop.run(run())
