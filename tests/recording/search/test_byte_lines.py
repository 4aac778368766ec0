"""However a stream is cut, its lines are the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.search.byte_lines import LONGEST_LINE, OVERLAP, ByteLines, Part


@given(
    data=st.lists(st.sampled_from([b"a", b"bb", b"\r", b"\n", b"\r\n", b"\xff"]), max_size=20), cuts=st.lists(st.integers(0, 20))
)
def test_lines_are_those_of_the_whole_stream_however_it_is_cut(data: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(data)
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    stream, found = ByteLines(), b""
    for begin, end in pairwise(places):
        part, lines = stream.feed(whole[begin:end])
        assert part is None
        found += lines
        assert stream.held == len(whole[:end]) - (whole[:end].rfind(b"\n") + 1)
    found += stream.end()[1]
    wanted = (whole if whole.endswith(b"\n") or not whole else whole + b"\n").replace(b"\r\n", b"\n")
    assert found == wanted


def test_a_line_that_is_too_long_comes_in_parts_that_overlap() -> None:
    line = bytes(range(32, 127)) * (3 * LONGEST_LINE // 95)
    stream, parts = ByteLines(), []
    for at in range(0, len(line), 100_000):
        part, lines = stream.feed(line[at : at + 100_000])
        assert lines == b"" and stream.held <= LONGEST_LINE + 100_000
        parts += [part] if part else []
    last, lines = stream.feed(b"\r\nnext\nrest")
    assert isinstance(last, Part) and lines == b"next\n"
    assert [part.known for part in [*parts, last]] == [0, *([OVERLAP] * len(parts))]
    assert [part.goes_on for part in [*parts, last]] == [True] * len(parts) + [False]
    assert b"".join(part.data[part.known :] for part in [*parts, last]) == line
    assert stream.end() == (None, b"rest\n")
