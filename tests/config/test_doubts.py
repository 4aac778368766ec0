"""Settings that are valid, and that are probably not meant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from l7gw.config.doubts import doubts, of_identity, of_reviews
from l7gw.config.settings import Mapped, Person
from tests.support.written_configuration import Written

LEA = {"U0LEA": Mapped("lea", ("sre",))}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.top["identity"] = [{"aws": {"accounts": ["111122223333"], "regions": ["eu-west-1"]}}]
    return it


def test_tokens_that_no_cluster_takes_are_doubted(written: Written) -> None:
    (doubt,) = of_identity(written.load())
    assert "no cluster does" in doubt
    written.prod["aws-cluster-id"] = "prod"
    assert list(of_identity(written.load())) == []


def test_a_line_that_makes_many_one_user_is_doubted(written: Written) -> None:
    written.prod["aws-cluster-id"] = "prod"
    written.top["identity"][0]["aws"]["map"] = [{"arn": "arn:aws:iam::111122223333:role/*", "user": "ann"}]
    (doubt,) = of_identity(written.load())
    assert "the one user ann" in doubt


@pytest.mark.parametrize(
    ("prefixes", "people", "doubted"),
    [
        (("",), (), False),
        (("oidc:", ""), (), False),
        (("oidc:", "cert:"), (), True),
        (("le",), (), False),
        (("oidc:",), ("oidc:lea",), False),
    ],
)
def test_who_is_mapped_to_a_user_whom_no_issuer_names_is_doubted_since_he_could_approve_his_own_calls(
    prefixes: tuple[str, ...], people: tuple[str, ...], doubted: bool
) -> None:
    found: Any = SimpleNamespace(
        mapped=tuple(LEA.values()) * 2,
        identity=[SimpleNamespace(prefix=prefix) for prefix in prefixes],
        people=[Person("lea", people)] if people else [],
    )
    told = list(of_reviews(found))
    assert len(told) == doubted and all("names: lea; they could approve" in one for one in told)


def test_a_database_far_away_that_is_not_verified_is_doubted(written: Written) -> None:
    written.prod["aws-cluster-id"] = "prod"
    for said, doubted in (
        ("postgresql://db.example.com/l7gw", True),
        ("postgresql://db.example.com/l7gw?sslmode=verify-full", False),
    ):
        written.top["store"] = said
        assert ["`store`: the server's certificate is not verified" in one for one in doubts(written.load())] == [True] * doubted
