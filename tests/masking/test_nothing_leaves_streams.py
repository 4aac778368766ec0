"""No registered value leaves a stream in any form that docs/masking.md lists, wherever reads part it."""

from __future__ import annotations

import itertools
import re

import pytest

from l7gw.masking.detectors.scanner import Scanner, Scanners
from l7gw.masking.detectors.table import BUILT_IN
from l7gw.masking.registry.registry import Registry
from tests.support.masked_streams import KEY, StreamCase, passed, printed, stream_cases
from tests.support.planted import NAMESPACE, Searched

QUICK, ALL = 110, 1100  # cases in `make test`, in `make test-long`; each is tried at every split
ESCAPE = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanners(BUILT_IN).default


def leaks(case: StreamCase, scanner: Scanner) -> list[str]:
    it = printed(case)
    searched = Searched([it.value])
    found: list[str] = []
    registry = Registry(KEY, lambda: 100.0)
    registry.register("test", NAMESPACE, it.value)
    splits = [[it.data[:at], it.data[at:]] for at in range(1, len(it.data))]
    for parts in ([it.data], *splits, [it.data[at : at + 1] for at in range(len(it.data))]):
        done = passed(scanner, registry, case, parts)
        where = f"{case}, parted at {len(parts[0])}"
        seen = done.recorded + b"\0" + ESCAPE.sub(b"", done.recorded) + b"\0" + done.told.encode()
        if case.channel != "stdin" and case.pause == "none":
            seen += b"\0" + done.shown + b"\0" + ESCAPE.sub(b"", done.shown)
        if case.pause == "none" or len(parts) == 2:  # else the value takes longer than the recording waits, a miss that is listed
            found += [f"{where}: {words}" for words in searched.found_in(seen)]
        if case.channel == "stdin" and done.shown != it.data:
            found.append(f"{where}: what was typed went up changed")
        if not case.channel.endswith("terminal") and (len(done.recorded) != len(it.data) or len(done.shown) != len(it.data)):
            found.append(f"{where}: the length has changed")
        if not done.finds:
            found.append(f"{where}: nothing was found")
    return found


def cut_off(case: StreamCase, scanner: Scanner) -> list[str]:
    """What leaves where the stream ends within the value (threats E12)."""
    it = printed(case)
    registry = Registry(KEY, lambda: 100.0)
    registry.register("test", NAMESPACE, it.value)
    found = []
    for size in range(4, len(it.value)):
        done = passed(scanner, registry, case, [b"it is " + it.value[:size]])
        if it.value[:4] in done.shown + done.recorded:
            found.append(f"{case}: {size} bytes of the value are shown at the end")
    return found


@pytest.mark.parametrize("part", range(10))
def test_no_registered_value_leaves_a_stream_wherever_reads_part_it(scanner: Scanner, part: int) -> None:
    size = QUICK // 10
    chosen = itertools.islice(stream_cases(QUICK), part * size, part * size + size)
    found = [words for case in chosen for words in leaks(case, scanner)]
    assert not found, "\n".join(found[:20])


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_no_registered_value_leaves_a_stream_in_any_of_all_cases(scanner: Scanner, part: int) -> None:
    found = [words for case in itertools.islice(stream_cases(ALL), part, None, 10) for words in leaks(case, scanner)]
    assert not found, "\n".join(found[:20])


def test_the_beginning_of_a_value_at_the_end_of_a_stream_does_not_leave(scanner: Scanner) -> None:
    chosen = [case for case in stream_cases(55) if case.form == "as it is" and case.channel != "stdin"]
    found = [words for case in chosen for words in cut_off(case, scanner)]
    assert chosen and not found, "\n".join(found[:20])
