"""A refusal is a Status that kubectl understands, in the encoding that it asked for."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.status import encode, failure, prefers_protobuf

PROTOBUF = "application/vnd.kubernetes.protobuf"


def fields(data: bytes) -> list[tuple[int, bytes | int]]:
    """The fields of a protobuf message, read here without the code under test."""
    found: list[tuple[int, bytes | int]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            found.append((tag >> 3, varint()))
        else:
            length = varint()
            found.append((tag >> 3, data[at : at + length]))
            at += length
    return found


def test_json_holds_the_message_the_rule_and_the_session() -> None:
    kind, body = encode("application/json", 403, "Forbidden", "denied by rule 'x'", session="S", rule="x")
    assert kind == "application/json"
    assert json.loads(body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "l7gw: denied by rule 'x'",
        "reason": "Forbidden",
        "details": {"causes": [{"reason": "L7GWSession", "message": "S"}, {"reason": "L7GWRule", "message": "x"}]},
        "code": 403,
    }


def test_protobuf_says_the_same() -> None:
    kind, body = encode(f"{PROTOBUF},application/json", 403, "Forbidden", "no", session="S")
    assert kind == PROTOBUF
    assert body[:4] == b"k8s\0"
    envelope = dict(fields(body[4:]))
    assert dict(fields(envelope[1])) == {1: b"v1", 2: b"Status"}  # type: ignore[arg-type]
    status = dict(fields(envelope[2]))  # type: ignore[arg-type]
    assert (status[2], status[3], status[4], status[6]) == (b"Failure", b"l7gw: no", b"Forbidden", 403)
    assert dict(fields(dict(fields(status[5]))[4])) == {1: b"L7GWSession", 2: b"S"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "protobuf"),
    [
        (None, False), ("", False), ("*/*", False), (PROTOBUF, True), (f"{PROTOBUF}, */*", True), (f"application/json,{PROTOBUF}", False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", False), (f"{PROTOBUF};stream=watch", False),
    ],
)  # fmt: skip
def test_the_encoding_is_the_first_that_a_status_has(accept: str | None, protobuf: bool) -> None:
    assert prefers_protobuf(accept) is protobuf


@pytest.mark.parametrize("length", [10, 800, 5000])
@pytest.mark.parametrize("letter", ["x", "ä", "漢"])
def test_the_body_of_a_refused_upgrade_has_at_most_900_bytes_and_is_whole(length: int, letter: str) -> None:
    _, body = encode(None, 403, "Forbidden", letter * length, session="S" * 36, rule="r", upgrade=True)
    assert len(body) <= 900
    assert json.loads(body)["message"].startswith("l7gw: ")


def test_a_422_repeats_its_message_as_the_only_cause() -> None:
    document = json.loads(encode(None, 422, "Invalid", "why", session="S")[1])
    assert document["details"]["causes"] == [{"message": "l7gw: why"}]


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    message = json.loads(encode(None, 403, "Forbidden", "a\x1b]52;c;x\x07\u202eb")[1])["message"]
    assert message == "l7gw: a\\x1b]52;c;x\\x07\\u202eb"
    assert json.loads(failure("gone\n"))["message"] == "l7gw: gone\\x0a"
