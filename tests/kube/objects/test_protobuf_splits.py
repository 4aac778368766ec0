"""Long lists come item by item, watches event by event, and the parts are the body."""

from __future__ import annotations

import tracemalloc

import pytest

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.objects.parts import Part, Splitter
from l7gw.kube.objects.protobuf_splits import LONGEST_PIECE, ListSplitter, WatchSplitter
from l7gw.kube.objects.protobuf_wire import encode

TAIL = b"\x1a\0\x22\0"
METADATA = b"\x0a\x08\x0a\0\x12\x0220\x1a\0"


def field(number: int, data: bytes) -> bytes:
    return encode(number << 3 | 2) + encode(len(data)) + data


def enveloped(kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, kind.encode())) + field(2, raw) + TAIL


def secret(name: str, value: bytes) -> bytes:
    return field(1, field(1, name.encode())) + field(2, field(1, b"password") + field(2, value))


SECRETS = [secret(f"s{number}", b"hunter%d" % number) for number in range(5)]
LIST = enveloped("SecretList", METADATA + b"".join(field(2, one) for one in SECRETS))


def split(splitter: Splitter, data: bytes, size: int) -> list[Part]:
    parts = [part for at in range(0, len(data), size) for part in splitter.feed(data[at : at + size])]
    return parts + splitter.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_a_long_list_comes_item_by_item_however_it_is_cut(size: int) -> None:
    parts = split(ListSplitter(read_whole=10), LIST, size)
    assert b"".join(part.data for part in parts) == LIST
    items = [part for part in parts if part.role == "item"]
    assert [(part.index, part.kind, part.api_version, part.fixed) for part in items] == [
        (i, "Secret", "v1", True) for i in range(5)
    ]
    assert [part.role for part in parts if part.role != "item"] == ["between"] * 3
    read = [nodes.read_part(part) for part in items]
    assert [node.at("metadata", "name").text() for node in read] == ["s0", "s1", "s2", "s3", "s4"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "becomes"), [(b"x", b"x******"), (b"l7gw-masked-secret-data-01234567", b"l7gw-ma"), (b"1234567", b"1234567")]
)
def test_an_item_of_a_long_list_keeps_its_length(value: bytes, becomes: bytes) -> None:
    parts = split(ListSplitter(read_whole=10), LIST, 64)
    part = next(part for part in parts if part.role == "item" and part.index == 3)
    node = nodes.read_part(part)
    password = node.at("data", "password")
    assert password is not None and password.fixed_length == 7
    password.replace_octets(value)
    assert node.render("shown") == part.data.replace(b"hunter3", becomes)
    with pytest.raises(ValueError, match="fixed"):
        password.remove()


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("data", [LIST, enveloped("Secret", SECRETS[0]), enveloped("Unknown", SECRETS[0]), b"{}", b"", b"k8"])
def test_everything_else_is_one_object(data: bytes, size: int) -> None:
    [part] = split(ListSplitter(), data, size)
    assert (part.role, part.data, part.fixed) == ("object", data, False)


def test_a_field_of_a_long_list_that_nobody_knows_is_bytes_to_look_at() -> None:
    data = enveloped("SecretList", METADATA + field(9, b"hunter2") + field(2, SECRETS[0]))
    parts = split(ListSplitter(read_whole=10), data, 10)
    unknown, item = (part for part in parts if part.role == "item")
    assert (item.index, item.kind) == (0, "Secret")
    node = nodes.read_part(unknown)
    [(name, value)] = node.members()
    assert (name, value.octets(), value.fixed_length) == ("#9", b"hunter2", 7)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(LIST[:-20], id="cut"),
        pytest.param(enveloped("SecretList", METADATA + field(2, SECRETS[0])[:-1]), id="an-item-that-reaches-beyond-its-list"),
        pytest.param(enveloped("SecretList", METADATA + b"\x10\x01" * 9), id="a-number-in-a-list"),
        pytest.param(enveloped("SecretList", b"\x02\x00" * 9), id="a-field-without-a-number"),
        pytest.param(LIST[: -len(TAIL)] + field(2, b"") + TAIL, id="two-lists"),
        pytest.param(LIST + b"\x22", id="a-tail-that-is-cut"),
        pytest.param(LIST + field(4, bytes(2000)), id="a-long-tail"),
        pytest.param(b"k8s\0" + field(1, field(1, b"v1")) + field(2, bytes(50)), id="no-kind"),
    ],
)
def test_a_list_that_lies_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        split(ListSplitter(read_whole=10), data, 9)


def test_a_length_beyond_what_is_held_is_refused_before_it_is_there() -> None:
    long = enveloped("SecretList", bytes(100)).replace(encode(100), encode(1 << 40), 1)
    head = long[: long.index(bytes(50))]
    with pytest.raises(Unreadable):
        ListSplitter().feed(head + b"\x12" + encode(LONGEST_PIECE))
    with pytest.raises(Unreadable):
        WatchSplitter().feed((LONGEST_PIECE + 1).to_bytes(4, "big"))


def test_a_list_of_100_mib_is_split_in_flat_memory() -> None:
    item = field(2, secret("s", bytes(4000)))
    many = (100 << 20) // len(item)
    head = (
        b"k8s\0"
        + field(1, field(1, b"v1") + field(2, b"SecretList"))
        + b"\x12"
        + encode(len(METADATA) + many * len(item))
        + METADATA
    )
    splitter = ListSplitter()
    splitter.feed(head)
    size = 16 * len(item) - 100  # no item ends where a piece does
    stream = item * 17
    tracemalloc.start()
    try:
        found = fed = 0
        while fed < many * len(item):
            at = fed % len(item)
            piece = stream[at : at + min(size, many * len(item) - fed)]
            fed += len(piece)
            found += len(splitter.feed(piece))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    splitter.feed(TAIL)
    assert [part.data for part in splitter.end()] == [TAIL]
    assert found == many and peak < 1 << 20


def event(kind: bytes, raw: bytes) -> bytes:
    data = field(1, kind) + field(2, field(1, raw))
    return len(data).to_bytes(4, "big") + data


WATCH = event(b"ADDED", enveloped("Secret", SECRETS[0])) + event(b"DELETED", enveloped("Secret", SECRETS[1]))


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_a_watch_comes_event_by_event_however_it_is_cut(size: int) -> None:
    parts = split(WatchSplitter(), WATCH, size)
    assert b"".join(part.data for part in parts) == WATCH and [part.role for part in parts] == ["event"] * 2
    node = nodes.read_part(parts[1])
    assert [name for name, _ in node.members()] == ["type", "object"]
    assert node.at("type").text() == "DELETED"  # type: ignore[union-attr]
    assert node.at("object", "kind").text() == "Secret"  # type: ignore[union-attr]
    password = node.at("object", "data", "password")
    assert password is not None and password.path == "object.data.password"
    assert node.render("shown") == parts[1].data
    password.replace_octets(b"l7gw-masked-secret-data-01234567")
    longer = event(b"DELETED", enveloped("Secret", secret("s1", b"l7gw-masked-secret-data-01234567")))
    assert node.render("shown") == longer


def test_a_watch_that_ends_within_an_event_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        split(WatchSplitter(), WATCH[:-1], 10)
