"""What the masks of streams cannot promise. Each miss that docs/compatibility.md lists is shown here, beside what is found."""

from __future__ import annotations

import codecs
import gzip
from base64 import b64encode, urlsafe_b64encode

import pytest

from l7gw.masking.bodies.streams import CLIENT_WAITS, RECORD_WAITS, StreamMask, StreamRules
from l7gw.masking.detectors.scanner import Scanner
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.obligations import NO_OBLIGATIONS

KEY = b"k" * 32
VALUE = b"hunter2!Xy/z+1"


def _mask(*values: bytes) -> StreamMask:
    registry = Registry(KEY, lambda: 0.0)
    for value in (VALUE, *values):
        registry.register("c", "n", value)
    rules = StreamRules(
        tagger=Tagger(KEY, "c", "n"), scanner=Scanner([]), registry=registry, obligations=NO_OBLIGATIONS, sender="", tty=False
    )
    return StreamMask(rules, "stdout")


def _shown(data: bytes, *values: bytes) -> bytes:
    mask = _mask(*values)
    return mask.feed(data, 0.0)[0] + mask.end()[0]


def _xxd(data: bytes) -> bytes:
    return b"00000000: " + b" ".join(data[at : at + 2].hex().encode() for at in range(0, len(data), 2)) + b"\n"


MISSES: dict[str, bytes] = {
    "reversed": VALUE[::-1],
    "another alphabet": codecs.encode(VALUE.decode(), "rot13").encode(),
    "a hex dump with spaces": _xxd(VALUE),
    "packed": gzip.compress(VALUE, mtime=0),
    "in base64 twice": b64encode(b64encode(VALUE)),
    "in UTF-16": VALUE.decode().encode("utf-16-le"),
    "a letter a line": b"\n".join(VALUE[at : at + 1] for at in range(len(VALUE))),
    "cut in halves": VALUE[:7] + b"\n" + VALUE[7:],
    "drawn in another order": VALUE[7:] + b"\r" + VALUE[:7],
    "parted by a movement of the cursor and its way back": VALUE[:5] + b"x\x1b[D" + VALUE[5:],
    "corrected with backspaces": VALUE[:5] + b"x\x08" + VALUE[5:],
    "escaped twice": VALUE[:4] + b"%252" + VALUE[4:],
    "a part from its middle": VALUE[3:],
    "parted by the chunks of HTTP": b"7\r\n" + VALUE[:7] + b"\r\n7\r\n" + VALUE[7:] + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("miss", MISSES)
def test_a_value_that_was_changed_before_it_was_printed_is_missed(miss: str) -> None:
    data = b"> " + MISSES[miss] + b" <\n"
    assert _shown(data) == data
    assert VALUE not in _shown(b"> " + VALUE + b" <\n")


def test_a_value_whose_letters_come_with_pauses_is_seen_by_the_client_and_after_a_second_each_by_the_record() -> None:
    for pause, recorded_too in ((2 * CLIENT_WAITS, False), (2 * RECORD_WAITS, True)):
        mask = _mask()
        shown = recorded = b""
        for number, letter in enumerate([*(VALUE[at : at + 1] for at in range(len(VALUE))), b"\n"]):
            now = 1.0 + number * pause
            for one, other in (mask.flush(now), mask.feed(letter, now)):
                shown, recorded = shown + one, recorded + other
        assert VALUE[:-1] in shown
        assert (VALUE[:-1] in recorded) is recorded_too
        assert [find.late for find in mask.finds] == [True]


def test_words_names_and_short_values_are_not_looked_for() -> None:
    for value in (b"short12", b"abcdefghijklmno", b"my-postgres-0", b"db.example.com", b"/etc/ssl/key.pem"):
        assert _shown(b"> " + value + b"\n", value) == b"> " + value + b"\n"


def test_a_part_of_a_long_value_is_missed_and_the_whole_is_found() -> None:
    value = b"\n".join(b"line-%d-of-a-Key" % number for number in range(20))
    lines = value.split(b"\n")
    assert lines[3] in _shown(b"> " + lines[3] + b"\n", value)
    assert lines[3] not in _shown(b"> " + value + b"\n", value)


def test_long_base64_in_lines_is_missed_within_json_and_in_the_alphabet_for_urls_and_found_else() -> None:
    value = bytes(number * 37 % 251 for number in range(1, 91))
    lines = [
        b"\n".join(text[at : at + 76] for at in range(0, len(text), 76)) for text in (b64encode(value), urlsafe_b64encode(value))
    ]
    for missed in (lines[0].replace(b"\n", b"\\n"), lines[1]):
        assert missed in _shown(b'"' + missed + b'"\n' + b"." * 200, value)
    assert lines[0] not in _shown(b'"' + lines[0] + b'"\n' + b"." * 200, value)
