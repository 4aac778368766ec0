"""HTTP/1.1 vectors, first half: where a message begins and ends, and what stands in a head."""

from __future__ import annotations

from collections.abc import Iterator

from tests.smuggling.make import AUTH, BODIES, EXEC, NEXT, POD, PODS, Family, Made, request, slug

POST = f"POST {BODIES}"
ONE_POST = f"one {POST}"
ONE_GET = f"one GET {POD}"
CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
TE = "Transfer-Encoding: chunked"
CONTROLS = [*(n for n in range(0x20) if n not in (9, 10, 13)), 0x7F]
BEYOND = [0x80, 0xA0, 0xFF]


def families() -> Iterator[Family]:
    yield "CL and TE", "proxy", both_framings()
    yield "TE spellings", "proxy", codings()
    yield "CL spellings", "proxy", lengths()
    yield "line endings", "proxy", line_endings()
    yield "bytes in a head", "proxy", head_bytes()
    yield "chunk sizes", "proxy", chunk_sizes()
    yield "chunk data", "proxy", chunk_data()
    yield "trailers", "proxy", trailers()
    yield "Connection", "proxy", connection_options()
    yield "Host", "proxy", hosts()
    yield "request line", "proxy", request_lines()
    yield "pipelining", "proxy", pipelining()
    yield "Expect", "proxy", expectations()
    yield "body on GET", "gateway", bodies_on_get()


def both_framings() -> Iterator[Made]:
    source = "RFC 9112 section 6.3, threats A1"
    for version in ("HTTP/1.1", "HTTP/1.0"):
        for length in ("0", "4", str(len(CHUNKS))):
            for first, headers in (("cl", (f"Content-Length: {length}", TE)), ("te", (TE, f"Content-Length: {length}"))):
                name = f"{first}-first-{length}-{slug(version)}"
                comment = f"a length of {length} and chunks, on {version}"
                yield Made(name, "refused", source, comment, request(POST, *headers, body=CHUNKS, version=version) + NEXT)
    for coding in ("identity", "xchunked", "chunked, identity", '"chunked"', "chunked;q=1", "", "gzip"):
        data = request(POST, "Content-Length: 5", f"Transfer-Encoding: {coding}", body="hello") + NEXT
        yield Made(f"coding-{slug(coding)}", "refused", source, f"a right length beside the coding {coding!r}", data)
    for name in (
        "Transfer-Encoding ",
        "Transfer-Encoding\t",
        " Transfer-Encoding",
        "Transfer-Encoding\x0b",
        "Transfer-\r\nEncoding",
    ):
        data = request(POST, "Content-Length: 5", f"{name}: chunked", body="hello") + NEXT
        yield Made(f"name-{slug(name)}", "refused", source, f"a length, and a coding whose name is spelled {name!r}", data)
    for name in ("transfer-encoding", "TRANSFER-ENCODING", "tRANSFER-eNCODING"):
        data = request(POST, "content-length: 4", f"{name}: chunked", body=CHUNKS) + NEXT
        yield Made(f"case-{name}", "refused", source, "names are read without regard to case", data)
    data = request(POST, "Content_Length: 4", TE, body=CHUNKS)
    yield Made("underscore-length", ONE_POST, source, "Content_Length is another header", data, {"body": "hello"})
    data = request(POST, "Content-Length: 5", "Transfer_Encoding: chunked", body="hello")
    yield Made("underscore-coding", ONE_POST, source, "Transfer_Encoding is another header", data, {"body": "hello"})


