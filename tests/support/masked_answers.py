"""Answers of a cluster that hold planted values, in every view and encoding, and what masking makes of them."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from l7gw.identity.principal import Principal
from l7gw.kube.objects.node import Unreadable
from l7gw.kube.requestinfo import describe
from l7gw.masking.bodies.answers import choice
from l7gw.masking.find import Find
from l7gw.masking.masking import Masking
from l7gw.obligations import NO_OBLIGATIONS, Obligations
from l7gw.wire.events import CHUNKED
from tests.support.kubernetes import protobuf
from tests.support.planted import KINDS, NAMESPACE, Planted, Planter

WATCH_WORDS = ("ADDED", "MODIFIED", "DELETED")
ANN = Principal("ann", ("engineers",))

VIEWS = (
    "get",
    "list",
    "long list",
    "list of all namespaces",
    "watch",
    "watch list",
    "table with objects",
    "table with metadata",
    "watch of tables",
    "metadata alone",
    "metadata list",
    "create",
    "patch",
    "dry run",
    "apply",
    "delete",
    "another kind's url",
)
ENCODINGS = ("json", "pretty json", "escaped json", "protobuf")
PACKINGS = ("plain", "gzip", "gzip of several members", "gzip that nobody asked for")
SPLITS = ("whole", "halves", "bytes", "chunks of 7", "chunks of 4096")
REVEALS = ("nothing", "everything", "another")


@dataclass(frozen=True)
class Case:
    """One answer. `kind` is a key of KINDS, the others are words of the lists above."""

    number: int
    kind: str
    view: str
    encoding: str
    packing: str
    split: str
    reveal: str

    def __str__(self) -> str:
        return f"{self.number}: {self.kind}, {self.view}, {self.encoding}, {self.packing}, {self.split}, reveals {self.reveal}"


def cases(count: int) -> Iterator[Case]:
    """Cases in which each kind stands in each view before any does so twice, and all other words come in turn by shuffled rounds."""
    dice = random.Random(9)
    rounds = {name: _rounds(words, dice) for name, words in
              (("encoding", ENCODINGS), ("packing", PACKINGS), ("split", SPLITS), ("reveal", REVEALS))}  # fmt: skip
    number = 0
    while True:
        pairs = [(kind, view) for kind in KINDS for view in VIEWS]
        dice.shuffle(pairs)
        for kind, view in pairs:
            if number == count:
                return
            yield Case(number, kind, view, **{name: next(words) for name, words in rounds.items()})
            number += 1


def _rounds(words: tuple[str, ...], dice: random.Random) -> Iterator[str]:
    while True:
        yield from dice.sample(words, len(words))


@dataclass(frozen=True)
class Answer:
    """`line` is the request; `chunks` is the body as it comes."""

    line: str
    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: list[bytes]
    values: list[bytes]
    obligations: Obligations
    takes_gzip: bool
    holds_values: bool  # False where the view leaves out what holds them


def answer(case: Case) -> Answer:
    """The answer of a case. Custom resources and tables have no protobuf: they come as JSON instead."""
    planter = Planter(case.number)
    planted = KINDS[case.kind](planter)
    line, documents, framed = _view(case.view, planted, planter)
    in_protobuf = case.encoding == "protobuf" and not planted.custom and "table" not in case.view
    body = encoded(documents, framed, case.encoding if in_protobuf or case.encoding != "protobuf" else "json", planter.dice)
    content = "application/vnd.kubernetes.protobuf" if in_protobuf else "application/json"
    headers = [("content-type", content + (";stream=watch" if framed else ""))]
    if case.packing != "plain":
        headers.append(("content-encoding", "gzip"))
        body = _packed(body, several=case.packing == "gzip of several members")
    holds_values = "metadata" not in case.view or "annotations" in planted.value["metadata"]
    reveals = {
        "nothing": NO_OBLIGATIONS,
        "everything": Obligations(reveal=frozenset("*")),
        "another": Obligations(reveal=frozenset(("jwt",))),
    }
    status = 201 if line.startswith("POST") else 200
    return Answer(line, status, tuple(headers), list(split(body, case.split)), planted.values,
                  reveals[case.reveal], takes_gzip=case.packing != "gzip that nobody asked for", holds_values=holds_values)  # fmt: skip


def _view(view: str, planted: Planted, planter: Planter) -> tuple[str, list[Any], bool]:
    """The request line, the documents of the answer, and whether they are events of a watch."""
    value, one, all_ = planted.value, planted.path(name=True), planted.path(name=False)
    everywhere = all_.replace(f"/namespaces/{NAMESPACE}", "")
    if planted.kind == "TokenRequest" and view != "another kind's url":
        return f"POST {one}", [value], False
    match view:
        case "get":
            return f"GET {one}", [value], False
        case "list" | "list of all namespaces":
            return f"GET {all_ if view == 'list' else everywhere}?limit=500", [_listed(value, 3)], False
        case "long list":
            return f"GET {all_}", [_listed(value, 12)], False
        case "watch" | "watch list":
            more = (
                "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true" if view == "watch list" else ""
            )
            events = [(word, value) for word in (("ADDED",) if more else WATCH_WORDS)]
            mark = {**_head(value), "metadata": {"resourceVersion": "99", "annotations": {"k8s.io/initial-events-end": "true"}}}
            return f"GET {all_}?watch=1{more}", [*events, ("BOOKMARK", mark)], True
        case "table with objects":
            return f"GET {all_}?includeObject=Object", [_table(value, value)], False
        case "table with metadata":
            return f"GET {all_}", [_table(value, _metadata(value))], False
        case "watch of tables":
            return f"GET {all_}?watch=1&includeObject=Object", [(word, _table(value, value)) for word in WATCH_WORDS], True
        case "metadata alone":
            return f"GET {one}", [_metadata(value)], False
        case "metadata list":
            items = [{"metadata": value["metadata"]} for _ in range(3)]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"}}
            return f"GET {all_}", [{**head, "items": items}], False
        case "create":
            return f"POST {all_}", [value], False
        case "patch":
            return f"PATCH {one}", [value], False
        case "dry run":
            return f"PUT {one}?dryRun=All&fieldManager=kubectl-edit", [value], False
        case "apply":
            return f"PATCH {one}?fieldManager=kubectl&force=true", [value], False
        case "delete":
            return f"DELETE {one}", [value], False
        case "another kind's url":  # the parsed kind counts, never the one that was asked for
            return f"GET /api/v1/namespaces/{NAMESPACE}/services/it", [value], False
    raise AssertionError(view)


def _head(value: dict[str, Any]) -> dict[str, Any]:
    return {"kind": value["kind"], "apiVersion": value["apiVersion"]}


def _listed(value: dict[str, Any], count: int) -> dict[str, Any]:
    item = {name: member for name, member in value.items() if name not in ("kind", "apiVersion")}
    head = {"kind": f"{value['kind']}List", "apiVersion": value["apiVersion"], "metadata": {"resourceVersion": "1"}}
    return {**head, "items": [item] * count}


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}


def _table(value: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    columns = [{"name": "Name", "type": "string", "format": "name", "description": "d", "priority": 0}]
    rows = [{"cells": [value["metadata"]["name"]], "object": inner}] * 2
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"}}
    return {**head, "columnDefinitions": columns, "rows": rows}


def encoded(documents: list[Any], framed: bool, encoding: str, dice: random.Random) -> bytes:
    if encoding == "protobuf":
        if framed:
            return b"".join(protobuf.event_from_json(word, value) for word, value in documents)
        return protobuf.object_from_json(documents[0])
    if framed:
        documents = [{"type": word, "object": value} for word, value in documents]
    return b"".join(_json(document, encoding, dice) for document in documents)


def _json(document: Any, encoding: str, dice: random.Random) -> bytes:
    if encoding == "pretty json" and "type" not in document:
        return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    if encoding == "escaped json":
        return _escaped(document, dice).encode() + b"\n"
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _escaped(value: Any, dice: random.Random) -> str:
    """JSON in which one character in eight is written as an escape that nobody needs, in names and values alike."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_escaped(name, dice)}: {_escaped(member, dice)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_escaped(item, dice) for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" if dice.random() < 0.125 else json.dumps(c)[1:-1] for c in value) + '"'
    return json.dumps(value)


