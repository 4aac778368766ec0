"""The checks that HTTP/1.1 and HTTP/2 share: each refusal has its status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from l7gw.wire import semantics
from l7gw.wire.errors import PeerError
from l7gw.wire.events import CHUNKED, NO_BODY

REFUSED: dict[str, tuple[Callable[[], object], int]] = {
    "a method that is not served": (lambda: semantics.check_line("TRACE", "/api"), 405),
    "a target in absolute form": (lambda: semantics.check_line("GET", "https://c/api"), 400),
    "a target with a fragment": (lambda: semantics.check_line("GET", "/api#x"), 400),
    "a target too long": (lambda: semantics.check_line("GET", "/" + "a" * semantics.LONGEST_TARGET), 414),
    "no host": (lambda: semantics.check_host(""), 400),
    "a host with a user": (lambda: semantics.check_host("user@c"), 400),
    "a length with a sign": (lambda: semantics.plain_length("+1", 400), 400),
    "a length of an answer in hexadecimal": (lambda: semantics.plain_length("0x1", 502), 502),
    "a length in other digits": (lambda: semantics.plain_length("\u0661", 400), 400),
    "a body with GET": (lambda: semantics.check_body("GET", 1), 400),
    "chunks with HEAD": (lambda: semantics.check_body("HEAD", CHUNKED), 400),
    "an encoded body": (lambda: semantics.check_plain({"content-encoding": "gzip"}), 415),
    "another expectation": (lambda: semantics.check_plain({"expect": "200-ok"}), 417),
    "a second line of a field that says one thing": (
        lambda: semantics.one_line_each([("host", "a"), ("host", "a")], frozenset({"host"}), 400),
        400,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_refusal_has_its_status(case: str) -> None:
    check, status = REFUSED[case]
    with pytest.raises(PeerError) as refused:
        check()
    assert refused.value.code == status


def test_what_is_plain_passes() -> None:
    for method in semantics.METHODS:
        semantics.check_line(method, "/" + "a" * (semantics.LONGEST_TARGET - 1))
    for host in ("c", "c.example.com:6443", "10.0.0.1", "[::1]:8443"):
        semantics.check_host(host)
    assert semantics.plain_length("0", 400) == 0 and semantics.plain_length("1048576", 400) == 1 << 20
    for length in (0, NO_BODY):
        semantics.check_body("GET", length)
    semantics.check_body("POST", CHUNKED)
    assert semantics.check_plain({"expect": "100-Continue"}) and not semantics.check_plain({})


def test_lines_of_a_list_are_joined_and_of_another_field_kept_apart() -> None:
    name = sorted(semantics.LISTS)[0]
    pairs = [(name, "a"), ("x-other", "1"), (name, ""), (name, "b"), ("x-other", "2")]
    assert semantics.one_line_each(pairs, frozenset(), 400) == [(name, "a, b"), ("x-other", "1"), ("x-other", "2")]
