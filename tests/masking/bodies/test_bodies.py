"""The masks of a body: what has nothing to mask travels as it came, in both encodings; the rest is one view for the client and one
for the record, packed or not; and what all bodies hold is bounded."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import tracemalloc
from typing import Any
from unittest.mock import Mock

import pytest

from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.kube.objects import protobuf_nodes, protobuf_splits
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.requestinfo import describe
from l7gw.masking.bodies.answers import Choice
from l7gw.masking.bodies.bodies import ASKED_HERE, HELD_WHOLE, LARGEST_HELD, MOST_HELD, MUCH_OF_OBJECT, BodyMask, Budget, ObjectBody
from l7gw.masking.configured import ordinary
from l7gw.masking.masking import Masking
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.plainjson import PAUSES_GC
from tests.support.kubernetes.protobuf import enveloped, message_class

CONFIGURED = ordinary()
PASSWORD = b"correct horse battery"
SECRETS = "/api/v1/namespaces/d/secrets"


def secret(name: str = "db", value: bytes = PASSWORD) -> dict[str, Any]:
    data = {"password": base64.b64encode(value).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "d"}, "type": "Opaque", "data": data}


def body(path: str, chosen: Choice, obligations: Obligations = NO_OBLIGATIONS, budget: Budget | None = None) -> BodyMask:
    masking = Masking(bytes(32), CONFIGURED, budget=budget)
    mask = masking.of_call("prod", describe("GET", path), Principal("ann"), obligations).answer(chosen)
    assert mask is not None
    return mask


def views(mask: BodyMask, *parts: bytes) -> tuple[bytes, bytes]:
    """What is shown and what is recorded of a body."""
    pieces = [piece for part in parts for piece in mask.feed(part)] + mask.end()
    return b"".join(piece.shown for piece in pieces), b"".join(piece.recorded for piece in pieces)


OBJECT = Choice(sort="object")
PACKED = Choice(sort="object", packed="gzip")


def test_a_secret_is_masked_in_both_views_and_told_where() -> None:
    mask = body(f"{SECRETS}/db", OBJECT)
    data = json.dumps(secret()).encode()
    shown, recorded = views(mask, data)
    assert shown == recorded and base64.b64encode(PASSWORD) not in shown
    placeholder = base64.b64decode(json.loads(shown)["data"]["password"]).decode()
    ((find,),) = (mask.finds,)
    assert placeholder == f"l7gw-masked-secret-data-{find.tag}" and mask.edited
    assert (find.detector, find.where, find.length) == ("secret-data", "data.password", len(PASSWORD))


def test_a_reveal_shows_the_value_to_the_client_alone() -> None:
    for chosen, unpack in ((OBJECT, bytes), (PACKED, gzip.decompress)):
        data = json.dumps(secret()).encode()
        mask = body(f"{SECRETS}/db", chosen, Obligations(reveal=frozenset({"secret-data"})))
        shown, recorded = views(mask, gzip.compress(data) if chosen is PACKED else data)
        assert unpack(shown) == data and b"l7gw-masked" in base64.b64decode(json.loads(unpack(recorded))["data"]["password"])


@pytest.mark.parametrize("chosen", [OBJECT, PACKED])
def test_what_has_nothing_to_mask_travels_as_it_came(chosen: Choice) -> None:
    """Bytes that another packer made, too: an ETag is about them."""
    data = b'{ "kind":"Node","apiVersion":"v1",\n "metadata":{"name":"n1"} }\n'
    came = gzip.compress(data, 9, mtime=7) if chosen is PACKED else data
    mask = body("/api/v1/nodes/n1", chosen)
    assert views(mask, came[:9], came[9:]) == (came, came) and not mask.edited and not mask.finds


def test_a_packed_secret_is_packed_again() -> None:
    came = gzip.compress(json.dumps(secret()).encode())
    shown, recorded = views(body(f"{SECRETS}/db", PACKED), came)
    assert shown == recorded != came and base64.b64encode(PASSWORD) not in gzip.decompress(shown)
    plain, _ = views(body(f"{SECRETS}/db", Choice(sort="object", packed="gzip-unasked")), came)
    assert plain == gzip.decompress(shown)


@pytest.mark.parametrize("came", [b"", b"{}", b"{}\n"])
def test_an_empty_answer_passes(came: bytes) -> None:
    assert views(body(f"{SECRETS}/db", OBJECT), came)[0] == came


@pytest.mark.parametrize("came", [b"x", b"{", b'{"kind":"Secret"', b"k8s\0", b"\xd9\xd9\xf7\xa1", b"[1", b"null"])
@pytest.mark.parametrize("path", [f"{SECRETS}/db", "/api/v1/nodes/n1"])
def test_what_is_no_object_is_unreadable_whatever_is_asked(path: str, came: bytes) -> None:
    with pytest.raises(Unreadable):
        views(body(path, OBJECT), came)


def test_a_list_is_masked_item_by_item() -> None:
    items = [secret(f"s-{number}", b"value number %d" % number) for number in range(40)]
    data = json.dumps({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()
    mask = body(SECRETS, OBJECT)
    shown, _ = views(mask, *(data[at : at + 1000] for at in range(0, len(data), 1000)))
    found = json.loads(shown)
    assert [item["metadata"]["name"] for item in found["items"]] == [f"s-{number}" for number in range(40)]
    assert [find.where for find in mask.finds] == [f"items[{number}].data.password" for number in range(40)]
    assert b"value number" not in b"".join(base64.b64decode(item["data"]["password"]) for item in found["items"])


def test_events_of_a_watch_go_on_at_once_packed_or_not() -> None:
    event = json.dumps({"type": "DELETED", "object": secret()}).encode() + b"\n"
    (piece,) = body(f"{SECRETS}?watch=1", Choice(sort="watch")).feed(event)
    assert base64.b64encode(PASSWORD) not in piece.shown and json.loads(piece.shown)["type"] == "DELETED"
    mask = body(f"{SECRETS}?watch=1", Choice(sort="watch", packed="gzip"))
    pieces = mask.feed(gzip.compress(event)) + mask.feed(gzip.compress(event))  # each flush ends a member
    mask.end()
    import zlib

    assert zlib.decompressobj(31).decompress(b"".join(one.shown for one in pieces)) == piece.shown * 2


def test_all_bodies_together_hold_a_bounded_number_of_bytes() -> None:
    budget = Budget()
    budget.take(MOST_HELD - 100)
    mask = body(f"{SECRETS}/db", OBJECT, budget=budget)
    mask.feed(b"{" + b" " * 90)
    with pytest.raises(Refusal) as refused:
        mask.feed(b" " * 20)
    assert refused.value.code == 503
    mask.close()
    assert budget.held == MOST_HELD - 100
    mask.close()
    assert budget.held == MOST_HELD - 100


def test_the_garbage_collector_rests_while_a_large_object_is_masked_and_works_afterwards() -> None:
    large = {**secret(), "metadata": {"name": "db", "namespace": "d", "annotations": {"a": "x" * PAUSES_GC}}}
    mask = body(f"{SECRETS}/db", OBJECT)
    shown, _ = views(mask, json.dumps(large).encode())
    assert mask.edited and len(shown) > PAUSES_GC and gc.isenabled()
    with pytest.raises(Unreadable):
        views(body(f"{SECRETS}/db", OBJECT), json.dumps(large).encode()[:-1])
    assert gc.isenabled()


def test_the_kind_of_a_long_list_masks_each_of_its_items_at_whatever_url() -> None:
    """The last items come with what ends the list, which has no kind."""
    items = [
        {"metadata": {"name": f"s{n}"}, "data": {"p": base64.b64encode(PASSWORD).decode()}, "x": "y" * 900} for n in range(400)
    ]
    data = json.dumps({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()
    for size in (16_384, 65_536, len(data)):
        mask = body("/apis/example.com/v1/things", OBJECT)
        shown, recorded = views(mask, *(data[at : at + size] for at in range(0, len(data), size)))
        assert shown == recorded and base64.b64encode(PASSWORD) not in shown and len(mask.finds) == len(items)


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("size", [HELD_WHOLE // 4, HELD_WHOLE + 500_000])
@pytest.mark.parametrize("chosen", [OBJECT, PACKED])
def test_a_list_of_any_length_is_masked_wherever_the_value_stands(chosen: Choice, size: int, *, hides: bool) -> None:
    """A list that need not be read goes on when it is whole, a longer one while it comes."""
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [{"env": [{"name": "LOG", "value": "x" * 900}]}]}}
    hidden = {"metadata": {"name": "p"}, "spec": {"containers": [{"env": [{"name": "A_TOKEN", "value": "hunter2-hunter2"}]}]}}
    items = [pod] * (size // 1000)
    if hides:
        items[len(items) * 9 // 10] = hidden
    data = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}, separators=(",", ":")).encode()
    came = gzip.compress(data, 1) if chosen is PACKED else data
    mask = body("/api/v1/pods", chosen)
    pieces = [piece for at in range(0, len(came), 4096) for piece in mask.feed(came[at : at + 4096])]
    assert bool(pieces) is (size > HELD_WHOLE)
    shown = b"".join(piece.shown for piece in pieces + mask.end())
    plain = gzip.decompress(shown) if chosen is PACKED else shown
    assert [find.where for find in mask.finds] == [f"items[{len(items) * 9 // 10}].spec.containers[0].env[0].value"] * hides
    assert b"hunter2-hunter2" not in plain and len(json.loads(plain)["items"]) == len(items)
    assert (shown == came) is (not hides and size < HELD_WHOLE) or chosen is not PACKED
    assert hides or plain == data


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_an_object_is_masked_by_its_own_kind_behind_many_others(kind: str) -> None:
    """In a watch that brings many events at once, and in a list of several kinds."""
    ordinary_one = {"kind": "Thing", "metadata": {"name": "t"}, "x": "y" * 900}
    hidden = {
        "kind": kind,
        "data": {"password": "correct horse battery" if kind == "ConfigMap" else base64.b64encode(PASSWORD).decode()},
    }
    value = hidden["data"]["password"].encode()  # type: ignore[index]
    events = b"".join(json.dumps({"type": "ADDED", "object": each}).encode() + b"\n" for each in [*[ordinary_one] * 12, hidden])
    shown, recorded = views(body("/apis/example.com/v1/things?watch=1", Choice(sort="watch")), events)
    assert value not in shown and value not in recorded
    listed = json.dumps({"kind": "List", "apiVersion": "v1", "items": [*[ordinary_one] * 400, hidden, ordinary_one]}).encode()
    shown, recorded = views(body("/apis/example.com/v1/things", OBJECT), listed)
    assert value not in shown and value not in recorded


def test_a_long_list_in_protobuf_is_masked_item_by_item_in_its_length() -> None:
    message: Any = message_class("core/v1.SecretList")()
    for number in range(600):
        item = message.items.add()
        item.metadata.name = f"s{number}"
        item.metadata.annotations["a/b"] = json.dumps({"kind": "Secret", "stringData": {"password": PASSWORD.decode()}})
        item.data["password"] = PASSWORD
        item.data["long"] = PASSWORD * 400
        item.data["short"] = b"12345"
    came = enveloped("v1", "SecretList", message)
    assert len(came) > protobuf_splits.READ_WHOLE
    mask = body(SECRETS, Choice(sort="object", protobuf=True))
    shown, recorded = views(mask, *(came[at : at + 65536] for at in range(0, len(came), 65536)))
    assert shown == recorded and len(shown) == len(came) and PASSWORD not in shown
    read = protobuf_nodes.read(shown, strict=True)
    items = [item for name, node in read.members() if name == "items" for item in node.items()]
    tag = next(find.tag for find in mask.finds if find.where == "items[7].data.long")
    for item in items:
        values = {key: value.octets() for key, value in item.member("data").members()}  # type: ignore[union-attr]
        assert values["short"] == b"*****" and values["password"] == b"*" * len(PASSWORD)
        assert values["long"] == f"l7gw-masked-secret-data-{tag}".encode().ljust(len(PASSWORD) * 400, b"*")
        applied = json.loads(item.at("metadata", "annotations", "a/b").text() or "")  # type: ignore[union-attr]
        assert applied == {"kind": "Secret", "stringData": {"password": "*" * len(PASSWORD)}}
    assert len(items) == 600 and len(mask.finds) == 2400


@pytest.mark.parametrize("chosen", [OBJECT, PACKED])
def test_a_body_that_comes_in_the_smallest_pieces_is_held_in_no_more_memory(chosen: Choice) -> None:
    data = b'{"kind":"Node","apiVersion":"v1","x":"' + b"y" * 60_000 + b'"}'
    came = gzip.compress(data, 0) if chosen is PACKED else data
    mask = body("/api/v1/nodes", chosen)
    tracemalloc.start()
    try:
        assert not [piece for at in range(0, len(came), 2) for piece in mask.feed(came[at : at + 2])]
        assert tracemalloc.get_traced_memory()[0] < 5 * len(came)
    finally:
        tracemalloc.stop()
    assert b"".join(piece.shown for piece in mask.end()) == came


@pytest.mark.parametrize("megabytes", [25, pytest.param(100, marks=pytest.mark.long)])
def test_a_long_list_is_masked_in_flat_memory(megabytes: int) -> None:
    """threats I9: at most 32 MiB more for 100 MB, a third. The list is made piece by piece, so that it is nowhere whole."""
    item = json.dumps(secret("s", PASSWORD + b"." * 60_000)).encode() + b","
    mask = body(SECRETS, OBJECT)
    size = shown = 0
    tracemalloc.start()
    try:
        for number in range(megabytes * 1_000_000 // len(item)):
            part = (b'{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[' if not number else b"") + item
            size += len(part)
            shown += sum(len(piece.shown) for piece in mask.feed(part))
            mask.finds.clear()
        shown += sum(len(piece.shown) for piece in mask.feed(item[:-1] + b"]}") + mask.end())
        assert size > megabytes * 990_000 and shown < size / 100
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024 * 1024 * 8 // 25
    finally:
        tracemalloc.stop()


WHOLE = [
    b"",
    b" ",
    b"{}",
    b" {}\n",
    b"[1]",
    b"{",
    b"no",
    b"}{",
    b"k8s\0",
    b"k8s",
    b'{"kind":"Pod","x":"password=hunter2"}',
    json.dumps(secret()).encode(),
]


@pytest.mark.parametrize("data", WHOLE)
@pytest.mark.parametrize("protobuf", [False, True])
@pytest.mark.parametrize("path", ["/api/v1/namespaces/d/pods/web-0", f"{SECRETS}/db"])
def test_a_body_that_is_taken_at_once_gives_what_it_gives_in_parts(path: str, protobuf: bool, data: bytes) -> None:
    chosen = Choice(sort="object", protobuf=protobuf)

    def outcome(at_once: bool) -> Any:
        mask = body(path, chosen)
        assert isinstance(mask, ObjectBody)
        try:
            pieces = mask.at_once(data) if at_once else mask.feed(data) + mask.end()
        except Unreadable as error:
            return str(error)
        return b"".join(one.shown for one in pieces), b"".join(one.recorded for one in pieces), mask.finds, mask.edited

    assert outcome(at_once=True) == outcome(at_once=False)


@pytest.mark.parametrize("sensitive", [False, True])
def test_parts_of_a_body_are_held_as_they_came_until_it_is_whole(sensitive: bool) -> None:
    pods = [{"metadata": {"name": f"p{n}", "namespace": "d"}, "spec": {"x": "y" * 4000}} for n in range(40)]
    if sensitive:
        pods[30]["spec"]["x"] = "password=Tr0ub4dor"
    data = json.dumps({"kind": "PodList", "apiVersion": "v1", "items": pods}).encode()
    fed = body("/api/v1/namespaces/d/pods", OBJECT)
    expected = views(fed, data)
    glanced = body("/api/v1/namespaces/d/pods", OBJECT)
    assert glanced.glance([memoryview(data)[:5000]]) is None  # whether it begins an object is for `feed`
    assert glanced.feed(data[:5000]) == []
    parts = [memoryview(data)[at : at + 30_000] for at in range(5000, len(data), 30_000)]
    assert glanced.glance(parts[:2]) == [] == glanced.glance(parts[2:])
    pieces = glanced.end()
    assert (b"".join(piece.shown for piece in pieces), b"".join(piece.recorded for piece in pieces)) == expected
    as_they_came = [piece for piece in pieces if isinstance(piece.shown, memoryview) and piece.shown.obj is data]
    assert len(as_they_came) == (0 if sensitive else len(parts))
    assert (expected[0] != data) is sensitive


def test_parts_beyond_what_is_held_whole_are_left_to_feed() -> None:
    mask = body("/api/v1/namespaces/d/pods", OBJECT)
    mask.feed(b'{"kind":"PodList","apiVersion":"v1","items":[')
    part = b'{"metadata":{"name":"' + b"x" * 100_000 + b'"}},'
    held = 0
    while mask.glance([memoryview(part)]) == []:
        held += len(part)
    assert HELD_WHOLE - len(part) - 100 < held <= HELD_WHOLE
    pieces = mask.feed(part) + mask.feed(part[:-1] + b"]}") + mask.end()
    whole = b'{"kind":"PodList","apiVersion":"v1","items":[' + part * (held // len(part) + 1) + part[:-1] + b"]}"
    assert b"".join(piece.shown for piece in pieces) == whole


def test_parts_count_as_held() -> None:
    budget = Budget()
    mask = body("/api/v1/namespaces/d/pods", OBJECT, budget=budget)
    mask.feed(b'{"items":[')
    mask.glance([memoryview(b"x" * 100_000)])
    assert budget.held == 100_010
    budget.take(MOST_HELD - 100_010)
    with pytest.raises(Refusal):
        mask.glance([memoryview(b"x" * 100_000)])


class Asked:
    """Masks that note what they are asked about."""

    one_view = True

    def __init__(self) -> None:
        self.asked: list[int] = []

    def needs_reading(self, data: bytes, _listed: str = "") -> bool:
        self.asked.append(len(data))
        return b"secret" in data

    def mask(self, node: Any, **_: Any) -> Any:
        return Mock(finds=[], warnings=[], recorded=None)


@pytest.mark.parametrize("size", [3, MUCH_OF_OBJECT, MUCH_OF_OBJECT + 1, ASKED_HERE, ASKED_HERE + 1])
def test_the_end_of_a_body_is_much_work_where_it_has_to_be_read_or_is_long(size: int) -> None:
    for holds in (b"", b"secret"):
        masks = Asked()
        mask = ObjectBody(masks, Budget())
        data = b'{"a":"' + holds + b" " * (size - 8 - len(holds)) + b'"}' if size > 20 else b"{ }"
        assert mask.feed(data) == []
        assert mask.much(None) is (size > MUCH_OF_OBJECT and (size > ASKED_HERE or bool(holds)))
        pieces = mask.end()
        assert b"".join(piece.shown for piece in pieces) == data
        assert masks.asked.count(size) == 1 + (b"secret" in data)  # the whole once, and what is split then once more


def test_packed_bytes_that_unpack_to_nothing_are_bounded_as_what_is_unpacked() -> None:
    """The head of gzip may hold a name without end (RFC 1952, section 2.3): it would be held until all of the gateway's budget is
    taken."""
    mask = body(f"{SECRETS}/db", PACKED)
    assert mask.feed(b"\x1f\x8b\x08\x08" + bytes(6)) == []
    name = b"x" * (1 << 20)
    for _ in range((LARGEST_HELD >> 20) - 1):
        assert mask.feed(name) == []
    with pytest.raises(Unreadable, match="more than 64 MiB"):
        mask.feed(name)
