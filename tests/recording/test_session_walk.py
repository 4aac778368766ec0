"""A walk gives each wanted session with all its events, says when it is over, and counts what it could not read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from l7gw.recording import reader
from l7gw.recording.events import ExchangeEnded, RequestRecorded, SessionStarted
from l7gw.recording.layout import HEADER_SIZE, NO_SESSION
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from l7gw.recording.session_walk import SessionWalk, WalkedSession
from tests.support.journals import ANN, call, recorded

BOB = dataclasses.replace(ANN, user="bob@example.com")


class One(WalkedSession, kw_only=True):
    user: str


def begun(started: SessionStarted, key: bytes) -> One:
    assert key == key_of(started.id)
    return One(user=started.user, wanted=started.user != BOB.user)


def walked(state: Path, **more: Any) -> tuple[list[tuple[str, list[str] | None]], SessionWalk[One]]:
    """The steps of a walk: whose session, and the names of its events, None where it is over."""
    walk = SessionWalk(state, reader.decode, begun, **more)
    return [(one.user, events and [type(event).__name__ for event in events]) for one, events in walk], walk


def two(state: Path, *, close: bool = True) -> None:
    def fill(recorder: Recorder) -> None:
        for who in (ANN, BOB):
            call(recorder.session(who, "prod"), "/api").end("complete")

    recorded(state, fill, close=close)


ANNS = [
    (ANN.user, ["SessionStarted", "RunStarted"]),
    (ANN.user, [RequestRecorded.__name__, "VerdictRecorded", ExchangeEnded.__name__]),
]


def test_a_wanted_session_is_given_block_by_block_and_then_that_it_is_over(tmp_path: Path) -> None:
    two(tmp_path)
    steps, walk = walked(tmp_path)
    assert steps == [*ANNS, (ANN.user, ["SessionEnded"]), (ANN.user, None)]
    assert (walk.unreadable, walk.sessions) == (0, {})
    (first,) = [place for place in reader.places(reader.segments(tmp_path)[0]) if place.header.session == NO_SESSION]
    assert walk.oldest == first.header.last


def test_the_sessions_of_a_process_that_died_are_over_when_another_writes(tmp_path: Path) -> None:
    two(tmp_path, close=False)
    assert walked(tmp_path)[0] == [*ANNS, (ANN.user, None)]
    two(tmp_path)
    assert walked(tmp_path)[0] == [*ANNS, (ANN.user, None), *ANNS, (ANN.user, ["SessionEnded"]), (ANN.user, None)]


def test_only_what_is_asked_for_is_decoded_and_all_bytes_are_told(tmp_path: Path) -> None:
    two(tmp_path)
    sizes: list[int] = []
    assert walked(tmp_path, only=(), read=sizes.append)[0] == []
    assert sum(sizes) == sum(path.stat().st_size for path in reader.segments(tmp_path))
    (anns,) = [one for one in summaries(tmp_path) if one.started.user == ANN.user]
    assert walked(tmp_path, only={key_of(anns.id)})[0][-1] == (ANN.user, None)
    # What was made before is passed over, but not who a session is of
    assert walked(tmp_path, since=2**62)[0] == [ANNS[0], (ANN.user, ["SessionEnded"]), (ANN.user, None)]


def test_what_cannot_be_read_is_counted_and_the_rest_is_given(tmp_path: Path) -> None:
    two(tmp_path)
    (path,) = reader.segments(tmp_path)
    (anns,) = [one for one in summaries(tmp_path) if one.started.user == ANN.user]
    content = path.read_bytes()
    over, end = (ANN.user, None), (ANN.user, ["SessionEnded"])
    left = [
        ([], 3),
        ([ANNS[0], end, over], 1),
        ([*ANNS, over], 1),
    ]  # of the session, for each block that is changed; how many are counted
    blocks = [place for place in reader.places(path) if place.header.session == key_of(anns.id)]
    for place, (steps, unreadable) in zip(blocks, left, strict=True):
        changed = bytearray(content)
        changed[place.offset + HEADER_SIZE + 10] ^= 1
        path.write_bytes(changed)
        found, walk = walked(tmp_path)
        assert (found, walk.unreadable) == (steps, unreadable)


def test_missing_blocks_are_counted(tmp_path: Path) -> None:
    two(tmp_path)
    (path,) = reader.segments(tmp_path)
    (anns,) = [one for one in summaries(tmp_path) if one.started.user == ANN.user]
    second = [place for place in reader.places(path) if place.header.session == key_of(anns.id)][1]
    content = path.read_bytes()
    path.write_bytes(content[: second.offset] + content[second.offset + HEADER_SIZE + second.header.stored :])
    found, walk = walked(tmp_path)
    assert (found, walk.unreadable) == ([ANNS[0], (ANN.user, ["SessionEnded"]), (ANN.user, None)], 1)
