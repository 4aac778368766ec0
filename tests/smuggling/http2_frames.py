"""HTTP/2 vectors, third part: frames in places, sizes and orders in which one peer would see a request and another none."""

from __future__ import annotations

from collections.abc import Iterator

from tests.smuggling.http2_meaning import BEARER, CRLF, GET, ONE_GET, ONE_POST, POST, PSEUDO, SMUGGLED, frame, get, post
from tests.smuggling.make import BODIES, POD, PODS, Family, Made

SECRETS = (":method: GET", ":scheme: https", ":authority: {host}", ":path: /api/v1/namespaces/smuggled/secrets", BEARER)
# Behind a fault of the connection stands a request that must not be served.
NEXT = frame("HEADERS stream=3 end_stream=1", *SECRETS)
BEFORE = get(line="HEADERS stream=3 end_stream=1")  # a request behind a fault that stands first
# The first request was whole before the fault.
LATE = f"{ONE_GET} or refused or {ONE_GET} then refused or {ONE_GET} then reset"


def families() -> Iterator[Family]:
    yield "behind END_STREAM", "proxy", after_end()
    yield "stream numbers", "proxy", stream_numbers()
    yield "header blocks", "proxy", header_blocks()
    yield "HPACK", "proxy", compression()
    yield "padding", "proxy", padding()
    yield "frame sizes", "proxy", frame_sizes()
    yield "frames out of place", "proxy", out_of_place()
    yield "settings and preface", "proxy", settings()
    yield "streams together", "proxy", together()


def after_end() -> Iterator[Made]:
    source = "RFC 9113 section 5.1, threats B2"
    whole = post()
    late = LATE.replace(ONE_GET, ONE_POST)
    for name, behind in (
        ("data", frame("DATA end_stream=1", SMUGGLED)), ("data-open", frame("DATA", SMUGGLED)), ("trailers", frame("HEADERS end_stream=1", "x-a: b")), ("request", frame("HEADERS end_stream=1", *SECRETS)), ("data-twice", frame("DATA", "a") * 2),
        ("continuation", frame("CONTINUATION", "x-a: b")),
    ):  # fmt: skip
        yield Made(f"post-{name}", late, source, f"{name} behind a request's end", whole + behind)
        yield Made(f"get-{name}", LATE, source, f"{name} behind a request's end", get() + behind)
    for name, behind in (("request", frame("HEADERS end_stream=1", *SECRETS)), ("data", frame("DATA end_stream=1", SMUGGLED))):
        yield Made(
            f"reset-then-{name}",
            "refused",
            source,
            f"{name} behind the client's own reset",
            frame("HEADERS", *POST) + frame("RST code=8") + behind,
        )
    # Reset before it was whole: nobody has to hear of it. The client listens for a moment alone.
    yield Made(
        "reset-open",
        "refused",
        "RFC 9113 section 8.1",
        "a request that is taken back",
        frame("HEADERS", *POST) + frame("DATA", "hello") + frame("RST code=8"),
        {"incomplete": "yes"},
    )
    yield Made(
        "never-ended",
        "refused",
        "RFC 9113 section 8.1",
        "a request that never ends",
        frame("HEADERS", *POST) + frame("DATA", "hello"),
        {"incomplete": "yes"},
    )
    yield Made(
        "never-ended-at-length",
        "refused",
        "RFC 9113 section 8.1.1",
        "all the length said, and no end",
        frame("HEADERS", *POST, "content-length: 5") + frame("DATA", "hello"),
        {"incomplete": "yes"},
    )


