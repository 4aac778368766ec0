"""As whom a call asks to be made, as kube-apiserver reads it, or refused (threats D15)."""

from __future__ import annotations

import pytest

from l7gw.errors import Refusal
from l7gw.kube.act import acting
from l7gw.kube.acting_as import MOST_GROUPS, ActsAs, asked_identity
from l7gw.kube.requestinfo import describe

Pairs = tuple[tuple[str, str], ...]
JANE = ("impersonate-user", "jane")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ((JANE,), ActsAs("jane")),
        ((JANE, ("accept", "a,b"), ("impersonate-group", "b"), ("impersonate-group", "a")), ActsAs("jane", ("b", "a"))),
        ((("impersonate-group", "b"), JANE, ("impersonate-group", "b")), ActsAs("jane", ("b",))),
        ((("impersonate-user", "system%3Amasters"),), ActsAs("system%3Amasters")),
        ((("impersonate-user", "j\u00fcrgen".encode().decode("latin-1")),), ActsAs("j\u00fcrgen")),
        ((("impersonate-user", "system:serviceaccount:dev:ci.a-b"),), ActsAs("system:serviceaccount:dev:ci.a-b")),
    ],
)  # fmt: skip
def test_names_are_read_as_kube_apiserver_reads_them(headers: Pairs, found: ActsAs) -> None:
    assert asked_identity(headers) == found


@pytest.mark.parametrize(
    ("headers", "code", "words"),
    [
        ((("impersonate-group", "a"),), 400, "without --as"),
        ((("impersonate-user", ""),), 400, "is empty"),
        ((("impersonate-user", ""), ("impersonate-group", "a")), 400, "is empty"),
        ((JANE, JANE), 400, "stands twice"),
        ((JANE, ("impersonate-group", "")), 400, "is empty"),
        ((JANE, ("impersonate-group", "a,b")), 400, "holds a comma"),
        ((JANE, *(("impersonate-group", str(number)) for number in range(MOST_GROUPS + 1))), 400, "more than 20 groups"),
        ((("impersonate-user", "j\u00ffn"),), 400, "not UTF-8"),
        ((("impersonate-user", "ja\u200bne".encode().decode("latin-1")),), 400, "holds U\\+200B"),
        ((("impersonate-user", "ja\tne"),), 400, "holds U\\+0009"),
        ((("impersonate-user", "j" * 257),), 400, "longer than 256"),
        ((JANE, ("impersonate-uid", "1")), 403, "a uid"),
        ((JANE, ("impersonate-extra-l7gw-user", "x")), 403, "impersonate-extra-l7gw-user cannot be asked for"),
        ((JANE, ("impersonate-extra-%6c7gw-user", "x")), 403, "cannot be asked for"),
        ((JANE, ("impersonate-", "x")), 403, "cannot be asked for"),
        ((JANE, ("impersonate-group", "system:masters")), 403, "system:masters"),
        ((JANE, ("impersonate-group", "system:authenticated")), 403, "begin with system:"),
        ((("impersonate-user", "system:admin"),), 403, "only service accounts"),
        ((("impersonate-user", "system:anonymous"),), 403, "only service accounts"),
        ((("impersonate-user", "system:serviceaccount:dev"),), 403, "only service accounts"),
        ((("impersonate-user", "system:serviceaccount:dev:ci:x"),), 403, "only service accounts"),
        ((("impersonate-user", "system:serviceaccount:Dev:ci"),), 403, "only service accounts"),
        ((("impersonate-user", "system:serviceaccount:dev:ci"), ("impersonate-group", "system:x")), 403, "groups come with it"),
    ],
)  # fmt: skip
def test_what_nobody_may_ask_for_is_refused_in_words(headers: Pairs, code: int, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        asked_identity(headers)
    assert refused.value.code == code


def test_a_call_made_as_somebody_else_has_its_own_effects_and_impersonate() -> None:
    act = acting(describe("GET", "/api/v1/namespaces/dev/secrets/a"), ActsAs("jane"))
    assert act.effects == {"read", "secrets", "impersonate"} and act.acts_as == ActsAs("jane")
    assert acting(act, None) is act


def test_a_service_account_is_told_from_other_users() -> None:
    assert ActsAs("system:serviceaccount:dev:ci").account == "dev/ci"
    for user in ("dev:ci", "jane", "system:serviceaccount:dev:", "system:serviceaccount::ci"):
        assert ActsAs(user).account == ""
