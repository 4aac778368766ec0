"""gzip is unpacked with a bound, in several members too, and packed again in both views."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from l7gw.kube.objects.node import Unreadable
from l7gw.masking.bodies.gzip_bodies import HIGHEST_RATIO, LARGEST_FREE, SLICE, Packer, Unpacker
from l7gw.steps import InSteps

TEXT = b"".join(b"line %d\n" % number for number in range(1000))


def unpacked(*parts: bytes) -> bytes:
    unpacker = Unpacker()
    found = b"".join(piece for part in parts for piece in unpacker.feed(part))
    unpacker.end()
    return found


def test_a_body_is_unpacked_however_it_is_cut() -> None:
    packed = gzip.compress(TEXT)
    assert unpacked(packed) == TEXT
    assert unpacked(*(packed[at : at + 1] for at in range(len(packed)))) == TEXT


def test_several_members_are_one_body() -> None:
    members = gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])
    assert unpacked(members) == TEXT == unpacked(*(members[at : at + 7] for at in range(0, len(members), 7)))


def test_thousands_of_members_in_one_read_are_unpacked_in_steps_and_each_byte_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod behind `proxy` may answer so. zlib copies all that it was given behind the end of a member."""
    given, real = 0, zlib_ng.decompressobj

    class Counted:
        def __init__(self, wbits: int) -> None:
            self._one = real(wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal given
            given += len(data)
            return self._one.decompress(data, most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._one, name)

    monkeypatch.setattr(zlib_ng, "decompressobj", Counted)
    members = (gzip.compress(b"") * 7 + gzip.compress(b"a")) * 1500
    work = InSteps(lambda: b"".join(Unpacker().feed(members)), lambda: None)
    while not work.over:
        work.go_on()
    assert work.result() == b"a" * 1500
    assert work.steps > 100
    assert given < 64 * len(members)


@pytest.mark.parametrize("cut", [1, 8, 9])
def test_a_body_without_its_end_is_unreadable(cut: int) -> None:
    with pytest.raises(Unreadable, match="before its end"):
        unpacked(gzip.compress(TEXT)[:-cut])


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(TEXT) + b"more", gzip.compress(TEXT)[:-8] + bytes(8)])
def test_what_is_no_gzip_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable, match="is none"):
        unpacked(data)


def by_zlib(data: bytes) -> bytes | None:
    """What Python's own zlib unpacks; None where it refuses, or misses an end."""
    found = b""
    while data:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            found += stream.decompress(data)
        except zlib.error:
            return None
        if not stream.eof:
            return None
        data = stream.unused_data
    return found


CONTENTS = st.one_of(st.binary(max_size=300), st.builds(bytes, st.integers(0, 70_000)), st.just(TEXT), st.just(TEXT * 8))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(CONTENTS, st.integers(0, 9)), min_size=1, max_size=3), st.data())
def test_what_zlib_unpacks_is_unpacked_alike_and_what_it_refuses_is_unreadable(
    members: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    packed = bytearray(b"".join(gzip.compress(content, level) for content, level in members))
    for at in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=2)):
        packed[at] ^= 1 << data.draw(st.integers(0, 7))
    packed = packed[: data.draw(st.sampled_from([len(packed), data.draw(st.integers(0, len(packed)))]))]
    packed += data.draw(st.sampled_from([b"", b"", b"x", bytes(9)]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=3)))
    expected = by_zlib(bytes(packed))
    try:
        found: bytes | None = unpacked(*(bytes(packed[at:to]) for at, to in zip([0, *cuts], [*cuts, len(packed)])))
    except Unreadable:
        found = None
    assert found == expected


def test_a_bomb_ends_early_and_in_little_memory() -> None:
    bomb = gzip.compress(bytes(LARGEST_FREE * 8))
    tracemalloc.start()
    try:
        unpacker, size = Unpacker(), 0
        with pytest.raises(Unreadable, match=f"more than {HIGHEST_RATIO} times"):
            for piece in unpacker.feed(bomb):
                assert len(piece) <= SLICE
                size += len(piece)
        assert size <= 2 * LARGEST_FREE and tracemalloc.get_traced_memory()[1] < 8 * SLICE
    finally:
        tracemalloc.stop()


def test_both_views_are_whole_and_packed_once_as_long_as_they_are_equal() -> None:
    packer = Packer()
    packed = [
        packer.pack(b"same", b"same", flush=False),
        packer.pack(b"shown", b"recorded", flush=False),
        packer.pack(b"!", b"!", flush=False),
    ]
    packed.append(packer.end())
    assert gzip.decompress(b"".join(shown for shown, _ in packed)) == b"sameshown!"
    assert gzip.decompress(b"".join(recorded for _, recorded in packed)) == b"samerecorded!"
    equal = Packer()
    shown, recorded = equal.pack(b"same", b"same", flush=True)
    assert shown is recorded


def test_what_is_flushed_can_be_unpacked_at_once() -> None:
    shown, _ = Packer().pack(b"an event\n", b"an event\n", flush=True)
    assert b"".join(Unpacker().feed(shown)) == b"an event\n"