def stream_numbers() -> Iterator[Made]:
    source = "RFC 9113 section 5.1.1"
    yield Made("even", "refused", source, "a client's streams are odd", get(line="HEADERS stream=2 end_stream=1") + NEXT)
    yield Made(
        "zero",
        "refused",
        "RFC 9113 section 6.2",
        "a request on the connection itself",
        get(line="HEADERS stream=0 end_stream=1") + NEXT,
    )
    yield Made(
        "data-zero", "refused", "RFC 9113 section 6.1", "data on the connection itself", frame("DATA stream=0", SMUGGLED) + BEFORE
    )
    yield Made(
        "falling",
        LATE,
        source,
        "a stream lower than one that was used",
        get(line="HEADERS stream=5 end_stream=1") + frame("HEADERS stream=3 end_stream=1", *SECRETS),
    )
    yield Made("again", LATE, source, "a stream twice", get() + frame("HEADERS end_stream=1", *SECRETS))
    yield Made(
        "data-idle",
        "refused",
        "RFC 9113 section 5.1",
        "data on a stream that is none",
        frame("DATA stream=5 end_stream=1", SMUGGLED) + BEFORE,
    )
    yield Made(
        "rst-idle", "refused", "RFC 9113 section 6.4", "a reset of a stream that is none", frame("RST stream=5 code=8") + BEFORE
    )
    yield Made(
        "rst-zero", "refused", "RFC 9113 section 6.4", "a reset of the connection itself", frame("RST stream=0 code=8") + BEFORE
    )
    yield Made(
        "window-idle",
        "refused",
        "RFC 9113 section 6.9",
        "a window of a stream that is none",
        frame("WINDOW stream=5 by=1") + BEFORE,
    )
    yield Made("fine-high", ONE_GET, source, "numbers may be left out", get(line="HEADERS stream=1001 end_stream=1"))
    yield Made(
        "fine-reserved", ONE_GET, "RFC 9113 section 4.1", "the reserved bit is ignored", get(line="HEADERS reserved=1 end_stream=1")
    )
    yield Made(
        "push",
        "refused",
        "RFC 9113 section 8.4",
        "a client promises nothing",
        get(line="HEADERS") + frame("PUSH promised=2", *SECRETS),
    )


def header_blocks() -> Iterator[Made]:
    source = "RFC 9113 section 6.10, threats B3"
    open_block = frame("HEADERS end_stream=1 end_headers=0", *PSEUDO)
    ends = frame("CONTINUATION", BEARER)
    for name, between in (
        ("ping", frame("PING")), ("settings", frame("SETTINGS")), ("data", frame("DATA", "hello")), ("data-other", frame("DATA stream=3", "hello")), ("headers-other", NEXT), ("headers-same", frame("HEADERS", "x-a: b")), ("priority", frame("PRIORITY depends=0")),
        ("window", frame("WINDOW stream=0 by=1")), ("rst", frame("RST code=8")), ("goaway", frame("GOAWAY")), ("unknown", frame("FRAME type=66", "00")), ("continuation-other", frame("CONTINUATION stream=3", BEARER)), ("continuation-zero", frame("CONTINUATION stream=0", BEARER)),
    ):  # fmt: skip
        yield Made(f"cut-by-{name}", "refused", source, f"{name} within a header block", open_block + between + ends)
    yield Made("continuation-alone", "refused", source, "a CONTINUATION of nothing", frame("CONTINUATION stream=1", *GET) + BEFORE)
    yield Made(
        "continuation-behind", LATE, source, "a CONTINUATION behind the block's end", get() + frame("CONTINUATION", "x-a: b")
    )
    yield Made(
        "continuation-behind-data",
        "refused",
        source,
        "a CONTINUATION behind DATA",
        frame("HEADERS", *POST) + frame("DATA", "hello") + frame("CONTINUATION", "x-a: b"),
    )
    yield Made("never-ended", "refused", source, "a block that never ends", open_block, {"incomplete": "yes"})
    yield Made("never-ended-then-request", "refused", source, "another request within a block", open_block + NEXT)
    yield Made(
        "pseudo-in-continuation-late",
        "refused",
        "RFC 9113 section 8.3",
        "a pseudo-header behind fields, a frame later",
        frame("HEADERS end_stream=1 end_headers=0", *PSEUDO, BEARER) + frame("CONTINUATION", ":path: /api/v1/secrets"),
    )
    yield Made(
        "flood-empty",
        "refused",
        source,
        "empty CONTINUATIONs without end",
        open_block
        + frame(
            "CONTINUATION end_headers=0 times=2000",
        )
        + ends,
    )
    yield Made(
        "flood-full",
        "refused",
        source,
        "a block of hundreds of KiB",
        open_block + frame("CONTINUATION end_headers=0 times=100", f"x-a: {'~' * 9000}") + ends,
    )
    for name, cut in (("one-byte", "1"), ("in-three", "4,9"), ("empty-first", "0"), ("empty-between", "5,5")):
        yield Made(f"fine-{name}", ONE_GET, source, "a block in several frames", get(line=f"HEADERS end_stream=1 cut={cut}"))
    yield Made("fine-pseudo-cut", ONE_GET, source, "fields in a CONTINUATION", open_block + ends)
    yield Made(
        "end-stream-on-continuation",
        "refused",
        source,
        "END_STREAM means nothing on a CONTINUATION: the request goes on",
        frame("HEADERS end_headers=0", *GET) + frame("CONTINUATION flags=1", "x-a: b") + frame("DATA end_stream=1", SMUGGLED),
    )


