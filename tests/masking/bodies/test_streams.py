"""Streams: nothing registered leaves in any split, nothing is late, and what was masked is told."""

from __future__ import annotations

import io
import json
import random
import tarfile
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

import pytest

from l7gw.masking.bodies.streams import CLIENT_WAITS, MOST_HELD, RECORD_WAITS, StreamMask, StreamRules
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS, Obligations

KEY = b"k" * 32
SCANNER = Scanners(BUILT_IN).default
VALUE = b'hunter2!Xy/z+"1'
OTHER = b"S3cr3t-Value-9"
TOKEN = b"ghp_16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.fixture
def registry() -> Registry:
    registry = Registry(KEY, lambda: 0.0)
    registry.register("c", "n", VALUE)
    registry.register("c", "n", OTHER, principal="bob")
    return registry


def _mask(
    registry: Registry, *, tty: bool = False, sent: bool = False, rules: Obligations = NO_OBLIGATIONS, sender: str = "ann"
) -> StreamMask:
    how = StreamRules(tagger=Tagger(KEY, "c", "n"), scanner=SCANNER, registry=registry, obligations=rules, sender=sender, tty=tty)
    return StreamMask(how, "stdout", sent=sent)


def _through(mask: StreamMask, parts: Iterable[bytes]) -> tuple[bytes, bytes]:
    shown = recorded = b""
    for part in parts:
        one, other = mask.feed(part, 0.0)
        shown, recorded = shown + one, recorded + other
    one, other = mask.end()
    return shown + one, recorded + other


FORMS = (
    VALUE,
    OTHER,
    b64encode(VALUE),
    b64encode(b"x" + VALUE),
    b64encode(b"xx" + OTHER),
    VALUE.hex().encode(),
    quote(VALUE, safe="").encode(),
    json.dumps(VALUE.decode())[1:-1].encode(),
    b"\x1b[1mhun\x1b[0mter2" + VALUE[7:],
    b"h\x1b[31mu\x1b[32mn\x1b[0mter2" + VALUE[7:],
    TOKEN,
    b"password=Tr0ub4dor",
)
HARMLESS = (
    b" ",
    b"\r\n",
    b"=",
    b"hunt",
    b"S3cr",
    b"$ ",
    b"%2",
    b"\\",
    b"\x1b[0m",
    b"gh",
    b"plain text ",
    b"\x00" * 8,
    b"pass",
    b"\xff\xfe",
)


def _text(dice: random.Random) -> bytes:
    return b"".join(dice.choice(FORMS if dice.random() < 0.3 else HARMLESS) for _ in range(dice.randint(3, 12)))


@pytest.mark.parametrize("tty", [False, True], ids=["no terminal", "terminal"])
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 8))])
def test_a_stream_gives_the_same_in_every_split_and_no_registered_value_in_any_form(
    registry: Registry, seed: int, tty: bool
) -> None:
    dice = random.Random(seed)
    text = _text(dice)
    whole = _mask(registry, tty=tty)
    shown, recorded = _through(whole, [text])
    assert shown == recorded
    assert not registry.scan(recorded, "c", "n")
    assert tty or len(recorded) == len(text)
    for at in range(len(text)):
        for more in (0, 1, dice.randint(2, 40)):
            mask = _mask(registry, tty=tty)
            assert _through(mask, [text[:at], text[at : at + more], text[at + more :]]) == (shown, recorded)
            assert mask.finds == whole.finds
    assert _through(_mask(registry, tty=tty), [text[at : at + 1] for at in range(len(text))]) == (shown, recorded)


def test_a_key_with_headers_is_masked_whole_in_every_split(registry: Registry) -> None:
    """GnuPG writes its version and comments, in any letters, before the lines of a key."""
    lines = b64encode(random.Random(1).randbytes(450))
    key = b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2.0.22 (GNU/Linux)\nComment: Schl\xc3\xbc\xec\n\n" + b"\n".join(
        lines[at : at + 64] for at in range(0, len(lines), 64)
    )
    text = b"it is\n" + key + b"\n-----END PGP PRIVATE KEY BLOCK-----\nnot it"
    whole = _through(_mask(registry), [text])
    assert whole[0] == whole[1] and whole[0].startswith(b"it is\nl7gw-masked-pem-private-key-") and whole[0].endswith(b"*\nnot it")
    for size in (1, 7, 64, 100):
        assert _through(_mask(registry), [text[at : at + size] for at in range(0, len(text), size)]) == whole


