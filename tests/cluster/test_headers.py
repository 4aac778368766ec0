"""Only header fields of an allow-list go up."""

from __future__ import annotations

import pytest

from l7gw.cluster.headers import PASSED_ON, check_acceptable, offered_protocols, own_length, upstream_request
from l7gw.errors import Refusal
from l7gw.kube.requestinfo import describe
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY, Refused, Request
from l7gw.wire.http1 import ServerConnection as Http1
from l7gw.wire.semantics import LISTS, SINGLE
from tests.support.http2_reading import headers as h2_headers
from tests.support.http2_reading import server

POD = "/api/v1/namespaces/d/pods/p"


def sent(*headers: tuple[str, str], method: str = "GET", target: str = POD, upgrade: str = "") -> dict[str, list[str]]:
    request = Request(method, target, (("host", "gw"), *headers), upgrade=upgrade)
    up = upstream_request(
        request, describe(method, target, upgrade), (), host="c:6443", address="10.0.0.1", body=NO_BODY, audit_id="A"
    )
    found: dict[str, list[str]] = {}
    for name, value in up.headers:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("accept", "travels"),
    [
        ("application/json", "application/json"),
        ("application/cbor,application/json", "application/json"),
        ("application/yaml", "application/json"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io, application/yaml;q=0.1", "application/json;as=Table;v=v1;g=meta.k8s.io"),
        ("application/cbor-seq", "application/json"),
    ],
)
def test_content_types_that_cannot_be_masked_are_not_asked_for(accept: str, travels: str) -> None:
    assert sent(("accept", accept))["accept"] == [travels]


@pytest.mark.parametrize(
    ("encoding", "travels"),
    [("gzip", ["gzip"]), ("br, gzip, zstd", ["gzip"]), ("br", None), ("identity", None), ("gzip;q=0", None), ("x-gzip", None)],
)
def test_gzip_is_asked_for_where_the_client_asks_for_it(encoding: str, travels: list[str] | None) -> None:
    assert sent(("accept-encoding", encoding)).get("accept-encoding") == travels


def test_an_unknown_header_does_not_go_upstream() -> None:
    names = {
        "x-remote-user",
        "forwarded",
        "cookie",
        "range",
        "x-http-method-override",
        "kubectl-command",
        "te",
        "x-anything",
        "impersonate_user",
    }
    assert not names & sent(*((name, "x") for name in names)).keys()
    kept = {"user-agent", "content-type", "if-match", "if-none-match", "if-modified-since", "traceparent", "tracestate"}
    assert kept <= sent(*((name, "x") for name in kept)).keys()


def test_an_upgrade_has_a_key_of_its_own_and_one_line_of_protocols() -> None:
    headers = (
        ("sec-websocket-key", "client"),
        ("sec-websocket-protocol", "v5.channel.k8s.io, x,v4.channel.k8s.io"),
    )
    found = sent(*headers, target=f"{POD}/exec?command=ls", upgrade="websocket")
    assert found["sec-websocket-protocol"] == ["v5.channel.k8s.io,v4.channel.k8s.io"]
    assert found["sec-websocket-key"] != ["client"] and len(found["sec-websocket-key"]) == 1
    spdy = (("x-stream-protocol-version", "v4.channel.k8s.io"), ("x-stream-protocol-version", "v1.channel.k8s.io"))
    assert sent(*spdy, method="POST", target=f"{POD}/exec?command=ls", upgrade="SPDY/3.1")["x-stream-protocol-version"] == [
        "v4.channel.k8s.io"
    ]


# ---------------------------------------------------------------------- one reading of each header (threats B12)

SENT_ANEW = ("accept", "accept-encoding", "sec-websocket-protocol", "x-stream-protocol-version")
TWICE = {  # with these lines, a reader of the first alone and a reader of the last alone would understand something else
    "accept": ("application/json", "application/vnd.kubernetes.protobuf"),
    "accept-encoding": ("identity", "gzip"),
    "sec-websocket-protocol": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "x-stream-protocol-version": ("v5.channel.k8s.io", "v4.channel.k8s.io"),
    "tracestate": ("a=1", "b=2"),
}


