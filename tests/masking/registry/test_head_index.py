"""Heads are found whichever automata are made, and however late: nothing that is registered is missed meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from l7gw.masking.registry.head_index import BLOCK, BLOCK_UNITS, FRESH, FRESH_LOOKS, HeadIndex
from l7gw.masking.registry.registered_values import MOST_SHARED, Namespace
from l7gw.masking.registry.registry import Registry
from l7gw.steps import STEP, InSteps

Work = Callable[[], None]


def _heads(number: int) -> list[bytes]:
    return [b"%05d" % (number + 10_000) for number in range(number)]


def _found(index: HeadIndex, heads: list[bytes]) -> set[bytes]:
    data = b"|".join(heads)
    hits = index.find(data)
    assert all(data.startswith(head, start) for start, head in hits)
    return {head for _, head in hits}


@pytest.mark.parametrize("count", [1, FRESH, FRESH + 1, 1000])
def test_heads_are_found_before_while_and_after_they_are_compiled(count: int) -> None:
    works: list[Work] = []
    index = HeadIndex(works.append)
    heads = _heads(count)
    for head in heads:
        index.add(head)
    for _ in range(FRESH_LOOKS + 2):
        assert _found(index, heads) == set(heads)
    (work,) = works  # one at a time, however often it is looked
    index.add(b"late!")
    assert _found(index, [*heads, b"late!"]) == {*heads, b"late!"}
    work()
    assert _found(index, [*heads, b"late!"]) == {*heads, b"late!"}


def test_nothing_is_compiled_in_a_look() -> None:
    works: list[Work] = []
    index = HeadIndex(works.append)
    for head in _heads(3000):
        index.add(head)
    index.find(b"x")
    assert len(works) == 1 and index._made is index._large is index._small is None
    works.pop()()
    index.find(b"x")
    large = index._large
    assert large is not None
    for head in _heads(3000)[:1000]:
        index.discard(head)
    index.find(b"x")
    assert len(works) == 1 and index._large is large and index._small is None  # many were forgotten
    for head in _heads(4000)[3000:]:
        index.add(head)
    index.find(b"x")
    assert len(works) == 1 and index._large is large and index._small is None


def test_a_search_for_heads_that_are_being_compiled_turns_the_loop() -> None:
    index = HeadIndex(lambda work: None)
    for head in _heads(FRESH + 1):
        index.add(head)
    blocks = 40
    work = InSteps(lambda: index.find(b"10001" * (blocks * BLOCK // 5)), lambda: None)
    while not work.over:
        work.go_on()
    assert work.steps >= blocks * BLOCK_UNITS // STEP
    assert len(work.result()) == blocks * BLOCK // 5


def test_an_automaton_that_cannot_be_made_costs_no_find(caplog: pytest.LogCaptureFixture) -> None:
    works: list[Work] = []
    index = HeadIndex(works.append)
    heads = _heads(FRESH + 1)
    for head in (*heads, b""):  # hyperscan refuses an empty one
        index.add(head)
    assert _found(index, heads) == set(heads)
    works.pop()()
    assert "an automaton of 66 heads is not made" in caplog.text
    assert _found(index, heads) == set(heads) and not works


@pytest.mark.parametrize("seed", range(6))
def test_heads_are_found_in_whatever_order_they_come_go_and_are_compiled(seed: int) -> None:
    dice = random.Random(seed)
    works: list[Work] = []
    index = HeadIndex(works.append)
    heads = [*_heads(dice.choice((20, 200, 600))), b"\0zero", b"zer\0"]
    counts = dict.fromkeys(heads, 0)
    for _ in range(60):
        for head in dice.sample(heads, dice.choice((1, 1, 10, len(heads)))):
            if dice.random() < 0.6:
                index.add(head)
                counts[head] += 1
            elif counts[head]:
                index.discard(head)
                counts[head] -= 1
        for _ in range(dice.choice((0, 1, 1, FRESH_LOOKS + 1))):
            index.find(b"x")
        if works and dice.random() < 0.3:
            works.pop()()
        assert {head for head, count in counts.items() if count} <= _found(index, heads)


@pytest.mark.parametrize("seed", range(6))
def test_every_value_is_found_that_is_registered_and_not_forgotten_however_late_automata_are_made(seed: int) -> None:
    dice = random.Random(seed)
    works: list[Work] = []
    now = 0.0
    registry = Registry(b"k" * 32, lambda: now, aside=works.append)
    read: dict[tuple[str, bytes], float] = {}
    values = [
        dice.randbytes(12).hex().encode() if dice.random() < 0.5 else b"postgres://u:%d@h" % dice.randrange(10**9)
        for _ in range(60)
    ]
    for _ in range(30):
        now += dice.choice((1.0, 60.0, 1200.0))
        for _ in range(dice.choice((1, 5, 30))):
            place = dice.choice("nm"), dice.choice(values)
            registry.register("c", *place)
            read[place] = now
        for _ in range(dice.choice((0, 3))):
            registry.tick()
        if works and dice.random() < 0.4:
            works.pop(dice.randrange(len(works)))()
        for space in "nm":
            known = {value for (where, value), when in read.items() if where == space and now - when <= 3600}
            text = b"\n".join(values)
            found = {text[one.start : one.end] for one in registry.scan(text, "c", space)}
            assert known <= found <= {value for where, value in read if where == space}
            assert all(registry.may_hold(b" " + value, "c", "other", "n", "m", "more") for value in known)
    now += 4000.0
    registry.tick()
    assert not registry.scan(b"\n".join(values), "c", "n") and registry.spent == 0


def test_a_namespace_of_many_values_gets_an_index_of_its_own() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0, aside=lambda work: None)
    registry.register("c", "small", b"Hunter2-hunter2")
    number = 0
    while (large := registry._scopes.get(("c", "large"))) is None or len(large.lengths) <= MOST_SHARED:
        registry.register("c", "large", b"%08x-of-Many" % (number * 2654435761 % 2**32))
        number += 1
    small = registry._scopes["c", "small"]
    assert isinstance(large, Namespace) and large.index is not small.index
    assert set(small.index._heads) == set(small.lengths) and set(large.index._heads) == set(large.lengths)
    assert registry.may_hold(b"Hunter2-hunter2", "c", "large", "small") and registry.scan(b"00000000-of-Many", "c", "large")
    assert not registry.scan(b"00000000-of-Many", "c", "small")


def test_a_text_of_many_namespaces_is_searched_once() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0)
    for number in range(30):
        registry.register("c", f"n{number}", b"Hunter2-%d-hunter2" % number)
    searched: list[bytes] = []

    class Counting(HeadIndex):
        def find(self, data: bytes) -> list[tuple[int, bytes]]:
            searched.append(data)
            return super().find(data)

    index = Counting()
    for scope in registry._scopes.values():
        for head in scope.lengths:
            index.add(head)
        scope.index = index
    asked = [f"n{number}" for number in range(30)]
    assert not registry.may_hold(b"Hunter2-30-hunter2", "c", *asked) and len(searched) == 1
    assert registry.may_hold(b"Hunter2-29-hunter2", "c", *asked) and len(searched) == 2
