"""Shapes of answers' heads: what is read by a shape is what the parser reads from the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from l7gw.wire import http2
from l7gw.wire.answer_shapes import LARGEST_SHAPE, MOST_SHAPES, AnswerShape, AnswerShapes, FieldsShape
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, Body, End, HttpEvent, Request, Response
from l7gw.wire.http1_client import ClientConnection
from l7gw.wire.http1_message import parse_response
from l7gw.wire.http2_fields import Malformed, parse_answer
from tests.support.http2_reading import data, headers, settings

ID, OTHER_ID = b"0b9e1a52-7f43-4d0e-9b7b-8a0c7a1d2f11", b"c0ffee00-0000-4000-8000-000000000001"
DATE, OTHER_DATE = b"Sat, 28 Nov 2026 12:00:00 GMT", b"Sun, 29 Nov 2026 00:00:01 GMT"
KUBE = (
    b"HTTP/1.1 200 OK\r\nAudit-Id: %b\r\nCache-Control: no-cache, private\r\nContent-Type: application/json\r\n"
    b"X-Kubernetes-Pf-Flowschema-Uid: 4c1a7e6e-3d5b-4f0b-8d43-1f2e3d4c5b6a\r\n"
    b"X-Kubernetes-Pf-Prioritylevel-Uid: 9a8b7c6d-5e4f-4a3b-9c8d-7e6f5a4b3c2d\r\nDate: %b\r\nContent-Length: %b"
)
CHUNKED_KUBE = KUBE.replace(b"Content-Length: %b", b"Transfer-Encoding: chunked")
HEADS = [
    KUBE % (ID, DATE, b"1012"),
    CHUNKED_KUBE % (ID, DATE),
    (KUBE % (ID, DATE, b"0")).replace(b"200 OK", b"404 Not Found"),
    b"HTTP/1.0 200 OK\r\ncontent-length: 7\r\ndate: " + DATE + b"\r\naudit-id: " + ID + b"\r\nconnection: close",
    b"HTTP/1.1 201\r\nDate: " + DATE + b"\r\nX-A: b\r\nContent-Length: 5\r\nWarning: 299 - \"\xe9\"\r\nAudit-Id:\tx",
    b"HTTP/1.1 304 Not Modified\r\nDate: " + DATE + b"\r\nEtag: x\r\nContent-Length: 12",
    b"HTTP/1.1 204 No Content\r\nDate: " + DATE + b"\r\nContent-Length: 0",
    b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nContent-Length: 5\r\nConnection: date, audit-id\r\nAudit-Id: " + ID,
    b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nContent-Length: 5\r\nConnection: audit-id\r\nX: y\r\nAudit-Id: " + ID,
    b"HTTP/1.1 200 OK\r\nDate:x\r\nDate: " + DATE + b"\r\nContent-Length: 5\r\nAudit-Id:z\r\nAudit-Id: " + ID,
    b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nDate: " + DATE + b"\r\nContent-Length:5\r\n",
    b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nEtag: \r\nContent-Length: 5",
    b"HTTP/1.1 200 OK\r\nDate: " + DATE,
]  # fmt: skip


def parsed(head: bytes, method: str) -> object:
    try:
        return parse_response(head, method, "")
    except PeerError as error:
        return error.code, error.reason


def read(shapes: AnswerShapes, head: bytes, method: str) -> Response | None:
    """What a connection reads from a head by its shape; a head without one is parsed, and its shape is kept."""
    known = shapes.read(head)
    if known is None and isinstance(answer := parsed(head, method), Response):
        assert shapes.remember(head, answer) == answer
    return known


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A head, or one that differs from it in a value or in any bytes."""
    head = draw(st.sampled_from(HEADS))
    for old, new in ((ID, OTHER_ID), (DATE, OTHER_DATE), (b"1012", b"30000"), (b": 5", b": 0")):
        head = head.replace(old, new) if draw(st.booleans()) else head
    pieces = [
        b"\r\n",
        b"\n",
        b"0",
        b"-",
        b" ",
        b"\0",
        b"\xe9",
        b"Date: " + DATE + b"\r\n",
        b"Content-Length: 5\r\n",
        b"Audit-Id: x\r\n",
        b"",
    ]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.one_of(st.integers(0, len(head)), st.sampled_from([i for i in range(len(head)) if head[i] in b"\r:"] or [0])))
        cut = draw(st.integers(0, 3))
        head = head[:at] + draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=2))) + head[at + cut :]
    return head


