"""An object in protobuf is what Google's protobuf reads in it, and edits change the edited values alone, for that reader too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from l7gw.kube.objects import protobuf_nodes as nodes
from l7gw.kube.objects.node import Node, Unreadable
from l7gw.kube.objects.parts import Part, Splitter
from l7gw.kube.objects.protobuf_splits import ListSplitter, WatchSplitter
from l7gw.kube.objects.walk import leaves
from tests.support.go_programs import MissingGo
from tests.support.kubernetes import protobuf as google

WORDS = [
    b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12",
    b"k8s\0\x0a\x10\x0a\x02v1\x12\x0aSecretList\x12",
    b"\x0a\x13\x0a\x02v1\x12\x0dPodStatusResult",
    b'\x0a\x09{"a":"b"}',
    b"\x12\x06\x0a\x01a\x12\x01b",
    b"\x80\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
]
RUNS = 1500
MASK = "l7gw-masked-x-01234567"

try:
    google.pool()
    GOOGLE = True
except MissingGo:
    if os.environ.get("L7GW_NO_SKIP") == "1":
        raise
    GOOGLE = False  # Kubernetes' .proto files lie in Go modules


def one(data: bytes) -> None:
    """What is read strictly is what Google's protobuf reads; what is not edited stays; an edit changes its value alone; what a
    splitter gives is the body, however it is cut; and nothing but Unreadable is raised."""
    found = shown(data, strict=False)
    try:
        nodes.read(data, strict=True)
    except Unreadable:
        pass
    else:
        assert found is not None and shown(data, strict=True) == found
        if GOOGLE:
            assert without_unknown(found) == google.body_as_json(data)
    if found is not None:
        edit(data)
    cut = data[-1] % (len(data) + 1) if data else 0
    for splitter, body in ((ListSplitter, data), (WatchSplitter, len(data).to_bytes(4, "big") + data), (WatchSplitter, data)):
        whole = parts(splitter(), [body])
        assert (
            whole
            == parts(splitter(), [body[:cut], body[cut:]])
            == parts(splitter(), [body[at : at + 1] for at in range(len(body))])
        )
        for part in whole or []:
            items(part)
    long = parts(ListSplitter(read_whole=0), [data])
    assert long == parts(ListSplitter(read_whole=0), [data[:cut], data[cut:]])
    for part in long or []:
        items(part)


def shown(data: bytes, *, strict: bool) -> Any:
    """What a body shows; None where it is unreadable."""
    try:
        node = nodes.read(data, strict=strict)
        found = google.tree(node)
    except Unreadable:
        return None
    assert node.render("shown") == node.render("recorded") == data and not node.edited
    return found


def without_unknown(found: Any) -> Any:
    """What is shown, without fields that the table lacks."""
    if isinstance(found, dict):
        return {name: without_unknown(one) for name, one in found.items() if not name.startswith("#")}
    return [without_unknown(one) for one in found] if isinstance(found, list) else found


def edit(data: bytes) -> None:
    """Edit each third value, and look at both views."""
    node = nodes.read(data, strict=False)
    chosen = [leaf for number, leaf in enumerate(leaves(node, documents=True)) if number % 3 == 0]
    expected = {}
    for leaf in chosen:
        length = leaf.fixed_length
        leaf.replace(MASK, shown_too=False)
        if leaf.shape == "text" or length is None:
            expected[leaf.path] = MASK if length is None else MASK[:length].ljust(length, "*")
    assert node.render("shown") == data
    recorded = node.render("recorded")
    if "kind" in expected or "apiVersion" in expected:
        return
    again = nodes.read(recorded, strict=False)
    for leaf in leaves(again, documents=True):
        assert expected.get(leaf.path) in (None, leaf.text()) or " " in leaf.path or is_zero(leaf.text())
    if GOOGLE:
        google.message_class("runtime.Unknown").FromString(recorded[4:])


def is_zero(text: str | None) -> bool:
    """Whether a text is that of a masked time or quantity."""
    return text is None or text.strip("0") == "" or text.startswith("1970") or text == "0s"


def parts(splitter: Splitter, pieces: list[bytes]) -> list[Part] | None:
    """The parts of a body; None where it is unreadable."""
    try:
        found = [part for piece in pieces for part in splitter.feed(piece)] + splitter.end()
    except Unreadable:
        return None
    assert b"".join(part.data for part in found) == b"".join(pieces)
    return found


def items(part: Part) -> None:
    """A part stays as it came, and where its length is fixed no edit changes it."""
    if part.role == "between":
        return
    try:
        node: Node = nodes.read_part(part)
        assert node.render("shown") == part.data
        for leaf in list(every(node)):
            leaf.replace(MASK)
        rendered = node.render("shown")
        assert not part.fixed or len(rendered) == len(part.data)
    except Unreadable:
        pass


def every(node: Node) -> Iterator[Node]:
    """Every value that has no value in it."""
    below = [one for _, one in node.members()] + list(node.items())
    if not below:
        yield node
    for child in below:
        yield from every(child)
