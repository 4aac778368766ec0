"""HTTP/2 vectors, second part: what travels beside a request, and what a header list would have a Kubernetes cluster do."""

from __future__ import annotations

from collections.abc import Iterator

from tests.smuggling.http2_meaning import (
    AUTHORITY,
    BEARER,
    CRLF,
    GET,
    METHOD,
    ONE_GET,
    ONE_POST,
    POST,
    PSEUDO,
    SCHEME,
    SMUGGLED,
    changed,
    frame,
    get,
)
from tests.smuggling.make import EXEC, Family, Made, slug


def families() -> Iterator[Family]:
    yield "CONNECT and upgrades", "proxy", connects()
    yield "trailers", "proxy", trailers()
    yield "duplicates", "gateway", duplicates()
    yield "identity headers", "gateway", identity_headers()


def connects() -> Iterator[Made]:
    source = "RFC 9113 section 8.5, RFC 8441, threats B10"
    plain = frame("HEADERS", ":method: CONNECT", ":authority: {host}:443", BEARER)
    yield Made("plain", "refused", source, "CONNECT", plain.replace("HEADERS", "HEADERS end_stream=1"))
    yield Made("bytes-behind", "refused", source, "CONNECT, and a request into the tunnel", plain + frame("DATA", SMUGGLED))
    yield Made("with-path", "refused", source, "CONNECT with a path", changed(method="CONNECT"))
    yield Made(
        "with-path-bytes",
        "refused",
        source,
        "CONNECT with a path, and bytes",
        changed(method="CONNECT").replace(" end_stream=1", "") + frame("DATA", SMUGGLED),
    )
    for protocol in ("websocket", "SPDY/3.1", "connect-udp", "", "h2c", "webtransport"):
        said = (
            ":method: CONNECT",
            f":protocol: {protocol}",
            SCHEME,
            AUTHORITY,
            f":path: {EXEC}",
            BEARER,
            "sec-websocket-version: 13",
            "sec-websocket-protocol: v5.channel.k8s.io",
        )
        yield Made(
            f"extended-{slug(protocol)}",
            "refused",
            source,
            "extended CONNECT, which was never announced",
            frame("HEADERS", *said) + frame("DATA", SMUGGLED),
        )
    said = (METHOD, ":protocol: websocket", SCHEME, AUTHORITY, f":path: {EXEC}", BEARER)
    yield Made("protocol-on-get", "refused", source, ":protocol without CONNECT", frame("HEADERS end_stream=1", *said))
    for token in ("websocket", "SPDY/3.1", "h2c"):
        data = frame(
            "HEADERS",
            METHOD,
            SCHEME,
            AUTHORITY,
            f":path: {EXEC}",
            BEARER,
            f"upgrade: {token}",
            "connection: upgrade",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol: v5.channel.k8s.io",
        )
        yield Made(
            f"upgrade-{slug(token)}",
            "refused",
            "RFC 9113 section 8.6, threats A13",
            "HTTP/2 has no upgrade",
            data + frame("DATA", SMUGGLED),
        )


def trailers() -> Iterator[Made]:
    source = "RFC 9113 section 8.1, threats B11"

    def with_trailers(*fields: str, line: str = "HEADERS end_stream=1") -> str:
        return frame("HEADERS", *POST) + frame("DATA", "hello") + frame(line, *fields)

    for name in (
        "host",
        "authorization",
        "content-type",
        "impersonate-user",
        "impersonate-group",
        "x-remote-user",
        "x-forwarded-for",
        "audit-id",
        "cookie",
        "x-other",
        "content-encoding",
        "user-agent",
    ):
        data = with_trailers(f"{name}: smuggled")
        yield Made(
            f"own-{name}",
            f"{ONE_POST} or refused",
            source,
            f"{name} in a trailer is no header",
            data,
            {"absent": "smuggled", "body": "hello"},
        )
    for name in (":method: DELETE", ":path: /api/v1/secrets", ":authority: smuggled.test", ":status: 200", ":scheme: https"):
        yield Made(f"pseudo-{name.partition(': ')[0][1:]}", "refused", source, "a pseudo-header in trailers", with_trailers(name))
    for name, field in (
        ("upper", "X-A: b"), ("crlf", f"x-a: b{CRLF}c"), ("nul", "x-a: b\\x00"), ("crlf-name", f"x{CRLF}a: b"), ("empty-name", ": b"), ("connection", "connection: close"), ("transfer-encoding", "transfer-encoding: chunked"), ("te", "te: gzip"), ("space-name", "x\\x20a: b"),
    ):  # fmt: skip
        yield Made(f"bad-{name}", "refused", source, "malformed trailers", with_trailers(field))
    yield Made(
        "not-last",
        "refused",
        source,
        "trailers that do not end the stream",
        with_trailers("x-a: b", line="HEADERS") + frame("DATA end_stream=1", "hello"),
    )
    yield Made("second-request", "refused", source, "another request where trailers stand", with_trailers(*GET))
    yield Made(
        "length",
        "refused",
        source,
        "trailers before the announced length",
        frame("HEADERS", *POST, "content-length: 50") + frame("DATA", "hello") + frame("HEADERS end_stream=1", "x-a: b"),
    )
    yield Made(
        "get",
        f"{ONE_GET} or refused",
        source,
        "trailers of a request without a body",
        get(line="HEADERS") + frame("HEADERS end_stream=1", "x-a: smuggled"),
        {"absent": "smuggled"},
    )