@given(st.lists(st.tuples(changed(), st.sampled_from(["GET", "HEAD", "POST"])), min_size=1, max_size=8))
@example([(head, method) for head in HEADS for method in ("HEAD", "GET")] * 2)
def test_what_is_read_by_a_shape_is_what_the_parser_reads(heads: list[tuple[bytes, str]]) -> None:
    shapes = AnswerShapes(32768)
    for head, method in heads:
        assume(b"\r\n\r\n" not in head)
        known = read(shapes, head, method)
        if known is not None:
            assert known == parsed(head, method)
            assert ("date", known.date) in known.headers and isinstance(known.shape, AnswerShape)


@pytest.mark.parametrize("head", HEADS[:3])
def test_each_byte_of_a_head_that_differs_is_read_as_the_parser_reads_it_or_not_by_its_shape(head: bytes) -> None:
    recognised = 0
    for at in range(len(head)):
        for byte in (*b"\0\t\r\n -09:AZaz", 0x7F, 0x80, 0xFF):
            for one in (head[:at] + bytes((byte,)) + head[at:], head[:at] + bytes((byte,)) + head[at + 1 :], head[:at]):
                shapes = AnswerShapes(32768)
                read(shapes, head, "GET")
                known = shapes.read(one)
                recognised += known is not None
                assert known is None or known == parsed(one, "GET"), one
    assert recognised > 100


@pytest.mark.parametrize("template", [KUBE, CHUNKED_KUBE], ids=["length", "chunked"])
def test_heads_that_differ_in_those_values_have_one_shape_and_each_has_its_own_values(template: bytes) -> None:
    shapes = AnswerShapes(32768)
    seen = set()
    for audit, date, length in (
        (ID, DATE, b"1012"),
        (OTHER_ID, DATE, b"7"),
        (ID, OTHER_DATE, b"0"),
        (b"x", DATE, b"1" + b"0" * 17),
    ):
        head = template % (audit, date, length) if template is KUBE else template % (audit, date)
        connection = ClientConnection(shapes)
        connection.send(Request("GET", "/a", (("host", "gw"),)))
        connection.send(End())
        (answer, *_) = connection.receive(head + b"\r\n\r\n")
        assert isinstance(answer, Response) and answer == parsed(head, "GET")
        assert answer.date == date.decode() and dict(answer.headers)["audit-id"] == audit.decode()
        assert answer.length == (int(length) if template is KUBE else CHUNKED)
        seen.add(answer.shape)
    assert len(seen) == 1 and None not in seen


@pytest.mark.parametrize(
    ("audit", "date", "length"),
    [
        (b"", DATE, b"5"), (b"a" * 65, DATE, b"5"), (b"a b", DATE, b"5"), (b"a_", DATE, b"5"), (b"\xe9", DATE, b"5"),
        (ID, b"", b"5"), (ID, DATE + b" ", b"5"), (ID, DATE.lower(), b"5"), (ID, DATE.replace(b"2026", b"202a"), b"5"),
        (ID, DATE, b""), (ID, DATE, b"05"), (ID, DATE, b"5 "), (ID, DATE, b" 5"), (ID, DATE, b"1" * 19), (ID, DATE, b"+5"),
        (ID, DATE, b"5, 5"), (ID, DATE, b"\xb2"), (ID, DATE, b"5\r\nX: y"), (ID, DATE, b"5\r\nContent-Length: 5"),
    ],
)  # fmt: skip
def test_a_value_of_another_form_is_left_to_the_parser(audit: bytes, date: bytes, length: bytes) -> None:
    shapes = AnswerShapes(32768)
    read(shapes, HEADS[0], "GET")
    assert shapes.read(KUBE % (audit, date, length)) is None


