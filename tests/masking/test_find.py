"""A find has all the names by which it was masked."""

from __future__ import annotations

from l7gw.masking.find import Find


def test_the_longest_gives_its_name_first() -> None:
    find = Find(detector="password", where="a", length=1, tag="", others=("registry",))
    assert find.names == ("password", "registry")