def codings() -> Iterator[Made]:
    source = "RFC 9112 section 6.1, threats A2"
    refused = (
        "xchunked", "chunkedx", "chunk", "identity", "chunked, identity", "identity, chunked", "chunked, chunked", "chunked,chunked",
        "gzip, chunked", "chunked, gzip", "chunked;q=1", "chunked; a=b", '"chunked"', "'chunked'", ",chunked", "chunked,", "", ",",
        "\x0bchunked", "\x0cchunked", "chunked\x0b", "chunked\x00", "\xa0chunked", "chun\tked", "chunked chunked", "cow", "\x85chunked",
        "chun\u017fed".replace("\u017f", "\xc5\xbf"), "\xef\xbb\xbfchunked",
    )  # fmt: skip
    for coding in refused:
        data = request(POST, f"Transfer-Encoding: {coding}", body=CHUNKS) + NEXT
        yield Made(f"value-{slug(coding)}", "refused", source, "no coding but one exact chunked", data)
    for name, line in (
        ("upper-case", "Transfer-Encoding: CHUNKED"), ("title-case", "Transfer-Encoding: Chunked"),
        ("no-space", "Transfer-Encoding:chunked"), ("spaces", "Transfer-Encoding:   chunked  "), ("tab", "Transfer-Encoding:\tchunked\t"),
        ("lower-name", "transfer-encoding: chunked"), ("upper-name", "TRANSFER-ENCODING: chunked"),
    ):  # fmt: skip
        yield Made(
            f"fine-{name}",
            ONE_POST,
            source,
            "the same coding, legitimately spelled",
            request(POST, line, body=CHUNKS),
            {"body": "hello"},
        )
    for name, lines in (
        ("twice", (TE, TE)), ("then-identity", (TE, "Transfer-Encoding: identity")), ("after-identity", ("Transfer-Encoding: identity", TE)),
        ("twice-cased", (TE, "transfer-encoding: CHUNKED")), ("then-empty", (TE, "Transfer-Encoding:")),
    ):  # fmt: skip
        yield Made(f"lines-{name}", "refused", source, "two lines of Transfer-Encoding", request(POST, *lines, body=CHUNKS) + NEXT)
    for name, line in (
        ("space-before-colon", "Transfer-Encoding : chunked"), ("tab-before-colon", "Transfer-Encoding\t: chunked"),
        ("folded-value", "Transfer-Encoding:\r\n chunked"), ("folded-tab", "Transfer-Encoding:\r\n\tchunked"),
        ("folded-behind", "Transfer-Encoding: chunked\r\n , identity"), ("folded-in-another", "X-A: b\r\n Transfer-Encoding: chunked"),
        ("behind-lf", "X-A: b\nTransfer-Encoding: chunked"), ("behind-cr", "X-A: b\rTransfer-Encoding: chunked"),
        ("behind-nul", "X-A: b\0\r\nTransfer-Encoding: chunked"), ("in-name", "Transfer-Encoding\0: chunked"),
    ):  # fmt: skip
        yield Made(
            f"line-{name}",
            "refused",
            source,
            "a coding that one reader sees and another does not",
            request(POST, line, body=CHUNKS) + NEXT,
        )
    data = request(POST, TE, body=CHUNKS, version="HTTP/1.0") + NEXT
    yield Made("http-1-0", "refused", source, "HTTP/1.0 knows no chunks", data)


def lengths() -> Iterator[Made]:
    source = "RFC 9110 section 8.6, threats A3"
    refused = (
        "+5", "-5", "5_0", "5, 5", "5,5", "5 5", "5;", "5; 5", "0x5", "0b101", "5.0", "5e0", "05", "005", "5\x00", "\x0b5", "5\x0c", "5\x0b",
        "", "five", "5a", "a5", '"5"', "1" * 25, "18446744073709551621", "\xb2", "\xef\xbc\x95", "5\xa0", "5 \x0b", ",5", "5,", "--5", "5\x85",
    )  # fmt: skip
    for length in refused:
        data = request(POST, f"Content-Length: {length}", body="hello") + NEXT
        yield Made(f"value-{slug(length)}", "refused", source, "a length that is no plain number", data)
    for name, lines in (
        ("equal", ("Content-Length: 5", "Content-Length: 5")), ("rising", ("Content-Length: 0", "Content-Length: 5")),
        ("falling", ("Content-Length: 5", "Content-Length: 0")), ("cased", ("Content-Length: 5", "content-length: 6")),
        ("cased-equal", ("CONTENT-LENGTH: 5", "content-length: 5")), ("apart", ("Content-Length: 5", "X-A: b", "Content-Length: 1")),
    ):  # fmt: skip
        yield Made(f"lines-{name}", "refused", source, "two lines of Content-Length", request(POST, *lines, body="hello") + NEXT)
    for name, line in (
        ("space-before-colon", "Content-Length : 5"), ("tab-before-colon", "Content-Length\t: 5"), ("folded", "Content-Length:\r\n 5"),
        ("folded-in-another", "X-A: b\r\n Content-Length: 5"), ("folded-digits", "Content-Length: 5\r\n 0"),
        ("behind-lf", "X-A: b\nContent-Length: 5"), ("behind-cr", "X-A: b\rContent-Length: 5"), ("leading-space", " Content-Length: 5"),
        ("no-colon", "Content-Length 5"), ("nul-in-name", "Content-\0Length: 5"),
    ):  # fmt: skip
        yield Made(
            f"line-{name}",
            "refused",
            source,
            "a length that one reader sees and another does not",
            request(POST, line, body="hello") + NEXT,
        )
    for name, line, body in (
        ("plain", "Content-Length: 5", "hello"), ("tabs", "Content-Length:\t5\t", "hello"), ("no-space", "Content-Length:5", "hello"),
        ("zero", "Content-Length: 0", ""), ("upper-name", "CONTENT-LENGTH: 5", "hello"),
    ):  # fmt: skip
        yield Made(
            f"fine-{name}", ONE_POST, source, "a length, legitimately spelled", request(POST, line, body=body), {"body": body}
        )
    yield Made(
        "short",
        ONE_POST + " then refused",
        source,
        "what is left of a body is no request",
        request(POST, "Content-Length: 3", body="hello"),
        {"body": "hel", "incomplete": "yes"},
    )
    data = request(POST, "Content-Length: 50", body="hello")
    yield Made("long", "refused", source, "a body that never comes whole", data, {"incomplete": "yes"})
    data = request(POST, f"Content-Length: {len(NEXT.format(host='lane0.test', token='')) + 2000}", body=NEXT)
    yield Made(
        "request-inside",
        "refused",
        source,
        "a request is a body's beginning: nobody may take it for one",
        data,
        {"incomplete": "yes", "within": "a body"},
    )


