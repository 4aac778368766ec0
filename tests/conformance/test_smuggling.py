"""The smuggling corpus against the gateway. Every vector has a connection of its own; the upstream keeps every byte."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smuggling import frames, make, stage
from tests.smuggling.judge import EXPECTED, LENIENT, OTHER, REFUSED, UNSAFE, Seen, judge, wanted
from tests.smuggling.run import Result, _is_an_earlier_tunnels, corpus, document, play, rows, summary
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.vector_files import Vector

HTTP1 = corpus("http1")
HTTP2 = corpus("http2")
SAMPLE = 8  # the ordinary tests also send one of so many vectors in single bytes
Results = dict[str, Result]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.Target]:
    with stage.gateway(tmp_path_factory.mktemp("smuggling")) as target:
        yield target


@pytest.fixture(scope="module")
def whole1(gateway: stage.Target) -> Results:
    return by_name(play(gateway, "http1", HTTP1))


@pytest.fixture(scope="module")
def whole2(gateway: stage.Target) -> Results:
    with gateway.lanes[0].connect("h2") as client:
        assert frames.chose_h2(client), "the gateway does not choose h2 by ALPN"
    return by_name(play(gateway, "http2", HTTP2))


def by_name(results: list[Result]) -> Results:
    return {result.vector.name: result for result in results}


def check(result: Result) -> None:
    assert result.outcome == EXPECTED, f"{result.vector.fields['expect']!r}, but {result.outcome}: {result.why}"


@pytest.mark.parametrize("vector", HTTP1, ids=lambda vector: vector.name)
def test_http1_reaches_the_cluster_as_one_clean_request_or_not_at_all(vector: Vector, whole1: Results) -> None:
    check(whole1[vector.name])


@pytest.mark.parametrize("vector", HTTP2, ids=lambda vector: vector.name)
def test_http2_reaches_the_cluster_as_one_clean_request_or_not_at_all(vector: Vector, whole2: Results) -> None:
    check(whole2[vector.name])


def all_right(results: list[Result]) -> None:
    wrong = [f"{r.vector.name}: {r.outcome}: {r.why}" for r in results if r.outcome != EXPECTED]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("protocol", "vectors"), [("http1", HTTP1), ("http2", HTTP2)], ids=["http1", "http2"])
def test_a_vector_in_single_bytes_is_judged_as_the_whole(gateway: stage.Target, protocol: str, vectors: list[Vector]) -> None:
    all_right(play(gateway, protocol, vectors[::SAMPLE], cut=True))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("protocol", "vectors"), [("http1", HTTP1), ("http2", HTTP2)], ids=["http1", "http2"])
def test_every_vector_in_single_bytes_is_judged_as_the_whole(gateway: stage.Target, protocol: str, vectors: list[Vector]) -> None:
    all_right(play(gateway, protocol, vectors, cut=True))


# ---------------------------------------------------------------------- the corpus and its judge


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_the_files_are_what_the_script_writes(protocol: str) -> None:
    found = {path.name: path.read_bytes() for path in (make.CORPUS / protocol).iterdir()}
    assert found == make.files(protocol), "run tests/smuggling/make.py"


def test_without_a_proxy_no_vector_that_must_be_refused_is_found_fine(tmp_path: Path) -> None:
    """The judge must be able to say no. Here the client talks to the upstream directly."""
    with ScriptedUpstream(tmp_path, lambda visit: None) as upstream:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        target = stage.Target("none", "", [stage.Lane(stage.hosts()[0], upstream.port, upstream, context)], "token")
        refused = [vector for vector in HTTP1 if vector.fields["expect"] == "refused" and "incomplete" not in vector.fields]
        fine = [r.vector.name for r in play(target, "http1", refused[::25]) if r.outcome not in (UNSAFE, LENIENT)]
    assert len(refused) > 500 and not fine


HEAD = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
NEXT = b"GET /api/v1/namespaces/smuggled/secrets HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("expect", "more", "upstream", "statuses", "outcome"),
    [
        ("refused", {}, [], [400], EXPECTED),
        ("refused", {}, [HEAD, HEAD], [400], UNSAFE),
        ("refused", {}, [b"GET"], [400], UNSAFE),
        ("refused", {}, [POST[:-1]], [400], OTHER),
        ("refused", {}, [b"GET /a HTTP/1.1\r\nHost: y\r\n\r\n"], [200], LENIENT),
        ("refused", {"absent": "y"}, [b"GET /a HTTP/1.1\r\nHost: y\r\n\r\n"], [200], UNSAFE),
        ("refused", {}, [HEAD.replace(b"/a", b"/b")], [200], UNSAFE),
        ("refused", {}, [HEAD.replace(b"Host", b"Host ")], [200], UNSAFE),
        ("refused", {}, [], [200], UNSAFE),
        ("refused", {}, [], [], OTHER),
        ("one GET /a", {}, [HEAD], [200], EXPECTED),
        ("one GET /a", {}, [HEAD], [200, 200], UNSAFE),
        ("one GET /a", {}, [HEAD], [], OTHER),
        ("one GET /a", {}, [HEAD], [200, 400], OTHER),
        ("one GET /a then refused", {}, [HEAD], [200, 400], EXPECTED),
        ("one GET /a then refused", {}, [HEAD], [200], OTHER),
        ("one GET /a then reset", {}, [HEAD], [400], EXPECTED),
        ("one GET /a then reset", {}, [HEAD], [], OTHER),
        ("one GET /a", {}, [], [400], REFUSED),
        ("one GET /a", {}, [HEAD, HEAD], [200], UNSAFE),
        ("one GET /a", {}, [HEAD, NEXT], [200, 200], LENIENT),
        ("one GET /a", {"within": "a body"}, [HEAD, NEXT], [200, 200], UNSAFE),
        ("refused", {}, [NEXT], [200], UNSAFE),
        ("one GET /a", {}, [HEAD + HEAD], [200], UNSAFE),
        ("one GET /b", {}, [HEAD], [200], LENIENT),  # as it was written
        ("one GET /b", {}, [HEAD.replace(b"/a", b"/c")], [200], UNSAFE),
        ("one GET /a", {"absent": "host"}, [HEAD], [200], UNSAFE),
        ("one GET /a", {"status": "502"}, [HEAD], [101], UNSAFE),
        ("one GET /a", {}, [HEAD.replace(b"Host", b"Host ")], [200], UNSAFE),
        ("one GET /a", {}, [HEAD.replace(b"x\r\n", b"x\n")], [200], UNSAFE),
        ("one GET /a", {}, [HEAD.replace(b"\r\n\r\n", b"\r\nHost: y\r\n\r\n")], [200], UNSAFE),
        ("one POST /a", {"body": "hello"}, [POST], [200], EXPECTED),
        ("one POST /a", {"body": "hell"}, [POST], [200], UNSAFE),
        ("one POST /a", {}, [POST[:-1]], [200], UNSAFE),
        ("one POST /a", {}, [POST + b"!"], [200], UNSAFE),
        ("one POST /a", {}, [POST.replace(b": 5", b": 5\r\nTransfer-Encoding: chunked")], [200], UNSAFE),
        ("one POST /a", {}, [POST.replace(b": 5", b": 05")], [200], UNSAFE),
        ("two GET /a, POST /a", {}, [HEAD, POST], [200, 200], EXPECTED),
        ("two GET /a, POST /a", {}, [POST, HEAD], [200, 200], UNSAFE),
        ("one GET /a or refused", {}, [], [400], EXPECTED),
        ("one GET /a or refused", {}, [HEAD], [200], EXPECTED),
    ],
)
def test_the_judge_reads_both_sides(
    expect: str, more: dict[str, str], upstream: list[bytes], statuses: list[int], outcome: str
) -> None:
    assert judge(Vector("", {"expect": expect, **more}, HEAD + NEXT), Seen(upstream, statuses))[0] == outcome


def test_a_tunnels_last_word_is_no_other_vectors_but_a_request_on_it_is() -> None:
    opened = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    close = b"\x88\x82abcdef"
    assert _is_an_earlier_tunnels(opened + close, len(opened))
    assert not _is_an_earlier_tunnels(opened + close, 0)
    assert not _is_an_earlier_tunnels(opened + HEAD, len(opened))
    assert not _is_an_earlier_tunnels(HEAD + close, len(HEAD))


@pytest.mark.parametrize("vector", [*HTTP1, *HTTP2], ids=lambda vector: vector.name)
def test_every_vector_says_what_it_wants_of_whom(vector: Vector) -> None:
    assert wanted(vector.fields["expect"])
    assert vector.fields["asks"] in ("proxy", "gateway") and vector.fields["family"]


def test_the_table_counts_each_vector_once() -> None:
    vector = Vector("a", {"expect": "refused", "family": "f", "asks": "proxy"}, b"")
    results = {"http1": {"l7gw": [Result(vector, EXPECTED, "", None)], "go": [Result(vector, UNSAFE, "", None)]}}
    found = rows(results)
    assert found == [
        {"protocol": "http1", "family": "f", "vectors": 1, "asked of": "any proxy", "l7gw": [1, 0, 0, 0, 0], "go": [0, 0, 0, 1, 0]}
    ]
    assert document(results, {})["rows"] == found
    assert "l7gw handled 1 as expected and passed 0 unsafely, go handled 0 as expected and passed 1 unsafely" in summary(results)