def compression() -> Iterator[Made]:
    source = "RFC 7541, RFC 9113 section 4.3, threats B4"
    for name, block in (
        ("index-zero", "80"), ("index-beyond", "ff80ffff7f"), ("index-unset", "be"), ("cut-integer", "ff"), ("endless-integer", "ff" + "80" * 12 + "01"), ("cut-string", "400a6162"), ("length-beyond", "00ffffffff0f"), ("huffman-eos", "0084ffffffff0161"),
        ("huffman-padding", "0081180161"), ("huffman-long-padding", "0082ffff0161"), ("table-too-large", "3fe1ff7f"), ("name-index-unset", "7e0161"),
    ):  # fmt: skip
        data = frame(f"HEADERS end_stream=1 block={block}")
        yield Made(name, "refused", source, "a block that cannot be decoded ends the connection", data + NEXT)
    yield Made(
        "table-late",
        "refused",
        "RFC 7541 section 4.2",
        "a table size behind a field",
        frame("HEADERS end_stream=1 block=82" + "3f00") + NEXT,
    )
    yield Made(
        "table-many",
        "refused",
        "RFC 7541 section 4.2, threats B4",
        "more table sizes than make sense",
        frame("HEADERS end_stream=1 end_headers=0 block=" + "20" * 500) + frame("CONTINUATION", *GET),
    )
    entry = f"00{len('x-a'):02x}782d61" + "7f" + "a11e" + "61" * 4000  # literal of 4,000 bytes, never indexed
    yield Made(
        "large-value",
        "refused",
        "threats B4",
        "a header list of several hundred KiB",
        frame("HEADERS end_stream=1 end_headers=0", *GET)
        + frame(f"CONTINUATION end_headers=0 times=60 block={entry}")
        + frame("CONTINUATION"),
    )
    indexed = "40" + "03" + "782d62" + "7f" + "a11e" + "62" * 4000
    indexed = indexed.replace("7fa11e", "7fa11e")
    yield Made(
        "bomb",
        "refused",
        "threats B4",
        "one large entry, named a hundred times",
        frame("HEADERS end_stream=1 end_headers=0", *GET)
        + frame(f"CONTINUATION end_headers=0 block={indexed}")
        + frame(f"CONTINUATION block={'be' * 400}"),
    )


