"""HTTP/2 vectors, first part: header lists that no HTTP/1.1 request can say, or that would say two things once they are one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.smuggling.make import BODIES, POD, PODS, Family, Made, slug

ONE_GET = f"one GET {POD}"
ONE_POST = f"one POST {BODIES}"
METHOD, SCHEME, AUTHORITY, PATH = ":method: GET", ":scheme: https", ":authority: {host}", f":path: {POD}"
PSEUDO = (METHOD, SCHEME, AUTHORITY, PATH)
BEARER = "authorization: Bearer {token}"
GET = (*PSEUDO, BEARER)
POST = (":method: POST", SCHEME, AUTHORITY, f":path: {BODIES}", BEARER)
SMUGGLED = "GET /api/v1/namespaces/smuggled/secrets HTTP/1.1\\x0d\\x0aHost: {host}\\x0d\\x0aAuthorization: Bearer {token}\\x0d\\x0a\\x0d\\x0a"
CRLF = "\\x0d\\x0a"


def frame(line: str, *content: str) -> str:
    return line + "\n" + "".join(f"  {text}\n" for text in content)


def get(*fields: str, line: str = "HEADERS end_stream=1") -> str:
    """One request in one frame: by default a GET, with `fields` behind it."""
    return frame(line, *GET, *fields)


def changed(**pseudo: str) -> str:
    """A GET with other values of its pseudo-headers."""
    said = {"method": "GET", "scheme": "https", "authority": "{host}", "path": POD, **pseudo}
    return frame("HEADERS end_stream=1", *[f":{name}: {value}" for name, value in said.items()], BEARER)


def post(*fields: str, data: tuple[str, ...] = ("hello",), line: str = "HEADERS") -> str:
    """A POST with a body in as many frames as there are `data`."""
    frames = [frame(f"DATA{' end_stream=1' if number == len(data) else ''}", text) for number, text in enumerate(data, 1)]
    return frame(line, *POST, *fields) + "".join(frames)


def families() -> Iterator[Family]:
    yield "pseudo-headers", "proxy", pseudo_headers()
    yield "connection fields", "proxy", connection_fields()
    yield "names", "proxy", names()
    yield "bytes in fields", "proxy", bytes_in_fields()
    yield ":path", "proxy", paths()
    yield "paths", "gateway", readings()
    yield "method and scheme", "proxy", methods()
    yield "length and DATA", "proxy", lengths()
    yield "bodies", "gateway", bodies()
    yield "Host and :authority", "proxy", hosts()


def pseudo_headers() -> Iterator[Made]:
    source = "RFC 9113 section 8.3, threats A9"
    for number, name in enumerate(("method", "scheme", "authority", "path")):
        text = PSEUDO[number]
        rest = [line for line in PSEUDO if line != text]
        late = frame("HEADERS end_stream=1", *rest, BEARER, text)
        yield Made(f"late-{name}", "refused", source, f":{name} behind a field", late)
        twice = frame("HEADERS end_stream=1", *PSEUDO, text, BEARER)
        yield Made(f"twice-{name}", "refused", source, f":{name} twice, equal", twice)
        other = {
            "method": ":method: DELETE",
            "scheme": ":scheme: http",
            "authority": ":authority: smuggled.test",
            "path": ":path: /api/v1/secrets",
        }[name]
        yield Made(
            f"other-last-{name}",
            "refused",
            source,
            f"another :{name} behind",
            frame("HEADERS end_stream=1", *PSEUDO, other, BEARER),
        )
        yield Made(
            f"other-first-{name}",
            "refused",
            source,
            f"another :{name} before",
            frame("HEADERS end_stream=1", other, *PSEUDO, BEARER),
        )
        yield Made(f"empty-{name}", "refused", source, f"an empty :{name}", changed(**{name: ""}))
        yield Made(
            f"upper-{name}",
            "refused",
            source,
            f":{name.upper()}",
            frame("HEADERS end_stream=1", *rest, text.replace(name, name.upper()), BEARER),
        )
        yield Made(
            f"spaced-{name}",
            "refused",
            source,
            f"a space before the value of :{name}",
            changed(**{name: "\\x20" + text.partition(": ")[2]}),
        )
        if name != "authority":
            yield Made(f"no-{name}", "refused", source, f":{name} is missing", frame("HEADERS end_stream=1", *rest, BEARER))
    for name in (
        ":status: 200",
        ":protocol: websocket",
        ":smuggled: a",
        ":host: {host}",
        ":: a",
        ":path\\x3a: /api",
        ":authorization: Bearer smuggled",
    ):
        made = frame("HEADERS end_stream=1", *PSEUDO, name, BEARER)
        yield Made(
            f"unknown-{slug(name.partition(': ')[0])}", "refused", source, f"a pseudo-header that no request has: {name}", made
        )
    yield Made("none", "refused", source, "no pseudo-header at all", frame("HEADERS end_stream=1", BEARER))
    yield Made("no-field", "refused", source, "no field at all", frame("HEADERS end_stream=1"))
    for name, order in (("turned", PSEUDO[::-1]), ("path-first", (PATH, METHOD, AUTHORITY, SCHEME))):
        yield Made(
            f"fine-{name}", ONE_GET, source, "among themselves they have no order", frame("HEADERS end_stream=1", *order, BEARER)
        )


def connection_fields() -> Iterator[Made]:
    source = "RFC 9113 section 8.2.2, threats A10"
    for field in (
        "connection: close", "connection: keep-alive", "connection: authorization", "connection: te", "connection:", "keep-alive: timeout=5", "proxy-connection: keep-alive", "transfer-encoding: chunked", "transfer-encoding: identity",
        "transfer-encoding:", "upgrade: h2c", "upgrade: websocket", "te: gzip", "te: trailers, deflate", "te: chunked", "te:",
    ):  # fmt: skip
        yield Made(f"get-{slug(field)}", "refused", source, f"{field!r} is of one connection alone", get(field))
    for field in ("transfer-encoding: chunked", "connection: content-length", "upgrade: h2c"):
        data = frame("HEADERS", *POST, field) + frame("DATA end_stream=1", f"0{CRLF}{CRLF}{SMUGGLED}")
        yield Made(f"post-{slug(field)}", "refused", source, f"{field!r}, and a request where the body ends for it", data)
    data = frame("HEADERS", *POST, "transfer-encoding: chunked", "content-length: 5") + frame("DATA end_stream=1", "hello")
    yield Made("post-both", "refused", source, "both framings, of which HTTP/2 has none", data)
    yield Made("te-trailers", ONE_GET, source, "the one TE that there is goes no further", get("te: trailers"))
    yield Made(
        "http2-settings",
        f"{ONE_GET} or refused",
        source,
        "of an upgrade that has no place here",
        get("http2-settings: smuggled"),
        {"absent": "smuggled"},
    )


def names() -> Iterator[Made]:
    source = "RFC 9113 section 8.2.1, threats A9"
    for name in ("Authorization", "X-A", "HOST", "Content-Length", "Cookie", "x-A", "Transfer-Encoding", "Impersonate-User"):
        yield Made(
            f"upper-{name.lower() if name != 'x-A' else 'late'}",
            "refused",
            source,
            f"upper case in {name}",
            get(f"{name}: smuggled"),
        )
    yield Made("empty", "refused", source, "an empty name", get(": smuggled"))
    yield Made("empty-both", "refused", source, "an empty name and value", get(":"))
    for char in (
        "\\x20",
        "\\x09",
        "\\x3a",
        "\\x00",
        "\\x0a",
        "\\x0d",
        "\\x0d\\x0a",
        "\\x01",
        "\\x7f",
        "\\x80",
        "\\xff",
        "(",
        ")",
        ",",
        "/",
        ";",
        "<",
        "=",
        ">",
        "?",
        "@",
        "[",
        "\\x5c",
        "]",
        "{",
        "}",
        '"',
    ):
        yield Made(f"within-{slug(char.replace(chr(92), ''))}", "refused", source, f"{char} in a name", get(f"x-a{char}b: c"))
    for name in (
        "transfer-encoding\\x20",
        "\\x20host",
        "content-length\\x3a",
        "impersonate-user\\x00",
        "x-a\\x3a b\\x0d\\x0aimpersonate-user",
        "x\\x0d\\x0a\\x0d\\x0aget",
    ):
        yield Made(
            f"own-{slug(name.replace(chr(92), ''))}",
            "refused",
            source,
            "a name that is another one once it is written",
            get(f"{name}: smuggled"),
        )
    yield Made("fine-odd", ONE_GET, source, "every character of a token is fine", get("!#$%&'*+.^_`|~0: c"))


def bytes_in_fields() -> Iterator[Made]:
    source = "RFC 9113 section 8.2.1, GHSA-847f-9342-265h, threats A9"
    bad = {"nul": "\\x00", "lf": "\\x0a", "cr": "\\x0d", "crlf": CRLF}
    for place, make in (
        ("value", lambda text: get(f"x-a: b{text}c")), ("method", lambda text: changed(method=f"GET{text}")), ("path", lambda text: changed(path=f"{POD}{text}a")), ("authority", lambda text: changed(authority=f"{{host}}{text}a")),
        ("scheme", lambda text: changed(scheme=f"https{text}")), ("cookie", lambda text: get(f"cookie: a=b{text}c")), ("authorization", lambda text: get().replace("Bearer ", f"Bearer{text} ")), ("user-agent", lambda text: get(f"user-agent: a{text}b")),
    ):  # fmt: skip
        for name, text in bad.items():
            yield Made(f"{place}-{name}", "refused", source, f"{name} in {place}", make(text))
        more = {"sp": "\\x20", "tab": "\\x09", "01": "\\x01", "7f": "\\x7f", "80": "\\x80"}
        for name, text in more.items():
            if place in ("method", "path", "authority", "scheme"):
                yield Made(f"{place}-{name}", "refused", source, f"{name} in {place}", make(text))
            elif place == "value" and name in ("01", "7f"):
                # RFC 9113 forbids NUL, CR and LF; the grammar of HTTP/1.1, which it becomes, these as well
                yield Made(f"{place}-{name}", "refused", source, f"{name} in {place}", make(text))
    for name, value in (
        ("header", f"b{CRLF}impersonate-user: smuggled"), ("request", f"b{CRLF}{CRLF}{SMUGGLED}"), ("lf-header", "b\\x0aimpersonate-user: smuggled"), ("length", f"b{CRLF}content-length: 0"), ("chunked", f"b{CRLF}transfer-encoding: chunked"),
        ("first", f"{CRLF}a"), ("last", f"a{CRLF}"), ("folded", f"a{CRLF} b"),
    ):  # fmt: skip
        yield Made(f"inject-{name}", "refused", source, "a value that is more than one line in HTTP/1.1", get(f"x-a: {value}"))
        yield Made(
            f"inject-user-agent-{name}", "refused", source, "the same in a field that is passed on", get(f"user-agent: {value}")
        )
    for name, value in (("space-first", "\\x20a"), ("tab-first", "\\x09a"), ("space-last", "a\\x20"), ("tab-last", "a\\x09")):
        yield Made(
            f"value-{name}",
            f"{ONE_GET} or refused",
            source,
            "malformed by RFC 9113; in HTTP/1.1 the same value",
            get(f"user-agent: {value}"),
        )
    yield Made(
        "inject-path",
        "refused",
        source,
        "a request line, whole",
        changed(path=f"{POD} HTTP/1.1{CRLF}impersonate-user: smuggled{CRLF}x-a: b"),
    )
    yield Made(
        "inject-method",
        "refused",
        source,
        "a request line, whole",
        changed(method=f"GET {POD} HTTP/1.1{CRLF}host: a{CRLF}{CRLF}GET"),
    )
    yield Made(
        "inject-authority",
        "refused",
        source,
        "a header behind Host",
        changed(authority=f"{{host}}{CRLF}impersonate-user: smuggled"),
    )
    yield Made(
        "inject-scheme", "refused", source, "a header behind the scheme", changed(scheme=f"https{CRLF}impersonate-user: smuggled")
    )
    yield Made("method-version", "refused", source, "a version in the method", changed(method=f"GET {POD} HTTP/1.1"))
    yield Made("path-version", "refused", source, "a version in the path", changed(path=f"{POD} HTTP/1.1"))


def paths() -> Iterator[Made]:
    source = "RFC 9113 section 8.3.1, threats A8, D1"
    for name, path in (
        ("asterisk", "*"), ("no-slash", POD[1:]), ("absolute", f"https://{{host}}{POD}"), ("absolute-other", f"http://smuggled.test{POD}"), ("authority", "{host}:443"), ("fragment", f"{POD}#a"), ("fragment-query", f"{POD}?a=b#c"), ("question", "?a=b"),
        ("backslash", "\\x5capi"), ("space-first", f"\\x20{POD}"), ("high", "/api/v1/pods/\\xc3\\xa9"),
    ):  # fmt: skip
        yield Made(name, "refused", source, f"the path {path!r}", changed(path=path))
    yield Made(
        "asterisk-options", "refused", source, "OPTIONS * asks the server, and there are two", changed(method="OPTIONS", path="*")
    )
    yield Made("long", "refused", "threats A6", "a path of more than 32 KiB", changed(path=f"{POD}?a={'a' * 33000}"))
    for name, (path, canonical) in {
        "query": (f"{PODS}?watch=1", f"{PODS}?watch=1"),
        "root": ("/", "/"),
        "encoded": ("/api/v1/%70ods", "/api/v1/pods"),
    }.items():
        yield Made(f"fine-{name}", f"one GET {canonical}", source, f"{path} has one reading", changed(path=path))


def readings() -> Iterator[Made]:
    for name, path in (
        ("double-slash", "//api/v1/pods"), ("dots", "/api/v1/pods/../../v1/secrets"), ("encoded-dots", "/api/v1/%2e%2e/v1/secrets"), ("encoded-slash", "/api/v1/namespaces/a%2fsecrets"), ("nul", "/api/v1/pods/%00"), ("semicolon", "/api/v1/pods;a"),
        ("legacy", "/api/v1/watch/secrets"), ("bad-percent", "/api/v1/%zz"), ("query-semicolon", f"{PODS}?dryRun=All;x"), ("query-twice", f"{PODS}?watch=0&watch=1"),
    ):  # fmt: skip
        yield Made(name, "refused", "threats D1, D2, D3", f"the path {path!r}", changed(path=path))


def methods() -> Iterator[Made]:
    source = "RFC 9110 section 9, threats A7, A9"
    for method in ("get", "TRACE", "PRI", "GE!T", "GET/", "PROPFIND", "Get", "\\x20GET"):
        yield Made(
            f"method-{slug(method.replace(chr(92), ''))}", "refused", source, f"the method {method!r}", changed(method=method)
        )
    for scheme in ("https://smuggled.test/?", "https:", "ftp", "h ttps", "javascript", "\\x80"):
        yield Made(
            f"scheme-{slug(scheme.replace(chr(92), ''))}",
            "refused",
            "RFC 9113 section 8.3.1, threats A9",
            f"the scheme {scheme!r}",
            changed(scheme=scheme),
        )
    for scheme in ("http", "HTTPS"):
        yield Made(
            f"scheme-{scheme}",
            f"{ONE_GET} or refused",
            "RFC 9113 section 8.3.1",
            "another scheme than the connection's takes no part",
            changed(scheme=scheme),
        )
    for method in ("HEAD", "DELETE", "OPTIONS"):
        yield Made(
            f"fine-{method.lower()}", f"one {method} {POD}", source, "a method that the API server serves", changed(method=method)
        )


def lengths() -> Iterator[Made]:
    source = "RFC 9113 section 8.1.1, threats A3"
    for name, length, data in (
        ("less", "4", ("hello",)), ("more", "6", ("hello",)), ("none", "0", ("hello",)), ("less-in-two", "5", ("hello", "hello")), ("more-in-two", "11", ("hello", "hello")), ("request", "5", (f"hello{SMUGGLED}",)), ("empty", "5", ("",)),
    ):  # fmt: skip
        yield Made(
            f"{name}", "refused", source, f"a length of {length}, and another body", post(f"content-length: {length}", data=data)
        )
    yield Made("no-data", "refused", source, "a length, and no body", frame("HEADERS end_stream=1", *POST, "content-length: 5"))
    for spelled in ("+5", "-5", "05", "5, 5", "5,5", "0x5", "5a", "5\\x20", "", "18446744073709551621", "\\xb2", "5\\x00", "5_"):
        expect = f"{ONE_POST} or refused" if spelled == "5\\x20" else "refused"
        yield Made(
            f"value-{slug(spelled.replace(chr(92), ''))}",
            expect,
            source,
            f"the length {spelled!r}",
            post(f"content-length: {spelled}"),
        )
    for name, pair in (("equal", ("5", "5")), ("rising", ("0", "5")), ("falling", ("5", "0"))):
        yield Made(f"twice-{name}", "refused", source, "two lengths", post(*[f"content-length: {value}" for value in pair]))
    yield Made("fine", ONE_POST, source, "the length that it is", post("content-length: 5"), {"body": "hello"})
    yield Made(
        "fine-in-three",
        ONE_POST,
        source,
        "the length of all frames",
        post("content-length: 5", data=("he", "", "llo")),
        {"body": "hello"},
    )
    padded = frame("HEADERS", *POST, "content-length: 5") + frame("DATA end_stream=1 padding=9", "hello")
    yield Made("fine-padded", ONE_POST, source, "padding is no body", padded, {"body": "hello"})
    yield Made("fine-none", ONE_POST, source, "no length", post(), {"body": "hello"})
    yield Made("fine-zero", ONE_POST, source, "no body", frame("HEADERS end_stream=1", *POST, "content-length: 0"), {"body": ""})
    yield Made("fine-request-inside", ONE_POST, source, "a body may look like a request", post(data=(SMUGGLED,)))


def bodies() -> Iterator[Made]:
    source = "RFC 9110 section 9.3.1, threats A18"
    for method in ("GET", "HEAD"):
        data = frame("HEADERS", f":method: {method}", *GET[1:]) + frame("DATA end_stream=1", "hello")
        yield Made(f"{method.lower()}-body", "refused", source, f"{method} with a body", data)
        empty = frame("HEADERS", f":method: {method}", *GET[1:]) + frame("DATA end_stream=1", "")
        yield Made(f"{method.lower()}-empty-body", f"one {method} {POD} or refused", source, "a body of no bytes is none", empty)
    data = frame("HEADERS", *GET, "content-length: 0") + frame("DATA end_stream=1", SMUGGLED)
    yield Made("get-zero-and-request", "refused", source, "a length of 0 before a request", data)
    yield Made("encoding", "refused", source, "an encoded body", post("content-encoding: gzip"))
    yield Made("expect", "refused", source, "an expectation that nobody can meet", post("expect: 200-maybe"))


def hosts() -> Iterator[Made]:
    source = "RFC 9113 section 8.3.1, threats A8"
    bare = (METHOD, SCHEME, PATH)
    yield Made("neither", "refused", source, "no host at all", frame("HEADERS end_stream=1", *bare, BEARER))
    yield Made(
        "host-alone",
        ONE_GET,
        source,
        "Host takes the place of :authority",
        frame("HEADERS end_stream=1", *bare, "host: {host}", BEARER),
    )
    yield Made("equal", ONE_GET, source, "both say the same", get("host: {host}"))
    for name, host in (
        ("other", "smuggled.test"),
        ("empty", ""),
        ("port", "{host}:1"),
        ("user", "a@{host}"),
        ("list", "{host}, smuggled.test"),
    ):
        yield Made(f"{name}-beside", "refused", source, "Host says another thing than :authority", get(f"host: {host}"))
    yield Made(
        "twice", "refused", source, "two Hosts", frame("HEADERS end_stream=1", *bare, "host: {host}", "host: {host}", BEARER)
    )
    yield Made(
        "twice-other",
        "refused",
        source,
        "two Hosts",
        frame("HEADERS end_stream=1", *bare, "host: {host}", "host: smuggled.test", BEARER),
    )
    yield Made("twice-beside", "refused", source, "two Hosts beside :authority", get("host: {host}", "host: {host}"))
    yield Made("empty-alone", "refused", source, "an empty Host alone", frame("HEADERS end_stream=1", *bare, "host:", BEARER))
    for name, authority in (
        ("user", "a@{host}"), ("path", "{host}/api"), ("query", "{host}?a"), ("fragment", "{host}#a"), ("list", "{host},a"), ("two-ports", "{host}:1:2"), ("name-port", "{host}:a"), ("bracket", "[::1"), ("scheme", "https://{host}"), ("percent", "{host}%2f"),
        ("backslash", "{host}\\x5ca"), ("quote", '"{host}"'), ("space", "a b"), ("high", "sm\\xc3\\xbcggled.test"),
    ):  # fmt: skip
        yield Made(f"authority-{name}", "refused", source, f":authority {authority!r}", changed(authority=authority))
        yield Made(
            f"host-{name}",
            "refused",
            source,
            f"Host {authority!r} alone",
            frame("HEADERS end_stream=1", *bare, f"host: {authority}", BEARER),
        )
    for name, authority in (("port", "{host}:8443"), ("address", "127.0.0.1:8443"), ("foreign", "kubernetes.default.svc")):
        yield Made(f"fine-{name}", ONE_GET, source, "takes no part in routing", changed(authority=authority))