def line_endings() -> Iterator[Made]:
    source = "RFC 9112 section 2.2, threats A4"
    whole = request(f"GET {POD}", "Accept: */*")
    choice = f"{ONE_GET} or refused"  # RFC 9112 section 2.2 permits a reader of bare LF, and an empty line before
    yield Made("all-lf", "refused", source, "every line ends in a bare LF", whole.replace("\r\n", "\n"))
    lines = whole.split("\r\n")
    for number, place in enumerate(("request-line", "host", "authorization", "last-header", "empty-line")):
        for spelled, ending in (("lf", "\n"), ("cr", "\r"), ("cr-cr-lf", "\r\r\n"), ("lf-cr", "\n\r"), ("lf-lf", "\n\n")):
            data = "".join(text + (ending if at == number else "\r\n") for at, text in enumerate(lines[:-1]))
            more = {"incomplete": "yes"} if place == "empty-line" and spelled == "cr" else {}
            yield Made(
                f"{place}-{spelled}",
                "refused",
                source,
                f"behind the {place.replace('-', ' ')} stands {spelled}",
                data + (NEXT if not more else ""),
                more,
            )
    yield Made("empty-line-first", choice, source, "an empty line before the request", "\r\n" + whole)
    yield Made("empty-lf-first", choice, source, "a bare LF before the request", "\n" + whole)
    for name, first in (
        ("space", " "),
        ("tab", "\t"),
        ("cr", "\r"),
        ("nul", "\0"),
        ("bom", "\xef\xbb\xbf"),
        ("folded-line", "\r\n "),
        ("vt", "\x0b"),
    ):
        yield Made(f"before-{name}", "refused", source, "a message does not begin with its first line", first + whole)
    for name, header in (
        ("space", "X-A: b\r\n c"), ("tab", "X-A: b\r\n\tc"), ("only-space", "X-A: b\r\n "), ("only-tab", "X-A: b\r\n\t"),
        ("many", "X-A: b\r\n  c\r\n  d"), ("own-header", "X-A: b\r\n Impersonate-User: smuggled"),
        ("authorization", "X-A: b\r\n Authorization: Bearer smuggled"),
    ):  # fmt: skip
        yield Made(f"fold-{name}", "refused", source, "a folded line", request(f"GET {POD}", header) + NEXT)
    yield Made(
        "fold-first", "refused", source, "the first header is folded", f"GET {POD} HTTP/1.1\r\n Host: {{host}}\r\n{AUTH}\r\n\r\n"
    )
    yield Made("fold-host", "refused", source, "a folded Host", request(host="Host: {host}\r\n .smuggled.test"))
    yield Made(
        "two-heads",
        "refused",
        source,
        "an LF LF within a head that ends later",
        request(f"GET {POD}", "X-A: b\n\n" + NEXT.rstrip()),
        {"within": "a head"},
    )


def head_bytes() -> Iterator[Made]:
    source = "RFC 9110 section 5.5, RFC 9112 section 3, threats A4"
    for code in CONTROLS + BEYOND:
        value = request(f"GET {POD}", f"X-A: b{chr(code)}c") + NEXT
        # obs-text is grammar still (RFC 9110 section 5.5); nobody sends it to an API server
        expect = f"refused or two GET {POD}, GET /api/v1/namespaces/smuggled/secrets" if code >= 0x80 else "refused"
        yield Made(f"value-{code:02x}", expect, source, f"the byte {code:#04x} in a value", value)
        yield Made(
            f"target-{code:02x}", "refused", source, f"the byte {code:#04x} in a target", request(f"GET {POD}{chr(code)}a") + NEXT
        )
    for code in [*CONTROLS, *BEYOND, *map(ord, ' \t"(),/;<=>?@[\\]{}')]:
        yield Made(
            f"name-{code:02x}",
            "refused",
            source,
            f"the byte {code:#04x} in a name",
            request(f"GET {POD}", f"X-A{chr(code)}b: c") + NEXT,
        )
    yield Made(
        "name-first-colon", "refused", source, "a line that begins with its colon", request(f"GET {POD}", ": smuggled") + NEXT
    )
    yield Made("no-colon", "refused", source, "a line without a colon", request(f"GET {POD}", "smuggled") + NEXT)
    yield Made("value-tab", ONE_GET, source, "a tab within a value is fine", request(f"GET {POD}", "X-A: b\tc"))
    yield Made("value-empty", ONE_GET, source, "an empty value is fine", request(f"GET {POD}", "X-A:"))
    yield Made("name-odd", ONE_GET, source, "every character of a token is fine", request(f"GET {POD}", "!#$%&'*+.^_`|~0: c"))
    for code in (0, 1, 9, 0x0B, 0x7F, 0x80):
        yield Made(
            f"method-{code:02x}", "refused", source, f"the byte {code:#04x} in the method", request(f"G{chr(code)}ET {POD}") + NEXT
        )
        yield Made(
            f"version-{code:02x}",
            "refused",
            source,
            f"the byte {code:#04x} behind the version",
            request(version=f"HTTP/1.1{chr(code)}") + NEXT,
        )


