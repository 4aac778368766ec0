"""HPACK: the examples of RFC 7541, its limits (threats B4), and header blocks that are remembered."""

from __future__ import annotations

import tracemalloc

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from l7gw.wire import http2_frames as frames
from l7gw.wire import http2_hpack
from l7gw.wire.errors import PeerError
from l7gw.wire.events import Request, Response
from l7gw.wire.http2 import ServerConnection
from l7gw.wire.http2_frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM
from l7gw.wire.http2_hpack import LARGEST_KNOWN, MOST_READ, MOST_UNPACKED, BlockReader, Fields
from tests.support.http2_reading import (
    GET,
    HOST,
    POST,
    Pair,
    block,
    client,
    get,
    head_of,
    headers,
    literal,
    refused,
    server,
    settings,
    shown,
)


def read(*blocks: str | bytes) -> list[Fields]:
    """The fields that one reader finds in these blocks, one after the other."""
    reader: BlockReader[None] = BlockReader()
    return [reader.read(bytes.fromhex(one) if isinstance(one, str) else one) for one in blocks]


def fails(*blocks: str | bytes) -> int:
    """The code with which the last of these blocks ends the connection."""
    reader: BlockReader[None] = BlockReader()
    *before, last = [bytes.fromhex(one) if isinstance(one, str) else one for one in blocks]
    for one in before:
        reader.read(one)
    with pytest.raises(PeerError) as refusal:
        reader.read(last)
    return refusal.value.code


# ---------------------------------------------------------------------- RFC 7541 appendix C

