"""A pattern of the user's own becomes a detector, or is refused with the reason."""

from __future__ import annotations

import pytest

from l7gw.masking.detectors.patterns import BadPattern, detector_of
from l7gw.masking.detectors.scanner import Scanner


@pytest.mark.parametrize(
    "pattern, words",
    [
        ("(", "not in the syntax of RE2"),
        ("foo(?=x)", "not in the syntax of RE2"),
        (r"a\bb", "can match nothing"),
        (r"[^\x00-\xff]", "can match nothing"),
        ("x*", "matches the empty text"),
        ("", "matches the empty text"),
        (r"\b", "matches the empty text"),
        ("^", "matches the empty text"),
        ("(?:a|)b?", "matches the empty text"),
        (".", "matches too much"),
        (".+", "matches too much"),
        (r"\w+", "matches too much"),
        (r"[^\n]{3,}", "matches too much"),
        (r"\S", "matches too much"),
        ("ä", "ASCII"),
        ("EMP-[0-9]{300}", "needs 304 bytes or more"),
        ("((?P<value>a)b)", "`value`"),
    ],
)
def test_a_pattern_that_finds_nothing_or_everything_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(BadPattern, match=words):
        detector_of("x", pattern)


def test_a_pattern_finds_its_matches_or_their_group() -> None:
    scanner = Scanner([detector_of("employee-id", "EMP-[0-9]{6}"), detector_of("pin", "PIN (?P<value>[0-9]{4})")])
    data = b"EMP-123456 PIN 4711 EMP-1 PIN x"
    assert [(span.detector, data[span.start : span.end]) for span in scanner.scan(data)] == [
        ("employee-id", b"EMP-123456"),
        ("pin", b"4711"),
    ]
    assert [span.detector for span in scanner.scan(data, sent=True)] == ["employee-id", "pin"]
    assert scanner.open_from(b"see EMP-12") == 4


def test_a_pattern_of_no_fixed_shape_does_not_look_at_what_a_caller_sent() -> None:
    scanner = Scanner([detector_of("word", "run:[a-z ]+")])
    assert scanner.scan(b"run:rm") and not scanner.scan(b"run:rm", sent=True)


def test_a_pattern_that_only_re2_reads_works_too() -> None:
    scanner = Scanner([detector_of("digits", r"ID\pN{4}X")])
    data = b"an ID1234X here"
    assert [data[span.start : span.end] for span in scanner.scan(data)] == [b"ID1234X"]
    assert scanner.open_from(data) == 0  # nothing tells where a match could begin, so the stream waits with its last bytes


def test_quotes_and_line_ends_of_a_pattern_are_noticed_in_json() -> None:
    scanner = Scanner([detector_of("quoted", 'key "[a-z]{4}"\nend')])
    assert scanner.scan(b'key "abcd"\nend')
    assert scanner.may_hold(rb'{"a":"key \"abcd\"\nend"}')