def test_where_a_stream_keeps_its_last_bytes_no_word_and_no_line_begins(registry: Registry) -> None:
    """What is within a longer word is no token, also where the bytes that are kept of the stream begin with it."""
    for text in (b"xIQoJb3JpZ2lu" + b"a1B2" * 80 + b" ", b"x k" + b"s" * 240 + b"_passwd: VAULT_TOKE\n"):
        for size in (1, 2, 3):
            mask = _mask(registry)
            assert _through(mask, [text[at : at + size] for at in range(0, len(text), size)]) == (text, text)
            assert not mask.finds


def test_a_find_says_where_it_stands_in_the_recorded_bytes(registry: Registry) -> None:
    for tty in (False, True):
        mask = _mask(registry, tty=tty)
        _, recorded = _through(mask, [b"one " + VALUE + b" two " + TOKEN + b" end"])
        places = [int(find.where.partition("stdout:")[2]) for find in mask.finds]
        assert [find.detector for find in mask.finds] == ["registry", "github-token"]
        assert [find.length for find in mask.finds] == [len(VALUE), len(TOKEN)]
        for find, place in zip(mask.finds, places):
            assert recorded[place:].startswith(b"l7gw-masked-" if find.tag else b"***")
        assert [bool(find.tag) for find in mask.finds] == ([True, True] if tty else [False, True])


def test_what_holds_no_secret_is_given_at_once(registry: Registry) -> None:
    mask = _mask(registry, tty=True)
    for data in (
        b"bash-5.2$ ",
        b"\r\n",
        b"ls -l /tmp\r\n",
        b"\x1b[01;34mbin\x1b[0m\r\n",
        b"> ",
        b"\x1b[?2004l",
        "naïve\r\n".encode(),
    ):
        assert mask.feed(data, 0.0) == (data, data)
        assert mask.due == 0.0


def test_what_may_begin_a_value_is_held_for_25_ms_from_the_client_and_a_second_from_the_record(registry: Registry) -> None:
    mask = _mask(registry, tty=True)
    assert mask.feed(b"$ hunt", 10.0) == (b"$ ", b"$ ")
    assert mask.due == 10.0 + CLIENT_WAITS
    assert mask.flush(10.0 + CLIENT_WAITS / 2) == (b"", b"")
    assert mask.flush(10.0 + CLIENT_WAITS) == (b"hunt", b"")
    assert mask.due == 10.0 + RECORD_WAITS
    assert mask.flush(10.0 + RECORD_WAITS) == (b"", b"hunt")
    assert mask.due == 0.0
    assert mask.feed(b"ing\r\n", 12.0) == (b"ing\r\n", b"ing\r\n")


def test_no_byte_is_held_longer_than_its_time_while_others_come(registry: Registry) -> None:
    """The 25 ms, and the second of the record, are those of each byte, not of the last one."""
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 10
    step = CLIENT_WAITS / 4
    mask, now, shown, recorded = _mask(registry), 1.0, 0, 0
    for came in range(len(key)):
        out = mask.flush(now) if 0 < mask.due <= now else (b"", b"")
        more = mask.feed(key[came : came + 1], now)
        shown, recorded = shown + len(out[0] + more[0]), recorded + len(out[1] + more[1])
        assert came - 4 <= shown <= came + 1
        assert came - 4 * RECORD_WAITS / CLIENT_WAITS <= recorded <= shown
        now += step


def test_at_the_time_that_is_told_something_is_given_whatever_the_clock_shows(registry: Registry) -> None:
    """The sum of a time and of 25 ms is a rounded one: taken apart again it may be less."""
    for number in range(1000):
        mask = _mask(registry)
        mask.feed(b"hunt", 1.0 + number * 0.0123)
        assert mask.flush(mask.due)[0] == mask.flush(mask.due)[1] == b"hunt"


def test_of_a_value_that_comes_slowly_all_that_came_within_25_ms_is_masked_and_a_second_of_it_in_the_record(
    registry: Registry,
) -> None:
    mask, now = _mask(registry), 1.0
    shown = recorded = b""
    for byte in VALUE + b"\n":
        for one, other in (mask.flush(now), mask.feed(bytes((byte,)), now)):
            shown, recorded = shown + one, recorded + other
        now += CLIENT_WAITS * 0.4
    assert shown == VALUE[:-3] + b"***\n"
    assert recorded == b"*" * len(VALUE) + b"\n"
    assert [find.late for find in mask.finds] == [True]


