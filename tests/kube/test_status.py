"""A refusal is a Status that kubectl understands, in the encoding that kubectl asked for."""

from __future__ import annotations

import json

import pytest

from l7gw.kube.status import LARGEST_UPGRADE_BODY, LONGEST_MESSAGE, encode, failure, prefers_protobuf, shown_code, watch_error
from tests.support.vector_files import Vector, vectors

PROTOBUF = "application/vnd.kubernetes.protobuf"


def fields(data: bytes) -> list[tuple[int, bytes | int]]:
    """The number and value of each field of a protobuf message, read without the code under test."""
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


@pytest.mark.parametrize("vector", vectors("kube_status"), ids=lambda vector: f"{vector.name}-{vector.data[:1]!r}")
def test_a_status_has_the_bytes_that_the_api_server_would_write(vector: Vector) -> None:
    protobuf = vector.data.startswith(b"k8s")
    kind, body = encode(PROTOBUF if protobuf else None, **json.loads(vector.fields["arguments"]))
    assert kind == (PROTOBUF if protobuf else "application/json")
    assert body == vector.data


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
    assert dict(fields(dict(fields(status[5]))[4])) == {1: b"L7GWSession", 2: b"S", 3: b""}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "protobuf"),
    [
        (None, False), ("", False), ("*/*", False), (PROTOBUF, True), (f"{PROTOBUF}, */*", True), (f"application/json,{PROTOBUF}", False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", False), (f"{PROTOBUF};stream=watch", False),
    ],
)  # fmt: skip
def test_the_encoding_is_the_first_that_a_status_has(accept: str | None, protobuf: bool) -> None:
    assert prefers_protobuf(accept) is protobuf


SESSION = "0197d2a0-1111-7222-8333-444455556666"


def shown(body: bytes) -> tuple[str, dict[str, str]]:
    """Message and causes of a Status in either encoding."""
    if body.startswith(b"k8s\0"):
        status = dict(fields(dict(fields(body[4:]))[2]))  # type: ignore[arg-type]
        causes = [dict(fields(value)) for number, value in fields(status[5]) if number == 4]  # type: ignore[arg-type]
        return status[3].decode(), {cause[1].decode(): cause[2].decode() for cause in causes}  # type: ignore[union-attr]
    document = json.loads(body)
    return document["message"], {cause.get("reason", ""): cause["message"] for cause in document["details"].get("causes", [])}


@pytest.mark.parametrize("accept", [None, PROTOBUF])
@pytest.mark.parametrize("rule", [1, 3000])
@pytest.mark.parametrize("length", [10, 300, 800, 5000])
@pytest.mark.parametrize("letter", ["x", "ä", "漢", "😀", '"', "\x1b"])
def test_the_body_of_a_refused_upgrade_has_at_most_900_bytes_and_is_whole(
    letter: str, length: int, rule: int, accept: str | None
) -> None:
    _, body = encode(accept, 403, "Forbidden", letter * length, session=SESSION, rule=letter * rule, upgrade=True)
    assert len(body) <= LARGEST_UPGRADE_BODY
    message, causes = shown(body)
    assert message.startswith("l7gw: ")
    assert causes["L7GWSession"] == SESSION, "it says what to do next, and is never cut"
    assert causes["L7GWRule"]


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "😀"])
def test_the_message_of_a_refused_upgrade_is_cut_no_shorter_than_it_must(letter: str) -> None:
    _, body = encode(None, 403, "Forbidden", letter * 5000, session=SESSION, rule="r", upgrade=True)
    assert LARGEST_UPGRADE_BODY - len(letter.encode()) < len(body) <= LARGEST_UPGRADE_BODY
    assert shown(body)[0].endswith(letter + "…")


@pytest.mark.parametrize("upgrade", [True, False])
def test_a_message_that_fits_is_not_touched(upgrade: bool) -> None:
    message, causes = shown(encode(None, 403, "Forbidden", "x" * 400, session=SESSION, rule="r" * 40, upgrade=upgrade)[1])
    assert message == "l7gw: " + "x" * 400
    assert causes == {"L7GWSession": SESSION, "L7GWRule": "r" * 40}


