"""Bodies in gzip are unpacked as they come, up to a limit (threats H9)."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from l7gw.recording.gzip_body import LARGEST_DECODED, Gzip


@given(bodies=st.lists(st.binary(max_size=50), min_size=1, max_size=3), length=st.integers(1, 60))
def test_a_body_is_unpacked_however_it_is_cut_also_where_it_has_several_members(bodies: list[bytes], length: int) -> None:
    packed = b"".join(map(gzip.compress, bodies))
    one = Gzip()
    parts = [one.feed(packed[at : at + length]) for at in range(0, len(packed), length)]
    assert b"".join(part for part in parts if part is not None) == b"".join(bodies) and None not in parts


def test_what_is_no_gzip_or_too_large_is_given_up_from_there_on() -> None:
    one = Gzip()
    assert one.feed(b"plain") is None and one.feed(gzip.compress(b"x")) is None
    assert Gzip().feed(gzip.compress(bytes(LARGEST_DECODED + 1))) is None
