"""The reader reads whole blocks, refuses blocks whose content is not what the header says, and never holds more than one block may
have."""

from __future__ import annotations

import os
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import zstandard

from l7gw.limits import Limits
from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE, LARGEST_PLAIN, NO_HASH, Header
from l7gw.recording.recorder import Recorder
from l7gw.recording.session_list import key_of, summaries
from tests.support.journals import ANN, TTY, call, recorded, session_events, shell

EVERY_EVENT: list[e.Event] = [
    e.SegmentStarted(1, "1.0", (("f", 7, bytes(32)),), "w"),
    e.SessionStarted(2, "id", "prod", "ann", ("a", "b"), "human", "https://idp", "", "10.0.0.1", True),
    e.RunStarted(3, "run", "kubectl", "kubectl get"),
    e.RequestRecorded(
        4,
        1,
        0,
        "GET",
        "/api",
        (("accept", "*/*"),),
        "get",
        "",
        "pods",
        "log",
        "d",
        "web-0",
        ("read",),
        "audit",
        ("sh", "-c"),
        "main",
        (80,),
        "a=b",
        "c=d",
        True,
        False,
    ),
    e.RequestBody(5, 1, b"\x00\xff"),
    e.VerdictRecorded(6, 1, "rule", "allow", "why"),
    e.ResponseRecorded(7, 1, 200, (("content-type", "text/plain"),)),
    e.ResponseBody(8, 1, bytes(70_000)),
    e.Frame(9, 1, "stdout", False, 1, b"out", True),
    e.MaskRecorded(9, 1, "secret-data", "data.password", 7, "0123abcd", False),
    e.ExchangeEnded(10, 1, "complete", "why"),
    e.AttemptsDropped(11, 2**40),
    e.ClockStepped(12, -3_600_000_000),
    e.HoldRecorded(9, 1, "h", "denied", "writes", "wait", "not today", "kubectl delete", '{"diff":"+a"}', "[]", "s"),
    e.KillRecorded(9, 1, "rob", "enough", True),
    e.ReviewRecorded(9, 1, "h", "rob", "deny", "not today", True, ("writes",), "fire", 5, "s", "slack"),
    e.GrantRecorded(9, "g", "approved", "oncall", "prod", "approve", "lea", "seen", 1800, "t0", "t1", True, True, "fire", "[]"),
    e.SessionEnded(13, "idle"),
]


def encoded(events: list[e.Event]) -> bytes:
    return b"".join(map(msgspec.msgpack.encode, events))


def segment(path: Path, payload: bytes, *, plain: int, events: int) -> Path:
    """Write a segment of one block with a sound header and this payload."""
    head = Header(0, len(payload), plain, 1, bytes(range(16)), 1, events, 0, 0, 0, 0, 0, NO_HASH, NO_HASH, sha256(payload).digest())
    path.write_bytes(head.pack() + payload)
    return path


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def test_every_event_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = encoded(EVERY_EVENT)
    path = segment(tmp_path / "00000001-x.l7j", packed(data), plain=len(data), events=len(EVERY_EVENT))
    (place,) = reader.places(path)
    with path.open("rb") as file:
        assert reader.events_at(place._replace(file=file)) == EVERY_EVENT
    tags = {kind.__struct_config__.tag for kind in get_args(e.WrittenEvent)}
    assert {event.__struct_config__.tag for event in EVERY_EVENT} == tags


def test_every_class_of_events_can_be_written_and_read() -> None:
    assert set(e.Event.__subclasses__()) == set(get_args(e.WrittenEvent))