ASKED = [
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")],
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
]
SHARED = [("cache-control", "private"), ("date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("location", "https://www.example.com")]
ANSWERS = [
    [(":status", "302"), *SHARED],
    [(":status", "307"), *SHARED],
    [
        (":status", "200"),
        SHARED[0],
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        SHARED[2],
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ],
]
OF_256_BYTES = "3fe101"  # a table size update to 256 bytes, for examples that evict entries


@pytest.mark.parametrize(
    ("example", "field"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", ("custom-key", "custom-header")),
        ("040c2f73616d706c652f70617468", (":path", "/sample/path")),
        ("100870617373776f726406736563726574", ("password", "secret")),
        ("82", (":method", "GET")),
    ],
)
def test_c2_each_form_of_a_field(example: str, field: Pair) -> None:
    assert read(example) == [[field]]


def test_c3_requests_as_they_are() -> None:
    assert (
        read(
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        )
        == ASKED
    )


def test_c4_requests_in_huffmans_code() -> None:
    assert (
        read(
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        )
        == ASKED
    )


def test_c5_answers_as_they_are() -> None:
    assert (
        read(
            OF_256_BYTES
            + "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
            + "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "4803333037c1c0bf",
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153"
            "444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        )
        == ANSWERS
    )


def test_c6_answers_in_huffmans_code() -> None:
    assert (
        read(
            OF_256_BYTES
            + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b"
            "3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        )
        == ANSWERS
    )


# ---------------------------------------------------------------------- HPACK's faults


@pytest.mark.parametrize(
    "wrong",
    [
        "80",  # index 0
        "be",  # 62, of an empty table
        "ff00",  # 127
        "ff808001",
        "7e0161",  # a literal with the name of entry 62
        "0f2f0161",
        "1f2f0161",
        "ff",  # numbers, cut
        "ff80",
        "ff8080",
        "3f",
        "00",  # strings, cut
        "0001",
        "000161",
        "00016102",
        "0001610162ff",
        "007f",
        "00ff",
        "0001618261",
        "ff80808000",  # a number of four bytes behind its prefix
        "3f80808000",
        "007f80808000",
    ],
)
def test_a_block_that_cannot_be_unpacked_ends_the_connection(wrong: str) -> None:
    assert fails(wrong) == COMPRESSION_ERROR
    assert refused(server(), head_of(1, bytes.fromhex(wrong))) == COMPRESSION_ERROR
    assert refused(client(), head_of(1, bytes.fromhex(wrong))) == COMPRESSION_ERROR
    assert refused(server(get()), head_of(1, bytes.fromhex(wrong))) == COMPRESSION_ERROR  # in trailers, and in late ones


def test_a_block_that_ends_within_a_field_ends_the_connection() -> None:
    before = [bytes.fromhex(one) for one in ("828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf")]
    whole = bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf")
    for at in range(len(whole)):
        if at <= 4:
            assert read(*before, whole[:at])[2] == ASKED[2][:at]
        else:
            assert fails(*before, whole[:at]) == COMPRESSION_ERROR


def huffman(bits: str) -> bytes:
    """A field `a` whose value is these bits."""
    packed = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return b"\x00\x01a" + bytes((0x80 | len(packed),)) + packed


A = "00011"  # "a" (RFC 7541 appendix B)
EOS = "1" * 30


@pytest.mark.parametrize(
    "bits", [A + "110", A + "011", A + "000", "1" * 8, A * 8 + "1" * 8, EOS + "11", A + EOS + "11111", EOS + A + "11111"]
)
def test_a_string_in_huffmans_code_ends_with_the_beginning_of_its_end_and_less_than_a_byte(bits: str) -> None:
    assert fails(huffman(bits)) == COMPRESSION_ERROR


def test_every_byte_has_its_huffman_code_long_strings_and_short_ones() -> None:
    encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    for raw in (bytes(range(256)), *(bytes((byte,)) for byte in range(256)), b"a" * 102, b"a" * 103):
        packed = encoder.encode(raw)
        size = bytes((0x80 | len(packed),)) if len(packed) < 127 else bytes(hpack.hpack.encode_integer(len(packed), 7))
        one = b"\x00\x01a" + bytes((size[0] | 0x80,)) + size[1:] + packed
        for _ in range(2):  # the second time from memory
            assert read(one) == [[("a", raw.decode("latin-1"))]]


def test_strings_that_are_kept_are_bounded() -> None:
    encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    for number in range(http2_hpack.MOST_UNPACKED_KEPT + 10):
        packed = encoder.encode(str(number).encode())
        assert read(b"\x00\x01a" + bytes((0x80 | len(packed),)) + packed) == [[("a", str(number))]]
    assert 0 < len(http2_hpack._UNPACKED) <= http2_hpack.MOST_UNPACKED_KEPT
    secret = encoder.encode(b"{" * 60)
    assert read(b"\x00\x01a" + bytes((0x80 | len(secret),)) + secret) == [[("a", "{" * 60)]]
    assert secret not in http2_hpack._UNPACKED


def test_numbers_have_many_spellings_up_to_three_bytes_behind_their_prefix() -> None:
    assert read("3f9a0a" + "82") == [[(":method", "GET")]]  # 1337, C.1.2
    for spelling in ("3f00", "3f8000", "3f808000"):
        assert read(spelling + "82") == [[(":method", "GET")]]  # 31


# ---------------------------------------------------------------------- the table (threats B4)

NEW = b"\x40\x01x\x01y"


@pytest.mark.parametrize(
    ("updates", "fault"), [("20", 0), ("3fe11f", 0), ("203fe11f", 0), ("3fe21f", 1), ("203fe11f20", 1), ("202020", 1)]
)
def test_a_block_may_begin_with_two_sizes_of_the_table_up_to_4096(updates: str, fault: int) -> None:
    if fault:
        assert fails(updates + "82") == COMPRESSION_ERROR
    else:
        assert read(updates + "82") == [[(":method", "GET")]]


def test_the_size_of_the_table_is_told_before_all_fields() -> None:
    assert fails("8220") == COMPRESSION_ERROR
    assert read("20", "20", "20") == [[], [], []]


def test_a_smaller_table_forgets_and_a_larger_one_remembers_nothing() -> None:
    assert read(NEW, "be") == [[("x", "y")]] * 2
    assert fails(NEW, "20be") == COMPRESSION_ERROR
    assert fails(NEW, "203fe11fbe") == COMPRESSION_ERROR
    assert read(NEW, "3f03" + "be") == [[("x", "y")]] * 2  # a table of 34 bytes, the size of one such entry
    assert fails(NEW, "3f02" + "be") == COMPRESSION_ERROR


def test_an_entry_that_is_larger_than_the_table_empties_it() -> None:
    assert fails(NEW, literal("x", "y" * 4096, 0x40), "be") == COMPRESSION_ERROR
    fits = literal("x", "y" * (4096 - 33), 0x40)
    assert read(NEW, fits, "be")[2] == [("x", "y" * 4063)]
    assert fails(NEW, fits, "bf") == COMPRESSION_ERROR


def test_a_field_that_is_not_indexed_leaves_the_table_alone() -> None:
    for first in (0, 0x10):
        assert read(NEW, literal("a", "b", first), "be")[2] == [("x", "y")]


@pytest.mark.parametrize("one", ["82", "be", "0001610162"])
def test_a_block_of_a_thousand_fields_is_read_and_of_one_more_is_not(one: str) -> None:
    assert len(read(NEW, one * MOST_READ)[1]) == MOST_READ
    assert fails(NEW, one * (MOST_READ + 1)) == ENHANCE_YOUR_CALM


def test_a_block_unpacks_to_256_kib_and_no_byte_more() -> None:
    entry = literal("x", "y" * (4096 - 33), 0x40)  # counts as 4096 bytes
    assert len(read(entry, b"\xbe" * (MOST_UNPACKED // 4096))[1]) == 64
    assert fails(entry, b"\xbe" * (MOST_UNPACKED // 4096) + literal("", "")) == ENHANCE_YOUR_CALM
    filled = literal("a", "b" * (4096 - 33 - 1))
    assert fails(entry, b"\xbe" * 63 + filled + literal("", "")) == ENHANCE_YOUR_CALM
    bomb = server(head_of(1, block(*GET) + entry))
    assert refused(bomb, head_of(3, b"\xbe" * 16_000)) == ENHANCE_YOUR_CALM


# ---------------------------------------------------------------------- blocks that are remembered


def test_a_block_never_means_what_it_meant_before_the_table_changed() -> None:
    connection = server()
    asks = block(*GET) + b"\xbe"
    for stream, value in enumerate(("one", "two", "three")):
        connection.receive(head_of(12 * stream + 1, block(*GET) + literal("x", value, 0x40)))
        for again in (3, 5, 7):
            ((_, came), _) = connection.receive(head_of(12 * stream + again, asks))
            assert came == Request("GET", "/a", (*HOST, ("x", value)))
    connection.receive(head_of(99, b"\x3f\x02" + block(*GET)))
    assert refused(connection, head_of(101, asks)) == COMPRESSION_ERROR


def test_a_block_that_changes_the_table_changes_it_each_time() -> None:
    connection = server()
    adds = block(*GET) + NEW
    for stream in (1, 3, 5):
        connection.receive(head_of(stream, adds))
    ((_, came), _) = connection.receive(head_of(7, block(*GET) + b"\xbe\xbf\xc0"))
    assert came == Request("GET", "/a", (*HOST, *[("x", "y")] * 3))


def test_a_block_that_comes_again_under_the_same_table_is_not_read_again() -> None:
    connection = server(head_of(1, block(*GET) + NEW))
    first, second = (connection.receive(head_of(stream, block(*GET) + b"\xbe"))[0][1] for stream in (3, 5))
    assert second is first


def test_a_block_means_another_request_where_a_body_follows() -> None:
    connection = server()
    came = connection.receive(headers(1, *POST) + headers(3, *POST, end=False) + headers(5, *POST) + headers(7, *POST, end=False))
    assert shown(came) == (
        "1 request POST /a | 1 end | 3 request POST /a chunked | 5 request POST /a | 5 end | 7 request POST /a chunked"
    )


def test_a_block_that_is_refused_is_refused_each_time() -> None:
    connection = server()
    for stream in (1, 3):
        assert shown(connection.receive(headers(stream, (":method", "TRACE"), *GET[1:]))) == f"{stream} refused 405"
    for stream in (5, 7):
        assert shown(connection.receive(headers(stream, *GET[1:]))) == f"{stream} refused 400 then reset 1"


def test_the_memory_of_blocks_is_bounded_by_what_they_unpack_to() -> None:
    """Fifteen references to one large entry are 40 bytes that unpack to 60 KiB."""
    connection = server(head_of(1, block(*GET) + literal("x", "v" * 4000, 0x40)))
    tracemalloc.start()
    for stream in range(3, 803, 2):
        connection.receive(head_of(stream, block(*GET) + b"\xbe" * 15 + literal("a", str(stream))))
        connection.send(stream, Response(200, (), 0))
        connection.reset(stream)
        connection.take()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 8 * LARGEST_KNOWN


def test_short_blocks_count_with_what_their_calls_mean() -> None:
    """What a call means takes 4 KiB of its connection's memory, however short its block is."""
    connection = server()
    for stream in range(1, 4001, 2):
        connection.receive(get(stream, ("x", str(stream))))
        connection.reset(stream)
        connection.take()
        assert len(connection._reader._known) <= LARGEST_KNOWN // 512
        assert len(connection._alike) <= LARGEST_KNOWN // 2 // 512
    assert connection._reader._known and connection._alike


def test_more_blocks_than_are_remembered_are_read_as_well() -> None:
    connection = server()
    for stream in range(1, 2001, 2):
        ((_, came), _) = connection.receive(get(stream, ("x", str(stream % 997) * 20)))
        assert came == Request("GET", "/a", (*HOST, ("x", str(stream % 997) * 20)))
        connection.reset(stream)
        connection.take()
    assert 0 < connection._reader._known_size <= LARGEST_KNOWN


values = st.sampled_from(["", "a", "b" * 100, "v" * 1500, "text/html", "\x80"])
some_fields = st.lists(st.tuples(st.sampled_from(["x", "accept", "authorization", "yy"]), values, st.booleans()), max_size=6)


@given(st.lists(st.tuples(some_fields, st.booleans(), st.sampled_from([None, None, 0, 100, 4096])), max_size=12))
def test_the_librarys_encoder_is_understood_block_after_block(
    blocks: list[tuple[list[tuple[str, str, bool]], bool, int | None]],
) -> None:
    encoder, reader = hpack.Encoder(), BlockReader[Fields]()
    for fields, packed, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        sensitive = [(name.encode(), value.encode("latin-1"), secret) for name, value, secret in fields]
        one = encoder.encode(sensitive, huffman=packed)
        expected = [(name, value) for name, value, _ in fields]
        known = reader.known(one)
        assert known is None or known == expected
        got = reader.read(one)
        assert got == expected
        reader.remember(one, got)


@pytest.mark.parametrize(("remembered", "kept"), [(0, False), (32 * 1024, True)])
def test_a_connection_gives_the_same_request_for_the_same_block_where_it_is_told_to_remember(remembered: int, kept: bool) -> None:
    connection = ServerConnection(remembered)
    connection.receive(frames.PREFACE + settings())
    (_, first), _, (_, second), _ = connection.receive(get(1) + get(3))
    assert first == second and (first is second) is kept