@pytest.mark.parametrize("head", HEADS[6:11] + HEADS[12:])
def test_an_answer_that_other_rules_read_and_one_of_doubtful_values_has_no_shape(head: bytes) -> None:
    shapes = AnswerShapes(32768)
    for method in ("HEAD", "GET"):
        assert read(shapes, head, method) is None
    assert shapes.read(head) is None


def test_shapes_are_limited_in_number_and_in_bytes_and_the_one_seen_last_stays() -> None:
    shapes = AnswerShapes(32768)
    heads = [(KUBE % (ID, DATE, b"5")).replace(b"no-cache", b"n%d" % number) for number in range(MOST_SHAPES + 1)]
    for head in heads:
        read(shapes, head, "GET")
        assert shapes.read(heads[0]) is not None
    assert [head for head in heads if shapes.read(head) is None] == [heads[1]]
    small = AnswerShapes(2 * len(heads[0]) + 10)
    assert [read(small, head, "GET") for head in heads[:3]] == [None] * 3
    assert [small.read(head) is not None for head in heads[:3]] == [False, True, True]
    for shapes, size in ((AnswerShapes(32768), LARGEST_SHAPE), (AnswerShapes(1000), 1000)):
        for more, kept in ((0, True), (1, False)):
            head = b"%b\r\nX: " % heads[0]
            head += b"x" * (size - len(head) + more)
            read(shapes, head, "GET")
            assert (shapes.read(head) is not None) is kept


def test_where_nothing_is_to_be_remembered_there_are_no_shapes() -> None:
    for shapes in (AnswerShapes(0), None):
        connection = ClientConnection(shapes)
        for _ in range(2):
            connection.send(Request("GET", "/a", (("host", "gw"),)))
            connection.send(End())
            events: list[HttpEvent] = connection.receive(KUBE % (ID, DATE, b"2") + b"\r\n\r\nok")
            (answer, *rest) = events
            assert isinstance(answer, Response) and answer.shape is None and not answer.date and rest == [Body(b"ok"), End()]


# ---------------------------------------------------------------------- HTTP/2

FIELDS = [(":status", "200"), ("audit-id", ID.decode()), ("cache-control", "no-cache, private"), ("content-type", "application/json"),
          ("date", DATE.decode()), ("content-length", "1012")]  # fmt: skip
FIELD_LISTS = [
    FIELDS, FIELDS[:-1], [FIELDS[0], *FIELDS[:0:-1]], FIELDS[:1] + FIELDS[4:], [(":status", "404"), *FIELDS[1:]], FIELDS[:4],
    [(":status", "204"), *FIELDS[1:5], ("content-length", "0")], [(":status", "304"), *FIELDS[1:]], [(":status", "103"), *FIELDS[1:5]],
    [*FIELDS, ("date", DATE.decode())], [*FIELDS, ("audit-id", "x")], [*FIELDS, ("x", "y"), ("vary", "a"), ("vary", "b"), ("te", "x")],
    [FIELDS[0], ("x-stream-protocol-version", "a"), *FIELDS[1:], ("x-stream-protocol-version", "b"), ("cookie", "x"), ("cookie", "y")],
]  # fmt: skip
OTHER = st.one_of(
    st.sampled_from([("audit-id", OTHER_ID.decode()), ("date", OTHER_DATE.decode()), ("content-length", "7"), ("content-length", "07"),
                     ("content-length", "\xb2"), ("audit-id", ""), ("audit-id", "\xe9"), ("audit-id", "a" * 65), ("audit-id", "a b"),
                     ("date", " " + DATE.decode()), ("date", "x"), ("x", "y"), ("Date", DATE.decode()), (":status", "200"), ("te", "a"),
                     ("audit-id", DATE.decode()), ("date", ID.decode()), ("content-length", ""), ("x", "y\0"), ("x", "z" * 70_000)]),
    st.tuples(st.sampled_from(["audit-id", "date", "content-length"]), st.text(st.characters(max_codepoint=255), max_size=5)),
)  # fmt: skip


