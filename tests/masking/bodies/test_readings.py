"""The bodies of both encodings are split and read."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.parts import Part
from l7gw.masking.bodies.readings import MOST_SPACES, begins, read, seems_whole, splitter


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize("protobuf", [False, True])
def test_the_parts_of_a_body_joined_are_the_body(protobuf: bool, watch: bool) -> None:
    event = b"\0\0\0\x04\x0a\x02ok" if protobuf else b'{"type":"ADDED","object":{}}\n'
    whole = b"k8s\0" if protobuf else b'{"kind":"Pod"}'
    data = event * 3 if watch else whole
    split = splitter(protobuf=protobuf, watch=watch)
    parts = [part for at in range(len(data)) for part in split.feed(data[at : at + 1])] + split.end()
    assert b"".join(part.data for part in parts) == data
    assert len([part for part in parts if part.role == ("event" if watch else "object")]) == (3 if watch else 1)


def test_a_part_that_is_no_json_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read(Part(data=b"nonsense", role="object"))


@pytest.mark.parametrize(
    ("data", "protobuf", "whole"),
    [
        (b'{"kind":"Pod"}', False, True),
        (b' {"kind":"Pod"}\n', False, True),
        (b"[]", False, True),
        (b"{", False, False),
        (b"{} x", False, False),
        (b" ", False, False),
        (b"k8s\0", False, False),
        (b"k8s\0", True, True),
        (b"{}", True, False),
    ],
)
def test_what_begins_or_ends_as_no_object_is_told(data: bytes, protobuf: bool, whole: bool) -> None:
    assert seems_whole(Part(data=data, role="object"), protobuf=protobuf) is whole


@pytest.mark.parametrize(
    ("parts", "protobuf", "begun"),
    [
        ([b"{"], False, [True]),
        ([b"[1,2]"], False, [True]),
        ([b" ", b"\n\t", b"\r {"], False, [False, False, True]),
        ([b"k8s\0\x0a"], True, [True]),
        ([b"k", b"8s", b"\0"], True, [False, False, True]),
    ],
)
def test_an_object_begins_with_a_bracket_or_its_magic(parts: list[bytes], protobuf: bool, begun: list[bool]) -> None:
    ends = [len(b"".join(parts[:number])) for number in range(len(parts))]
    assert [begins(part, at, protobuf=protobuf) for part, at in zip(parts, ends, strict=True)] == begun


@pytest.mark.parametrize(
    ("data", "at", "protobuf"),
    [
        (b"<html>", 0, False),
        (b" words", 0, False),
        (b'"text"', 5, False),
        (b"\xef\xbb\xbf{", 0, False),
        (b" ", MOST_SPACES + 1, False),
        (b"{}", 0, True),
        (b"k8S", 0, True),
        (b"\x0a", 3, True),
    ],
)
def test_what_begins_otherwise_is_unreadable(data: bytes, at: int, protobuf: bool) -> None:
    with pytest.raises(Unreadable):
        begins(data, at, protobuf=protobuf)
