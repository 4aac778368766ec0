"""Values of Secrets are recognised elsewhere, in their namespace alone, in the forms that docs/masking.md names."""

from __future__ import annotations

import gc
import json
import types
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from l7gw.masking.registry.registry import MOST_AUTHORS, REMEMBERED, SWEEP_EVERY, SWEPT, Registry
from l7gw.masking.registry.registry_log import RecentLog

KEY = b"k" * 32
VALUE = b'hunter2?/+\xc3\xa9 "q" <x> & y'
PLAIN = b"Tr0ub4dor-and-3"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry(KEY, clock)


def _found(registry: Registry, data: bytes, sender: str = "") -> list[bytes]:
    return [data[one.start : one.end] for one in registry.scan(data, "c", "n", sender=sender)]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda value: value,
    "hex": lambda value: value.hex().encode(),
    "hex in capitals": lambda value: value.hex().upper().encode(),
    "percent-encoded": lambda value: quote(value, safe="").encode(),
    "percent-encoded but for slashes": lambda value: quote(value).encode(),
    "percent-encoded in small letters": lambda value: (
        quote(value, safe="").encode().lower() if value.islower() else quote(value).encode()
    ),
    "percent-encoded each": lambda value: b"".join(b"%%%02x" % byte for byte in value),
    "percent-encoded as in a form": lambda value: quote_plus(value).replace("+", "%20").encode(),
    "as a web form has it": lambda value: quote_plus(value).encode(),
    "in JSON": lambda value: json.dumps(value.decode())[1:-1].encode(),
    "in JSON beyond ASCII": lambda value: json.dumps(value.decode(), ensure_ascii=False)[1:-1].encode(),
    "in JSON of Go": lambda value: (
        json.dumps(value.decode()).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")[1:-1].encode()
    ),
    "in JSON of PHP": lambda value: json.dumps(value.decode()).replace("/", "\\/")[1:-1].encode(),
    "in JSON with every letter escaped": lambda value: "".join(f"\\u{ord(letter):04x}" for letter in value.decode()).encode(),
    "in JSON with one letter escaped": lambda value: (
        (value[:2].decode() + f"\\u{value[2]:04x}").encode() + json.dumps(value[3:].decode())[1:-1].encode()
    ),
}


@pytest.mark.parametrize("value", [VALUE, PLAIN])
@pytest.mark.parametrize("form", FORMS)
def test_a_registered_value_is_recognised_in_each_form_of_it(registry: Registry, form: str, value: bytes) -> None:
    registry.register("c", "n", value)
    encoded = FORMS[form](value)
    data = b"level=info x=" + encoded + b"; done"
    assert _found(registry, data) == [encoded]
    assert registry.may_hold(data, "c", "n")


def test_a_url_with_percent_encoding_of_its_own_is_recognised_as_it_stands_and_in_json(registry: Registry) -> None:
    value = b"postgres://app:p%40ss%2Fw0rd@db/app?sslmode=require&x=1"
    registry.register("c", "n", value)
    go = json.dumps(value.decode()).replace("&", "\\u0026").encode()[1:-1]
    for encoded in (value, go, quote(value, safe="").encode(), quote(value, safe="/:@?=&").encode()):
        assert _found(registry, b'{"url":"' + encoded + b'"}') == [encoded]


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("value", [VALUE, PLAIN, b"\x00\xff\x80\x03\x99\xfe\xfb\xef"])
def test_base64_of_a_registered_value_is_recognised_at_every_offset_and_before_every_suffix(
    registry: Registry, encode: Callable[[bytes], bytes], value: bytes
) -> None:
    registry.register("c", "n", value)
    for before in range(4):
        for behind in range(4):
            data = b"x: " + encode(b"user:pass"[:before] + value + b"\n\n\n\n"[:behind]) + b"\n"
            (found,) = registry.scan(data, "c", "n")
            assert found.end - found.start >= len(value) * 8 // 6 - 2  # all but what depends on the neighbours


