"""Users' hooks at a stream: each byte is shown to them once before it goes on, and what they mask is masked in both views."""

from __future__ import annotations

import pytest

from l7gw.masking.bodies.streams import CLIENT_WAITS, LONGEST_WORD, RECORD_WAITS, StreamMask, StreamRules
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.placeholder import Tagger
from l7gw.masking.registry.registry import Registry
from l7gw.masking.users_hooks import Place
from l7gw.obligations import NO_OBLIGATIONS, Obligations

KEY = b"k" * 32
TAGGER = Tagger(KEY, "c", "n")
SCANNER = Scanners(BUILT_IN).default
VALUE = b'hunter2!Xy/z+"1'


class Looks:
    """A hook that masks a word, and ends the stream at another."""

    def __init__(self, *, raw: bool = False, word: bytes = b"EMP-1", end: bytes = b"canary") -> None:
        self.is_raw = raw
        self.word, self.word_of_end = word, end
        self.ended = ""
        self.seen = b""

    @property
    def sees_masked(self) -> bool:
        return not self.is_raw

    def raw(self, data: bytes) -> list[Place]:
        return self._look(data) if self.is_raw else []

    def masked(self, data: bytes) -> list[Place]:
        assert not self.is_raw
        return self._look(data)

    def _look(self, data: bytes) -> list[Place]:
        assert data and not self.ended
        self.seen += data
        if self.word_of_end in data:
            self.ended = "a canary"
        return [Place(at, at + len(self.word), "hook-h") for at in range(len(data)) if data.startswith(self.word, at)]


def mask(watch: Looks, *, tty: bool = False, sent: bool = False, reveal: str = "") -> StreamMask:
    registry = Registry(KEY, lambda: 0.0)
    registry.register("c", "n", VALUE)
    obligations = Obligations(reveal=frozenset((reveal,))) if reveal else NO_OBLIGATIONS
    rules = StreamRules(tagger=TAGGER, scanner=SCANNER, registry=registry, obligations=obligations, sender="ann", tty=tty)
    return StreamMask(rules, "stdout", sent=sent, watch=watch)


def through(it: StreamMask, *parts: bytes) -> tuple[bytes, bytes]:
    given = [it.feed(part, 1.0) for part in parts]
    given.append(it.end())
    return b"".join(one for one, _ in given), b"".join(other for _, other in given)


@pytest.mark.parametrize("raw", [False, True])
def test_what_a_hook_masks_is_masked_for_the_client_and_the_record_and_is_a_find(raw: bool) -> None:
    watch = Looks(raw=raw)
    it = mask(watch)
    assert through(it, b"a EMP-1 b\n") == (b"a ***** b\n",) * 2
    (find,) = it.finds
    assert (find.detector, find.where, find.length, find.tag, find.late) == ("hook-h", "stdout:2", 5, "", False)


@pytest.mark.parametrize("raw", [False, True])
def test_with_a_terminal_it_is_a_whole_placeholder(raw: bool) -> None:
    placeholder = TAGGER.placeholder("hook-h", b"EMP-1").encode()
    assert through(mask(Looks(raw=raw), tty=True), b"a EMP-1 b EMP-1") == (b"a %s b %s" % (placeholder, placeholder),) * 2


@pytest.mark.parametrize("raw", [False, True])
def test_a_rule_may_reveal_it_to_the_client_alone(raw: bool) -> None:
    assert through(mask(Looks(raw=raw), reveal="hook-h"), b"a EMP-1 b\n") == (b"a EMP-1 b\n", b"a ***** b\n")


def test_a_hook_sees_the_bytes_masked_and_a_raw_one_as_they_came() -> None:
    data = b"it is " + VALUE + b" ok\n"
    for parts in ([data], [data[:9], data[9:]], [bytes((byte,)) for byte in data]):
        watch = Looks()
        through(mask(watch), *parts)
        assert watch.seen == b"it is *************** ok\n"
        watch = Looks(raw=True)
        through(mask(watch), *parts)
        assert watch.seen == data


def test_what_a_rule_reveals_is_still_masked_for_a_hook() -> None:
    watch = Looks()
    assert through(mask(watch, reveal="*"), b"it is " + VALUE + b" ok\n")[0] == b"it is " + VALUE + b" ok\n"
    assert VALUE not in watch.seen


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("tty", [False, True])
def test_masks_of_a_hook_stand_beside_ours_and_over_them(raw: bool, tty: bool) -> None:
    """Whatever of our placeholder a hook masks, nothing of the value comes to light."""
    data = b"EMP-1 " + VALUE + b" EMP-1\n"
    for word in (b"EMP-1", b"1 ", b" E", b"*" if not tty else b"l7gw", b"*\n"):
        if raw and word in (b"*", b"l7gw"):
            continue
        shown, recorded = through(mask(Looks(raw=raw, word=word), tty=tty), data)
        assert shown == recorded and VALUE[:4] not in shown and VALUE[-4:] not in shown
        assert tty or len(shown) == len(data)


