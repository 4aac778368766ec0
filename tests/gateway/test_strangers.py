"""Whoever was not let in stands in the log, with address and reason, once a minute however often he tries."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.strangers import shown_issuer, unproven
from l7gw.log import EVERY, CountedLog
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.faults import ask, until
from tests.support.http_callers import POD
from tests.support.manual_clock import ManualClock
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene

OTHER = "https://idp.example.com/realms/other"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    times = dataclasses.replace(USUAL_TIMEOUTS, handshake=0.5)
    with scene(tmp_path_factory.mktemp("scene"), timeouts=times) as running:
        ask(running, running.request(f"GET {POD}"))
        yield running


def told(it: Scene, about: str) -> list[str]:
    """What the log has about an address, beside the access log."""
    found = [json.loads(line) for line in it.gateway.log.splitlines()]
    return [str(one["message"]) for one in found if one["room"] != "access" and str(one["message"]).startswith(f"{about}: ")]


# ---------------------------------------------------------------------- handshakes


def shakes(it: Scene, address: str, data: bytes, *, waits: bool = False) -> None:
    with socket.create_connection(("127.0.0.1", it.gateway.port), 10, (address, 0)) as client:
        client.sendall(data)
        if waits:
            with contextlib.suppress(ConnectionResetError):
                while client.recv(1000):
                    pass


def tls(it: Scene, address: str, change: Callable[[ssl.SSLContext], None]) -> None:
    context = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
    change(context)
    plain = socket.create_connection(("127.0.0.1", it.gateway.port), 10, (address, 0))
    with pytest.raises(ssl.SSLError), context.wrap_socket(plain, server_hostname="localhost") as client:
        client.recv(1)


def _old(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1


STRANGERS: dict[str, tuple[Callable[[Scene, str], None], str]] = {
    "HTTP": (lambda it, at: shakes(it, at, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", waits=True), "TLS handshake cut: http request: plain HTTP"),
    "junk": (lambda it, at: shakes(it, at, b"\x00\x01\x02junk\r\n" * 9, waits=True), "TLS handshake cut: wrong version number"),
    "a part of a hello": (lambda it, at: shakes(it, at, b"\x16\x03\x01\x02\x00\x01"), "TLS handshake left unfinished"),
    "silence": (lambda it, at: shakes(it, at, b"", waits=True), "TLS handshake not finished in time"),
    "TLS 1.1": (lambda it, at: tls(it, at, _old), "TLS handshake cut: unsupported protocol"),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(STRANGERS)), ids=list(STRANGERS))
def test_a_handshake_that_fails_stands_in_the_log_with_address_and_reason_once(it: Scene, number: int) -> None:
    address = f"127.0.2.{number + 1}"
    does, said = list(STRANGERS.values())[number]
    for _ in range(5):
        does(it, address)
    (line,) = until(lambda: told(it, address))
    assert line.startswith(f"{address}: {said}"), line


def test_a_client_that_does_not_trust_the_certificate_stands_in_the_log(it: Scene) -> None:
    plain = socket.create_connection(("127.0.0.1", it.gateway.port), 10, ("127.0.2.50", 0))
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    (line,) = until(lambda: told(it, "127.0.2.50"))
    assert "the client does not trust this certificate" in line


def test_a_health_check_that_connects_and_leaves_is_not_told(it: Scene) -> None:
    """A balancer makes one every few seconds, for ever."""
    with socket.create_connection(("127.0.0.1", it.gateway.port), 10, ("127.0.2.60", 0)):
        pass
    shakes(it, "127.0.2.61", b"\x16\x03\x01\x02\x00\x01")
    until(lambda: told(it, "127.0.2.61"))
    assert told(it, "127.0.2.60") == []


def test_a_client_without_alpn_speaks_http1_and_what_is_none_of_it_stands_in_the_log(it: Scene) -> None:
    with RawClient(it.gateway, source="127.0.2.70") as client:
        client.send(b"PRI * NOTHING\r\n\r\n")
        assert client.answer()[0] == 400
    (line,) = until(lambda: told(it, "127.0.2.70"))
    assert "malformed request" in line


# ---------------------------------------------------------------------- 401s


def _signed(it: Scene, **claims: object) -> str:
    return it.issuer.token("eve", [], **claims)


UNPROVEN: dict[str, tuple[Callable[[Scene], str], str, bool]] = {
    "no token": (lambda it: "", "no credential", False),
    "no JWT": (lambda it: "junk", "the token is malformed", False),
    "expired": (lambda it: _signed(it, iat=1, exp=1000), "the token is expired", True),
    "another audience": (lambda it: _signed(it, aud="other"), "the token is for another audience", True),
    "another signature": (lambda it: _signed(it)[:-8] + "AAAAAAAA", "the token's signature does not fit", True),
}


@pytest.mark.parametrize("number", range(len(UNPROVEN)), ids=list(UNPROVEN))
def test_each_401_stands_in_the_log_with_reason_issuer_and_address_once(it: Scene, number: int) -> None:
    address = f"127.0.3.{number + 1}"
    make, said, named = list(UNPROVEN.values())[number]
    token = make(it)
    request = it.request(f"GET {POD}", token=token or "x")
    if not token:
        request = request.replace(b"Authorization: Bearer x\r\n", b"")
    for _ in range(5):
        with RawClient(it.gateway, source=address) as client:
            client.send(request)
            assert client.answer()[0] == 401
    (line,) = until(lambda: told(it, address))
    assert line.startswith(f"{address}: 401 at cluster test: {said}"), line
    assert line.endswith(f" (issuer {it.issuer.url})") == named, line
    assert token[-12:] not in line or not token


def test_the_issuer_of_a_token_that_this_gateway_does_not_know_is_named_where_it_is_a_url(it: Scene) -> None:
    now = int(time.time())
    claims = {"iss": OTHER, "aud": "a", "sub": "s", "iat": now, "exp": now + 60}
    head, payload = (_part(one) for one in ({"alg": "ES256", "kid": "k", "typ": "JWT"}, claims))
    with RawClient(it.gateway, source="127.0.3.90") as client:
        client.send(it.request(f"GET {POD}", token=f"{head}.{payload}.{'A' * 86}"))
        assert client.answer()[0] == 401
    (line,) = until(lambda: told(it, "127.0.3.90"))
    assert f"(issuer {OTHER})" in line


def _part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [
        ("https://idp.example.com/realms/a", "https://idp.example.com/realms/a"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://ann:password@idp.example.com", ""),
        ("https://idp.example.com/?key=secret", ""),
        ("https://idp.example.com/\x1b[2J", ""),
        ("https://idp.example.com/" + "a" * 200, ""),
        ("a secret", ""),
        ("https://idp/eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lkcCIsInN1YiI6ImEifQ." + "c" * 43, ""),
    ],
)
def test_an_issuer_is_shown_where_it_is_a_plain_url(issuer: str, shown: str) -> None:
    assert shown_issuer(issuer) == (shown or "that is no plain URL")


def test_the_count_of_an_address_is_told_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    counted = CountedLog(logging.getLogger("it"), clock.monotonic)
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            unproven(counted, "10.0.0.9", "prod", Refusal(401, "Unauthorized", "100% wrong"))
        clock.advance(EVERY)
        counted.tick()
    assert caplog.messages == [
        "10.0.0.9: 401 at cluster prod: 100% wrong",
        "10.0.0.9: 401 at cluster prod: 100% wrong (999 times in 60 s)",
    ]