def test_the_message_of_any_other_refusal_is_bounded_too() -> None:
    assert len(shown(encode(None, 403, "Forbidden", "x" * 10_000)[1])[0]) == LONGEST_MESSAGE
    assert len(json.loads(failure("x" * 10_000))["message"]) == LONGEST_MESSAGE


@pytest.mark.parametrize("accept", [None, PROTOBUF])
def test_a_422_repeats_its_message_when_it_is_cut_too(accept: str | None) -> None:
    _, body = encode(accept, 422, "Invalid", "漢" * 2000, session=SESSION, rule="r" * 2000, upgrade=True)
    message, causes = shown(body)
    assert len(body) <= LARGEST_UPGRADE_BODY
    assert causes == {"": message.removeprefix("l7gw: ")} and message.startswith("l7gw: 漢")


def test_a_422_repeats_its_message_as_the_only_cause_which_kubectl_shows_behind_its_field() -> None:
    document = json.loads(encode(None, 422, "Invalid", "why", session="S")[1])
    assert document["message"] == "l7gw: why"
    assert document["details"]["causes"] == [{"message": "why", "field": "l7gw"}]
    status = dict(fields(dict(fields(encode(PROTOBUF, 422, "Invalid", "why", session="S")[1][4:]))[2]))  # type: ignore[arg-type]
    assert dict(fields(dict(fields(status[5]))[4])) == {1: b"", 2: b"why", 3: b"l7gw"}  # type: ignore[arg-type]


def test_a_message_spells_out_what_a_terminal_would_obey() -> None:
    message = json.loads(encode(None, 403, "Forbidden", "a\x1b]52;c;x\x07\u202eb")[1])["message"]
    assert message == "l7gw: a\\x1b]52;c;x\\x07\\u202eb"
    assert json.loads(failure("gone\n"))["message"] == "l7gw: gone\\x0a"


def test_a_failure_ends_an_error_channel_as_failed() -> None:
    assert json.loads(failure("denied")) == {
        "metadata": {},
        "status": "Failure",
        "message": "l7gw: denied",
        "reason": "InternalError",
        "code": 500,
    }


def test_aggregated_discovery_is_told_in_plain_text_as_client_go_reads_no_status_there() -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    kind, body = encode(accept, 502, "BadGateway", "the cluster \x1b is gone", session="S", rule="R")
    assert (kind, body) == ("text/plain; charset=utf-8", b"l7gw: the cluster \\x1b is gone\n")
    assert encode("application/json", 502, "BadGateway", "x")[0] == "application/json"


@pytest.mark.parametrize(("code", "shown"), [(403, 403), (500, 500), (502, 502), (503, 502), (504, 502), (429, 429)])
def test_aggregated_discovery_is_told_with_a_status_whose_text_client_go_shows(code: int, shown: int) -> None:
    assert shown_code("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", code) == shown
    assert shown_code("application/json", code) == shown_code(None, code) == code


def test_the_event_that_ends_a_watch_holds_the_status() -> None:
    line = watch_error(502, "BadGateway", "it\ncannot be read", session="S", protobuf=False)
    _, status = encode("application/json", 502, "BadGateway", "it\ncannot be read", session="S")
    assert json.loads(line) == {"type": "ERROR", "object": json.loads(status)}
    assert line.endswith(b"}\n") and line.count(b"\n") == 1


def test_in_protobuf_the_event_stands_behind_its_length() -> None:
    framed = watch_error(502, "BadGateway", "it cannot be read", session="S", protobuf=True)
    _, status = encode(PROTOBUF, 502, "BadGateway", "it cannot be read", session="S")
    assert int.from_bytes(framed[:4], "big") == len(framed) - 4
    (number, kind), (second, extension) = fields(framed[4:])
    assert (number, kind, second) == (1, b"ERROR", 2)
    assert isinstance(extension, bytes)
    assert fields(extension) == [(1, status)]
