"""A connection's large reads: into one buffer, which is written to only where nobody keeps a view of it."""

from __future__ import annotations

from l7gw.cluster.large_reads import BUFFER, LargeReads


class Reader:
    """Keeps what it is told; of each read a copy, and the view where `keeps` says so."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.told: list[object] = []
        self.views: list[memoryview] = []
        self.keeps = keeps

    def data_received(self, data: bytes | memoryview) -> None:
        self.told.append(bytes(data))
        if self.keeps:
            self.views.append(memoryview(data)[1:3])

    def eof_received(self) -> bool | None:
        self.told.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def read(large: LargeReads, data: bytes) -> bytearray:
    buffer = large.get_buffer(len(data))
    assert len(buffer) == BUFFER
    buffer[: len(data)] = data
    large.buffer_updated(len(data))
    return buffer


def test_reads_share_one_buffer() -> None:
    reader = Reader()
    large = LargeReads(reader)
    assert read(large, b"first") is read(large, b"next") is read(large, b"third one")
    assert reader.told == [b"first", b"next", b"third one"]


def test_a_read_that_is_kept_is_not_written_over() -> None:
    reader = Reader(keeps=True)
    large = LargeReads(reader)
    assert read(large, b"first") is not read(large, b"other")
    assert [bytes(view) for view in reader.views] == [b"ir", b"th"]
    reader.views.clear()
    reader.keeps = False
    assert read(large, b"a") is read(large, b"b")


def test_all_else_goes_to_the_connection() -> None:
    reader = Reader()
    large, error = LargeReads(reader), ConnectionResetError()
    large.pause_writing()
    large.resume_writing()
    assert large.eof_received() is False
    large.connection_lost(error)
    assert reader.told == ["pause", "resume", "eof", error]
