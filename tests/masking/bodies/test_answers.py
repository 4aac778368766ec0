"""Which mask an answer gets: by status, type and encoding, and what was asked."""

from __future__ import annotations

import pytest

from l7gw.kube.objects.node import Unreadable
from l7gw.kube.requestinfo import describe
from l7gw.masking.bodies.answers import UNMASKED, Choice, choice, shown_headers
from l7gw.wire.events import CHUNKED

JSON = ("content-type", "application/json")
PROTOBUF = ("content-type", "application/vnd.kubernetes.protobuf")
TEXT = ("content-type", "text/plain; charset=utf-8")
HTML = ("content-type", "text/html")
BINARY = ("content-type", "image/png")
GZIP = ("content-encoding", "gzip")
POD = "/api/v1/namespaces/d/pods/web-0"


def chosen(
    path: str, *headers: tuple[str, str], status: int = 200, length: int = CHUNKED, method: str = "GET", asked: bool = True
) -> Choice:
    act = describe("GET" if method == "HEAD" else method, path)
    return choice(act, status, headers, length=length, bodiless=method == "HEAD", takes_gzip=asked)


@pytest.mark.parametrize(
    "path",
    ["/version", "/api", "/apis", "/apis/apps/v1", "/openapi/v2", "/openapi/v3/apis/apps/v1?hash=A", "/healthz", "/readyz/etcd"],
)
def test_what_the_api_server_says_of_itself_passes_as_it_came(path: str) -> None:
    for headers in ((JSON, GZIP), (PROTOBUF,), (TEXT,), (BINARY, ("content-encoding", "br"))):
        assert chosen(path, *headers).sort == "as-it-came"


@pytest.mark.parametrize(
    ("status", "method", "length"),
    [(304, "GET", CHUNKED), (204, "GET", CHUNKED), (200, "HEAD", 7), (200, "GET", 0), (101, "GET", CHUNKED)],
)
def test_an_answer_without_a_body_passes(status: int, method: str, length: int) -> None:
    assert chosen(POD, BINARY, status=status, method=method, length=length).sort == "as-it-came"


@pytest.mark.parametrize("status", [200, 201, 403, 404, 409, 422, 500])
def test_an_object_is_masked_whatever_its_status(status: int) -> None:
    assert chosen(POD, JSON, status=status) == Choice(sort="object")
    assert chosen(POD, PROTOBUF, GZIP, status=status) == Choice(sort="object", protobuf=True, packed="gzip")
    assert chosen(POD, ("content-type", "Application/JSON; charset=utf-8"), status=status) == Choice(sort="object")


def test_a_watch_is_told_by_what_was_asked_and_its_failure_is_an_object() -> None:
    watched = ("content-type", "application/vnd.kubernetes.protobuf;stream=watch")
    assert chosen("/api/v1/pods?watch=1", watched) == Choice(sort="watch", protobuf=True)
    assert chosen("/api/v1/pods?watch=1", JSON) == Choice(sort="watch")
    assert chosen("/api/v1/pods?watch=1", JSON, status=410).sort == "object"
    assert chosen(POD, JSON).sort == "object"


def test_gzip_that_nobody_asked_for_goes_on_plain() -> None:
    choice = chosen(POD, JSON, GZIP, asked=False)
    assert choice.packed == "gzip-unasked"
    assert shown_headers((JSON, GZIP, ("vary", "Accept-Encoding")), choice, edited=False, warnings=[]) == (
        JSON,
        ("vary", "Accept-Encoding"),
    )


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (TEXT,),
        (HTML,),
        (BINARY,),
        (("content-type", "application/cbor"),),
        (("content-type", "application/yaml"),),
        (JSON, JSON),
        (JSON, ("content-encoding", "br")),
        (JSON, ("content-encoding", "deflate")),
        (JSON, ("content-encoding", "gzip, gzip")),
        (JSON, GZIP, GZIP),
    ],
)
def test_what_should_be_an_object_and_is_none_does_not_pass(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Unreadable):
        chosen(POD, *headers)


def test_an_error_in_plain_words_is_scanned_and_no_other_type_passes() -> None:
    assert chosen(POD, TEXT, status=429).sort == chosen(POD, HTML, status=503).sort == "text"
    with pytest.raises(Unreadable):
        chosen(POD, BINARY, status=500)


def test_a_log_is_a_stream_of_text_and_its_failure_an_object() -> None:
    assert chosen(f"{POD}/log", TEXT).sort == "log"
    assert chosen(f"{POD}/log", JSON, status=400).sort == "object"
    assert chosen(f"{POD}/log", TEXT, GZIP).packed == "gzip-unasked", "hooks and rules see each line"


@pytest.mark.parametrize(
    "path", [f"{POD}/proxy/a", "/api/v1/namespaces/d/services/web:80/proxy/", "/api/v1/nodes/n/proxy/logs/", "/metrics"]
)
def test_behind_a_proxy_text_is_scanned_and_the_rest_says_that_it_was_not(path: str) -> None:
    for kind in ("text/html", "application/json", "application/problem+json", "application/yaml", "image/svg+xml"):
        assert chosen(path, ("content-type", kind)).sort == "text"
    for headers in ((BINARY,), (), (HTML, ("content-encoding", "br"))):
        choice = chosen(path, *headers)
        assert choice.sort == "unmasked" and UNMASKED in shown_headers(headers, choice, edited=False, warnings=[])


def test_fields_that_speak_of_the_bytes_go_only_where_the_bytes_change() -> None:
    headers = (JSON, ("etag", '"1"'), ("content-md5", "x"), ("vary", "Accept-Encoding"), ("last-modified", "x"))
    object_ = Choice(sort="object")
    assert shown_headers(headers, object_, edited=False, warnings=[]) == headers
    assert shown_headers(headers, object_, edited=True, warnings=[]) == (headers[0], *headers[3:])


def test_each_warning_is_a_field_of_its_own() -> None:
    found = shown_headers((JSON,), Choice(sort="object"), edited=True, warnings=["one", "two"])
    assert found == (JSON, ("warning", '299 - "l7gw: one"'), ("warning", '299 - "l7gw: two"'))