def padding() -> Iterator[Made]:
    source = "RFC 9113 section 6.1"
    for name, length in (("equal", 6), ("beyond", 200), ("largest", 255)):
        padded = frame(f"DATA end_stream=1 padding=0 pad_length={length}", "hello")
        yield Made(
            f"data-{name}", "refused", source, f"padding of {length} bytes in a frame of 6", frame("HEADERS", *POST) + padded + NEXT
        )
        yield Made(
            f"headers-{name}",
            "refused",
            "RFC 9113 section 6.2",
            f"padding of {length} bytes, which a block has not",
            frame(f"HEADERS end_stream=1 block=8287 padding=0 pad_length={length}") + NEXT,
        )
    yield Made(
        "data-empty",
        "refused",
        source,
        "a padded frame without the padding's length",
        frame("HEADERS", *POST) + frame("FRAME type=0 flags=9", "") + NEXT,
    )
    yield Made(
        "headers-empty",
        "refused",
        "RFC 9113 section 6.2",
        "a padded frame without the padding's length",
        frame("FRAME type=1 flags=13 stream=1", "") + NEXT,
    )
    yield Made(
        "headers-priority-short",
        "refused",
        "RFC 9113 section 6.2",
        "a priority of three bytes",
        frame("FRAME type=1 flags=37 stream=1", "000000") + NEXT,
    )
    yield Made(
        "all-padding",
        ONE_POST,
        source,
        "a frame of padding alone",
        frame("HEADERS", *POST) + frame("DATA padding=200", "") + frame("DATA end_stream=1", "hello"),
        {"body": "hello"},
    )
    yield Made(
        "fine-data",
        ONE_POST,
        source,
        "padding is no data",
        frame("HEADERS padding=20", *POST) + frame("DATA end_stream=1 padding=255", "hello"),
        {"body": "hello"},
    )
    request = "".join(f"{byte:02x}" for byte in b"\x1ehello" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(30, b"\0"))
    nonzero = frame("HEADERS", *POST) + frame("FRAME type=0 flags=9", request)
    yield Made("not-zero", f"{ONE_POST} or refused", source, "padding that is a request", nonzero, {"body": "hello"})


def frame_sizes() -> Iterator[Made]:
    source = "RFC 9113 section 4.2, threats B6"
    for name, kind, flags, stream, payload in (
        ("rst-3", 3, 0, 1, "000000"), ("rst-5", 3, 0, 1, "0000000000"), ("window-3", 8, 0, 0, "000001"), ("window-5", 8, 0, 0, "0000000001"), ("ping-7", 6, 0, 0, "00" * 7), ("ping-9", 6, 0, 0, "00" * 9), ("settings-5", 4, 0, 0, "0003000000"),
        ("settings-ack-6", 4, 1, 0, "000300000064"), ("goaway-7", 7, 0, 0, "00" * 7), ("priority-4", 2, 0, 1, "00000000"), ("priority-6", 2, 0, 1, "000000000000"),
    ):  # fmt: skip
        before = get(line="HEADERS").replace("GET", "POST", 1) if kind == 3 else ""
        # Of a PRIORITY the stream is at fault alone (section 6.3), and this one was never opened.
        expect = LATE if kind == 2 else "refused"
        said = frame(f"FRAME type={kind} flags={flags} stream={stream}", payload)
        yield Made(name, expect, source, "a frame that has another size than its kind", before + said + BEFORE)
    yield Made(
        "data-16385",
        f"{ONE_POST} or refused",
        source,
        "a byte more than the least that a server announces",
        frame("HEADERS", *POST) + frame("FRAME type=0 flags=1", "61" * 16385),
    )
    yield Made("headers-16385", "refused", source, "a byte more than was announced", frame("FRAME type=1 flags=5", "82" * 16385))
    yield Made(
        "largest",
        "refused",
        source,
        "16 MiB announced",
        frame("HEADERS", *POST) + frame("FRAME type=0 flags=1 length=16777215", "61" * 100),
    )
    yield Made(
        "largest-unknown",
        "refused",
        source,
        "16 MiB of an unknown kind announced",
        frame("FRAME type=66 stream=0 length=16777215", "61" * 100),
    )
    yield Made(
        "request-in-unknown",
        ONE_GET,
        "RFC 9113 section 4.1",
        "an unknown kind is skipped, whatever is in it",
        frame("FRAME type=66 stream=0", "000000010500000003") + get(),
    )
    yield Made(
        "cut-frame",
        "refused",
        source,
        "a frame that never comes whole",
        frame("BYTES", "000010" + "0105" + "00000001" + "8287"),
        {"incomplete": "yes"},
    )
    yield Made(
        "fine-16384",
        ONE_POST,
        source,
        "as much as was announced",
        frame("HEADERS", *POST) + frame("DATA end_stream=1", "a" * 16384),
        {"body": "a" * 16384},
    )