def parsed_2(fields: list[tuple[str, str]]) -> object:
    try:
        return parse_answer(fields, "GET", end=False)
    except Malformed as error:
        return str(error)


def read_2(shapes: AnswerShapes, fields: list[tuple[str, str]]) -> Response | None:
    known = shapes.read_fields(fields)
    if known is None and isinstance(answer := parsed_2(fields), Response):
        assert shapes.remember_fields(fields, answer) == answer
    return known


@st.composite
def changed_fields(draw: st.DrawFn) -> list[tuple[str, str]]:
    fields = list(draw(st.sampled_from(FIELD_LISTS)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(fields)))
        fields[at : at + draw(st.integers(0, 1))] = draw(st.lists(OTHER, max_size=1))
    return fields


@given(st.lists(changed_fields(), min_size=1, max_size=8))
@example([fields for fields in FIELD_LISTS for _ in range(2)])
def test_fields_that_are_read_by_a_shape_say_what_the_parser_reads(lists: list[list[tuple[str, str]]]) -> None:
    shapes = AnswerShapes(32768)
    for fields in lists:
        before = list(fields)
        known = read_2(shapes, fields)
        assert fields == before
        if known is not None:
            assert known == parsed_2(fields)
            assert ("date", known.date) in known.headers and isinstance(known.shape, FieldsShape)


@pytest.mark.parametrize("length", [True, False])
def test_answers_over_http2_that_differ_in_those_values_have_one_shape(length: bool) -> None:
    shapes = AnswerShapes(32768)
    connection = http2.ClientConnection(shapes)
    connection.receive(settings())
    seen = set()
    for audit, date, size in ((ID, DATE, 2), (OTHER_ID, DATE, 3), (ID, OTHER_DATE, 2)):
        number = connection.open()
        connection.send(number, Request("GET", "/a", (("host", "gw"),)))
        connection.send(number, End())
        fields = [*FIELDS[:1], ("audit-id", audit.decode()), *FIELDS[2:4], ("date", date.decode()), ("content-length", str(size))]
        fields = fields if length else fields[:-1]
        sent = headers(number, *fields, end=False) + data(number, b"x" * size, end=True)
        (_, answer), body, end = connection.receive(sent)
        assert isinstance(answer, Response) and answer == parsed_2(fields) and answer.date == date.decode()
        assert answer.length == (size if length else CHUNKED) and (body, end) == ((number, Body(b"x" * size)), (number, End()))
        seen.add(answer.shape)
    assert len(seen) == 1 and None not in seen


def test_shapes_of_fields_are_limited_and_there_are_none_where_nothing_is_to_be_remembered() -> None:
    shapes = AnswerShapes(32768)
    lists = [[*FIELDS, ("x", str(number))] for number in range(MOST_SHAPES + 1)]
    for fields in lists:
        read_2(shapes, fields)
        assert shapes.read_fields(lists[0]) is not None
    assert [fields for fields in lists if shapes.read_fields(fields) is None] == [lists[1]]
    none = AnswerShapes(0)
    assert [read_2(none, FIELDS) for _ in range(2)] == [None, None]
    large = [*FIELDS, ("x", "y" * LARGEST_SHAPE)]
    assert [read_2(shapes, large) for _ in range(2)] == [None, None]


def test_an_answer_to_head_and_one_that_ends_at_once_are_read_by_no_shape() -> None:
    connection = http2.ClientConnection(AnswerShapes(32768))
    connection.receive(settings())
    for method, end in (("GET", False), ("GET", True), ("HEAD", True), ("GET", False)):
        number = connection.open()
        connection.send(number, Request(method, "/a", (("host", "gw"),)))
        connection.send(number, End())
        fields = FIELDS if method == "HEAD" or not end else FIELDS[:-1]
        (_, answer), *_ = connection.receive(
            headers(number, *fields, end=end) + (b"" if end else data(number, b"x" * 1012, end=True))
        )
        assert isinstance(answer, Response) and (answer.shape is None) is end