def test_what_completes_a_value_after_its_beginning_was_shown_is_masked_and_told_as_late(registry: Registry) -> None:
    mask = _mask(registry)
    assert mask.feed(b"> " + VALUE[:6], 1.0) == (b"> ", b"> ")
    assert mask.flush(1.1) == (VALUE[:6], b"")
    assert mask.feed(VALUE[6:10], 1.2) == (b"", b"")
    assert mask.due == 1.2 + CLIENT_WAITS
    shown, recorded = mask.feed(VALUE[10:] + b" <", 1.21)
    assert shown == b"*********" + b" <"
    assert recorded == b"*" * len(VALUE) + b" <"
    (find,) = mask.finds
    assert find.late and find.where == "stdout:2" and find.length == len(VALUE)


def test_a_value_that_pauses_for_more_than_a_second_is_masked_from_there_on_in_the_record(registry: Registry) -> None:
    mask = _mask(registry)
    mask.feed(VALUE[:8], 1.0)
    assert mask.flush(2.1) == (VALUE[:8], VALUE[:8])  # a listed miss: docs/compatibility.md
    assert mask.feed(VALUE[8:] + b"!", 3.0) == (b"*" * 7 + b"!",) * 2
    assert [find.late for find in mask.finds] == [True]


def test_a_value_that_is_whole_but_may_go_on_is_masked_when_the_client_has_waited(registry: Registry) -> None:
    for tty in (False, True):
        mask = _mask(registry, tty=tty)
        assert mask.feed(b"password=Tr0ub4dor", 1.0)[0] == b"password="
        first, _ = mask.flush(1.1)
        assert first and b"Tr0" not in first
        assert mask.feed(b"99x8", 1.2) == (b"", b"")
        rest, recorded = mask.feed(b"\nok\n", 1.21)
        assert b"99x8" not in rest + recorded
        assert [(find.late, find.length) for find in mask.finds] == [(False, 13)]
        assert (first + rest).count(b"l7gw-masked") == (1 if tty else 0)


def test_a_value_that_was_masked_before_it_was_recorded_is_not_told_as_late_whatever_was_shown_behind_it(
    registry: Registry,
) -> None:
    """`late` says that the client saw the beginning of a value. A line end behind a value that may go on is shown with it."""
    for tty in (False, True):
        for again in (1, 2):
            mask = _mask(registry, tty=tty)
            shown = mask.feed(b"token=abcdefghijk123456789\n", 1.0)[0] + mask.flush(1.1)[0]
            if again == 2:
                shown += mask.flush(2.1)[0] + mask.feed(b"more\n", 2.2)[0]
            shown += mask.end()[0]
            assert b"abc" not in shown and shown.endswith(b"\n")
            assert [find.late for find in mask.finds] == [False]


def test_the_cut_beginning_of_a_value_at_the_end_is_masked_from_four_bytes_on(registry: Registry) -> None:
    for form in (VALUE, OTHER, FORMS[2], FORMS[5], FORMS[7]):
        for size in range(1, len(form) - 4):
            tail = b"*" * size if size >= 4 else form[:size]
            shown, recorded = _through(_mask(registry), [b"log: ", form[:size]])
            assert shown == recorded
            assert recorded == b"log: " + tail or recorded.startswith(b"log: l7gw-masked-registry-")


def test_what_a_caller_sends_goes_up_as_typed_and_is_masked_in_the_record_but_for_his_own_values(registry: Registry) -> None:
    text = b"mysql -p" + VALUE + b" -u " + OTHER + b" password=word " + TOKEN + b"\n"
    mask = _mask(registry, sent=True, sender="bob", tty=True)
    up = [mask.feed(text[at : at + 1], 0.0) for at in range(len(text))]
    assert b"".join(shown for shown, _ in up) == text
    shown, rest = mask.end()
    recorded = b"".join(part for _, part in up) + rest
    assert shown == b""
    assert VALUE not in recorded and TOKEN not in recorded
    assert OTHER in recorded  # masking is no cloak
    assert not any(find.late for find in mask.finds)


def test_what_a_rule_reveals_is_shown_and_masked_in_the_record(registry: Registry) -> None:
    mask = _mask(registry, rules=Obligations(reveal=frozenset(("registry",))))
    text = b"is " + VALUE + b" and " + TOKEN + b"."
    shown, recorded = _through(mask, [text[:8], text[8:]])
    assert VALUE in shown and TOKEN not in shown
    assert VALUE not in recorded and TOKEN not in recorded


