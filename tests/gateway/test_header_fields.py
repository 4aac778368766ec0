"""What the header fields of a request say is the same, whether it is found out for each call or once for many."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar, cast

from hypothesis import given
from hypothesis import strategies as st

from l7gw.clock import SystemClock
from l7gw.cluster.headers import check_acceptable, passed_on
from l7gw.errors import Refusal
from l7gw.gateway.downstream_http1 import Http1Downstream
from l7gw.gateway.familiar import Familiar
from l7gw.gateway.header_fields import HeaderFields
from l7gw.identity.bearer import BEARER_PROTOCOL, bearer_of, check_alone
from l7gw.kube.requestinfo import describe
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.masking.placeholder import BEGINNING
from l7gw.masking.placeholder_search import in_headers
from l7gw.recording.redact import hiding, recorded_headers
from l7gw.wire.events import Headers, Request

if TYPE_CHECKING:
    from l7gw.gateway.worker import Worker

T = TypeVar("T")

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
RUN = "5b9f4b2e-3c0f-4a65-9d2e-0d1f0d0f0d0f"
PAIRS = [
    *(("authorization", value) for value in (f"Bearer {TOKEN}", f"bearer {TOKEN}", "Basic YTpi", "")),
    *(("kubectl-session", value) for value in (RUN, RUN.upper(), "x", "")),
    *(("accept", value) for value in ("application/json", "application/yaml, application/json", "application/cbor")),
    *(("accept-encoding", value) for value in ("gzip", "br, gzip", "gzip;q=0")),
    *(("content-type", value) for value in ("application/json", "application/cbor")),
    *(("user-agent", value) for value in ("kubectl/v1.31.0", f"{BEGINNING}secret-data-0123456789abcdef", TOKEN)),
    *(("impersonate-user", value) for value in ("jane", "")),
    *(("x-own", value) for value in (TOKEN, f"%{TOKEN}", "a")),
    (f"x-{TOKEN.lower()}", "a"),
    ("kubectl-command", "kubectl get"),
    ("sec-websocket-protocol", f"v5.channel.k8s.io, {BEARER_PROTOCOL}YWJjZGVmZ2hpamtsbW5vcA"),
    ("origin", "https://elsewhere"),
]
headers = st.lists(st.sampled_from(PAIRS), max_size=7).map(tuple)
TARGETS = ["/api/v1/namespaces/dev/pods/web-0", "/api/v1/pods?limit=5", f"/api/v1/pods?labelSelector={TOKEN}"]


def said(work: Callable[[], T]) -> T | tuple[int, str]:
    try:
        return work()
    except Refusal as refusal:
        return refusal.code, refusal.message


def run_of(fields: Headers) -> str:
    named = next((value for name, value in fields if name == "kubectl-session"), "")
    return named if named == RUN else ""


@given(headers, st.sampled_from(["", "", "websocket", "SPDY/3.1"]))
def test_what_fields_say_is_the_same_the_first_time_and_later(fields: Headers, upgrade: str) -> None:
    known = HeaderFields(fields)
    for target in TARGETS * 2:
        request = Request("GET", target, (*fields,), upgrade=upgrade)
        act = describe("GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls" if upgrade else target)
        token = said(lambda: bearer_of(request))  # noqa: B023
        assert said(lambda: known.token(request)) == token  # noqa: B023
        assert said(lambda: known.asks_as_another(request, act)) == said(lambda: check_acceptable(request, act))  # noqa: B023
        assert known.placeholder == in_headers(fields)
        assert known.named == dict(fields)
        assert known.run == run_of(fields)
        assert known.passed_on(request) == passed_on(request)
        for proven in (False, True):
            if proven and isinstance(token, tuple):
                continue  # nobody is proven by a token that is refused
            hide = hiding(token if isinstance(token, str) else None, proven=proven)
            recorded = recorded_headers(fields, hide)
            assert known.recorded(hide, proven=proven) == (recorded, "\n".join(value for _, value in recorded))
        if isinstance(token, str):
            assert said(lambda: known.check_alone(request)) == said(lambda: check_alone(request, token))  # noqa: B023
        elif token is None:
            known.check_alone(request)


def connection(limits: Limits) -> Http1Downstream:
    return Http1Downstream(
        cast("Worker", SimpleNamespace(clock=SystemClock(), limits=limits, familiar=Familiar(limits.remembered)))
    )


def test_a_connection_keeps_what_fields_say_from_their_second_request_on_and_of_one_set_of_fields() -> None:
    down, fields, others = connection(USUAL_LIMITS), (PAIRS[0], PAIRS[4]), (PAIRS[1], PAIRS[4])
    first, second, third = (down.said(Request("GET", f"/{n}", (*fields,))) for n in range(3))
    assert first is not second and second is third
    assert down.said(Request("GET", "/", others)) is not third  # another token
    assert down.said(Request("GET", "/", fields)) is third
    assert down.said(Request("GET", "/", fields[:1])) is not third
    down.said(Request("GET", "/", others))
    another = down.said(Request("GET", "/", others))
    assert down.said(Request("GET", "/", others)) is another and down.said(Request("GET", "/", fields)) is not third


def test_a_connection_of_a_gateway_that_remembers_nothing_keeps_nothing() -> None:
    down = connection(Limits(remembered=0))
    assert len({id(said) for said in [down.said(Request("GET", "/", (PAIRS[0],))) for _ in range(4)]}) == 4
