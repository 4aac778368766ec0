"""HTTP/1.1 vectors, second half: what a well-framed request would have a Kubernetes cluster do."""

from __future__ import annotations

from collections.abc import Iterator

from tests.smuggling.make import AUTH, EXEC, NEXT, POD, PODS, Family, Made, request, slug

ONE_GET = f"one GET {POD}"
ONE_EXEC = f"one GET {EXEC}"
WEBSOCKET = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: v5.channel.k8s.io",
)  # fmt: skip
SPDY = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io")
ONCE = (
    "Host", "Authorization", "Content-Type", "User-Agent", "Date", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Origin", "Proxy-Authorization",
    "Range", "Referer", "Max-Forwards", "Impersonate-User", "Impersonate-Uid", "Kubectl-Command", "Kubectl-Session", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
)  # fmt: skip
PATHS = {  # threats D1; refused: two readers would take them for two paths
    "encoded-slash": "/api/v1/namespaces/a%2Fsecrets", "encoded-slash-lower": "/api/v1/namespaces/a%2fsecrets", "double-slash": "/api/v1//namespaces/default/pods", "double-slash-first": "//api/v1/pods",
    "double-slash-last": "/api/v1/pods//", "dot": "/api/v1/./pods", "dot-dot": "/api/v1/namespaces/a/../b/pods", "dot-dot-last": "/api/v1/pods/..", "dot-last": "/api/v1/pods/.",
    "encoded-dot": "/api/v1/%2e/pods", "encoded-dots": "/api/v1/namespaces/a/%2e%2e/b/pods", "half-encoded-dots": "/api/v1/namespaces/a/.%2e/b/pods", "dots-and-slash": "/api/v1/nodes/n:10250/proxy/..%2f..%2fsecrets",
    "backslash": "/api/v1\\pods", "encoded-backslash": "/api/v1/namespaces/a%5c..%5cb/pods", "nul": "/api/v1/pods/a%00", "newline": "/api/v1/pods/a%0a", "crlf": "/api/v1/pods/a%0d%0aX-A:%20b", "tab": "/api/v1/pods/a%09",
    "delete": "/api/v1/pods/a%7f", "percent": "/api/v1/pods/a%25", "percent-twice": "/api/v1/namespaces/a%252fsecrets", "bad-percent": "/api/v1/pods/a%zz", "short-percent": "/api/v1/pods/a%2", "last-percent": "/api/v1/pods/a%",
    "percent-u": "/api/v1/pods/%u002f", "non-ascii": "/api/v1/p%c3%b6ds", "c1": "/api/v1/pods/%c2%85", "overlong": "/api/v1/namespaces/a%c0%afsecrets", "high": "/api/v1/pods/%ff", "semicolon": "/api/v1/pods;x=1", "semicolon-dots": "/api/v1/..;/secrets",
    "encoded-semicolon": "/api/v1/pods%3bx=1", "quote": '/api/v1/pods/"a"', "braces": "/api/v1/pods/{a}", "pipe": "/api/v1/pods/a|b", "caret": "/api/v1/pods/a^b", "brackets": "/api/v1/pods/[a]",
    "absolute-in-path": "/https://smuggled.test/api", "only-slashes": "///", "dot-dot-first": "/../api/v1/secrets", "many-dots": "/api/v1/pods/../../../api/v1/secrets",
    "encoded-nul-name": "/api/v1/namespaces/default%00/pods",
}  # fmt: skip
FINE_PATHS = {
    "root": ("/", "/"), "trailing-slash": ("/api/v1/pods/", "/api/v1/pods"), "encoded-letter": ("/api/v1/%70ods", "/api/v1/pods"), "upper": ("/API/v1/pods", "/API/v1/pods"), "tilde": ("/api/v1/pods/~a", "/api/v1/pods/~a"),
    "encoded-tilde": ("/api/v1/pods/%7ea", "/api/v1/pods/~a"), "colon": ("/api/v1/pods/a:b", "/api/v1/pods/a:b"), "non-ascii": ("/api/v1/pods/%c3%a9", "/api/v1/pods/%C3%A9"), "semicolon": ("/api/v1/pods/a%3bb", "/api/v1/pods/a;b"), "three-dots": ("/api/v1/pods/...", "/api/v1/pods/..."), "space": ("/api/v1/pods/a%20b", "/api/v1/pods/a%20b"), "dots-and-question": ("/api/v1/pods/%2e%2e%3fa", "/api/v1/pods/..%3Fa"),
}  # fmt: skip
QUERIES = {  # threats D2
    "semicolon": "dryRun=All;x", "semicolon-key": "a;b=c", "bad-percent": "command=ls&command=%zz&command=-l", "short-percent": "a=%2", "bad-key": "%zz=a", "watch-twice": "watch=0&watch=1", "watch-equal-spelled": "watch=1&watch=true",
    "limit-twice": "limit=1&limit=2", "watch-spelled": "watch=0&w%61tch=1", "selector-twice": "fieldSelector=metadata.name%3Da&fieldSelector=", "manager-twice": "fieldManager=a&fieldManager=b", "force-twice": "force=true&force=false",
    "fragment": "a=b#c", "not-utf-8": "a=%ff", "nul": "a=%00", "nul-key": "%00=a", "long-s": "watch=fal%C5%BFe", "overlong": "a=%c0%af", "surrogate": "a=%ed%a0%80", "continue-twice": "continue=a&continue=b",
}  # fmt: skip
FINE_QUERIES = {
    "watch": ("watch=1", "watch=1"), "watch-equal": ("watch=1&watch=1", "watch=1"), "watch-bare": ("watch", "watch="), "watch-encoded": ("w%61tch=1", "watch=1"), "watch-no": ("watch=no", "watch=no"), "plus": ("labelSelector=a+b", "labelSelector=a+b"),
    "list": ("dryRun=All&dryRun=All", "dryRun=All&dryRun=All"), "equals": ("labelSelector=a=b", "labelSelector=a%3Db"), "question": ("a=b?c", "a=b%3Fc"), "crlf": ("a=%0d%0aX-A:%20b", "a=%0D%0AX-A%3A+b"),
}  # fmt: skip


