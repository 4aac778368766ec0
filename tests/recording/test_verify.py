"""Every change of a journal is found: of each byte, and of the order of blocks and files. What a crash leaves is not reported as a
change."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import zstandard

from l7gw.recording import events as e
from l7gw.recording import reader
from l7gw.recording.layout import HEADER_SIZE, LARGEST_PLAIN, NO_HASH, NO_SESSION, Header
from l7gw.recording.recorder import Recorder
from l7gw.recording.verify import Report, verify
from tests.recording.test_reader import BAD, segment
from tests.support.journals import ANN, PLAIN, call, recorded, shell


def _calls(recorder: Recorder) -> None:
    session = recorder.session(ANN, "prod")
    for name in ("a", "b"):
        exchange = call(session, f"/api/v1/namespaces/d/configmaps/{name}")
        exchange.response(200, ())
        exchange.end("complete")
        recorder._journal.put(_batch(recorder))
    shell(session, [("stdout", False, b"hello\n")], PLAIN)


def _batch(recorder: Recorder) -> object:
    """Write what the sessions have gathered so far: a block for each session."""
    from l7gw.recording.batches import Batch

    pieces = [piece for session in recorder.outbox._dirty for piece in session.take()]
    recorder.outbox._dirty.clear()
    return Batch(pieces, True, lambda left, error: None)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two segments of a few blocks each."""
    state = tmp_path / "state"
    recorded(state, _calls)
    recorded(state, _calls)
    return state


def look(state: Path) -> Report:
    return verify(reader.segments(state))


def blocks(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[p.offset : p.offset + HEADER_SIZE + p.header.stored] for p in reader.places(path)]


def test_a_journal_left_alone_is_intact(state: Path) -> None:
    report = look(state)
    assert report.intact and not report.torn
    assert report.sessions == 2
    assert report.blocks == sum(len(blocks(path)) for path in reader.segments(state)) >= 8


def test_each_flipped_bit_is_found(state: Path) -> None:
    for path in reader.segments(state):
        whole = bytearray(path.read_bytes())
        missed = []
        for at in range(len(whole)):
            whole[at] ^= 1 << at % 8
            path.write_bytes(whole)
            if look(state).intact:
                missed.append(at)
            whole[at] ^= 1 << at % 8
        path.write_bytes(whole)
        assert not missed
    assert look(state).intact


def test_each_cut_is_found_but_at_the_very_end(state: Path) -> None:
    """A cut of the last segment looks like the tail of a process that died. Without checkpoints it cannot be told from one."""
    first, last = reader.segments(state)
    whole = first.read_bytes()
    for at in range(len(whole)):
        first.write_bytes(whole[:at])
        assert not look(state).intact, f"cut at {at}"
    first.write_bytes(whole)
    whole = last.read_bytes()
    ends = {place.offset for place in reader.places(last)}
    for at in range(len(whole)):
        last.write_bytes(whole[:at])
        report = look(state)
        assert report.intact
        assert bool(report.torn) is (at not in ends), f"cut at {at}"


def test_a_byte_put_in_or_taken_out_anywhere_is_found(state: Path) -> None:
    path = reader.segments(state)[0]
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + whole[at + 1 :])
        assert not look(state).intact, f"taken out at {at}"
        path.write_bytes(whole[:at] + b"\x00" + whole[at:])
        assert not look(state).intact, f"put in at {at}"


def test_a_block_that_is_missing_doubled_or_moved_is_found(state: Path) -> None:
    for path in reader.segments(state):
        all_blocks = blocks(path)
        whole = path.read_bytes()
        count = len(all_blocks)
        changed = [all_blocks[:i] + all_blocks[i + 1 :] for i in range(count - (path == reader.segments(state)[-1]))]
        changed += [all_blocks[: i + 1] + all_blocks[i:] for i in range(count)]
        changed += [[*all_blocks[:i], all_blocks[i + 1], all_blocks[i], *all_blocks[i + 2 :]] for i in range(count - 1)]
        for order in changed:
            path.write_bytes(b"".join(order))
            assert not look(state).intact
        path.write_bytes(whole)


def test_segments_that_are_swapped_missing_or_foreign_are_found(state: Path, tmp_path: Path) -> None:
    recorded(state, _calls)
    first, second, _third = reader.segments(state)
    assert look(state).intact

    def exchange() -> None:
        aside = tmp_path / "aside"
        first.rename(aside)
        second.rename(first)
        aside.rename(second)

    exchange()
    assert not look(state).intact
    exchange()
    assert look(state).intact
    kept = second.read_bytes()
    second.unlink()
    assert not look(state).intact
    other = tmp_path / "other"
    recorded(other, _calls)
    shutil.copy(reader.segments(other)[0], second)
    assert not look(state).intact
    second.write_bytes(kept)
    shutil.copy(first, first.with_name("00000009-copy.l7j"))
    assert not look(state).intact


