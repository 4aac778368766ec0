"""No value of a Secret that was read leaves in another object, in any form and wherever it stands there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from l7gw.masking.masking import Masking
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS
from tests.conftest import missing
from tests.support.go_programs import MissingGo
from tests.support.kubernetes import protobuf
from tests.support.masked_answers import Answer, encoded, masked, split
from tests.support.masked_streams import FORMS, KEY, StreamCase, printed
from tests.support.planted import NAMESPACE, Planter, Searched

META = {"name": "it", "namespace": NAMESPACE}
PLACES = ("event", "annotation", "config map", "arguments", "custom resource", "cell", "status")
ENCODINGS = ("json", "escaped json", "pretty json", "protobuf")
SPLITS = ("whole", "bytes")


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> None:
    try:
        protobuf.pool()
    except MissingGo as error:
        missing(f"Kubernetes' .proto files lie in Go modules: {error}")


@dataclass(frozen=True)
class Case:
    number: int
    form: str
    place: str
    encoding: str
    split: str


def cases() -> Iterator[Case]:
    """Each form in each place in each encoding; splits by turns. A terminal's colours are no matter of objects."""
    everything = itertools.product([form for form in FORMS if form != "coloured"], PLACES, ENCODINGS)
    for number, (form, place, encoding) in enumerate(everything):
        if encoding != "protobuf" or place not in ("custom resource", "cell"):
            yield Case(number, form, place, encoding, SPLITS[number % 2])


def held(place: str, text: str) -> tuple[str, dict[str, Any]]:
    """The path that is asked, and the object that answers with this text in it."""
    root = f"/api/v1/namespaces/{NAMESPACE}"
    match place:
        case "event":
            about = {"kind": "Pod", "namespace": NAMESPACE, "name": "a"}
            return f"{root}/events/it", {
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": META,
                "involvedObject": about,
                "message": text,
            }
        case "annotation":
            return f"{root}/services/it", {
                "kind": "Service",
                "apiVersion": "v1",
                "metadata": {**META, "annotations": {"note": text}},
            }
        case "config map":
            return f"{root}/configmaps/it", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": META, "data": {"settings": text}}
        case "arguments":
            spec = {"containers": [{"name": "a", "image": "b", "args": ["--thing", text]}]}
            return f"{root}/pods/it", {"kind": "Pod", "apiVersion": "v1", "metadata": META, "spec": spec}
        case "custom resource":
            path = f"/apis/example.com/v1/namespaces/{NAMESPACE}/widgets/it"
            return path, {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": META, "spec": {"deep": [{"er": text}]}}
        case "cell":
            columns = [{"name": "Message", "type": "string", "format": "", "description": "", "priority": 0}]
            inner = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META}
            table = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "columnDefinitions": columns,
                "rows": [{"cells": [text], "object": inner}],
            }
            return f"{root}/events", table
        case "status":
            return f"{root}/services/it", {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": text,
                "code": 422,
            }
    raise AssertionError(place)


def leaks(case: Case) -> list[str]:
    it = printed(StreamCase(case.number, case.form, "in a line", "log", "none"))
    registry = Registry(KEY, lambda: 100.0)
    registry.register("test", NAMESPACE, it.value)
    path, value = held(case.place, it.data.decode())
    body = encoded([value], False, case.encoding, Planter(case.number).dice)
    content = "application/vnd.kubernetes.protobuf" if case.encoding == "protobuf" else "application/json"
    status = 422 if case.place == "status" else 200
    answer = Answer(
        f"GET {path}", status, (("content-type", content),), list(split(body, case.split)), [it.value], NO_OBLIGATIONS,
        takes_gzip=False, holds_values=True,
    )  # fmt: skip
    done = masked(Masking(KEY, registry=registry), answer)
    if done.refused or not done.finds:
        return [f"{case}: refused: {done.refused}, finds: {done.finds}"]
    searched = Searched([it.value])
    return [
        f"{case}: {words}" for words in searched.found_in(done.shown + b"\0" + done.recorded + b"\0" + repr(done.finds).encode())
    ]


def test_no_registered_value_leaves_in_another_object() -> None:
    """Each form in each place, in encodings by turns."""
    chosen = [case for case in cases() if (case.number + case.number // 4) % 4 == 0]
    assert {(case.form, case.encoding) for case in chosen} >= {(form, "protobuf") for form in FORMS if form != "coloured"}
    found = [words for case in chosen for words in leaks(case)]
    assert not found, "\n".join(found[:20])


@pytest.mark.long
def test_no_registered_value_leaves_in_another_object_in_any_encoding() -> None:
    found = [words for case in cases() for words in leaks(case)]
    assert not found, "\n".join(found[:20])