def out_of_place() -> Iterator[Made]:
    source = "RFC 9113 section 6"
    for name, line in (
        ("settings-on-stream", "SETTINGS stream=1"), ("ping-on-stream", "PING stream=1"), ("goaway-on-stream", "GOAWAY stream=1"), ("window-zero", "WINDOW stream=0 by=0"), ("window-overflow", "WINDOW stream=0 by=2147483647"), ("priority-zero", "PRIORITY stream=0 depends=1"),
        ("push", "PUSH promised=2 block=82"), ("push-zero", "PUSH stream=0 promised=2 block=82"),
    ):  # fmt: skip
        yield Made(name, "refused", source, f"{line}, which ends the connection", frame(line) + BEFORE)
    own = frame("HEADERS", *POST)
    for name, line in (("window-stream-zero", "WINDOW by=0"), ("window-stream-overflow", "WINDOW by=2147483647")):
        yield Made(
            name,
            "refused",
            "RFC 9113 section 6.9, threats B2",
            f"{line}, which ends the stream",
            own + frame(line) + frame("DATA end_stream=1", "hello"),
        )
    # RFC 7540 made these errors, RFC 9113 section 5.3.2 has no dependencies any more.
    yield Made(
        "depends-on-itself",
        f"{ONE_GET} or refused",
        "RFC 9113 section 5.3.2, threats B7",
        "a stream that depends on itself",
        get(line="HEADERS end_stream=1 depends=1"),
    )
    yield Made(
        "priority-on-itself",
        LATE,
        "RFC 9113 section 5.3.2, threats B7",
        "a PRIORITY that depends on itself",
        frame("PRIORITY stream=3 depends=3") + get(),
    )
    yield Made(
        "fine-priority",
        ONE_GET,
        "RFC 9113 section 5.3.2",
        "priorities are ignored",
        frame("PRIORITY stream=3 depends=0") + get(line="HEADERS end_stream=1 depends=0"),
    )
    yield Made(
        "fine-flags", ONE_GET, "RFC 9113 section 4.1", "unknown flags are ignored", get(line="HEADERS end_stream=1 flags=66")
    )
    yield Made(
        "fine-unknown",
        ONE_GET,
        "RFC 9113 section 5.5",
        "unknown kinds are ignored",
        frame("FRAME type=255 flags=255 stream=7", "00ff") + get(),
    )
    yield Made("fine-ping", ONE_GET, source, "a PING between", frame("PING") + get())
    yield Made(
        "fine-window",
        ONE_POST,
        source,
        "windows between",
        own + frame("WINDOW stream=0 by=100") + frame("WINDOW by=100") + frame("DATA end_stream=1", "hello"),
        {"body": "hello"},
    )
    yield Made(
        "goaway-then-request",
        f"{ONE_GET} or refused",
        "RFC 9113 section 6.8",
        "a client that goes may yet ask",
        frame("GOAWAY") + get(),
    )
    yield Made(
        "altsvc", ONE_GET, "RFC 7838 section 4", "a server's frame, from a client", frame("FRAME type=10 stream=0", "0000") + get()
    )