@pytest.mark.parametrize(
    "escape",
    [
        lambda text: quote(text, safe="").encode(),
        lambda text: text.replace("/", "%2f").replace("+", "%2b").encode(),
        lambda text: text.replace("/", "\\/").encode(),
        lambda text: text.replace("+", "\\u002b").encode(),
    ],
)
def test_base64_in_a_url_or_in_json_is_recognised_with_its_signs_escaped(
    registry: Registry, escape: Callable[[str], bytes]
) -> None:
    value = b"wo??rds~~of>>all12"
    registry.register("c", "n", value)
    text = b64encode(value).decode()
    assert "/" in text and "+" in text
    assert _found(registry, b"GET /?auth=" + escape(text) + b" HTTP/1.1") == [escape(text)]


def test_base64_and_hex_that_are_wrapped_are_recognised(registry: Registry) -> None:
    value = bytes(range(33, 127)) * 2
    registry.register("c", "n", value)
    for whole, widths in ((b64encode(b"xx" + value), (60, 64, 76)), (value.hex().encode(), (60,))):
        for width in widths:
            for end in (b"\n", b"\r\n"):
                data = end.join(whole[at : at + width] for at in range(0, len(whole), width))
                assert len(_found(registry, data)) == 1


def test_a_file_of_windows_is_recognised_as_it_stands_with_the_line_ends_of_unix_and_as_a_terminal_shows_it(
    registry: Registry,
) -> None:
    value = b"user=ann\r\nword=Tr0ub4dor\r\nend=9"
    registry.register("c", "n", value)
    for data in (value, value.replace(b"\r", b""), value.replace(b"\n", b"\r\n")):
        assert _found(registry, b"<" + data + b">") == [data]


def test_a_value_is_recognised_in_its_cluster_and_namespace_alone(registry: Registry) -> None:
    registry.register("c", "n", PLAIN)
    assert not registry.scan(PLAIN, "c", "other")
    assert not registry.scan(PLAIN, "d", "n")
    assert not registry.may_hold(PLAIN, "c", "other")
    assert [one.detector for one in registry.scan(PLAIN, "c", "other", "n")] == ["registry"]


def test_what_begins_as_a_value_alone_is_not_worth_a_reading(registry: Registry) -> None:
    registry.register("c", "n", PLAIN)
    assert registry.may_hold(b"x" + PLAIN + b"x", "c", "n")
    assert not registry.may_hold(PLAIN[:-1] + b".", "c", "n")


def test_a_control_character_of_a_value_may_be_written_as_an_escape(registry: Registry) -> None:
    value = b"hunter2\bhunter2\fx"
    registry.register("c", "n", value)
    assert registry.may_hold(b'{"a":"hunter2\\bhunter2\\fx"}', "c", "n") and registry.scan(b"hunter2\\bhunter2\\fx", "c", "n")


def test_the_namespaces_of_a_cluster_are_those_whose_values_are_not_forgotten() -> None:
    now = 0.0
    registry = Registry(bytes(32), lambda: now)
    assert not registry.namespaces("c")
    registry.register("c", "n", PLAIN)
    registry.register("d", "m", PLAIN)
    assert set(registry.namespaces("c")) == {"n"} and set(registry.namespaces("d")) == {"m"}
    now = REMEMBERED + 100
    registry.tick()
    assert not registry.namespaces("c")


def test_equal_values_have_the_same_tag_in_each_form(registry: Registry) -> None:
    registry.register("c", "n", PLAIN)
    tags = {registry.scan(form(PLAIN), "c", "n")[0].tag for form in FORMS.values()}
    assert len(tags) == 1


def test_a_value_with_a_line_end_is_recognised_without_it(registry: Registry) -> None:
    registry.register("c", "n", PLAIN + b"\n")
    assert _found(registry, b"is " + PLAIN + b" here") == [PLAIN]