def test_a_block_of_another_session_in_its_place_is_found(state: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    recorded(other, _calls)
    path = reader.segments(state)[-1]
    ours, theirs = blocks(path), blocks(reader.segments(other)[0])
    path.write_bytes(b"".join([*ours[:-1], theirs[-1]]))
    assert not look(state).intact


# ---------------------------------------------------------------------- what crashes leave


@pytest.mark.parametrize("left", [1, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 1, -1], ids=lambda n: f"{n} bytes")
def test_a_torn_tail_is_told_and_named_by_the_next_segment_for_good(state: Path, left: int) -> None:
    last = reader.segments(state)[-1]
    kept = blocks(last)
    last.write_bytes(b"".join(kept[:-1]) + kept[-1][:left])
    assert look(state).intact
    assert [one.file for one in look(state).torn] == [last.name]
    for _ in range(3):  # later starts do not name the tail again
        recorded(state, _calls)
        report = look(state)
        assert report.intact, report.problems
        assert [one.file for one in report.torn] == [last.name]


def test_a_tail_that_was_named_may_not_change(state: Path) -> None:
    last = reader.segments(state)[-1]
    torn = last.read_bytes()[:-1]
    last.write_bytes(torn)
    recorded(state, _calls)
    end = len(torn) - len(blocks(last)[-1])
    tail_at = sum(len(block) for block in blocks(last))
    assert end > 0
    for at in range(tail_at, len(torn)):
        changed = bytearray(torn)
        changed[at] ^= 1
        last.write_bytes(changed)
        assert not look(state).intact, f"changed at {at}"
        last.write_bytes(torn[:at])
        assert not look(state).intact, f"cut at {at}"
    last.write_bytes(torn)
    assert look(state).intact


def test_a_tail_that_grew_after_it_was_named_is_found(state: Path) -> None:
    first = reader.segments(state)[0]
    with first.open("ab") as file:
        file.write(b"L7B1")
    assert not look(state).intact


def test_a_segment_whose_start_never_reached_the_disk_is_a_torn_one(state: Path) -> None:
    """The process was killed after it made the file and before it wrote the first block."""
    for size in (0, 1, HEADER_SIZE, HEADER_SIZE + 1):
        number = len(reader.segments(state)) + 1
        recorded(state, lambda recorder: None)
        path = reader.segments(state)[-1]
        assert int(path.name[:8]) == number
        path.write_bytes(path.read_bytes()[:size])
        assert look(state).intact, look(state).problems
        recorded(state, _calls)
        assert look(state).intact, look(state).problems


def test_zeros_behind_the_last_block_are_a_torn_tail(state: Path) -> None:
    last = reader.segments(state)[-1]
    with last.open("ab") as file:
        file.write(bytes(4096))
    assert look(state).intact
    assert len(look(state).torn) == 1
    recorded(state, _calls)
    assert look(state).intact


def test_one_session_alone_is_verified_by_its_own_blocks(state: Path) -> None:
    path = reader.segments(state)[0]
    place = next(place for place in reader.places(path) if place.header.session != bytes(16))
    with path.open("r+b") as file:
        file.seek(place.offset + HEADER_SIZE)
        byte = file.read(1)
        file.seek(place.offset + HEADER_SIZE)
        file.write(bytes((byte[0] ^ 1,)))
    assert not verify(reader.segments(state), session=place.header.session).intact


def test_a_header_that_states_more_than_any_block_holds_is_not_believed(state: Path) -> None:
    """A forged length must not make the verifier allocate as much."""
    import struct
    import zlib

    last = reader.segments(state)[-1]
    head = bytearray(blocks(last)[-1][:HEADER_SIZE])
    struct.pack_into(">I", head, 12, 2**32 - 1)  # the plain length
    struct.pack_into(">I", head, HEADER_SIZE - 4, zlib.crc32(head[:-4]))
    data = b"".join(blocks(last)[:-1]) + bytes(head) + blocks(last)[-1][HEADER_SIZE:]
    last.write_bytes(data)
    assert not look(state).intact


# ---------------------------------------------------------------------- changes that also mend the hashes they can


def _mended(path: Path, edit: Callable[[list[bytearray]], None]) -> None:
    """Change headers of a segment, then make every CRC and the journal's own chain fit again. An attacker would do so who knows the
    format and forgets the sessions' chains."""
    headers, payloads = [], []
    for block in blocks(path):
        headers.append(bytearray(block[:HEADER_SIZE]))
        payloads.append(block[HEADER_SIZE:])
    edit(headers)
    for before, head in zip([None, *headers], headers):
        if before is not None:
            head[80:112] = hashlib.sha256(before).digest()
        head[-4:] = zlib.crc32(head[:-4]).to_bytes(4, "big")
    path.write_bytes(b"".join(bytes(head) + payload for head, payload in zip(headers, payloads)))


def test_a_changed_total_breaks_its_sessions_chain(state: Path) -> None:
    last = reader.segments(state)[-1]

    def edit(headers: list[bytearray]) -> None:
        headers[1][52:56] = (77).to_bytes(4, "big")  # exchanges so far

    _mended(last, lambda headers: None)
    assert look(state).intact
    _mended(last, edit)
    assert {problem.what for problem in look(state).problems} == {"a block of this session is missing, or was changed"}


def test_a_changed_last_block_of_a_session_breaks_the_journals_chain(state: Path) -> None:
    """Only the block after it, which belongs to another session, has its hash."""
    first, last = reader.segments(state)
    data = bytearray(first.read_bytes())
    place = list(reader.places(first))[-1]
    data[place.offset + 52 : place.offset + 56] = (77).to_bytes(4, "big")
    head = data[place.offset : place.offset + HEADER_SIZE - 4]
    data[place.offset + HEADER_SIZE - 4 : place.offset + HEADER_SIZE] = zlib.crc32(head).to_bytes(4, "big")
    first.write_bytes(data)
    (problem,) = look(state).problems
    assert (problem.file, problem.offset, problem.what) == (last.name, 0, "the block before this one was changed")


def test_a_removed_file_that_held_nothing_but_a_tail_is_found(state: Path) -> None:
    recorded(state, lambda recorder: None)
    torn = reader.segments(state)[-1]
    torn.write_bytes(torn.read_bytes()[:50])
    recorded(state, _calls)
    assert look(state).intact
    torn.unlink()
    assert [problem.what for problem in look(state).problems] == [f"{torn.name} is missing: it had a tail"]


@pytest.mark.parametrize("name", [name for name in BAD if "frame" in name or "bomb" in name])
def test_verify_finds_a_block_with_a_wrong_length_or_content_in_little_memory(tmp_path: Path, name: str) -> None:
    payload, plain, events = BAD[name]
    path = segment(tmp_path / "00000001-x.l7j", payload, plain=plain, events=events)
    tracemalloc.start()
    try:
        report = verify([path])
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_PLAIN
    finally:
        tracemalloc.stop()
    assert any("content" in problem.what or "larger" in problem.what for problem in report.problems), report.problems


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("session", [NO_SESSION, bytes(range(16))], ids=["the journal's own", "a session's"])
def test_verifying_a_block_of_any_content_raises_nothing(tmp_path: Path, name: str, session: bytes) -> None:
    payload, plain, events = BAD[name]
    path = tmp_path / "00000001-x.l7j"
    head = Header(0, len(payload), plain, 1, session, 1, events, 0, 0, 0, 0, 0, NO_HASH, NO_HASH, sha256(payload).digest())
    path.write_bytes(head.pack() + payload)
    assert not verify([path]).intact  # a segment must begin with its own event, which this is not


def test_the_journals_own_blocks_may_hold_events_of_a_later_version(tmp_path: Path) -> None:
    """They may stand behind the segment's own event, or in a block of their own."""
    started = msgspec.msgpack.encode(e.SegmentStarted(1, "2.0", ()))
    added = msgspec.msgpack.encode(["checkpoint", 2, b"signature"])

    def journal(*blocks: list[bytes]) -> Path:
        path, before, data = tmp_path / "00000001-x.l7j", NO_HASH, b""
        for number, events in enumerate(blocks, 1):
            plain = b"".join(events)
            payload = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
            head = Header(
                0, len(payload), len(plain), number, NO_SESSION, number, len(events), 0, 0, 0, 0, 0, before, before,
                sha256(payload).digest(),
            ).pack()  # fmt: skip
            before = sha256(head).digest()
            data += head + payload
        path.write_bytes(data)
        return path

    for blocks in ([[started, added]], [[started], [added, added]]):
        report = verify([journal(*blocks)])
        assert report.intact and set(report.unknown) == {"checkpoint"}, report.problems
    for blocks in ([[added, started]], [[added], [started]]):
        assert not verify([journal(*blocks)]).intact
