"""The bodies of both encodings are split and read."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.parts import Part
from l7gw.masking.bodies.readings import read, seems_whole, splitter


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