def _packed(body: bytes, *, several: bool) -> bytes:
    if not several:
        return gzip.compress(body)
    third = max(1, len(body) // 3)
    return b"".join(gzip.compress(body[at : at + third]) for at in range(0, len(body), third))


def split(body: bytes, split: str) -> Iterator[bytes]:
    size = {"whole": len(body), "halves": (len(body) + 1) // 2, "bytes": 1, "chunks of 7": 7, "chunks of 4096": 4096}[split]
    at = 0
    while at < len(body):
        if size < 100 and at > 1000:  # of a long body the rest comes faster, in pieces that divide nothing
            size = 997
        yield body[at : at + size]
        at += size


@dataclass(frozen=True)
class Masked:
    """What became of an answer: the bytes that the client gets, those of the journal, and the finds. `refused` is why it does not
    pass; "" where it does."""

    shown: bytes
    recorded: bytes
    finds: list[Find]
    refused: str = ""


def masked(masking: Masking, it: Answer) -> Masked:
    """Send an answer through the masks of its call."""
    method, target = it.line.split(" ")
    act = describe(method, target)
    call = masking.of_call("test", act, ANN, it.obligations)
    try:
        chosen = choice(act, it.status, it.headers, length=CHUNKED, bodiless=False, takes_gzip=it.takes_gzip)
        mask = call.answer(chosen)
        assert mask is not None
        pieces = [piece for chunk in it.chunks for piece in mask.feed(chunk)]
        pieces += mask.end()
    except Unreadable as error:
        return Masked(b"", b"", [], str(error))
    shown, recorded = b"".join(piece.shown for piece in pieces), b"".join(piece.recorded for piece in pieces)
    return Masked(_unpacked(shown), _unpacked(recorded), list(mask.finds))


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