SOME = encoded(EVERY_EVENT[2:5])
BAD = {
    "a bomb that says what it is": (packed(bytes(500 << 20)), 500 << 20, 1),
    "a bomb that says it is small": (packed(bytes(500 << 20)), 100, 1),
    "a bomb without a stated size": (
        zstandard.ZstdCompressor(level=1, write_content_size=False).compress(bytes(500 << 20)),
        100,
        1,
    ),
    "a bomb behind a frame": (packed(SOME) + packed(bytes(500 << 20)), len(SOME), 3),
    "a skippable frame alone": (b"\x50\x2a\x4d\x18\x04\0\0\0abcd", 0, 0),
    "a skippable frame before": (b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + packed(SOME), len(SOME), 3),
    "a skippable frame behind": (packed(SOME) + b"\x50\x2a\x4d\x18\x04\0\0\0abcd", len(SOME), 3),
    "a frame without its end": (packed(SOME)[:-5], len(SOME), 3),
    "a frame of another size": (packed(SOME), len(SOME) + 1, 3),
    "fewer events than stated": (packed(SOME), len(SOME), 4),
    "more events than stated": (packed(SOME), len(SOME), 2),
    "four billion events": (packed(SOME), len(SOME), 2**32 - 1),
    "an event without a name": (packed(b"\x92\x07\x01"), 3, 1),
    "an event of no known kind without a time": (packed(b"\x92\xa3odd\xa1x"), 7, 1),
    "arrays in arrays without end": (packed(b"\x93\xa3odd\x01" + b"\x91" * 100_000 + b"\xc0"), 100_007, 1),
    "an event that is no array": (packed(b"\xa3odd"), 4, 1),
    "an event of a known kind that is none": (packed(b"\x92\xa3end\x01"), 6, 1),
    "an array that says it is long": (packed(b"\xdd\xff\xff\xff\xff"), 5, 1),
    "bytes that say they are long": (packed(b"\x93\xacrequest-body\x01\xc6\xff\xff\xff\xff"), 20, 1),
    "no frame": (b"not zstd at all", 15, 1),
    "nothing": (b"", 0, 0),
}


LATER = [["blessing", 20, 1, "ann", {"a": [1]}], ["witness", 21, 1]]  # events that a later version may write


def test_unknown_events_and_elements_of_later_versions_are_skipped() -> None:
    run, end = EVERY_EVENT[2], EVERY_EVENT[10]
    longer = [*msgspec.msgpack.decode(msgspec.msgpack.encode(end)), "added", {"x": 1}]
    events = reader.decode(encoded([run]) + b"".join(map(msgspec.msgpack.encode, [LATER[0], longer, LATER[1]])), 4)
    first, grant, last, witness = events
    assert (first, last) == (run, end)
    assert isinstance(grant, e.UnknownEvent) and (grant.name, grant.time) == ("blessing", 20)
    assert isinstance(witness, e.UnknownEvent) and (witness.name, witness.time) == ("witness", 21)


def test_a_request_and_an_end_of_an_earlier_version_are_read() -> None:
    """These events lack the elements that were added later."""
    request, end = (msgspec.msgpack.decode(msgspec.msgpack.encode(EVERY_EVENT[at])) for at in (3, 10))
    old = b"".join(map(msgspec.msgpack.encode, (request[:15], end[:4])))
    read, ended = reader.decode(old, 2)
    assert isinstance(read, e.RequestRecorded) and read.audit_id == "audit" and read.argv is None and read.tty is None
    assert ended == e.ExchangeEnded(10, 1, "complete", "")


def test_known_events_with_words_of_later_versions_are_read() -> None:
    later = [e.VerdictRecorded(1, 1, "rule", "held", "why"), e.ExchangeEnded(2, 1, "paused", ""), e.SessionEnded(3, "moved")]
    assert reader.decode(encoded(later), 3) == later


@pytest.mark.parametrize("name", BAD)
def test_a_block_with_a_wrong_length_or_content_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    payload, plain, events = BAD[name]
    path = segment(tmp_path / "00000001-x.l7j", payload, plain=plain, events=events)
    tracemalloc.start()
    try:
        for place in reader.places(path):
            with pytest.raises(reader.Unreadable, match="cannot be read"):
                reader.events_at(place)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_PLAIN
    finally:
        tracemalloc.stop()


def test_a_changed_block_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), "/api/v1/pods").end("complete"))
    path = reader.segments(tmp_path)[0]
    first = next(reader.places(path))
    data = bytearray(path.read_bytes())
    data[first.offset + HEADER_SIZE] ^= 1
    path.write_bytes(data)
    with pytest.raises(reader.Unreadable, match="was changed"):
        list(map(reader.events_at, reader.places(path)))


def test_a_segment_cut_at_any_byte_is_read_up_to_its_last_whole_block(tmp_path: Path) -> None:
    """Cut at every byte, exactly the blocks before it are read."""
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"hello")], TTY))
    path = reader.segments(tmp_path)[0]
    whole = path.read_bytes()
    blocks = [(place.offset, reader.events_at(place)) for place in reader.places(path)]
    ends = [offset for offset, _ in blocks[1:]] + [len(whole)]
    for at in range(len(whole) + 1):
        path.write_bytes(whole[:at])
        found = [reader.events_at(place) for place in reader.places(path)]
        assert found == [events for (_, events), end in zip(blocks, ends) if end <= at], at


