"""What a proven token's claims say: the user, the groups and the kind; and who is refused for a claim."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw import name_rules
from l7gw.config.settings import KindRule
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from tests.support.manual_clock import ManualClock
from tests.support.proven_tokens import NOW, chain, proven, refusal
from tests.support.token_issuer import Issuer, ask


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(ManualClock(NOW))


def test_the_prefix_stands_before_user_and_groups(issuer: Issuer) -> None:
    who = proven(issuer, {"groups": ["a", "b,system:masters"]}, prefix="corp:")
    assert (who.user, who.groups) == ("corp:ann@example.com", ("corp:a", "corp:b,system:masters"))


def test_a_group_with_a_comma_is_one_group(issuer: Issuer) -> None:
    assert proven(issuer, {"groups": ["a,b"]}).groups == ("a,b",)


@pytest.mark.parametrize(
    "value, groups",
    [
        ("engineers", ("engineers",)),
        (["b", "a", "b"], ("b", "a")),
        ([], ()),
        (None, ()),
        (..., ()),
        (["Domain Users"], ("Domain Users",)),
    ],
)
def test_groups_may_be_a_text_a_list_or_missing_and_keep_their_order(issuer: Issuer, value: Any, groups: tuple[str, ...]) -> None:
    assert proven(issuer, {"groups": value}).groups == groups


@pytest.mark.parametrize("count, letters", [(241, 40), (1000, 7)])
def test_a_thousand_groups_are_let_in_where_the_token_holds_them(issuer: Issuer, count: int, letters: int) -> None:
    groups = tuple(f"{n:0{letters}}" for n in range(count))
    assert proven(issuer, {"groups": list(groups)}).groups == groups


@pytest.mark.parametrize(
    "unfit", ["Team Blue ", "", None, "Team\u00a0Blue", "en\u200dgineers", "a\nb", "\ud800", "\u3164", "Bu\u0308ro"]
)
def test_one_unfit_group_is_left_out_and_the_person_is_let_in(issuer: Issuer, unfit: str | None) -> None:
    who = proven(issuer, {"groups": ["engineers", unfit, "sre"]}, prefix="corp:")
    assert who.groups == ("corp:engineers", "corp:sre")
    assert who.unfit[0] == f"corp:{unfit or ''}" and who.unfit[0] not in who.groups


def test_a_group_that_is_left_out_is_logged_once_and_escaped(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        proven(issuer, {"groups": ["once\u3164", *(f"{n}\x1b" for n in range(5))]})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "l7gw.identity.claims"]
    assert "claim groups" in line and "'once\\u3164' holds U+3164" in line and line.endswith("and 3 more") and line.isprintable()


def test_a_mark_that_would_join_the_prefix_is_no_beginning_of_a_group(issuer: Issuer) -> None:
    assert proven(issuer, {"groups": ["\u0308x"]}, prefix="bu").groups == ()


@pytest.mark.parametrize("user", ["ann\u3164", "\u2800", "an\ufe00n", "an\u034fn", "le\u0301a"])
def test_a_user_whose_name_looks_like_another_is_refused_by_its_character(issuer: Issuer, user: str) -> None:
    said = refusal(issuer, issuer.token(sub=user))
    assert "the token's claim sub" in said and name_rules.quoted(user) in said and said.isprintable()


def test_a_sub_that_names_nobody_may_have_any_form(issuer: Issuer) -> None:
    assert proven(issuer, {"sub": "ann ", "name": "ann"}, username="name").user == "ann"


def test_a_claim_may_be_a_path_and_one_of_exactly_that_name_wins(issuer: Issuer) -> None:
    nested = {"realm_access": {"roles": ["deep"]}, "who": {"name": "ann", "kind": "bot", "org": ["acme"]}}
    rule = KindRule(None, "who.kind", {"agent": ("bot",), "human": ("person",)})
    path = {"groups": "realm_access.roles", "username": "who.name", "kind": rule, "require": {"who.org": "acme"}}
    who = proven(issuer, nested, **path)
    assert (who.user, who.groups, who.kind) == ("ann", ("deep",), "agent")
    flat = {"realm_access.roles": ["flat"], "who.name": "lea", "who.kind": "person", "who.org": "acme"}
    who = proven(issuer, nested | flat, **path)
    assert (who.user, who.groups, who.kind) == ("lea", ("flat",), "human")
    assert "who.org is not what this gateway requires: it is 'evil'" in refusal(
        issuer, issuer.token(**nested | {"who.org": "evil"}), **path
    )
    assert "no claim who.name" in refusal(issuer, issuer.token(**nested | {"who.name": None}), **path)


@pytest.mark.parametrize(
    "claims", [{}, {"realm_access": None}, {"realm_access": []}, {"realm_access": {}}, {"realm_access": "roles"}]
)
def test_a_path_that_leads_nowhere_names_no_groups(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert proven(issuer, claims, groups="realm_access.roles").groups == ()


@pytest.mark.parametrize("groups", ["groups", "groups.all"])
def test_groups_that_are_kept_elsewhere_are_not_taken_for_none(issuer: Issuer, groups: str) -> None:
    token = issuer.token(groups=..., _claim_names={"groups": "src1"})
    assert "kept elsewhere" in refusal(issuer, token, groups=groups)


def test_a_token_of_entra_that_only_says_that_it_has_groups_is_refused(issuer: Issuer) -> None:
    """`hasgroups` stands in place of more than five groups in tokens of the implicit flow
    (Entra's access token claims reference)."""
    assert "kept elsewhere" in refusal(issuer, issuer.token(groups=..., hasgroups=True), groups="groups")
    assert proven(issuer, {"groups": ["engineers"], "hasgroups": True}, groups="groups").groups == ("engineers",)
    assert proven(issuer, {"groups": ..., "hasgroups": False}, groups="groups").groups == ()
    assert proven(issuer, {"groups": ..., "hasgroups": True}, groups="").groups == ()


def test_no_groups_are_read_where_no_claim_is_configured(issuer: Issuer) -> None:
    assert proven(issuer, {}, groups="").groups == ()


@pytest.mark.parametrize("user, let_in", [("a" * 256, True), ("é" * 128, True), ("é" * 128 + "a", False)])
def test_a_user_has_at_most_256_bytes(issuer: Issuer, user: str, let_in: bool) -> None:
    assert isinstance(ask(chain(issuer), issuer.token(sub=user)), Principal) is let_in


def test_the_prefix_counts_into_the_length_of_a_user(issuer: Issuer) -> None:
    assert "256 bytes" in refusal(issuer, issuer.token(sub="a" * 256), prefix="p")


@pytest.mark.parametrize("value", [..., "", None, 7, ["ann"], "a\tb"])
def test_a_username_claim_that_names_nobody_is_refused(issuer: Issuer, value: Any) -> None:
    assert "preferred_username" in refusal(issuer, issuer.token(preferred_username=value), username="preferred_username")


def test_a_verified_email_names_a_user(issuer: Issuer) -> None:
    assert proven(issuer, {"email": "ann@corp.example", "email_verified": True}, username="email").user == "ann@corp.example"


@pytest.mark.parametrize("verified", [..., False, None, "true", 1, [True]])
def test_an_email_that_is_not_verified_names_nobody(issuer: Issuer, verified: Any) -> None:
    assert "email_verified" in refusal(issuer, issuer.token(email="lea@corp.example", email_verified=verified), username="email")


@pytest.mark.parametrize(
    "verified, let_in", [(..., True), (True, True), (False, False), (None, False), ("true", False), (1, False)]
)
def test_an_email_without_a_claim_of_its_proof_names_a_user_where_the_entry_says_so(
    issuer: Issuer, verified: Any, let_in: bool
) -> None:
    who = ask(
        chain(issuer, username="email", email_verified="if-present"), issuer.token(email="l@x.example", email_verified=verified)
    )
    assert isinstance(who, Principal) is let_in
    if isinstance(who, Refusal):
        assert "claim email_verified" in who.message


@pytest.mark.parametrize(
    "claim, wanted, let_in",
    [
        ("acme", "acme", True),
        (["x", "acme"], "acme", True),
        (True, "true", True),
        (False, "false", True),
        ([True], "true", True),
        ("acme-evil", "acme", False),
        ("ACME", "acme", False),
        (["acme-evil"], "acme", False),
        (["acme", 7], "acme", False),
        ([["acme"]], "acme", False),
        (["acme", ["x"]], "acme", False),
        ({"acme": 1}, "acme", False),
        (False, "true", False),
        (1, "true", False),
        (7, "7", False),
        ([], "acme", False),
        (None, "acme", False),
        (..., "acme", False),
    ],
)
def test_a_required_claim_must_match_exactly_or_be_listed(issuer: Issuer, claim: Any, wanted: Any, let_in: bool) -> None:
    who = ask(chain(issuer, require={"org": wanted}), issuer.token(org=claim))
    assert isinstance(who, Principal) is let_in
    if isinstance(who, Refusal):
        assert "claim org" in who.message


def test_all_required_claims_must_match(issuer: Issuer) -> None:
    assert "claim env" in refusal(issuer, issuer.token(org="acme", env="dev"), require={"org": "acme", "env": "prod"})


@pytest.mark.parametrize("kind", ["human", "agent", "workload"])
def test_a_fixed_kind_is_the_kind_of_every_caller(issuer: Issuer, kind: str) -> None:
    assert proven(issuer, {}, kind=KindRule(kind)).kind == kind


@pytest.mark.parametrize(
    "value, kind",
    [
        ("bot", "agent"),
        (["person", "bot"], "agent"),
        (["person", "job"], "workload"),
        ("job", "workload"),
        ("person", "human"),
        (["person"], "human"),
        (..., "agent"),
        (None, "agent"),
        ("", "agent"),
        ([], "agent"),
        ({"a": 1}, "agent"),
        (1.5, "agent"),
        (["person", 7], "agent"),
        ([["person"]], "agent"),
    ],
)
def test_a_claim_tells_the_kind_and_its_absence_makes_an_agent(issuer: Issuer, value: Any, kind: str) -> None:
    rule = KindRule(None, "client_kind", {"agent": ("bot", "mcp"), "workload": ("job",)})
    assert proven(issuer, {"client_kind": value}, kind=rule).kind == kind


def test_a_claim_of_true_makes_an_agent_where_the_rule_says_so(issuer: Issuer) -> None:
    rule = KindRule(None, "is_agent", {"agent": ("true",)})
    assert [proven(issuer, {"is_agent": value}, kind=rule).kind for value in (True, False)] == ["agent", "human"]


@pytest.mark.parametrize("said, kind", [(["staff", "job", "bot"], "agent"), (["staff", "job"], "workload"), (["staff"], "human")])
def test_of_several_kinds_the_most_bounded_counts(issuer: Issuer, said: list[str], kind: str) -> None:
    rule = KindRule(None, "who", {"human": ("staff",), "workload": ("job",), "agent": ("bot",)})
    assert proven(issuer, {"who": said}, kind=rule).kind == kind


@pytest.mark.parametrize("value, kind", [("staff", "human"), ("guest", "agent"), (["staff", "guest"], "human")])
def test_where_humans_are_listed_everybody_else_is_an_agent(issuer: Issuer, value: Any, kind: str) -> None:
    assert proven(issuer, {"who": value}, kind=KindRule(None, "who", {"human": ("staff",)})).kind == kind


def test_an_actor_is_the_outermost_act_and_makes_an_agent(issuer: Issuer) -> None:
    who = proven(issuer, {"act": {"sub": "deploy-bot", "act": {"sub": "someone-before"}}})
    assert (who.user, who.actor, who.kind) == ("ann@example.com", "deploy-bot", "agent")


def test_an_actor_leaves_a_workload_what_it_is(issuer: Issuer) -> None:
    assert proven(issuer, {"act": {"sub": "runner"}}, kind=KindRule("workload")).kind == "workload"
