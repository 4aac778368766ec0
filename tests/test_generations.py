"""The bounded memory in two generations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l7gw.generations import Generations


@given(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 15), st.integers(1, 6))))
def test_what_is_remembered_is_what_was_kept_and_never_more_than_twice_the_bound(most: int, asked: list[tuple[int, int]]) -> None:
    memory: Generations[int, str] = Generations(most)
    sizes: dict[int, int] = {}
    for key, size in asked:
        found = memory.get(key)
        assert found in (None, str(key))
        if found is None:
            sizes[key] = size
            memory.keep(key, str(key), size)
        held = [*memory._newer.values(), *memory._older.values()]
        assert sum(size for _, size in held) <= 2 * most and len(memory) == len(held)


def test_many_keys_that_are_asked_for_once_do_not_drive_out_one_that_is_asked_for_again_and_again() -> None:
    memory: Generations[int, str] = Generations(10)
    memory.keep(-1, "often")
    for key in range(1000):
        memory.keep(key, "once")
        assert key % 9 or memory.get(-1) == "often"
    assert memory.get(0) is None


def test_what_is_larger_than_the_bound_is_not_remembered_and_drives_nothing_out() -> None:
    memory: Generations[str, str] = Generations(10)
    memory.keep("a", "a")
    memory.keep("b", "b", 11)
    assert (memory.get("a"), memory.get("b")) == ("a", None)
