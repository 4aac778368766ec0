"""Heads of requests as kubectl and others send them, and what lies near them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from l7gw.masking.placeholder import BEGINNING

SECRETS = tuple(f"hunter{n}-Zx81-registered-value" for n in range(6))  # of Secrets that are read; they stand in heads and answers
SECRET = SECRETS[0]
RUNS = ("0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002")
POD = (
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"%s","namespace":"shop"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
)
PLACEHOLDER = f"{BEGINNING}email-0123456789ab"
NAMES = ("a-0", "a-0", "a-1", "web", "b%20c", SECRETS[0], SECRETS[1])
NAMESPACES = ("shop", "shop", "vault", "a")
ACCEPTS = (
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/vnd.kubernetes.protobuf,application/json",
    "*/*",
    "application/yaml",
    "application/cbor,application/json",
)
MORE = (
    ("kubectl-session", RUNS[0]),
    ("kubectl-session", RUNS[1]),
    ("kubectl-session", "no run"),
    ("kubectl-command", "kubectl get"),
    ("kubectl-command", "kubectl get pods"),
    ("user-agent", "kubectl/v1.36.0 (linux/amd64)"),
    ("user-agent", "kubectl/v1.29.0"),
    ("user-agent", f"curl {SECRETS[2]}"),
    ("accept-encoding", "gzip"),
    ("accept-encoding", "gzip;q=0"),
    ("accept-encoding", "identity"),
    ("if-none-match", '"v1"'),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("x-custom", "EMP-123456"),
    ("x-custom", "somebody@example.com"),
    ("x-custom", f"password={SECRETS[3]}"),
    ("x-custom", SECRETS[4]),
    ("cookie", "a=b"),
    ("impersonate-user", "jane"),
    ("impersonate-user", "root"),
    ("impersonate-group", "developers"),
    ("audit-id", "0a1b2c3d-0000-4000-8000-0000000000ff"),
    ("x-forwarded-for", "1.2.3.4"),
    ("connection", "close"),
    ("connection", "keep-alive"),
    ("expect", "100-continue"),
    ("content-type", "application/json"),
    ("authorization", "Basic YTpi"),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A request. `prefix` is the cluster's, "" where the TLS server name leads to it. `order` sorts the headers."""

    method: str
    prefix: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    bearer: str = ""
    stands: bool = False  # whether its answer may stand still
    version: str = "1.1"
    chunked: bool = False
    cased: bool = False

    @property
    def key(self) -> str:
        return f"{self.method} {self.prefix}{self.target} {self.headers} {self.bearer[-8:]}"

    def fields_of_http2(self) -> list[tuple[str, str]]:
        host = next((value for name, value in self.headers if name == "host"), "localhost")
        fields = [(":method", self.method), (":scheme", "https"), (":path", self.prefix + self.target), (":authority", host)]
        fields += [(name, value) for name, value in self.headers if name not in ("host", "connection", "upgrade")]
        if self.bearer:
            fields.append(("authorization", f"Bearer {self.bearer}"))
        if self.body:
            fields.append(("content-length", str(len(self.body))))
        return fields


