"""Which journals of the twins are the same: full blocks may end at another event, and no other session differs."""

from __future__ import annotations

from l7gw.recording.session import BLOCK
from tests.support.twins.compared import APPENDED, cut_alike
from tests.support.twins.gateway_in_steps import Block


def block(data: bytes, *, session: str = "s", number: int = 0, events: int = 1) -> Block:
    return session, (number, 0, 0, events, 1, 0, 0, 0), data, data


def journal(first: bytes, second: bytes) -> list[Block]:
    return [block(first, events=len(first)), block(second, number=1, events=len(second))]


FULL = b"x" * BLOCK


def test_a_full_block_may_end_at_another_event() -> None:
    assert cut_alike(journal(FULL, b"rest"), journal(FULL[:-9], FULL[-9:] + b"rest"))
    more = [*journal(FULL[:-9], FULL[-9:]), block(b"rest", number=2)]
    assert cut_alike(journal(FULL, b"rest"), more)


def test_nothing_else_may_differ() -> None:
    assert not cut_alike(journal(FULL[: BLOCK - APPENDED - 9], b"rest"), journal(FULL[: BLOCK - APPENDED - 10], b"xrest"))
    other = block(b"a", session="t")
    for changed in (block(b"b", session="t"), block(b"a", session="t", number=1), (*other[:3], b"other bytes of the same")):
        assert not cut_alike([*journal(FULL, b"rest"), other], [*journal(FULL[:-9], FULL[-9:]), changed])