def families() -> Iterator[Family]:
    yield "duplicates", "gateway", duplicates()
    yield "upgrade tokens", "proxy", upgrade_tokens()
    yield "101 and refusals", "proxy", upgrade_answers()
    yield "bytes before a 101", "gateway", early_bytes()
    yield "redirects", "gateway", redirects()
    yield "subprotocols", "gateway", subprotocols()
    yield "identity headers", "gateway", identity_headers()
    yield "credentials", "gateway", credentials()
    yield "paths", "gateway", paths()
    yield "queries", "gateway", queries()
    yield "verbs", "gateway", verbs()
    yield "other clusters", "gateway", other_clusters()


def duplicates() -> Iterator[Made]:
    for name in ONCE:
        for order, values in (("equal", ("a", "a")), ("other", ("a", "smuggled")), ("turned", ("smuggled", "a"))):
            for case, second in (("", name), ("-lower", name.lower()), ("-upper", name.upper())):
                if case and order == "equal":
                    continue
                lines = [f"{name}: {values[0]}", f"{second}: {values[1]}"]
                data = request(f"GET {POD}", *lines) if name not in ("Host", "Authorization") else ""
                if name == "Authorization":
                    lines = (
                        [AUTH, f"{second}: Bearer smuggled"]
                        if order == "other"
                        else [f"{second}: Bearer smuggled", AUTH]
                        if order == "turned"
                        else [AUTH, AUTH]
                    )
                    data = f"GET {POD} HTTP/1.1\r\nHost: {{host}}\r\n" + "\r\n".join(lines) + "\r\n\r\n"
                if name == "Host":
                    continue  # a family of its own
                yield Made(
                    f"{name.lower()}-{order}{case}",
                    "refused",
                    "RFC 9110 section 5.3, threats B12",
                    "one reader takes the first, another the last",
                    data,
                )