def settings() -> Iterator[Made]:
    source = "RFC 9113 section 6.5.2"
    for name, pair in (
        ("push-2", "2=2"), ("window-too-large", "4=2147483648"), ("frame-too-small", "5=16383"), ("frame-too-large", "5=16777216"), ("connect-2", "8=2"),
    ):  # fmt: skip
        expect = "refused" if not name.startswith("connect") else f"{ONE_GET} or refused"
        yield Made(name, expect, source, f"the setting {pair}", frame(f"SETTINGS {pair}") + get())
    yield Made("fine-unknown", ONE_GET, source, "unknown settings are ignored", frame("SETTINGS 66=7 10794=1") + get())
    yield Made("fine-many", ONE_GET, source, "a few settings, one behind the other", frame("SETTINGS 1=0 3=10 6=100000") + get())
    source = "RFC 9113 section 3.4"
    preface = "".join(f"{byte:02x}" for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    raw = {"preface": "none"}
    first = frame("SETTINGS")
    yield Made(
        "preface-wrong",
        "refused",
        source,
        "a preface with another word",
        frame("BYTES", preface.replace("534d", "534e")) + first + get(),
        raw,
    )
    yield Made(
        "preface-lf",
        "refused",
        source,
        "a preface with bare LF",
        frame("BYTES", preface.replace("0d0a", "0a")) + first + get(),
        raw,
    )
    yield Made("preface-none", "refused", source, "no preface", first + get(), raw)
    yield Made(
        "preface-twice", "refused", source, "two prefaces", frame("BYTES", preface) + first + frame("BYTES", preface) + get(), raw
    )
    yield Made("no-settings", "refused", source, "another frame before the settings", frame("BYTES", preface) + get(), raw)
    yield Made(
        "ping-before-settings",
        "refused",
        source,
        "a PING before the settings",
        frame("BYTES", preface) + frame("PING") + first + get(),
        raw,
    )
    http1 = "".join(f"{byte:02x}" for byte in f"GET {POD} HTTP/1.1\r\nHost: lane0.test\r\n\r\n".encode())
    yield Made("http1", "refused", source, "HTTP/1.1 where h2 was chosen", frame("BYTES", http1), raw)
    behind = "".join(f"{byte:02x}" for byte in f"GET {PODS} HTTP/1.1\r\nHost: lane0.test\r\n\r\n".encode())
    yield Made("http1-behind", LATE, source, "HTTP/1.1 behind a request", get() + frame("BYTES", behind))
    yield Made(
        "ack-unasked",
        f"{ONE_GET} or refused",
        "RFC 9113 section 6.5.3",
        "acknowledgements of nothing",
        frame("SETTINGS ack=1") * 3 + get(),
    )


def together() -> Iterator[Made]:
    source = "RFC 9113 section 5.1.2, threats A16"
    second = frame("HEADERS stream=3 end_stream=1", *[line.replace(POD, PODS) for line in GET])
    yield Made(
        "two-posts",
        f"two POST {BODIES}, POST {BODIES}",
        source,
        "two bodies by turns",
        frame("HEADERS", *POST)
        + frame("HEADERS stream=3", *POST)
        + frame("DATA", "hel")
        + frame("DATA stream=3", "hel")
        + frame("DATA end_stream=1", "lo")
        + frame("DATA stream=3 end_stream=1", "lo"),
        {"body": "hello"},
    )
    nobody = frame("HEADERS stream=3 end_stream=1", *[line.replace(POD, PODS) for line in PSEUDO])
    # A plain proxy has no credentials to mind. Two requests at once have no order.
    either = f"two GET {POD}, GET {PODS} or two GET {PODS}, GET {POD}"
    yield Made("two", either, source, "two requests", get() + second)
    yield Made(
        "then-nobody",
        f"{ONE_GET} then refused or {either}",
        source,
        "the second is nobody's: a connection is no identity",
        get() + nobody,
    )
    bad = frame("HEADERS stream=3 end_stream=1", *PSEUDO, BEARER, f"user-agent: a{CRLF}b")
    yield Made("then-malformed", f"{ONE_GET} then refused", source, "the second is refused, the first stands", get() + bad)
    yield Made(
        "malformed-first",
        f"one GET {PODS} then refused or refused",
        source,
        "the first is refused; the second may stand",
        get(f"user-agent: a{CRLF}b") + second,
    )
