"""A hook in force: what it may give, what makes it fail, and how it is timed."""

from __future__ import annotations

import logging
import sys
from asyncio import CancelledError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from l7gw.hooking.hooked import LONGEST_WORDS, MOST_GIVEN, MOST_TOO_SLOW, SLOW, TOO_SLOW, WINDOW, Hooked, HookFailed
from l7gw.hooks import End, Mask, Stream, View
from l7gw.log import CountedLog
from tests.test_hooks import ACT

STREAM = Stream(ACT, "stdout", False)


class Clock:
    """A clock that a hook turns while it runs."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Made:
    """A hook whose methods do what a test says."""

    def __init__(self, does: Callable[[Any], Any]) -> None:
        self.act = self.object = self.frames = self.feed = does


def hooked(does: Callable[[Any], Any], *, raw: bool = False, clock: Clock | None = None) -> Hooked:
    now = (clock or Clock()).now
    log = CountedLog(logging.getLogger("hooks"), now)
    return Hooked("canary", Made(does), ("act", "object", "frame"), folder=Path(__file__).parent, raw=raw, log=log, now=now)


def view() -> View:
    return View(ACT, sent=False, api_version="v1", kind="Pod", namespace="", name="", make=dict)


def fed(gives: Callable[[bytes], Any], data: bytes = b"0123456789") -> list[tuple[int, int]] | str:
    it = hooked(lambda _: None)
    return it.fed(Made(gives), data)


def test_its_finds_are_named_by_it() -> None:
    assert hooked(lambda _: None).detector == "hook-canary"


# ---------------------------------------------------------------------- what it gives


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, None),
        ("not on Fridays", "not on Fridays"),
        ("", "it gives no reason"),
        ("two\nlines\x1b[2J", "two lines\\x1b[2J"),
        ("x" * 5000, "x" * LONGEST_WORDS),
    ],
)
def test_an_act_is_denied_with_a_reason_of_one_short_line(given: str | None, reason: str | None) -> None:
    assert hooked(lambda _: given).denial(ACT) == reason


def test_what_an_object_hook_yields_are_paths() -> None:
    def gives(_: View) -> Any:
        yield Mask("data.a")
        yield Mask("data.b")

    assert hooked(gives).masks(view()) == ["data.a", "data.b"]
    assert hooked(lambda _: ()).masks(view()) == []


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ([], []),
        ([Mask(2, 4)], [(2, 4)]),
        ([Mask(6, 8), Mask(2, 4)], [(2, 4), (6, 8)]),
        ([Mask(2, 5), Mask(4, 8), Mask(3, 4)], [(2, 8)]),
        ([Mask(2, 4), Mask(4, 6)], [(2, 4), (4, 6)]),
        ([Mask(2, 4), End("a canary")], "a canary"),
        ([End("")], "it gives no reason"),
        ([Mask(0, 10)], [(0, 10)]),
    ],
)
def test_masks_of_bytes_are_sorted_and_joined_and_an_end_is_its_words(given: list[Any], places: Any) -> None:
    assert fed(lambda _: given) == places


@pytest.mark.parametrize(
    "ask",
    [
        lambda: hooked(lambda _: True).denial(ACT),
        lambda: hooked(lambda _: False).denial(ACT),
        lambda: hooked(lambda _: ["data.a"]).masks(view()),
        lambda: hooked(lambda _: [Mask(1, 2)]).masks(view()),
        lambda: hooked(lambda _: None).masks(view()),
        lambda: hooked(lambda _: [End("x")]).masks(view()),
        lambda: hooked(lambda _: [Mask("not a path")]).masks(view()),
        lambda: hooked(lambda _: [Mask("metadata.labels.example.com/owner")]).masks(view()),
        lambda: hooked(lambda _: [Mask("")]).masks(view()),
        lambda: hooked(lambda _: [Mask("a")] * (MOST_GIVEN + 1)).masks(view()),
        lambda: hooked(lambda _: 3).tripwire(STREAM),
        lambda: fed(lambda _: [Mask("data.a")]),
        lambda: fed(lambda _: [Mask(4, 4)]),
        lambda: fed(lambda _: [Mask(4, 11)]),
        lambda: fed(lambda _: [Mask(-1, 3)]),
        lambda: fed(lambda _: [Mask(False, 3)]),
        lambda: fed(lambda _: [Mask(0, True)]),
        lambda: fed(lambda _: [Mask(3, "4")]),  # type: ignore[call-overload]
        lambda: fed(lambda _: [End(b"bytes")]),  # type: ignore[arg-type]
        lambda: fed(lambda _: None),
        lambda: fed(lambda _: "words"),
    ],
)
def test_a_hook_that_gives_what_it_must_not_fails(ask: Callable[[], object]) -> None:
    with pytest.raises(HookFailed, match=r"^the hook canary failed, and nothing passes without it; tell whoever runs l7gw$"):
        ask()


def test_an_endless_iterable_is_cut() -> None:
    def gives(_: View) -> Any:
        while True:
            yield Mask("data.a")

    with pytest.raises(HookFailed):
        hooked(gives).masks(view())


def test_a_hook_need_not_look_at_a_channel() -> None:
    assert hooked(lambda _: None).tripwire(STREAM) is None
    wire = Made(lambda _: ())
    assert hooked(lambda _: wire).tripwire(STREAM) is wire


# ---------------------------------------------------------------------- exceptions


def quotes(_: Any) -> Any:
    raise ValueError("hunter2 was seen")


class Wordless(Exception):
    """An exception that cannot say what it says."""

    def __str__(self) -> str:
        raise RuntimeError("hunter2")


@pytest.mark.parametrize(
    "kind",
    [Exception, SystemExit, RecursionError, MemoryError, Wordless, BaseException, CancelledError, GeneratorExit, KeyboardInterrupt],
)
def test_an_exception_is_a_failure_whose_words_quote_nothing(kind: type[BaseException]) -> None:
    def raises(_: Any) -> Any:
        raise kind("hunter2")

    with pytest.raises(HookFailed) as raised:
        hooked(raises).denial(ACT)
    assert "hunter2" not in str(raised.value) and raised.value.__cause__ is None


def test_of_a_masked_hooks_exception_the_log_has_type_line_and_words(caplog: pytest.LogCaptureFixture) -> None:
    line = quotes.__code__.co_firstlineno + 1
    with pytest.raises(HookFailed):
        hooked(quotes).denial(ACT)
    told = f"hook canary: failed at one act: ValueError at test_hooked.py:{line}: 'hunter2 was seen'"
    assert caplog.messages == [told]


def test_of_a_raw_hooks_exception_the_log_has_only_type_and_line(caplog: pytest.LogCaptureFixture) -> None:
    line = quotes.__code__.co_firstlineno + 1
    with pytest.raises(HookFailed):
        hooked(quotes, raw=True).denial(ACT)
    assert caplog.messages == [f"hook canary: failed at one act: ValueError at test_hooked.py:{line}"]
    assert "hunter2" not in caplog.text


def test_a_generator_that_raises_fails_too() -> None:
    def gives(_: Any) -> Any:
        yield Mask("data.a")
        raise KeyError("x")

    with pytest.raises(HookFailed):
        hooked(gives).masks(view())


def test_an_exception_leaves_no_reference_to_what_the_hook_saw() -> None:
    seen = {"value": object()}
    before = sys.getrefcount(seen["value"])

    def raises(_: Any) -> Any:
        held = seen["value"]
        raise ValueError(held)

    with pytest.raises(HookFailed):
        hooked(raises).denial(ACT)
    after = sys.getrefcount(seen["value"])
    assert after == before


# ---------------------------------------------------------------------- time


def test_a_slow_call_is_logged_once_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def slow(_: Any) -> Any:
        clock.time += SLOW * 2

    it = hooked(slow, clock=clock)
    for _ in range(4):
        it.denial(ACT)
    assert caplog.messages == ["hook canary: took 10 ms for one act, and all calls waited"]
    clock.time += 60
    it.tick()
    assert caplog.messages[1:] == ["hook canary: took 10 ms for one act, and all calls waited (3 times in 60 s)"]


def test_a_quick_call_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def quick(_: Any) -> Any:
        clock.time += SLOW * 0.9

    hooked(quick, clock=clock).denial(ACT)
    assert caplog.messages == []


def test_the_time_of_a_generator_counts(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    def slow(_: Any) -> Any:
        clock.time += SLOW * 2
        yield Mask("data.a")

    hooked(slow, clock=clock).masks(view())
    assert caplog.messages == ["hook canary: took 10 ms for one object, and all calls waited"]


def test_a_hook_that_is_too_slow_five_times_in_a_minute_is_called_no_more_until_the_minute_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    calls = 0
    takes = TOO_SLOW * 1.1

    def slow(_: Any) -> Any:
        nonlocal calls
        calls += 1
        clock.time += takes

    it = hooked(slow, clock=clock)
    for _ in range(MOST_TOO_SLOW - 1):
        assert it.denial(ACT) is None
    with pytest.raises(HookFailed, match="the hook canary is too slow"):
        it.denial(ACT)
    with pytest.raises(HookFailed, match="too slow"):
        it.masks(view())
    assert calls == MOST_TOO_SLOW
    assert any("nothing passes that it is for" in message for message in caplog.messages)
    clock.time += WINDOW - takes * (MOST_TOO_SLOW - 1)
    takes = 0.0
    assert it.denial(ACT) is None and calls == MOST_TOO_SLOW + 1


def test_five_that_are_too_slow_over_a_longer_time_are_no_failure() -> None:
    clock = Clock()

    def slow(_: Any) -> Any:
        clock.time += WINDOW / 4 + 0.1

    it = hooked(slow, clock=clock)
    for _ in range(3 * MOST_TOO_SLOW):
        assert it.denial(ACT) is None