def both_read(headers: list[tuple[str, str]]) -> list[Request | int]:
    """How HTTP/1.1 and HTTP/2 read these header lines: the request, or the status of the refusal."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    found: list[Request | int] = []
    try:
        event = Http1().receive(f"GET {POD} HTTP/1.1\r\nhost: gw\r\n{lines}\r\n".encode("latin-1"))[0]
        assert isinstance(event, Request)
        found.append(event)
    except PeerError as error:
        found.append(error.code)
    pseudo = ((":method", "GET"), (":scheme", "https"), (":authority", "gw"), (":path", POD))
    ((_, came), *_) = server().receive(h2_headers(1, *pseudo, *headers))
    assert isinstance(came, Request | Refused)
    found.append(came if isinstance(came, Request) else came.status)
    return found


@pytest.mark.parametrize("name", sorted(PASSED_ON | set(SENT_ANEW)))
def test_a_header_that_travels_is_one_line_on_both_https_or_refused(name: str) -> None:
    first, second = TWICE.get(name, ("x", "y"))
    for came in both_read([(name, first), (name, second)]):
        if came == 400:
            assert name in SINGLE
            continue
        assert isinstance(came, Request)
        values = [value for field, value in came.headers if field == name]
        assert values == [f"{first}, {second}"], "one line: whoever reads the first reads all"
        if name in ("accept", "tracestate"):
            assert sent(*came.headers)[name] == values
        elif name == "accept-encoding":
            assert sent(*came.headers)[name] == ["gzip"]


def test_upstream_no_header_stands_twice_but_groups_and_spdys_protocols() -> None:
    """Whatever the codec accepts, the request upstream has one line of each name."""
    names = sorted(PASSED_ON | set(SENT_ANEW) | LISTS | {"x-forwarded-for", "audit-id", "authorization", "cookie", "x-b"})
    for name in names:
        for came in both_read([(name, "a"), (name, "a")]):
            if isinstance(came, Request):
                assert all(len(values) == 1 for values in sent(*came.headers).values()), name


@pytest.mark.parametrize("name", ["impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-x"])
def test_impersonation_by_the_client_is_seen_and_its_lines_never_travel(name: str) -> None:
    assert check_acceptable(Request("GET", POD, ((name, "x"),)), describe("GET", POD))
    assert not check_acceptable(Request("GET", POD, (("accept", "x"),)), describe("GET", POD))
    assert name not in sent((name, "x"))


def test_an_upgrade_that_offers_no_known_subprotocol_is_refused() -> None:
    act = describe("GET", f"{POD}/portforward", "websocket")
    with pytest.raises(Refusal):
        offered_protocols(Request("GET", POD, (("sec-websocket-protocol", "v5.channel.k8s.io"),), upgrade="websocket"), act)


def test_a_body_is_announced_where_the_client_announced_one() -> None:
    assert (own_length(5, 5), own_length(0, 0), own_length(NO_BODY, 0), own_length(CHUNKED, 7)) == (
        5,
        0,
        NO_BODY,
        7,
    )


@pytest.mark.parametrize("query", ["", "?ports=0", "?ports=x"])
def test_an_older_port_forward_without_ports_is_refused_before_anything_travels(query: str) -> None:
    key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    headers = (key, ("sec-websocket-version", "13"), ("sec-websocket-protocol", "v4.channel.k8s.io"))
    with pytest.raises(Refusal) as refused:
        check_acceptable(
            Request("GET", POD, headers, upgrade="websocket"), describe("GET", f"{POD}/portforward{query}", "websocket")
        )
    assert refused.value.code == 400


@pytest.mark.parametrize("query", ["", "?ports=0", "?ports=x"])
def test_of_two_offers_a_port_forward_without_ports_sends_up_the_tunnel_alone(query: str) -> None:
    """A cluster that chose the channels would get a tunnel whose channels nobody can name."""
    offer = ("sec-websocket-protocol", "SPDY/3.1+portforward.k8s.io, v4.channel.k8s.io")
    act = describe("GET", f"{POD}/portforward{query}", "websocket")
    assert offered_protocols(Request("GET", POD, (offer,), upgrade="websocket"), act) == ["SPDY/3.1+portforward.k8s.io"]
    both = describe("GET", f"{POD}/portforward?ports=80", "websocket")
    assert len(offered_protocols(Request("GET", POD, (offer,), upgrade="websocket"), both)) == 2
