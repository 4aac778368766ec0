"""A text that was sent is found once for each line that has it, however it was framed; what was not sent is not found."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l7gw.limits import USUAL_LIMITS
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE
from l7gw.recording.recorder import Recorder
from l7gw.recording.search.byte_lines import LONGEST_LINE, OVERLAP
from l7gw.recording.search.journal_walk import LONGEST_SHOWN, Found, JournalSearch
from l7gw.recording.search.pattern import Pattern
from l7gw.recording.session import CallRecord
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, PLAIN, TTY, call, recorded, shell
from tests.support.manual_clock import ManualClock

CONTENT = ("stdin", "stdout", "stderr", "request-body", "response-body", "port-80")
LINES = st.lists(
    st.lists(st.sampled_from(["needle", "nee", "dle", " ", "ä", "\x1b[1m", "{}"]), max_size=4).map("".join), max_size=5
)


def found(state: Path, pattern: str, **terms: object) -> list[Found]:
    return list(JournalSearch(state, Pattern(pattern), **terms))  # type: ignore[arg-type]


def send(to: CallRecord, channel: str, data: bytes) -> None:
    if channel == "request-body":
        to.request_body(data)
    elif channel == "response-body":
        to.response_body(data)
    else:
        to.frame(channel, up=channel in ("stdin", "port-80"), stream=1, data=data)


@given(
    sent=st.lists(st.tuples(st.sampled_from(CONTENT), LINES), max_size=4, unique_by=lambda one: one[0]),
    length=st.integers(1, 9),
    held=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_text_is_found_once_for_each_line_that_has_it_however_it_was_framed(
    sent: list[tuple[str, list[str]]], length: int, held: bool
) -> None:
    """The channels of one call take turns, piece by piece, and a second call says the same, whole."""
    data = {channel: "\n".join(lines).encode() for channel, lines in sent}

    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        pieces, whole = call(session, PLAIN), call(session, PLAIN)
        for at in range(0, max(map(len, data.values()), default=0), length):
            for channel, text in data.items():
                if text[at : at + length]:
                    send(pieces, channel, text[at : at + length])
        for channel, text in data.items():
            send(whole, channel, text)
        if not held:
            pieces.end("complete")
            whole.end("cut", "the end")

    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        recorded(state, fill, limits=replace(USUAL_LIMITS, segment=2000), close=not held)
        for text in ("needle", "nothing"):
            wanted = Counter(
                (exchange, channel, line if text in line else line.replace("\x1b[1m", ""))
                for channel, lines in sent
                for line in lines
                for exchange in (1, 2)
                if text in line.replace("\x1b[1m", "")
            )
            finds = found(state, text)
            assert Counter((one.exchange, one.channel) for one in finds) == Counter((at, name) for at, name, _ in wanted.elements())
            for one in finds:
                assert one.line[one.begin : one.end] == text and one.clipped == (False, False)
                assert one.up == (one.channel in ("stdin", "port-80", "request-body"))


def test_sequences_are_found_where_they_were_sent_and_text_across_them_where_it_was_shown(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        shell(session, [("stdout", False, b"pass\x1b[1mword\x1b[0m\n\x1b]0;title\x07")], PLAIN)
        shell(session, [("stdout", False, b"pass\x1b[1mword\x1b[0m\r\n\x1b]0;title\x07")], TTY)

    recorded(tmp_path, fill)
    for pattern in ("password", r"\x1b\[1m", "title", r"^pass.*word"):
        assert Counter(one.exchange for one in found(tmp_path, pattern, channels=("stdout",))) == {1: 1, 2: 1}, pattern


def test_every_channel_is_searched_and_can_be_chosen(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        one = call(session, "/api/v1/namespaces/d/pods/x/exec?command=x&stdout=true")
        for channel in (*CONTENT, "error", "stdin-not-passed"):
            send(one, channel, b"x\n")
        one.verdict("deny", rule="x", reason="x")
        one.kill(user="lea", reason="x", local=False)
        one.end("complete")
        log = call(session, "/api/v1/namespaces/d/pods/web-0/log")
        send(log, "response-body", b"x\n")
        log.end("complete")

    recorded(tmp_path, fill)
    everything = Counter(one.channel for one in found(tmp_path, r"\bx\b|kubectl exec"))
    assert everything == dict.fromkeys(
        (*CONTENT, "error", "stdin-not-passed", "verdict", "note", "log", "request", "argv", "command"), 1
    )
    for channel in everything:
        assert [one.channel for one in found(tmp_path, r"\bx\b|kubectl exec", channels=(channel,))] == [channel]
    assert {one.channel for one in found(tmp_path, "x", channels=("std*", "port-*"))} == {
        "stdin",
        "stdout",
        "stderr",
        "port-80",
        "stdin-not-passed",
    }


def test_sessions_are_chosen_by_cluster_user_id_call_and_time(tmp_path: Path) -> None:
    clock = ManualClock()

    def fill(recorder: Recorder) -> None:
        for user, cluster in (("ann", "prod"), ("bob", "dev")):
            session = recorder.session(replace(ANN, user=user), cluster)
            for _ in range(2):
                shell(session, [("stdout", False, b"here\n")], PLAIN)
                clock.advance(100)

    recorded(tmp_path, fill, clock=clock)
    assert [(one.session.user, one.exchange) for one in found(tmp_path, "here")] == [("ann", 1), ("ann", 2), ("bob", 1), ("bob", 2)]
    assert {one.session.user for one in found(tmp_path, "here", user="a*")} == {"ann"}
    assert {one.session.user for one in found(tmp_path, "here", cluster="dev")} == {"bob"}
    times = [one.time for one in found(tmp_path, "here")]
    assert [one.time for one in found(tmp_path, "here", since=times[2])] == times[2:]
    bob = key_of(summaries(tmp_path)[0].id)
    assert [(one.session.user, one.exchange) for one in found(tmp_path, "here", sessions={bob: None})] == [("bob", 1), ("bob", 2)]
    assert [(one.session.user, one.exchange) for one in found(tmp_path, "here", sessions={bob: 2})] == [("bob", 2)]
    left = JournalSearch(tmp_path, Pattern("here"))
    seen = []
    for one in left:
        seen.append(one.session.user)
        left.leave()
    assert seen == ["ann", "bob"]


def test_a_long_line_is_clipped_around_its_match_and_says_so(tmp_path: Path) -> None:
    line = "ä" * 5000 + "needle" + "ö" * 5000
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, line.encode() + b"\n")], PLAIN))
    (one,) = found(tmp_path, "needle")
    assert one.clipped == (True, True) and one.line in line and one.line[one.begin : one.end] == "needle"
    assert len(one.line.encode()) <= LONGEST_SHOWN
    (one,) = found(tmp_path, "ä+")
    assert (
        one.clipped == (False, True) and one.line == line[: LONGEST_SHOWN // 2] and (one.begin, one.end) == (0, LONGEST_SHOWN // 2)
    )


@pytest.mark.parametrize("at", [10, LONGEST_LINE - 3, LONGEST_LINE + 1, 2 * LONGEST_LINE - OVERLAP - 2, 3 * LONGEST_LINE - 10])
def test_a_match_in_a_line_of_megabytes_is_found_once_wherever_its_parts_meet(tmp_path: Path, at: int) -> None:
    line = bytearray(b"." * (3 * LONGEST_LINE))
    line[at : at + 6] = b"needle"

    def fill(recorder: Recorder) -> None:
        frames = [("stdout", False, bytes(line[begin : begin + 50_000])) for begin in range(0, len(line), 50_000)]
        shell(recorder.session(ANN, "prod"), [*frames, ("stdout", False, b"\nneedle\n")], PLAIN)

    recorded(tmp_path, fill)
    for pattern in ("needle", r"n..dle", r"needle\b"):
        assert len(found(tmp_path, pattern)) == 2, pattern
    assert len(found(tmp_path, "^needle$")) == 1
    assert not found(tmp_path, r"needle\.\.$") or at == 0


def test_calls_that_keep_too_much_are_searched_in_pieces_and_counted(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        session = recorder.session(ANN, "prod")
        calls = [call(session, PLAIN) for _ in range(5)]
        for _ in range(40):
            for one in calls:
                one.frame("stdout", up=False, stream=1, data=b"needle" + b"." * 10_000)
        for one in calls:
            one.end("complete")

    recorded(tmp_path, fill)
    search = JournalSearch(tmp_path, Pattern("needle"), most_held=100_000)
    finds = Counter(one.exchange for one in search)
    assert finds.keys() == {1, 2, 3, 4, 5} and search.in_pieces > 0
    whole = JournalSearch(tmp_path, Pattern("needle"))
    assert Counter(one.exchange for one in whole) == dict.fromkeys(range(1, 6), 1) and whole.in_pieces == 0


def test_a_changed_block_is_counted_and_the_rest_is_searched(tmp_path: Path) -> None:
    def fill(recorder: Recorder) -> None:
        for user in ("ann", "bob", "eve"):
            shell(recorder.session(replace(ANN, user=user), "prod"), [("stdout", False, b"here\n")], PLAIN)

    recorded(tmp_path, fill)
    path = reader.segments(tmp_path)[0]
    bodies = [place for place in reader.places(path) if place.header.flags == 0]
    data = bytearray(path.read_bytes())
    data[bodies[1].offset + HEADER_SIZE + 20] ^= 1
    path.write_bytes(data)
    search = JournalSearch(tmp_path, Pattern("here"))
    assert len({one.session.user for one in search}) == 2 and search.unreadable == 1


def test_a_read_of_each_byte_is_told(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"here\n")], PLAIN))
    told: list[int] = []
    assert len(found(tmp_path, "here", read=told.append)) == 1
    assert sum(told) == sum(path.stat().st_size for path in reader.segments(tmp_path))
    assert re.fullmatch(r"[0-9a-f-]{36}", found(tmp_path, "here")[0].session.id)
