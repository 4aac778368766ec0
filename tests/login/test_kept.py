"""What is kept of a login is read back whole or not at all, and tells when its token is to be renewed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from l7gw.login.kept import Kept, read
from tests.support.login_issuer import wanted

NOW = 1_700_000_000.0


def kept(**changed: Any) -> Kept:
    one = Kept(wanted())
    given = {"id_token": "i.d.t", "access_token": "a.c.c", "refresh_token": "r", "obtained": NOW, "id_ends": NOW + 3600, **changed}
    for name, value in given.items():
        setattr(one, name, value)
    return one


def test_a_login_is_read_back_as_it_was_written() -> None:
    one = kept(user="ann", subject="s", nonce="n", access_ends=NOW + 60)
    again = read(one.written(), wanted())
    assert again is not None and all(getattr(again, name) == getattr(one, name) for name in Kept.__slots__)


@pytest.mark.parametrize("other", [{"issuer": "https://other.example.com"}, {"client_id": "other"}, {"gateway": "other:1"}])
def test_a_login_of_another_issuer_client_or_gateway_is_none(other: dict[str, str]) -> None:
    assert read(kept().written(), wanted(**other)) is None


@pytest.mark.parametrize(
    "changed", [{"version": 2}, {"scopes": "openid"}, {"scopes": [7]}, {"id_token": None}, {"id_ends": "soon"}, {"obtained": None}]
)
def test_a_file_that_is_not_as_it_was_written_holds_no_login(changed: dict[str, object]) -> None:
    assert read(json.dumps({**json.loads(kept().written()), **changed}).encode(), wanted()) is None
    for data in (b"", b"{", b"[]", b"\xff", kept().written()[:-1], b"[" * 99999):
        assert read(data, wanted()) is None


@pytest.mark.parametrize(
    "lasts, after, good",
    [(3600, 0, True), (3600, 3539, True), (3600, 3540, False), (3600, 4000, False), (300, 269, True), (300, 270, False)],
)
def test_a_token_is_renewed_a_minute_or_a_tenth_of_its_life_before_its_end(lasts: int, after: int, good: bool) -> None:
    found = kept(id_ends=NOW + lasts).good_for(wanted(), NOW + after)
    assert (found is not None) == good
    assert found is None or found == ("i.d.t", NOW + lasts - min(60, lasts / 10))


def test_a_clock_that_was_set_back_behind_the_login_makes_no_token_good() -> None:
    assert kept().good_for(wanted(), NOW - 30) is not None
    assert kept().good_for(wanted(), NOW - 3600) is None


def test_a_token_of_another_kind_or_of_fewer_scopes_is_not_the_wanted_one() -> None:
    assert kept().good_for(wanted(token="access"), NOW) is None
    assert kept(access_ends=NOW + 3600).good_for(wanted(token="access"), NOW) == ("a.c.c", NOW + 3540)
    assert kept().good_for(wanted(scopes=["openid", "groups"]), NOW) is None
    assert kept().good_for(wanted(scopes=["openid"]), NOW) is not None
