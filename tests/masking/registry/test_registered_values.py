"""New heads are looked for one by one, many or older ones by an automaton: what is found is the same."""

from __future__ import annotations

import random

from l7gw.masking.registry.head_index import FRESH, FRESH_LOOKS
from l7gw.masking.registry.registered_values import MOST_OTHERS, stands_in
from l7gw.masking.registry.registry import Registry


def test_what_is_found_does_not_depend_on_when_heads_were_compiled() -> None:
    dice = random.Random(9)
    registry = Registry(b"k" * 32, lambda: 0.0)
    values: list[bytes] = []
    for _ in range(FRESH):  # grows beyond the small automaton, and beyond what is looked for one by one
        values.append(dice.randbytes(dice.randint(8, 40)))
        registry.register("c", "n", values[-1])
        for _ in range(dice.choice((0, 1, FRESH_LOOKS + 1))):
            assert not registry.scan(b"nothing here", "c", "n")
        data = b"".join(b"<" + value + b">" for value in values)
        found = registry.scan(data, "c", "n")
        assert [data[one.start : one.end] for one in found] == [value.strip() for value in values if len(set(value.strip())) > 2]
        assert len({one.tag for one in found}) == len(values)


def test_a_value_that_is_the_beginning_of_another_is_found_and_the_longer_one_waited_for() -> None:
    registry = Registry(b"k" * 32, lambda: 0.0)
    registry.register("c", "n", b"hunter2-hunter2")
    registry.register("c", "n", b"hunter2-hunter2-and-more-of-it")
    look = registry.look(b"> hunter2-hunter2", "c", "n")
    assert [(one.start, one.end) for one in look.found] == [(2, 17)]
    assert look.open == 2
    look = registry.look(b"> hunter2-hunter2, and", "c", "n")
    assert [(one.start, one.end) for one in look.found] == [(2, 17)]
    assert look.open == 22 and look.tail is None


def test_what_begins_as_a_value_and_is_none_is_digested_once() -> None:
    registry = Registry(bytes(32), lambda: 0.0)
    registry.register("c", "n", b"value-1234567")
    (scope,) = registry._scopes.values()
    digested: list[bytes] = []

    def digest(data: bytes) -> bytes:
        digested.append(data)
        return registry._digest(data)

    text = b"the value of something else, a value of something else"
    assert not stands_in(digest, scope, text, scope.index.find(text)) and 0 < len(digested) <= 4
    digested.clear()
    assert not stands_in(digest, scope, text, scope.index.find(text)) and not digested
    registry.register("c", "n", b"value of something")
    for told in (text, b"a value-1234567, it is"):
        assert stands_in(digest, scope, told, scope.index.find(told))
    for number in range(2 * MOST_OTHERS):
        scope.remember(b"%d" % number)
    assert len(scope.others) <= MOST_OTHERS