def chunk_sizes() -> Iterator[Made]:
    source = "RFC 9112 section 7.1, threats A5"
    refused = (
        "5 ", " 5", "\t5", "5\t", "0x5", "+5", "-5", "5h", "g", "5.", "5,", "5_0", "5\0", "\x0b5", "", "\xb2", "\xef\xbc\x95", '"5"', "5\r",
        "000000005", "10000000000000005", "100000005", "ffffffffffffffff5", "-0", "5 5", "5\x0b", "5#",
    )  # fmt: skip
    for size in refused:
        data = request(POST, TE, body=f"{size}\r\nhello\r\n0\r\n\r\n") + NEXT
        yield Made(f"size-{slug(size) if size else 'none'}", "refused", source, f"the chunk size {size!r}", data)
    # Extensions are grammar that kube-apiserver's clients never send and readers skip in different ways: a proxy may drop them.
    for name, extension in (
        ("plain", ";a"), ("value", ";a=b"), ("quoted", ';a="b"'), ("spaced", " ; a = b"), ("open-quote", ';a="'), ("lf", ";a\nb"), ("cr", ";a\rb"),
        ("nul", ";\0"), ("long", ";" + "a" * 9000), ("empty", ";"), ("many", ";a;b;c;d"), ("crlf-in-quotes", ';a="\r\n0\r\n\r\n'),
    ):  # fmt: skip
        data = request(POST, TE, body=f"5{extension}\r\nhello\r\n0\r\n\r\n")
        legitimate = name in ("plain", "value", "quoted", "spaced", "many")
        expect = f"{ONE_POST} or refused" if legitimate else "refused"
        yield Made(f"extension-{name}", expect, source, "a chunk extension", data + ("" if legitimate else NEXT))
    yield Made(
        "extension-last",
        f"{ONE_POST} or refused",
        source,
        "an extension of the last chunk",
        request(POST, TE, body="5\r\nhello\r\n0;a=b\r\n\r\n"),
    )
    for size in ("5", "05", "00000005"):
        data = request(POST, TE, body=f"{size}\r\nhello\r\n0\r\n\r\n")
        yield Made(f"fine-{size}", ONE_POST, source, "a size, legitimately spelled", data, {"body": "hello"})
    for size in ("a", "A", "0A"):
        data = request(POST, TE, body=f"{size}\r\nhellohello\r\n0\r\n\r\n")
        yield Made(
            f"fine-{'upper-' if size == 'A' else ''}{size.lower()}",
            ONE_POST,
            source,
            "hexadecimal in either case",
            data,
            {"body": "hellohello"},
        )
    for last in ("0", "00", "00000000"):
        data = request(POST, TE, body=f"5\r\nhello\r\n{last}\r\n\r\n")
        yield Made(f"last-{last}", ONE_POST, source, "the last chunk, legitimately spelled", data, {"body": "hello"})
    for last in ("0 ", "0x0", "-0", "+0", "000000000", "0\n"):
        data = request(POST, TE, body=f"5\r\nhello\r\n{last}\r\n\r\n") + NEXT
        yield Made(f"last-bad-{slug(last)}{'-space' if last == '0 ' else ''}", "refused", source, f"the last chunk {last!r}", data)