def test_a_long_value_is_recognised_as_a_whole_as_it_stands_and_as_a_terminal_shows_it(registry: Registry) -> None:
    value = b"\n".join(b"line %d of a configuration file" % number for number in range(200))
    registry.register("c", "n", value)
    for data in (value, value.replace(b"\n", b"\r\n"), b64encode(value), value.hex().encode()):
        (found,) = registry.scan(b"<" + data + b">", "c", "n")
        assert found.end - found.start >= len(data) - 4


def test_a_value_is_forgotten_an_hour_after_its_last_reading(registry: Registry, clock: Clock) -> None:
    registry.register("c", "n", PLAIN)
    clock.now += REMEMBERED - 1
    registry.register("c", "n", PLAIN)
    clock.now += REMEMBERED - 1
    registry.tick()
    assert _found(registry, PLAIN)
    clock.now += SWEEP_EVERY
    registry.tick()
    assert not _found(registry, PLAIN)
    assert registry.spent == 0


def test_many_values_are_forgotten_over_some_ticks_and_no_tick_forgets_more_than_its_forms(
    registry: Registry, clock: Clock
) -> None:
    for number in range(500):
        registry.register("c", "n", b"value-%d-Xy" % number)
    before = _forms(registry)
    clock.now += REMEMBERED + 1
    registry.register("c", "n", PLAIN)
    ticks = 0
    while before > 20:
        registry.tick()
        ticks += 1
        clock.now += 1
        left = _forms(registry)
        assert before - left < SWEPT + 20
        before = left
        assert _found(registry, PLAIN) and registry.may_hold(PLAIN, "c", "n")
    assert ticks >= 3


def _forms(registry: Registry) -> int:
    return sum(len(value.entry.forms) for value in registry._oldest.values())


def test_to_forget_a_value_leaves_what_another_shares_with_it(registry: Registry, clock: Clock) -> None:
    unix, windows, longer = b"user=ann\nword=Tr0ub", b"user=ann\r\nword=Tr0ub", b"user=ann\nword=Tr0ub4dor"
    for value in (unix, windows, longer):  # forms of the first two are the same
        registry.register("c", "n", value)
        clock.now += 100
    clock.now += REMEMBERED - 250
    for left in ([windows, longer], [longer], []):
        registry.tick()
        clock.now += 100
        assert len(registry._oldest) == len(left)
        for value in left:
            assert _found(registry, b"<" + value + b">") == [value]
    assert not registry._scopes


def test_a_value_that_its_sender_wrote_is_no_cloak_for_what_he_sends(registry: Registry, clock: Clock) -> None:
    registry.register("c", "n", PLAIN, principal="bob")
    assert _found(registry, PLAIN, sender="ann") == [PLAIN]
    assert _found(registry, PLAIN, sender="bob") == []
    assert _found(registry, PLAIN) == [PLAIN]
    clock.now += 2 * REMEMBERED
    registry.tick()
    registry.register("c", "n", PLAIN)  # read again when the value was forgotten, and its writer was not
    assert _found(registry, PLAIN, sender="bob") == []


def test_a_value_inside_a_longer_one_that_the_sender_wrote_is_still_recognised(registry: Registry) -> None:
    registry.register("c", "n", PLAIN)
    registry.register("c", "n", PLAIN + b" and more of it", principal="bob")
    assert _found(registry, PLAIN + b" and more of it", sender="bob") == [PLAIN]


def test_open_from_says_where_a_value_begins_that_is_not_whole_in_each_form(registry: Registry) -> None:
    for value in (VALUE, PLAIN):
        registry.register("c", "n", value)
        for form in FORMS.values():
            encoded = form(value)
            for cut in range(1, len(encoded)):
                assert registry.open_from(b"~~ " + encoded[:cut], "c", "n") <= 3, encoded[:cut]
            assert registry.open_from(b"~~ " + encoded + b"~~ ", "c", "n") == len(encoded) + 6