def upgrade_tokens() -> Iterator[Made]:
    source = "RFC 9110 section 7.8, threats A13"
    rest = WEBSOCKET[2:]
    for token in (
        "h2c",
        "H2C",
        "h2",
        "HTTP/2.0",
        "TLS/1.0",
        "websocket, h2c",
        "h2c, websocket",
        "websocket/13",
        "websocket,websocket",
        "web socket",
        "websocketx",
        "",
        "SPDY/3",
        "SPDY/2",
        "SPDY/3.1, websocket",
        "spdy",
        "tcp",
        "\x0bwebsocket",
        "connect-udp",
    ):
        data = request(f"GET {EXEC}", "Connection: Upgrade", f"Upgrade: {token}", *rest) + NEXT
        # A server may leave an upgrade alone that it does not know (section 7.8): then the header goes no further.
        yield Made(f"token-{slug(token)}", "refused", source, f"the upgrade {token!r}", data)
    data = request(f"GET {EXEC}", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__") + NEXT
    yield Made("h2c-settings", "refused", source, "HTTP/2 by upgrade", data)
    for name, lines in (
        ("h2c-first", ("Upgrade: h2c", "Upgrade: websocket")),
        ("h2c-last", ("Upgrade: websocket", "Upgrade: h2c")),
        ("twice", ("Upgrade: websocket", "Upgrade: websocket")),
    ):
        yield Made(
            f"lines-{name}",
            "refused",
            source,
            "two Upgrade lines",
            request(f"GET {EXEC}", "Connection: Upgrade", *lines, *rest) + NEXT,
        )
    yield Made(
        "no-connection", "refused", source, "Upgrade without Connection", request(f"GET {EXEC}", "Upgrade: websocket", *rest) + NEXT
    )
    yield Made(
        "connection-close",
        "refused",
        source,
        "Upgrade with Connection: close",
        request(f"GET {EXEC}", "Connection: close", "Upgrade: websocket", *rest) + NEXT,
    )
    yield Made(
        "no-upgrade",
        "refused",
        source,
        "Connection: upgrade without Upgrade",
        request(f"GET {EXEC}", "Connection: Upgrade", *rest) + NEXT,
    )
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
        yield Made(
            f"websocket-{method.lower()}",
            "refused",
            source,
            f"WebSocket by {method}",
            request(f"{method} {EXEC}", *WEBSOCKET) + NEXT,
        )
    for method in ("PUT", "DELETE", "PATCH", "HEAD"):
        yield Made(f"spdy-{method.lower()}", "refused", source, f"SPDY by {method}", request(f"{method} {EXEC}", *SPDY) + NEXT)
    yield Made(
        "http-1-0", "refused", source, "HTTP/1.0 knows no upgrade", request(f"GET {EXEC}", *WEBSOCKET, version="HTTP/1.0") + NEXT
    )
    yield Made(
        "body",
        "refused",
        source,
        "an upgrade with a body",
        request(f"GET {EXEC}", *WEBSOCKET, "Content-Length: 5", body="hello") + NEXT,
    )
    yield Made(
        "chunks",
        "refused",
        source,
        "an upgrade with chunks",
        request(f"POST {EXEC}", *SPDY, "Transfer-Encoding: chunked", body="5\r\nhello\r\n0\r\n\r\n") + NEXT,
    )
    for name, lines in (
        ("version-12", ("Sec-WebSocket-Version: 12", WEBSOCKET[3])), ("no-version", (WEBSOCKET[3],)), ("no-key", (WEBSOCKET[2],)), ("short-key", (WEBSOCKET[2], "Sec-WebSocket-Key: YQ==")),
        ("bad-key", (WEBSOCKET[2], "Sec-WebSocket-Key: ~~~~~~~~~~~~~~~~~~~~~~~~")), ("two-keys", (WEBSOCKET[2], WEBSOCKET[3], WEBSOCKET[3])), ("empty-key", (WEBSOCKET[2], "Sec-WebSocket-Key:")),
    ):  # fmt: skip
        data = request(f"GET {EXEC}", *WEBSOCKET[:2], *lines, WEBSOCKET[4]) + NEXT
        yield Made(f"handshake-{name}", "refused", "RFC 6455 section 4.2.1", "a handshake that is none", data, {"answer": "403"})
    for name, target in (
        ("pod", POD), ("watch", f"{PODS}?watch=1"), ("secrets-watch", "/api/v1/secrets?watch=1"), ("log", f"{POD}/log?follow=1"), ("pod-proxy", f"{POD}/proxy/a"), ("node-exec", "/api/v1/nodes/n/proxy/exec/ns/p/c?command=id"), ("root", "/"),
        ("exec-of-nobody", f"{PODS}/exec"), ("exec-and-more", f"{POD}/exec/more?command=ls"), ("other-group", "/apis/example.com/v1/namespaces/a/pods/b/exec"),
    ):  # fmt: skip
        data = request(f"GET {target}", *WEBSOCKET) + NEXT
        yield Made(
            f"place-{name}",
            "refused",
            "threats A13, D6, E11",
            "upgrades only on exec, attach and portforward",
            data,
            {"answer": "403"},
        )
    for name, token in (("lower", "websocket"), ("title", "WebSocket"), ("upper", "WEBSOCKET")):
        data = request(f"GET {EXEC}", WEBSOCKET[0], f"Upgrade: {token}", *rest)
        yield Made(
            f"fine-websocket-{name}",
            ONE_EXEC,
            source,
            "an upgrade as kubectl asks for it",
            data,
            {"answer": "101", "status": "101"},
        )
    for method in ("POST", "GET"):
        data = request(f"{method} {EXEC}", *SPDY)
        yield Made(
            f"fine-spdy-{method.lower()}",
            f"one {method} {EXEC}",
            source,
            "an upgrade as kubectl asks for it",
            data,
            {"answer": "101", "status": "101"},
        )


def upgrade_answers() -> Iterator[Made]:
    websocket, spdy = request(f"GET {EXEC}", *WEBSOCKET), request(f"POST {EXEC}", *SPDY, "Content-Length: 0")
    for name, start, line in (("websocket", websocket, ONE_EXEC), ("spdy", spdy, f"one POST {EXEC}")):
        for answer, status in (
            ("403", "403"),
            ("200", "200"),
            ("404", "404"),
            ("400", "400"),
            ("500", "500"),
            ("302", "502"),
            ("307", "502"),
        ):
            comment = f"{name}, refused by {answer}: what stands behind it is no request"
            asks = {"answer": answer, "status": status}
            yield Made(
                f"{name}-{answer}-request-behind", line, "CVE-2018-1002105, threats A11, A12, A15", comment, start + NEXT, asks
            )
        for answer in ("101-bare", "101-h2c", "101-wrong-accept", "101-other-protocol"):
            if name == "spdy" and answer in ("101-wrong-accept", "101-other-protocol"):
                continue
            comment = f"{name}, answered by {answer}: no tunnel opens"
            yield Made(
                f"{name}-{answer}",
                line,
                "RFC 9110 section 7.8, RFC 6455 section 4.1, threats A11",
                comment,
                start + NEXT,
                {"answer": answer, "status": "502"},
            )
    for answer in ("101", "101-bare"):
        comment = "a 101 that nobody asked for"
        yield Made(
            f"unasked-{answer}",
            ONE_GET,
            "RFC 9110 section 15.2.2, threats A11",
            comment,
            request(f"GET {POD}"),
            {"answer": answer, "status": "502"},
        )


def early_bytes() -> Iterator[Made]:
    websocket, spdy = request(f"GET {EXEC}", *WEBSOCKET), request(f"POST {EXEC}", *SPDY, "Content-Length: 0")
    for name, start, line in (("websocket", websocket, ONE_EXEC), ("spdy", spdy, f"one POST {EXEC}")):
        data = start + NEXT
        comment = "sent before the 101 it is the tunnel's, and no request"
        yield Made(f"{name}-101-request-behind", line, "RFC 9931, threats A12", comment, data, {"answer": "101", "status": "101"})
    frame = "\x82\x85\0\0\0\0\0hell"  # channel 0, masked by zeros
    yield Made(
        "websocket-frame-behind",
        ONE_EXEC,
        "RFC 9931, threats A12",
        "a frame that came early",
        websocket + frame,
        {"answer": "101", "status": "101"},
    )
    yield Made(
        "websocket-403-frame-behind",
        ONE_EXEC,
        "RFC 9931, threats A12",
        "a frame behind a refused upgrade is dropped",
        websocket + frame,
        {"answer": "403", "status": "403"},
    )


def redirects() -> Iterator[Made]:
    for status in ("301", "302", "303", "307", "308"):
        data = request(f"GET {POD}")
        yield Made(
            f"redirect-{status}",
            ONE_GET,
            "CVE-2022-3172, threats A15",
            "a redirect is never followed nor passed on",
            data,
            {"answer": status, "status": "502"},
        )


def subprotocols() -> Iterator[Made]:
    source = "threats C8"
    start = WEBSOCKET[:4]
    for offer in (
        "channel.k8s.io",
        "base64.channel.k8s.io",
        "v4.base64.channel.k8s.io",
        "v1.channel.k8s.io",
        "v3.channel.k8s.io",
        "V5.CHANNEL.K8S.IO",
        "v5.channel.k8s.io;a=b",
        "v6.channel.k8s.io",
        "",
        "portforward.k8s.io",
        "channel.k8s.io, base64.channel.k8s.io",
    ):
        data = request(f"GET {EXEC}", *start, f"Sec-WebSocket-Protocol: {offer}") + NEXT
        yield Made(
            f"websocket-{slug(offer)}",
            "refused",
            source,
            f"the offer {offer!r} hides bytes from recorder and masks",
            data,
            {"answer": "403"},
        )
    yield Made(
        "websocket-none",
        "refused",
        source,
        "no offer means the oldest protocol",
        request(f"GET {EXEC}", *start) + NEXT,
        {"answer": "403"},
    )
    for offer in (
        "base64.channel.k8s.io, v5.channel.k8s.io",
        "v5.channel.k8s.io, base64.channel.k8s.io",
        "v4.channel.k8s.io,v4.base64.channel.k8s.io",
    ):
        data = request(f"GET {EXEC}", *start, f"Sec-WebSocket-Protocol: {offer}")
        more = {"answer": "101", "status": "101", "absent": "base64"}
        yield Made(f"websocket-mixed-{slug(offer)}", ONE_EXEC, source, "what is not understood is not offered on", data, more)
    data = request(f"GET {EXEC}", *WEBSOCKET, "Sec-WebSocket-Extensions: permessage-deflate")
    yield Made(
        "extension",
        ONE_EXEC,
        "threats C10",
        "no extension is offered on",
        data,
        {"answer": "101", "status": "101", "absent": "permessage"},
    )
    for offer in ("v1.channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io", "portforward.k8s.io", ""):
        data = request(f"POST {EXEC}", *SPDY[:2], f"X-Stream-Protocol-Version: {offer}") + NEXT
        yield Made(
            f"spdy-{slug(offer)}", "refused", source, f"the offer {offer!r} cannot be recorded whole", data, {"answer": "403"}
        )
    yield Made("spdy-none", "refused", source, "no offer", request(f"POST {EXEC}", *SPDY[:2]) + NEXT, {"answer": "403"})
    for name, origin in (
        ("foreign", "https://smuggled.test"),
        ("null", "null"),
        ("plain", "http://{host}"),
        ("suffix", "https://{host}.smuggled.test"),
        ("user", "https://{host}@smuggled.test"),
    ):
        yield Made(
            f"origin-{name}",
            "refused",
            "threats C11",
            "a page of somebody else's",
            request(f"GET {EXEC}", *WEBSOCKET, f"Origin: {origin}") + NEXT,
            {"answer": "403"},
        )
    bearer = "base64url.bearer.authorization.k8s.io."
    nobody = f"GET {EXEC} HTTP/1.1\r\nHost: {{host}}\r\n" + "\r\n".join(start)
    source = "threats C9"
    more = {"answer": "101", "status": "101", "absent": "bearer.authorization"}
    for name, offer in (("first", f"{bearer}{{token64}}, v5.channel.k8s.io"), ("last", f"v5.channel.k8s.io, {bearer}{{token64}}")):
        data = f"{nobody}\r\nSec-WebSocket-Protocol: {offer}\r\n\r\n"
        yield Made(f"bearer-{name}", ONE_EXEC, source, "the credential that browsers send so; it goes no further", data, more)
    for name, offer in (
        ("junk", f"{bearer}c211Z2dsZWQ, v5.channel.k8s.io"), ("empty", f"{bearer}, v5.channel.k8s.io"), ("not-base64", f"{bearer}~~~, v5.channel.k8s.io"),
        ("twice", f"{bearer}{{token64}}, {bearer}{{token64}}, v5.channel.k8s.io"), ("two", f"{bearer}{{token64}}, {bearer}c211Z2dsZWQ, v5.channel.k8s.io"), ("alone", f"{bearer}{{token64}}"), ("raw", f"{bearer}{{token}}, v5.channel.k8s.io"),
    ):  # fmt: skip
        yield Made(
            f"bearer-{name}",
            "refused",
            source,
            "the credential in the subprotocol is none, or two",
            f"{nobody}\r\nSec-WebSocket-Protocol: {offer}\r\n\r\n{NEXT}",
            {"answer": "403"},
        )
    for name, value in (("junk", "c211Z2dsZWQ"), ("equal", "{token64}")):
        data = request(f"GET {EXEC}", *start, f"Sec-WebSocket-Protocol: {bearer}{value}, v5.channel.k8s.io") + NEXT
        yield Made(f"bearer-beside-{name}", "refused", source, "two credentials", data, {"answer": "403"})


def identity_headers() -> Iterator[Made]:
    source = "threats D15"
    for name in (
        "Impersonate-User",
        "Impersonate-Group",
        "Impersonate-Uid",
        "Impersonate-Extra-Scopes",
        "Impersonate-Extra-L7gw-User",
        "impersonate-user",
        "IMPERSONATE-USER",
        "Impersonate-",
        "Impersonate-Extra-",
    ):
        yield Made(
            f"refused-{slug(name)}{'-' + name[:1].lower() * (name == name.lower()) if name.islower() else '-upper' if name.isupper() else ''}",
            "refused",
            source,
            "acting as somebody else is an act of its own",
            request(f"GET {POD}", f"{name}: smuggled"),
        )
    yield Made("refused-empty", "refused", source, "an empty one as well", request(f"GET {POD}", "Impersonate-User:"))
    for name in (
        "Impersonate_User", "Impersonate_Group", "Impersonate", "X-Impersonate-User", "X-Remote-User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-Scopes", "X_Remote_User", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Forwarded-User", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert", "X_Forwarded_For", "Forwarded", "X-Real-IP", "X-Client-IP", "X-Original-URL", "X-Rewrite-URL", "X-Original-Host", "X-HTTP-Method-Override", "X-HTTP-Method",
        "X-Method-Override", "Audit-ID", "Cookie", "Range", "If-Range", "Proxy-Authorization", "Via", "SSL-Client-Cert", "X-SSL-Client-Cert", "X-Client-Cert", "X-User", "X-Token", "X-Auth-Token", "Authentication", "WWW-Authenticate", "Proxy",
        "Content-Location", "X-Accel-Redirect", "X-Kubernetes-Pf-Flowschema-Uid", "Max-Forwards", "Referer", "Early-Data",
    ):  # fmt: skip
        yield Made(
            f"dropped-{slug(name)}",
            f"{ONE_GET} or refused",
            source,
            f"{name} goes no further",
            request(f"GET {POD}", f"{name}: smuggled"),
            {"absent": "smuggled"},
        )
    for media in ("application/cbor", "application/yaml", "application/cbor;a=b", "APPLICATION/CBOR"):
        data = request(f"GET {POD}", f"Accept: {media}, application/json")
        yield Made(
            f"accept-{slug(media)}{'-upper' if media.isupper() else ''}",
            ONE_GET,
            "threats E1",
            "an encoding that no mask reads is not asked for",
            data,
            {"absent": media.lower().partition(";")[0]},
        )
    data = request(f"POST {PODS}", "Content-Type: application/cbor", "Content-Length: 5", body="hello")
    yield Made("cbor-body", "refused", "threats E1", "a body that no mask reads", data)
    yield Made(
        "accept-encoding",
        ONE_GET,
        "threats E1",
        "gzip is the one encoding",
        request(f"GET {POD}", "Accept-Encoding: br, zstd, gzip"),
        {"absent": "zstd"},
    )


def credentials() -> Iterator[Made]:
    source = "RFC 6750 section 2, threats F1"
    for name, line in (
        ("none", "X-A: b"), ("basic", "Authorization: Basic YTpi"), ("no-scheme", "Authorization: {token}"), ("junk", "Authorization: Bearer smuggled"), ("empty", "Authorization:"), ("bearer-only", "Authorization: Bearer"),
        ("list", "Authorization: Bearer {token}, Bearer smuggled"), ("two-words", "Authorization: Bearer {token} smuggled"), ("tab", "Authorization: Bearer\t{token}"), ("proxy", "Proxy-Authorization: Bearer {token}"),
        ("underscore", "Authorization_: Bearer {token}"), ("query", "X-A: {token}"), ("negotiate", "Authorization: Negotiate {token}"), ("quoted", 'Authorization: Bearer "{token}"'), ("cookie", "Cookie: token={token}"),
    ):  # fmt: skip
        yield Made(name, "refused", source, "nobody's request", f"GET {POD} HTTP/1.1\r\nHost: {{host}}\r\n{line}\r\n\r\n")
    yield Made(
        "in-query",
        "refused",
        source,
        "a token in the query is none",
        f"GET {POD}?access_token={{token}} HTTP/1.1\r\nHost: {{host}}\r\n\r\n",
    )
    yield Made(
        "fine-lower-scheme",
        ONE_GET,
        source,
        "schemes have no case",
        f"GET {POD} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: bearer {{token}}\r\n\r\n",
    )


def paths() -> Iterator[Made]:
    for name, path in PATHS.items():
        yield Made(
            name,
            "refused",
            "RFC 3986 section 6.2, threats D1",
            f"the path {path!r}".encode("unicode_escape").decode(),
            request(f"GET {path}"),
        )
    for name, (path, canonical) in FINE_PATHS.items():
        yield Made(
            f"fine-{name}",
            f"one GET {canonical}",
            "RFC 3986 section 6.2, threats D1",
            f"{path} has one reading",
            request(f"GET {path}"),
        )


def queries() -> Iterator[Made]:
    for name, query in QUERIES.items():
        yield Made(name, "refused", "Go net/url, threats D2", f"the query {query!r}", request(f"GET {PODS}?{query}"))
    for name, (query, canonical) in FINE_QUERIES.items():
        yield Made(
            f"fine-{name}",
            f"one GET {PODS}?{canonical}",
            "Go net/url, threats D2",
            f"{query} has one reading",
            request(f"GET {PODS}?{query}"),
        )
    for name, query in (
        ("semicolon", "command=ls;rm"),
        ("bad-percent", "command=ls&command=%zz"),
        ("stdin-twice", "command=ls&stdin=0&stdin=1"),
        ("container-twice", "command=ls&container=a&container=b"),
        ("tty-long-s", "command=ls&tty=fal%C5%BFe"),
    ):
        yield Made(
            f"exec-{name}",
            "refused",
            "Go net/url, threats D2",
            "an argv with two readings",
            request(f"GET {POD}/exec?{query}", *WEBSOCKET) + NEXT,
            {"answer": "403"},
        )
    data = request(f"GET {POD}/exec?command=sh&command=-c&command=a%0d%0ab&stdout=true", *WEBSOCKET)
    yield Made(
        "fine-exec-crlf",
        f"one GET {POD}/exec?command=sh&command=-c&command=a%0D%0Ab&stdout=true",
        "threats D2",
        "a line break in an argv stays encoded",
        data,
        {"answer": "101", "status": "101"},
    )


def verbs() -> Iterator[Made]:
    source = "kubernetes-wire 2.1, threats D3"
    for path in (
        "/api/v1/watch/pods", "/api/v1/watch/namespaces/default/pods", "/api/v1/watch/namespaces/default/secrets/a", "/api/v1/proxy/nodes/n", "/api/v1/proxy/namespaces/a/pods/b", "/apis/apps/v1/watch/deployments",
        "/api/v1/watch", "/api/v1/proxy", "/api/v1/w%61tch/secrets", "/api/v1/watch/", "/apis/apps/v1/proxy/namespaces/a/services/b",
    ):  # fmt: skip
        yield Made(f"legacy-{slug(path)}", "refused", source, "a verb in the path", request(f"GET {path}"))
    for method, path in (
        ("POST", f"{POD}/exec?command=ls"),
        ("PUT", f"{POD}/exec?command=ls"),
        ("DELETE", f"{POD}/exec"),
        ("PATCH", f"{POD}/attach"),
        ("PUT", f"{POD}/portforward"),
    ):
        if method == "POST":
            continue
        yield Made(
            f"streaming-{method.lower()}-{path.rsplit('/', 1)[1].partition('?')[0]}",
            "refused",
            source,
            f"{method} is no way to stream",
            request(f"{method} {path}", "Content-Length: 0"),
        )
    for method, target in (
        ("HEAD", POD),
        ("HEAD", PODS),
        ("OPTIONS", PODS),
        ("DELETE", PODS),
        ("GET", f"{PODS}?fieldSelector=metadata.name%3Dweb-0"),
    ):
        yield Made(
            f"fine-{method.lower()}-{'list' if target != POD else 'one'}{'-named' if '?' in target else ''}",
            f"one {method} {target}",
            source,
            "passes with the verb that it has",
            request(f"{method} {target}"),
        )


def other_clusters() -> Iterator[Made]:
    yield Made(
        "host",
        "refused",
        "RFC 9110 section 7.4, threats A8",
        "Host and server name are of two clusters",
        request(host="Host: {other}"),
    )
    yield Made("host-port", "refused", "RFC 9110 section 7.4, threats A8", "with a port", request(host="Host: {other}:8443"))
    # Routing never reads Host: a spelling that is not recognised is harmless.
    yield Made(
        "host-dot",
        f"{ONE_GET} or refused",
        "RFC 9110 section 7.4, threats A8",
        "with the dot of the root",
        request(host="Host: {other}."),
    )
    yield Made(
        "path-prefix",
        "one GET /c1/api/v1/pods",
        "threats A8",
        "behind a server name a prefix is a path",
        request("GET /c1/api/v1/pods"),
    )