@pytest.mark.parametrize("raw", [False, True])
def test_a_hook_that_ends_the_stream_lets_none_of_the_bytes_pass_and_the_record_has_them_masked(raw: bool) -> None:
    it = mask(Looks(raw=raw))
    assert it.feed(b"fine\n", 1.0) == (b"fine\n", b"fine\n")
    assert it.feed(b"a canary and " + VALUE + b"\n", 1.0) == (b"", b"")
    assert it.ended == "a canary" and it.due
    assert it.end() == (b"", b"a canary and ***************\n")


def test_what_was_shown_before_the_end_is_recorded_apart_from_what_was_not() -> None:
    it = mask(Looks())
    assert it.feed(b"it is " + VALUE[:5], 1.0) == (b"it is ",) * 2
    assert it.flush(1.1) == (VALUE[:5], b"")
    assert it.feed(b"... canary\n", 1.2) == (b"", VALUE[:5])
    assert it.end() == (b"", b"... canary\n")


def test_a_hook_is_asked_before_held_bytes_go_on_because_their_time_is_over() -> None:
    it = mask(Looks(end=VALUE[:5]))
    assert it.feed(b"it is " + VALUE[:5], 1.0) == (b"it is ",) * 2
    assert it.flush(1.1) == (b"", b"") and it.ended
    assert it.end() == (b"", b"*****")


def test_a_hook_that_failed_at_the_opening_lets_nothing_pass() -> None:
    watch = Looks()
    watch.ended = "the hook failed"
    watch._look = lambda data: []  # type: ignore[method-assign]
    it = mask(watch)
    assert it.feed(b"x\n", 1.0) == (b"", b"") and it.end() == (b"", b"x\n")


def test_of_what_is_typed_a_raw_hook_sees_the_bytes_before_they_go_up() -> None:
    it = mask(Looks(raw=True), sent=True)
    assert it.feed(b"ls EMP-1\n", 1.0) == (b"ls EMP-1\n", b"ls *****\n")
    assert it.feed(b"cat canary\n", 1.0) == (b"", b"") and it.ended
    assert it.end() == (b"", b"cat canary\n")


def test_of_what_is_typed_another_hook_sees_what_the_record_gets() -> None:
    watch = Looks()
    it = mask(watch, sent=True)
    assert it.feed(b"ls EMP-1 " + VALUE[:5], 1.0) == (b"ls EMP-1 " + VALUE[:5], b"ls ***** ")
    assert watch.seen == b"ls EMP-1 "
    assert it.flush(RECORD_WAITS + 1.1) == (b"", VALUE[:5])
    assert watch.seen == b"ls EMP-1 " + VALUE[:5]


@pytest.mark.parametrize("tty", [False, True])
def test_a_word_is_shown_to_a_hook_whole_wherever_reads_part_it(tty: bool) -> None:
    data = b"a EMP-1 " + VALUE + b" EMP-1 and " + VALUE * 2 + b"\tEMP-1\nEMP-1"
    whole = through(mask(Looks(), tty=tty), data)
    assert b"EMP" not in whole[0] + whole[1]
    for at in range(1, len(data)):
        assert through(mask(Looks(), tty=tty), data[:at], data[at:]) == whole
    assert through(mask(Looks(), tty=tty), *(bytes((byte,)) for byte in data)) == whole


def test_a_word_is_held_for_a_hook_no_longer_than_anything_else() -> None:
    it = mask(Looks())
    assert it.feed(b"$ l", 1.0)[0] == b"$ " and it.due == 1.0 + CLIENT_WAITS
    assert it.flush(1.03)[0] == b"l"
    long = b"." * (LONGEST_WORD + 1)
    assert mask(Looks()).feed(long, 1.0)[0] == long


def test_each_byte_is_shown_to_a_hook_once_and_in_order() -> None:
    data = bytes(range(32, 127)) * 20
    for size in (1, 7, 100, len(data)):
        watch = Looks()
        through(mask(watch), *(data[at : at + size] for at in range(0, len(data), size)))
        assert watch.seen == data