def test_the_cut_beginning_of_a_value_is_the_tail_from_four_bytes_on(registry: Registry) -> None:
    registry.register("c", "n", PLAIN)
    for cut in range(1, len(PLAIN)):
        tail = registry.look(b"~~ " + PLAIN[:cut], "c", "n").tail
        assert (tail is not None and (tail.start, tail.end) == (3, 3 + cut)) is (cut >= 4)
    assert registry.look(b"~~ Tr0ub!", "c", "n").tail is None
    assert registry.look(b"~~ Tr0ub4dor-and-4", "c", "n").tail is None


def test_what_is_kept_does_not_hold_the_value(registry: Registry) -> None:
    value = b"a-Secret-that-is-kept-nowhere-0123456789"
    registry.register("c", "n", value)
    registry.scan(value, "c", "n")
    kept, seen, todo = [], set(), [registry]
    while todo:
        one = todo.pop()
        if id(one) not in seen and not isinstance(one, type | types.ModuleType | types.FunctionType):
            seen.add(id(one))
            kept.append(one if isinstance(one, bytes) else one.encode() if isinstance(one, str) else b"")
            todo += gc.get_referents(one)
    assert sum(len(one) == 16 for one in kept) > 6  # the digests were reached
    for form in FORMS.values():
        encoded = form(value)
        assert not any(encoded[at : at + 6] in one for one in kept if one != value for at in range(len(encoded) - 5))
    assert value not in [one for one in kept if one is not value]


def test_another_process_that_follows_the_log_recognises_what_this_one_registers(clock: Clock) -> None:
    log = RecentLog()
    here, there = Registry(KEY, clock, log), Registry(KEY, clock, log)
    here.register("c", "n", PLAIN, principal="bob")
    assert _found(there, b"x " + PLAIN) == [PLAIN]
    assert _found(there, PLAIN, sender="bob") == []
    there.register("c", "n", VALUE)
    assert _found(here, VALUE) == [VALUE]
    for _ in range(6):  # what is read here alone is not forgotten there
        clock.now += REMEMBERED / 3
        here.register("c", "n", PLAIN)
        here.tick()
        there.tick()
    assert _found(there, PLAIN) == [PLAIN]
    assert _found(there, VALUE) == []


def test_memory_is_bounded_and_the_values_read_longest_ago_go_first(clock: Clock) -> None:
    registry = Registry(KEY, clock, most=400_000)
    values = [b"value-%d-Xy" % number for number in range(100)]
    for value in values:
        clock.now += 1
        registry.register("c", "n", value)
        assert registry.spent <= 400_000
    known = [bool(_found(registry, value)) for value in values]
    assert not known[0] and known[-1] and sorted(known) == known
    assert MOST_AUTHORS * 200 < 16 * 1024 * 1024


def test_whoever_fills_one_namespace_with_values_drives_out_none_of_another(clock: Clock) -> None:
    registry = Registry(KEY, clock, most=1_000_000)
    others = [(f"n{number}", f"value-{number}-of-Another".encode()) for number in range(10)]
    for namespace, value in others:
        registry.register("c", namespace, value)
    for number in range(300):
        clock.now += 0.01
        registry.register("c", "flooded", f"value-{number}-of-the-Flood".encode())
    assert registry.spent <= 1_000_000
    assert all(registry.scan(value, "c", namespace) for namespace, value in others)
    assert registry.scan(b"value-299-of-the-Flood", "c", "flooded") and not registry.scan(b"value-0-of-the-Flood", "c", "flooded")
    clock.now += 3700
    registry.tick()
    assert registry.spent == 0 and not any(registry.scan(value, "c", namespace) for namespace, value in others)


def test_values_that_begin_alike_are_told_apart(registry: Registry) -> None:
    values = [b"postgres://app:S3cret-%03d@db/app" % number for number in range(300)]
    for value in values:
        registry.register("c", "n", value)
    data = b" ".join(values)
    assert _found(registry, data) == values
    assert not _found(registry, b"postgres://app:S3cret-300@db/app")
    assert registry.look(b"see postgres://", "c", "n").tail is None