def chunk_data() -> Iterator[Made]:
    source = "RFC 9112 section 7.1, CVE-2025-43859, threats A5"
    for name, body in (
        ("size-lf", "5\nhello\r\n0\r\n\r\n"), ("end-lf", "5\r\nhello\n0\r\n\r\n"), ("end-cr", "5\r\nhello\r0\r\n\r\n"), ("end-missing", "5\r\nhello0\r\n\r\n"),
        ("end-other", "5\r\nhelloXX0\r\n\r\n"), ("data-longer", "5\r\nhello world\r\n0\r\n\r\n"), ("data-shorter", "5\r\nhell\r\n0\r\n\r\n"),
        ("last-lf", "5\r\nhello\r\n0\n\r\n"), ("final-cr-missing", "5\r\nhello\r\n0\r\n\n"), ("end-two-bytes", "5\r\nhelloXX5\r\nhello\r\n0\r\n\r\n"),
        ("size-cr-cr", "5\r\rhello\r\n0\r\n\r\n"), ("extra-line", "5\r\nhello\r\n\r\n0\r\n\r\n"), ("size-twice", "5\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("all-lf", "5\nhello\n0\n\n"), ("line-before", "\r\n5\r\nhello\r\n0\r\n\r\n"), ("space-before-size-line", "5\r\nhello\r\n 0\r\n\r\n"),
    ):  # fmt: skip
        yield Made(name, "refused", source, "chunks that two readers cut in two ways", request(POST, TE, body=body) + NEXT)
    for name, body in (
        ("no-last", "5\r\nhello\r\n"),
        ("huge", "ffffffff\r\nhello\r\n"),
        ("cut-size", "5"),
        ("cut-data", "5\r\nhel"),
        ("no-final-line", "5\r\nhello\r\n0\r\n"),
    ):
        yield Made(
            f"unfinished-{name}", "refused", source, "a body that never ends", request(POST, TE, body=body), {"incomplete": "yes"}
        )
    several = "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"
    yield Made("fine-several", ONE_POST, source, "several chunks are one body", request(POST, TE, body=several), {"body": "hello"})
    yield Made(
        "fine-empty", ONE_POST, source, "no chunk at all is an empty body", request(POST, TE, body="0\r\n\r\n"), {"body": ""}
    )
    inside = "b\r\nGET / HTTP/1\r\n0\r\n\r\n"
    yield Made(
        "fine-request-inside", "refused", source, "a chunk a byte longer than it says", request(POST, TE, body=inside) + NEXT
    )


def trailers() -> Iterator[Made]:
    source = "RFC 9110 section 6.5.1, threats B11"
    for name in (
        "Host", "Authorization", "Content-Length", "Transfer-Encoding", "Impersonate-User", "Impersonate-Group", "X-Remote-User", "X-Forwarded-For",
        "Audit-Id", "Connection", "Content-Type", "Cookie", "Upgrade", "Expect", "X-Other",
    ):  # fmt: skip
        data = request(POST, TE, f"Trailer: {name}", body=f"5\r\nhello\r\n0\r\n{name}: smuggled\r\n\r\n")
        more = {"absent": "smuggled", "body": "hello"}
        yield Made(f"own-{name.lower()}", f"{ONE_POST} or refused", source, f"{name} in a trailer is no header", data, more)
    for name, line in (
        ("space-before-colon", "X-A : b"), ("no-colon", "smuggled"), ("folded", "X-A: b\r\n c"), ("lf", "X-A: b\nX-B: c"), ("cr", "X-A: b\rX-B: c"),
        ("nul", "X-A: b\0"), ("empty-name", ": b"), ("control", "X-A: b\x01"), ("leading-space", " X-A: b"), ("many", "\r\n".join(f"X-{n}: {'a' * 90}" for n in range(100))),
    ):  # fmt: skip
        data = request(POST, TE, body=f"5\r\nhello\r\n0\r\n{line}\r\n\r\n") + NEXT
        yield Made(f"bad-{name}", "refused", source, "a malformed trailer", data)
    data = request(POST, TE, body=f"5\r\nhello\r\n0\r\n{NEXT}")
    yield Made("request", "refused", source, "a request where trailers stand", data, {"within": "trailers"})


def connection_options() -> Iterator[Made]:
    source = "RFC 9110 section 7.6.1, threats A10"
    for name in (
        "Authorization", "Impersonate-User", "Impersonate-Group", "Impersonate-Extra-L7gw-User", "X-Forwarded-For", "Audit-ID", "Host", "Content-Length",
        "Transfer-Encoding", "Content-Type", "Accept", "Cookie", "X-Remote-User", "Expect", "X-Other",
    ):  # fmt: skip
        expect = "refused" if name != "X-Other" else f"{ONE_GET} or refused"
        yield Made(
            f"names-{name.lower()}",
            expect,
            source,
            f"Connection asks to strip {name}",
            request(f"GET {POD}", f"Connection: {name}"),
        )
    for value in (
        "close, Authorization",
        "Authorization, close",
        "keep-alive, Impersonate-User",
        "close,,Authorization",
        "close,\tAuthorization",
        "CLOSE, AUTHORIZATION",
    ):
        yield Made(
            f"list-{slug(value)}",
            "refused",
            source,
            "Connection asks to strip one header more",
            request(f"GET {POD}", f"Connection: {value}"),
        )
    data = request(f"GET {POD}", "Connection: close", "Connection: Authorization")
    yield Made("two-lines", "refused", source, "a second Connection line counts as well", data)
    for value in ("close", "Close", "keep-alive", "Keep-Alive", "keep-alive, close", "close,", "", "TE, close", "TE"):
        yield Made(f"fine-{slug(value)}", ONE_GET, source, "an ordinary Connection", request(f"GET {POD}", f"Connection: {value}"))
    for line in (
        "Proxy-Connection: smuggled",
        "Keep-Alive: timeout=smuggled",
        "TE: smuggled",
        "Trailer: smuggled",
        "Proxy-Authorization: smuggled",
    ):
        data = request(f"GET {POD}", line)
        yield Made(
            f"hop-{slug(line)}",
            f"{ONE_GET} or refused",
            source,
            "about one connection alone: goes no further",
            data,
            {"absent": "smuggled"},
        )
    data = request(f"GET {POD}", "Connection: close") + NEXT
    yield Made("close-and-more", ONE_GET, source, "behind a last request nothing is read", data)
    data = request(f"GET {POD}", version="HTTP/1.0") + NEXT
    yield Made("http-1-0-and-more", ONE_GET, source, "HTTP/1.0 is one request a connection", data)


def hosts() -> Iterator[Made]:
    source = "RFC 9112 section 3.2, threats A8"
    yield Made("missing", "refused", source, "HTTP/1.1 needs a Host", request(host=""))
    yield Made("missing-http-1-0", f"{ONE_GET} or refused", source, "HTTP/1.0 does not", request(host="", version="HTTP/1.0"))
    for name, line in (
        ("empty", "Host:"), ("space", "Host: a b"), ("path", "Host: {host}/api"), ("query", "Host: {host}?x"), ("fragment", "Host: {host}#x"), ("user", "Host: user@{host}"),
        ("list", "Host: {host}, smuggled.test"), ("two-ports", "Host: {host}:1:2"), ("minus-port", "Host: {host}:-1"), ("name-port", "Host: {host}:http"),
        ("long-port", "Host: {host}:123456"), ("open-bracket", "Host: [::1"), ("close-bracket", "Host: ::1]"), ("scheme", "Host: https://{host}"), ("tab", "Host: a\tb"),
        ("utf-8", "Host: sm\xc3\xbcggled.test"), ("nul", "Host: {host}\0"), ("backslash", "Host: {host}\\smuggled"), ("percent", "Host: {host}%2f"), ("quote", 'Host: "{host}"'),
        ("space-before-colon", "Host : {host}"), ("lf", "Host: {host}\nHost: smuggled.test"), ("leading-space", " Host: {host}"), ("bad-bracket", "Host: [smuggled]"),
    ):  # fmt: skip
        yield Made(name, "refused", source, "a Host that is no host", request(host=line))
    for name, lines in (
        ("equal", "Host: {host}\r\nHost: {host}"), ("other-last", "Host: {host}\r\nHost: smuggled.test"), ("other-first", "Host: smuggled.test\r\nHost: {host}"),
        ("cased", "Host: {host}\r\nhOST: smuggled.test"), ("empty-last", "Host: {host}\r\nHost:"), ("apart", "Host: {host}\r\nX-A: b\r\nHost: smuggled.test"),
    ):  # fmt: skip
        yield Made(f"twice-{name}", "refused", source, "two Hosts", request(host=lines))
    for name, line in (
        ("port", "Host: {host}:8443"),
        ("upper", "HOST: {host}"),
        ("address", "Host: 127.0.0.1:8443"),
        ("bracketed", "Host: [::1]:8443"),
        ("foreign", "Host: kubernetes.default.svc"),
    ):
        yield Made(
            f"fine-{name}",
            ONE_GET,
            source,
            "takes no part in routing: tls-server-name makes any Host legitimate",
            request(host=line),
        )


def request_lines() -> Iterator[Made]:
    source = "RFC 9112 sections 2.3 and 3, threats A7, A8"
    for name, line in (
        ("two-spaces", f"GET  {POD} HTTP/1.1"), ("two-spaces-late", f"GET {POD}  HTTP/1.1"), ("tab", f"GET\t{POD}\tHTTP/1.1"), ("space-behind", f"GET {POD} HTTP/1.1 "),
        ("space-in-target", f"GET {POD} x HTTP/1.1"), ("two-versions", f"GET {POD} HTTP/1.1 HTTP/1.1"), ("no-target", "GET HTTP/1.1"), ("empty-target", "GET  HTTP/1.1"),
        ("no-version", f"GET {POD}"), ("lower-version", f"GET {POD} http/1.1"), ("version-1-2", f"GET {POD} HTTP/1.2"), ("version-2", f"GET {POD} HTTP/2.0"), ("version-0-9", f"GET {POD} HTTP/0.9"),
        ("version-1-10", f"GET {POD} HTTP/1.10"), ("version-01-1", f"GET {POD} HTTP/01.1"), ("version-3-7", f"GET {POD} HTTP/3.7"), ("version-comma", f"GET {POD} HTTP/1,1"), ("version-1", f"GET {POD} HTTP/1"),
        ("version-space", f"GET {POD} HTTP /1.1"), ("version-other", f"GET {POD} HTTPS/1.1"), ("version-minus", f"GET {POD} HTTP/1.-1"), ("version-x", f"GET {POD} HTTP/1.x"),
        ("empty-method", f" {POD} HTTP/1.1"), ("lower-method", f"get {POD} HTTP/1.1"), ("odd-method", f"GE!T#$ {POD} HTTP/1.1"), ("method-slash", f"GET/ {POD} HTTP/1.1"),
        ("connect", "CONNECT {host}:443 HTTP/1.1"), ("connect-path", f"CONNECT {POD} HTTP/1.1"), ("trace", f"TRACE {POD} HTTP/1.1"), ("pri", "PRI * HTTP/2.0"),
        ("propfind", f"PROPFIND {POD} HTTP/1.1"), ("asterisk", "GET * HTTP/1.1"), ("asterisk-options", "OPTIONS * HTTP/1.1"), ("authority", "GET {host}:443 HTTP/1.1"),
        ("no-slash", f"GET {POD[1:]} HTTP/1.1"), ("fragment", f"GET {POD}#a HTTP/1.1"), ("fragment-query", f"GET {POD}?a=b#c HTTP/1.1"), ("fragment-slash", "GET /#/../api/v1/secrets HTTP/1.1"),
        ("absolute-other", f"GET https://smuggled.test{POD} HTTP/1.1"), ("absolute-user", f"GET https://a@{{host}}{POD} HTTP/1.1"), ("absolute-http", f"GET http://smuggled.test{POD} HTTP/1.1"),
        ("absolute-ftp", f"GET ftp://{{host}}{POD} HTTP/1.1"), ("absolute-odd", f"GET https:{POD} HTTP/1.1"), ("backslash", f"GET \\{POD[1:]} HTTP/1.1"),
        ("quote", f'GET "{POD}" HTTP/1.1'), ("angle", f"GET <{POD}> HTTP/1.1"), ("percent-first", "GET %2fapi%2fv1 HTTP/1.1"), ("long-target", f"GET {POD}?a={'a' * 33000} HTTP/1.1"),
    ):  # fmt: skip
        yield Made(name, "refused", source, f"the request line {line[:60]!r}", f"{line}\r\nHost: {{host}}\r\n{AUTH}\r\n\r\n{NEXT}")
    absolute = f"GET https://{{host}}{POD} HTTP/1.1\r\nHost: {{host}}\r\n{AUTH}\r\n\r\n"
    yield Made("absolute-own", f"{ONE_GET} or refused", source, "absolute form is for proxies; a server may take it", absolute)
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        yield Made(
            f"fine-{method.lower()}",
            f"one {method} {POD}",
            source,
            "a method that the API server serves",
            request(f"{method} {POD}"),
        )
    for method in ("PUT", "PATCH"):
        data = request(f"{method} {BODIES}", "Content-Length: 5", body="hello")
        yield Made(
            f"fine-{method.lower()}",
            f"one {method} {BODIES}",
            source,
            "a method that the API server serves",
            data,
            {"body": "hello"},
        )
    yield Made(
        "fields-101",
        "refused",
        "threats A6",
        "more than a hundred header lines",
        request(f"GET {POD}", *[f"X-{n}: a" for n in range(110)]) + NEXT,
    )
    yield Made(
        "preface",
        "refused",
        "RFC 9113 section 3.4, threats A7",
        "HTTP/2 without ALPN",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\4\0\0\0\0\0",
    )


def pipelining() -> Iterator[Made]:
    source = "RFC 9112 section 9.3.2, threats A16"
    first = request(f"GET {POD}")
    yield Made("two", f"two GET {POD}, GET {PODS}", source, "two whole requests", first + request(f"GET {PODS}"))
    bare = f"GET {PODS} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"
    data = request(POST, "Content-Length: 5", body="hello") + request(f"GET {PODS}")
    yield Made("body-then-get", f"two {POST}, GET {PODS}", source, "a request behind a body", data)
    data = request(POST, TE, body=CHUNKS) + request(f"GET {PODS}")
    yield Made("chunks-then-get", f"two {POST}, GET {PODS}", source, "a request behind chunks", data)
    for name, behind in (
        ("garbage", "smuggled\r\n\r\n"), ("lf-request", request(f"GET {PODS}").replace("\r\n", "\n")), ("http-0-9", f"GET {PODS}\r\n\r\n"), ("both-framings", request(POST, "Content-Length: 4", TE, body=CHUNKS)),
        ("leading-space", " " + request(f"GET {PODS}")), ("nul", "\0" + request(f"GET {PODS}")), ("chunk", CHUNKS), ("no-host", request(f"GET {PODS}", host="")),
        ("version-2", request(f"GET {PODS}", version="HTTP/2.0")), ("connect", request("CONNECT {host}:443")),
    ):  # fmt: skip
        expect = f"{ONE_GET} then refused"
        if name == "lf-request":  # RFC 9112 section 2.2 permits a reader of bare LF
            expect += f" or two GET {POD}, GET {PODS}"
        more = {"behind": POST} if name == "both-framings" else {}
        yield Made(f"then-{name}", expect, source, "the second is refused, the first stands", first + behind, more)
    # A plain proxy has no credentials to mind.
    yield Made(
        "then-nobody",
        f"{ONE_GET} then refused or two GET {POD}, GET {PODS}",
        source,
        "the second is nobody's: a connection is no identity",
        first + bare,
    )
    yield Made(
        "nobody-first",
        f"one GET {PODS} then refused or two GET {POD}, GET {PODS}",
        source,
        "the first is nobody's",
        bare.replace(PODS, POD) + request(f"GET {PODS}"),
    )


def expectations() -> Iterator[Made]:
    source = "RFC 9110 section 10.1.1, threats A18"
    for value in ("100-continue", "100-Continue", "100-CONTINUE"):
        data = request(POST, f"Expect: {value}", "Content-Length: 5", body="hello")
        yield Made(
            f"fine-{value}" if value != "100-CONTINUE" else "fine-upper",
            ONE_POST,
            source,
            "the body is not waited for with",
            data,
            {"body": "hello"},
        )
    for value in (
        "200-maybe",
        "100-continue, 100-continue",
        "100-continue, smuggled",
        "100",
        "",
        "100-continue;a=b",
        "\x0b100-continue",
    ):
        data = request(POST, f"Expect: {value}", "Content-Length: 5", body="hello") + NEXT
        yield Made(f"value-{slug(value)}", "refused", source, "an expectation that nobody can meet", data)
    data = request(POST, "Expect: 100-continue", "Expect: 100-continue", "Content-Length: 5", body="hello") + NEXT
    yield Made("twice", "refused", source, "two expectations", data)
    data = request(f"GET {POD}", "Expect: 100-continue")
    yield Made("get", f"{ONE_GET} or refused", source, "no body to wait for", data)
    data = request(POST, "Expect: 100-continue", TE, body=CHUNKS)
    yield Made("chunks", ONE_POST, source, "the chunks are not waited for with", data, {"body": "hello"})
    data = request(POST, "Expect: 100-continue", "Content-Length: 5", body="hello", version="HTTP/1.0")
    yield Made("http-1-0", ONE_POST, source, "HTTP/1.0 expects nothing", data, {"body": "hello"})
    data = request(POST, "Expect: 100-continue", "Content-Length: 4", TE, body=CHUNKS) + NEXT
    yield Made("both-framings", "refused", source, "a refusal ends the wait", data)
    data = request(f"GET {EXEC}", "Expect: 100-continue", "Connection: upgrade", "Upgrade: h2c") + NEXT
    yield Made("foreign-upgrade", "refused", source, "with an upgrade that nobody takes", data)


def bodies_on_get() -> Iterator[Made]:
    source = "RFC 9110 section 9.3.1, threats A18"
    whole = "GET /api/v1/namespaces/smuggled/secrets HTTP/1.1\r\nHost: a\r\n\r\n"
    for method in ("GET", "HEAD"):
        data = request(f"{method} {POD}", "Content-Length: 5", body="hello") + NEXT
        yield Made(f"{method.lower()}-length", "refused", source, f"{method} with a body", data)
        yield Made(
            f"{method.lower()}-chunks",
            "refused",
            source,
            f"{method} with chunks",
            request(f"{method} {POD}", TE, body=CHUNKS) + NEXT,
        )
        yield Made(
            f"{method.lower()}-request",
            "refused",
            source,
            "its body is a request",
            request(f"{method} {POD}", f"Content-Length: {len(whole)}", body=whole),
            {"within": "a body"},
        )
        yield Made(
            f"{method.lower()}-zero",
            f"one {method} {POD}",
            source,
            "a body of no bytes is none",
            request(f"{method} {POD}", "Content-Length: 0"),
        )
    data = request(f"DELETE {BODIES}", "Content-Length: 5", body="hello")
    yield Made("delete", f"one DELETE {BODIES}", source, "a DELETE may have a body", data, {"body": "hello"})
    for coding in ("gzip", "identity", "br", "gzip, chunked"):
        data = request(POST, f"Content-Encoding: {coding}", "Content-Length: 5", body="hello") + NEXT
        yield Made(f"encoding-{slug(coding)}", "refused", source, "an encoded body is not readable to the gateway", data)