def test_what_is_found_in_two_ways_is_shown_where_both_are_revealed(registry: Registry) -> None:
    for first, text in (("password", b"password=" + TOKEN + b"\n"), ("password", b"password=" + OTHER + b"\n")):
        for reveal, is_shown in ({first}, False), ({first, "registry", "github-token"}, True):
            for at in range(len(text)):
                shown, recorded = _through(_mask(registry, rules=Obligations(reveal=frozenset(reveal))), [text[:at], text[at:]])
                assert (shown == text) == is_shown, (at, shown)
                assert TOKEN not in recorded and OTHER not in recorded


def test_a_tar_in_which_something_is_masked_is_still_a_tar(registry: Registry) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in (("a.txt", b"x" * 700), ("conf.env", b"DB=" + VALUE + b"\nT=" + TOKEN + b"\n"), ("z.txt", b"end")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    shown, _ = _through(_mask(registry), [data[at : at + 500] for at in range(0, len(data), 500)])
    assert VALUE not in shown and TOKEN not in shown
    with tarfile.open(fileobj=io.BytesIO(shown)) as tar:
        assert tar.getnames() == ["a.txt", "conf.env", "z.txt"]
        member = tar.extractfile("z.txt")
        assert member is not None and member.read() == b"end"


def test_no_more_is_held_than_a_match_may_need(registry: Registry) -> None:
    registry.register("c", "n", bytes(33 + number % 90 for number in range(1000)))
    mask = _mask(registry)
    given = 0
    for number in range(200):
        _, recorded = mask.feed(b"!\"#$%&'()*" * 100 + b"-----BEGIN PRIVATE KEY-----\nMII", float(number) / 1000)
        given += len(recorded)
    assert 200 * 1031 - given <= MOST_HELD


def test_the_different_registered_values_of_a_stream_are_counted(registry: Registry) -> None:
    mask = _mask(registry)
    _through(mask, [b" ".join((VALUE, OTHER, VALUE, VALUE.hex().encode()))])
    assert len(mask.values) == 2


def test_an_empty_stream_ends_with_nothing(registry: Registry) -> None:
    assert _through(_mask(registry), []) == (b"", b"")
    assert _through(_mask(registry), [b"", b""]) == (b"", b"")


def test_a_value_that_drips_in_for_longer_than_the_record_waits_keeps_the_length_of_the_stream(registry: Registry) -> None:
    mask = _mask(registry)
    data = b"thing: " + OTHER.hex().encode() + b" is it\n"
    recorded = shown = b""
    for number, byte in enumerate(data):
        now = 0.04 * number
        for one, other in (mask.flush(now), mask.feed(bytes((byte,)), now)):
            shown, recorded = shown + one, recorded + other
    one, other = mask.end()
    assert len(recorded + other) == len(shown + one) == len(data)


def test_a_glance_passes_what_feeding_would_pass_and_leaves_the_same_behind() -> None:
    dice = random.Random(3)
    glanced = looked = 0
    for _ in range(300):
        registry = Registry(KEY, lambda: 0.0)
        registry.register("c", "elsewhere", VALUE)
        twin, mask = _mask(registry), _mask(registry)
        given: list[tuple[bytes, bytes]] = []
        for _ in range(dice.randint(1, 8)):
            parts = [
                b"".join(dice.choices((*HARMLESS, *FORMS[-2:]) if dice.random() < 0.2 else HARMLESS[:1] * 9, k=9)) for _ in range(3)
            ]
            expected = twin.feed(b"".join(parts), 0.0)
            passed = mask.glance([memoryview(part) for part in parts])
            glanced, looked = glanced + (passed is not None), looked + (passed is None)
            given.append(mask.feed(b"".join(parts), 0.0) if passed is None else (bytes(passed), bytes(passed)))
            assert given[-1] == expected
        assert mask.end() == twin.end()
        assert mask.finds == twin.finds
    assert glanced > 200 and looked > 100


def test_a_glance_leaves_to_feed_what_a_terminal_shows_otherwise_and_what_may_hold_registered_values(registry: Registry) -> None:
    assert _mask(registry).glance([b"plain text"]) is None  # values of this namespace are known
    registry = Registry(KEY, lambda: 0.0)
    mask = _mask(registry)
    assert mask.glance([b"a\x1b[1mb"]) is None
    assert mask.glance([b"gh", b"p_16C7e42F292c69", b"12E7710c838347Ae178B4a "]) is None  # a token in three parts
    assert mask.glance([b"plain ", b"text\n"]) == b"plain text\n"
    mask.feed(b"password=", 0.0)
    assert mask.glance([b"Tr0ub4dor\n"]) is None  # its name stands in the read before