def as_http1(asked: Asked) -> bytes:
    """The head's bytes."""
    lines = [f"{asked.method} {asked.prefix}{asked.target} HTTP/{asked.version}"]
    if not any(name == "host" for name, _ in asked.headers):
        lines.append("Host: localhost")
    for name, value in asked.headers:
        lines.append(f"{name.title() if asked.cased else name}: {value}")
    if asked.bearer:
        lines.insert(2, f"Authorization: Bearer {asked.bearer}")
    if asked.body:
        lines.append(f"Content-Length: {len(asked.body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def mutated(draw: random.Random, data: bytes) -> bytes:
    """The bytes with one of them changed, added or left out."""
    at = draw.randrange(len(data))
    byte = bytes((draw.choice((draw.randrange(256), *b" \tA/a0,;=%")),))
    return draw.choice(
        (
            data[:at] + byte + data[at + 1 :],
            data[:at] + byte + data[at:],
            data[:at] + data[at + 1 :],
            data[:at] + data[at : at + 1].swapcase() + data[at + 1 :],
        )
    )


class Heads:
    """Draws heads."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def in_run(self, asked: Asked) -> Asked:
        """The same by another process of the client."""
        run = f"0a1b2c3d-0000-4000-8000-{self._draw.getrandbits(48):012x}"
        return replace(asked, headers=tuple((name, run if name == "kubectl-session" else value) for name, value in asked.headers))

    def any(self, prefix: str) -> Asked:
        draw = self._draw
        namespace, name = draw.choice(NAMESPACES), draw.choice(NAMES)
        within = f"/api/v1/namespaces/{namespace}"
        kind = draw.choices(range(18), (90, 40, 4, 4, 2, 8, 16, 6, 8, 4, 3, 3, 3, 2, 2, 2, 2, 3))[0]
        body, stands, method = b"", False, "GET"
        more: list[tuple[str, str]] = []
        if kind == 0:
            target = f"{within}/pods/{name}"
        elif kind == 1:
            target = f"{within}/pods?limit={draw.choice((1, 500))}"
        elif kind == 2:
            target, stands = f"{within}/pods?watch=true&resourceVersion={draw.randrange(3)}", True
        elif kind == 3:
            target = f"{within}/pods/{name}/log"
        elif kind == 4:
            target, stands = f"{within}/pods/{name}/log?follow=true", True
        elif kind == 5:
            target = f"{within}/secrets/{draw.choice(('db0', 'db1', 'db2', 'db3', 'db4', 'db5'))}"
        elif kind == 6:
            target = f"{within}/configmaps/{name}"
        elif kind == 7:
            target, method = f"{within}/pods/{name}", "HEAD"
        elif kind == 8:
            target = draw.choice(("/version", "/api", "/healthz", "/metrics", "/apis/apps/v1", "/openapi/v3"))
        elif kind == 9:
            target, method, body = f"{within}/pods", "POST", (POD % draw.choice(("a-1", "web"))).encode()
        elif kind == 10:
            target, method, body = f"{within}/pods/{name}", "PUT", (POD % name).encode()
        elif kind == 11:
            target, method, body = f"{within}/configmaps/{name}", "PATCH", b'{"data":{"a":"password=%s"}}' % SECRET.encode()
            more.append(("content-type", "application/merge-patch+json"))
        elif kind == 12:
            target, method = f"{within}/pods/{name}", "DELETE"
            body = draw.choice((b"", b'{"kind":"DeleteOptions","apiVersion":"v1"}'))
        elif kind == 13:
            target = f"{within}/pods/{name}/exec?command=ls&stdout=true"
            more += [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
            more += [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-protocol", "v5.channel.k8s.io")]
        elif kind == 14:
            target, method = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST"
            body = b'{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":{"verb":"get","resource":"pods","namespace":"shop"}}}'
        elif kind == 15:
            target = draw.choice(("/l7gw/v1/whoami", "/l7gw/v1/holds", "/l7gw", "/l7gw/v1/none"))
            prefix = ""
        elif kind == 16:
            target = draw.choice(
                ("/", "//", "/x?y", "/%2e%2e/api", "/api/v1/pods;x", "/api/v1/pods?labelSelector=a%3Db", "*", "/nowhere/else")
            )
        else:
            target = f"/api/v1/namespaces/{namespace}/services/web/proxy/{draw.choice(('', 'index.html'))}"
        if body and not more:
            more.append(("content-type", "application/json"))
        headers = self._headers() + more
        draw.shuffle(headers)
        return Asked(
            method,
            prefix,
            target,
            tuple(headers),
            body,
            stands=stands,
            cased=draw.random() < 0.5,
            version=draw.choice(("1.1",) * 30 + ("1.0",)),
        )

    def _headers(self) -> list[tuple[str, str]]:
        draw = self._draw
        headers = [("accept", draw.choice(ACCEPTS))] if draw.random() < 0.8 else []
        if draw.random() < 0.3:
            headers.append(("host", draw.choice(("localhost", "localhost:8443", "prod.example.com", "dev.example.com:8443"))))
        for pair in draw.sample(MORE, draw.choice((0, 1, 1, 1, 2, 3))):
            if draw.random() < 0.8 and pair[0] in (
                "impersonate-user",
                "impersonate-group",
                "connection",
                "expect",
                "authorization",
            ):
                continue
            headers.append(pair)
        return headers

    def by(self, asked: Asked, bearer: str) -> Asked:
        return replace(asked, bearer=bearer)

    again = by

    def elsewhere(self, asked: Asked) -> Asked:
        """The same words about another object, which most of the time nobody asked for before."""
        draw = self._draw
        kind = draw.choice(("pods", "pods", "pods", "configmaps", "secrets", "services"))
        name = draw.choice((f"x-{draw.randrange(10**6)}", f"x-{draw.randrange(10**6)}", *NAMES, PLACEHOLDER, "a" * 700))
        behind = draw.choice(
            ("", "", "", "", "?limit=5", "/status", "/log", "?watch=1", "?a=somebody%40example.com", "/proxy", "?a=1&a=2")
        )
        where = draw.choice((f"/api/v1/namespaces/{draw.choice(NAMESPACES)}", "/apis/apps/v1", "/dev/api/v1", "/l7gw", ""))
        return replace(asked, target=f"{where}/{kind}/{name}{behind}")

    def near(self, asked: Asked) -> Asked:
        """The same but for one thing: a byte of a value, the order, one header more or less, a case, another method."""
        draw = self._draw
        headers = list(asked.headers)
        what = draw.randrange(8)
        if what == 0:
            draw.shuffle(headers)
        elif what == 1 and headers:
            at = draw.randrange(len(headers))
            name, value = headers[at]
            headers[at] = (name, _other(draw, value))
        elif what == 2:
            headers.insert(draw.randrange(len(headers) + 1), draw.choice(MORE))
        elif what == 3 and headers:
            del headers[draw.randrange(len(headers))]
        elif what == 4:
            return replace(asked, cased=not asked.cased)
        elif what == 5:
            return replace(asked, target=_other(draw, asked.target))
        elif what == 6:
            return replace(asked, method=draw.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "get")))
        elif what == 7:
            return replace(asked, bearer=_other(draw, asked.bearer) if asked.bearer and draw.random() < 0.5 else "")
        return replace(asked, headers=tuple(headers))


def _other(draw: random.Random, text: str) -> str:
    if not text:
        return "x"
    at = draw.randrange(len(text))
    letter = draw.choice("abcxyz019-./=%")
    return (
        draw.choice(
            (
                text[:at] + letter + text[at + 1 :],
                text[:at] + letter + text[at:],
                text[:at] + text[at + 1 :],
                text + " ",
                text.swapcase(),
            )
        ).replace(" ", "")
        or "x"
    )
