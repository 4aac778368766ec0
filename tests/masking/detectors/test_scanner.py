"""A scanner finds values and no more than the values; a stream that asks it waits for what a value could still need."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.masking.detectors.scanner import CONTEXT, LONGEST_SAID, MOST_SAID, Scanner, Scanners
from l7gw.masking.detectors.table import BUILT_IN

GITHUB = b"ghp_" + b"a1B2" * 9


@pytest.fixture(scope="module")
def scanners() -> Scanners:
    return Scanners(BUILT_IN)


@pytest.fixture(scope="module")
def scanner(scanners: Scanners) -> Scanner:
    return scanners.default


def found(scanner: Scanner, data: bytes, *, sent: bool = False) -> list[tuple[str, bytes]]:
    return [(span.detector, data[span.start : span.end]) for span in scanner.scan(data, sent=sent)]


def test_values_alone_are_found_and_not_what_stands_around_them(scanner: Scanner) -> None:
    assert found(scanner, b"password=hunter2 x") == [("password", b"hunter2")]
    assert found(scanner, b"postgres://u:pw1@db/x") == [("connection-string", b"pw1")]
    assert found(scanner, b"Authorization: Bearer abc.def") == [("bearer", b"abc.def")]


def test_finds_are_in_order_and_disjoint_and_the_longest_gives_its_name(scanner: Scanner) -> None:
    data = b"https://me:%s@h/ password=x%s-y %s" % (GITHUB, GITHUB, GITHUB)
    assert found(scanner, data) == [("github-token", GITHUB), ("password", b"x%s-y" % GITHUB), ("github-token", GITHUB)]


def test_a_find_of_several_detectors_names_them_all(scanner: Scanner) -> None:
    (span,) = scanner.scan(b"password=x-AKIAIOSFODNN7EXAMPLQ-and-more")
    assert (span.detector, span.others) == ("password", ("aws-access-key-id",))
    (span,) = scanner.scan(b"AKIAIOSFODNN7EXAMPLQ")
    assert span.others == ()


def test_in_what_a_caller_sent_only_fixed_shapes_are_found(scanner: Scanner) -> None:
    data = b"password=reboot https://a:reboot@h/ Authorization: Bearer reboot %s" % GITHUB
    assert found(scanner, data, sent=True) == [("github-token", GITHUB)]


@pytest.mark.parametrize("value", [b"l7gw-masked-password-01234567", b"l7gw-masked-password-01234567***", b"*******"])
def test_a_placeholder_is_not_found_again(scanner: Scanner, value: bytes) -> None:
    data = b'password=%s\n"password": "%s"\nhttps://u:%s@h/\nAuthorization: Bearer %s\n' % ((value,) * 4)
    assert found(scanner, data) == []


@pytest.mark.parametrize("data", [b"x password=hunter2", b"a\n  password: hunter2\n", b"see " + GITHUB, b"https://u:p4ss@h/"])
def test_what_is_found_in_a_text_is_noticed_in_its_json(scanner: Scanner, data: bytes) -> None:
    assert found(scanner, data)
    assert scanner.may_hold(json.dumps({"a": data.decode()}).encode())


@pytest.mark.parametrize("data", [b"hello world, ", b"no secret here\n", b"password: ", b"  password=", b"bash$ "])
def test_nothing_is_held_back_where_no_value_has_begun(scanner: Scanner, data: bytes) -> None:
    assert scanner.open_from(data) == len(data)


@pytest.mark.parametrize("data", [b"see " + GITHUB, b"x password=hunter2 y", b"https://u:p4ss@h/", b"Bearer abcdefgh12345678 x"])
def test_a_value_is_held_back_from_its_first_byte_until_it_is_whole(scanner: Scanner, data: bytes) -> None:
    (span,) = scanner.scan(data)
    for size in range(span.start + 1, span.end + 1):
        assert scanner.open_from(data[:size]) == span.start
    assert span.start < CONTEXT


def test_a_rule_turns_on_what_the_configuration_leaves_off(scanners: Scanners) -> None:
    data = b"from ann@example.com"
    assert found(scanners.default, data) == []
    assert found(scanners.with_(frozenset({"email", "secret-data", "no-such"})), data) == [("email", b"ann@example.com")]
    assert scanners.with_(frozenset({"email"})) is scanners.with_(frozenset({"email", "registry"}))
    assert scanners.with_(frozenset({"jwt"})) is scanners.default


def test_a_scanner_of_no_detectors_finds_nothing() -> None:
    scanner = Scanner([])
    assert not scanner.may_hold(GITHUB) and not scanner.scan(GITHUB) and scanner.open_from(GITHUB) == len(GITHUB)


HEADS = st.lists(
    st.sampled_from(["curl/8", "/api/v1/pods", "password=", "hunter2", GITHUB.decode(), "\\u0070", "%", "\udc80"]), max_size=4
)


@given(heads=st.lists(HEADS.map("".join), max_size=8))
def test_a_text_that_is_said_again_holds_what_it_held_before(scanner: Scanner, heads: list[str]) -> None:
    for text in heads * 2:
        noticed = scanner.may_hold(text.encode("utf-8", "surrogateescape"))
        assert scanner.may_hold_text(text) == (noticed or "\\" in text)


def test_of_the_texts_that_are_said_only_so_many_are_remembered_and_none_that_is_long(scanners: Scanners) -> None:
    scanner = scanners.with_(frozenset({"email"}))
    for number in range(2 * MOST_SAID + 1):
        assert not scanner.may_hold_text(f"/api/v1/namespaces/n{number}/pods")
        assert len(scanner._nothing_in) <= MOST_SAID
    held = len(scanner._nothing_in)
    assert not scanner.may_hold_text("x" * (LONGEST_SAID + 1))
    assert len(scanner._nothing_in) == held


@pytest.mark.parametrize("name", [b"token: ", b'api_key="', b"Authorization: Bearer "])
@pytest.mark.parametrize("size", [400, 900, 3000])
def test_a_value_that_is_longer_than_is_looked_for_is_found_up_to_there(scanner: Scanner, name: bytes, size: int) -> None:
    value = (b"a1B2c3D4e5F6g7" * size)[:size]
    ((_, seen),) = found(scanner, b"x " + name + value + b"'\" and more\n" + b"more " * 1000)
    assert seen == value or (value.startswith(seen) and len(seen) > 512)


@pytest.mark.parametrize("end", [b"'", b",", "é".encode(), b" "])
@pytest.mark.parametrize("size", [800, 950, 1000])
def test_a_value_that_is_too_long_is_found_whatever_stands_behind_it(scanner: Scanner, size: int, end: bytes) -> None:
    value = (b"a1B2c3D4e5F6g7" * size)[:size]
    assert found(scanner, b"api_key='" + value + end + b" and more") == [("secret-key", value)]


def test_a_name_within_what_is_no_value_tells_of_the_value_behind_it(scanner: Scanner) -> None:
    assert found(scanner, b"secret=mytoken_token: a1B2c3D4e5F6g7") == [("secret-key", b"a1B2c3D4e5F6g7")]


DONE = b"token: a1B2c3D4e5F6g7 and ghp_" + b"a1B2c3D4e5F6" * 3 + b" eyJhbxxxx-eyJhbyyyyyyyyy.eyJzzzzzzzzzz.z\n"


def test_a_scan_of_the_rest_finds_what_begins_in_it_and_tells_where_no_text_is_parted(scanner: Scanner) -> None:
    spans, other = scanner.scan_from(DONE, 0)
    assert [span.start for span in spans] == [7, 26] and [DONE[start:end][:6] for start, end in other] == [b"eyJhbx"]
    for done in range(len(DONE)):
        rest, _ = scanner.scan_from(DONE, done)
        assert [span for span in rest if span.detector != "jwt"] == [
            span for span in spans if span.start >= done or (span.detector == "secret-key" and span.end > done)
        ]  # of a name the value alone is masked, so that its beginning may have been done before its rest came
