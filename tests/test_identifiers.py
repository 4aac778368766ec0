"""Session ids sort by time and cannot be guessed. Ids of calls are UUIDs of version 4."""

from __future__ import annotations

import time
import uuid

from l7gw.identifiers import new_audit_id, uuid7


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    one = uuid.UUID(uuid7())
    after = time.time_ns() // 1_000_000
    assert (one.version, one.variant) == (7, uuid.RFC_4122)
    assert before <= one.int >> 80 <= after


def test_ids_differ_and_sort_by_time() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert len(set(ids)) == 5000
    times = [one[:13] for one in ids]
    assert times == sorted(times)


def test_the_bits_of_an_id_behind_the_time_are_random() -> None:
    free = [bit for bit in range(80) if bit not in range(76, 80) and bit not in (62, 63)]
    seen = [uuid.UUID(uuid7()).int for _ in range(200)]
    assert all(len({one >> bit & 1 for one in seen}) == 2 for bit in free)


def test_the_id_of_a_call_is_a_uuid_of_version_4_as_python_spells_it_and_its_other_bits_are_random() -> None:
    ids = [new_audit_id() for _ in range(300)]
    assert len(set(ids)) == 300
    read = [uuid.UUID(one) for one in ids]
    assert {(one.version, one.variant) for one in read} == {(4, uuid.RFC_4122)} and ids == [str(one) for one in read]
    free = [bit for bit in range(128) if bit not in range(76, 80) and bit not in (62, 63)]
    assert all(len({one.int >> bit & 1 for one in read}) == 2 for bit in free)