def duplicates() -> Iterator[Made]:
    source = "RFC 9110 section 5.3, threats B12"
    for name in (
        "authorization",
        "content-type",
        "user-agent",
        "date",
        "expect",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "origin",
        "proxy-authorization",
        "range",
        "referer",
        "impersonate-user",
        "impersonate-uid",
        "kubectl-command",
        "kubectl-session",
    ):
        first, second = ("{token}", "smuggled") if name == "authorization" else ("a", "smuggled")
        for order, pair in (("equal", (first, first)), ("other", (first, second)), ("turned", (second, first))):
            said = [f"{name}: {'Bearer ' * (name == 'authorization')}{value}" for value in pair]
            yield Made(
                f"{name}-{order}",
                "refused",
                source,
                "one reader takes the first, another the last",
                frame("HEADERS end_stream=1", *PSEUDO, *([] if name == "authorization" else [BEARER]), *said),
            )
    crumbs = [f"cookie: smuggled{number}=b" for number in range(20)]
    yield Made(
        "cookie-crumbs",
        f"{ONE_GET} or refused",
        "RFC 9113 section 8.2.3, threats D15",
        "cookies may stand in crumbs; they go no further",
        get(*crumbs),
        {"absent": "smuggled"},
    )
    yield Made(
        "cookie-flood",
        "refused",
        "threats B4",
        "more fields than anybody sends",
        get(*[f"cookie: c{number}=b" for number in range(300)]),
    )


def identity_headers() -> Iterator[Made]:
    source = "threats D15"
    for name in (
        "impersonate-user",
        "impersonate-group",
        "impersonate-uid",
        "impersonate-extra-scopes",
        "impersonate-extra-l7gw-user",
        "impersonate-",
    ):
        yield Made(f"refused-{name}", "refused", source, "acting as somebody else is an act of its own", get(f"{name}: smuggled"))
    for name in (
        "impersonate_user", "x-remote-user", "x-remote-group", "x-remote-extra-scopes", "x_remote_user", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-user", "x-forwarded-client-cert", "forwarded", "x-real-ip", "x-original-url",
        "x-rewrite-url", "x-http-method-override", "audit-id", "cookie", "range", "proxy-authorization", "via", "ssl-client-cert", "x-client-cert", "x-auth-token", "priority", "early-data", "content-location", "max-forwards", "referer",
    ):  # fmt: skip
        yield Made(
            f"dropped-{slug(name)}",
            f"{ONE_GET} or refused",
            source,
            f"{name} goes no further",
            get(f"{name}: smuggled"),
            {"absent": "smuggled"},
        )
    nobody = frame("HEADERS end_stream=1", *PSEUDO)
    yield Made("nobody", "refused", "threats F1", "no credential", nobody)
    yield Made(
        "basic", "refused", "threats F1", "another scheme", frame("HEADERS end_stream=1", *PSEUDO, "authorization: Basic YTpi")
    )
    bearer = "sec-websocket-protocol: base64url.bearer.authorization.k8s.io.{token64}"
    yield Made("bearer-beside", "refused", "threats C9", "two credentials", get(bearer))
    yield Made(
        "accept-cbor",
        ONE_GET,
        "threats E1",
        "an encoding that no mask reads is not asked for",
        get("accept: application/cbor, application/json"),
        {"absent": "cbor"},
    )
    other = changed(authority="{other}")
    yield Made(
        "other-cluster", "refused", "RFC 9110 section 7.4, threats A8", ":authority and server name are of two clusters", other
    )
    data = frame(
        "HEADERS end_stream=1",
        METHOD,
        SCHEME,
        AUTHORITY,
        f":path: {EXEC}",
        BEARER,
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol: v5.channel.k8s.io",
    )
    more = {"absent": "sec-websocket", "answer": "400", "status": "400"}
    yield Made(
        "half-an-upgrade",
        f"one GET {EXEC} or refused",
        "threats A13",
        "the handshake's fields without the upgrade are none",
        data,
        more,
    )