def test_a_segment_is_open_only_while_its_writer_lives(tmp_path: Path) -> None:
    def fill(recorder: object) -> None:
        (path,) = reader.segments(tmp_path)
        assert reader.is_open(path)
        assert reader.living_writer([path]) == reader.writer_of(path) != ""

    recorded(tmp_path, fill)
    (path,) = reader.segments(tmp_path)
    assert not reader.is_open(path)
    assert reader.living_writer([path]) is None


def test_a_state_without_a_journal_has_no_segments_and_no_state_is_an_error(tmp_path: Path) -> None:
    assert reader.segments(tmp_path) == []
    with pytest.raises(OSError, match="no state"):
        reader.segments(tmp_path / "none")


def test_a_session_is_read_through_all_its_segments(tmp_path: Path) -> None:
    def fill(recorder: object) -> None:
        for _ in range(2):  # nothing is flushed in between; closing writes the rest
            shell(recorder.session(ANN, "prod"), [("stdout", False, bytes(300_000))] * 3)  # type: ignore[attr-defined]

    recorded(tmp_path, fill, limits=Limits(segment=400))
    recorded(tmp_path, lambda recorder: None)
    one = summaries(tmp_path)[0]
    frames = [event for event in session_events(tmp_path, key_of(one.id)) if isinstance(event, e.Frame)]
    assert [len(frame.data) for frame in frames] == [300_000] * 6


def test_a_gap_in_a_session_is_told_and_another_sessions_is_not(tmp_path: Path) -> None:
    """A damaged header hides what follows in its file. Every session that may have lost events there is reported as damaged."""
    import dataclasses

    others = dataclasses.replace(ANN, user="bob")

    def fill(recorder: Recorder) -> None:
        for who, size in ((others, 1), (ANN, 300_000)):
            shell(recorder.session(who, "prod"), [("stdout", False, bytes(size))] * 3)

    recorded(tmp_path, fill)
    recorded(tmp_path, fill)
    newest, _, anns, bobs = summaries(tmp_path)  # ann's session came last
    path = reader.segments(tmp_path)[0]
    found = list(reader.places(path))
    whole = path.read_bytes()
    total = len(list(session_events(tmp_path, key_of(anns.id))))
    for place in found:
        data = bytearray(whole)
        data[place.offset + 20] ^= 1  # in the header
        path.write_bytes(data)
        for one in (anns, bobs):
            lost = [p for p in found if p.offset >= place.offset and p.header.session == key_of(one.id)]
            read = 0
            try:
                for _ in session_events(tmp_path, key_of(one.id)):
                    read += 1
                told = False
            except reader.Unreadable as error:
                told = "was changed" in str(error)
            assert told is (bool(lost) and any(p.offset < place.offset and p.header.session == key_of(one.id) for p in found))
            assert read <= total
        assert len(list(session_events(tmp_path, key_of(newest.id)))) == total
    path.write_bytes(whole)
    place = [place for place in found if place.header.session == key_of(anns.id)][1]
    end = place.offset + HEADER_SIZE + place.header.stored
    path.write_bytes(whole[: place.offset] + whole[end:])
    with pytest.raises(reader.Unreadable, match="block 2 of this session is missing"):
        list(session_events(tmp_path, key_of(anns.id)))
    assert list(session_events(tmp_path, key_of(bobs.id)))


def test_a_torn_tail_is_no_damage(tmp_path: Path) -> None:
    recorded(tmp_path, lambda recorder: shell(recorder.session(ANN, "prod"), [("stdout", False, b"x")]), close=False)
    path = reader.segments(tmp_path)[0]
    whole = path.read_bytes()
    last = list(reader.places(path))[-1].offset
    session = key_of(summaries(tmp_path)[0].id)
    for tail in (whole[last:-1], whole[last : last + 90], bytes(4096), b""):
        path.write_bytes(whole[:last] + tail)
        list(session_events(tmp_path, session))


@pytest.mark.parametrize("other", ["pipe", "device"])
def test_a_segment_that_is_no_file_is_an_error_and_not_waited_for(tmp_path: Path, other: str) -> None:
    recorded(tmp_path, lambda recorder: call(recorder.session(ANN, "prod"), "/api").end("complete"))
    (segment,) = reader.segments(tmp_path)
    there = segment.with_name("00000002-x.l7j")
    if other == "pipe":
        os.mkfifo(there)
    else:
        there.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="is no file"):
        reader.segments(tmp_path)
    there.unlink()
    there.symlink_to("nowhere")  # as one that goes between two looks
    assert reader.segments(tmp_path) == [segment, there]
