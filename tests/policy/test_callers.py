"""Whom `identity` can give: what never comes is doubted, and whoever may come is never called impossible."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.aws import arns
from l7gw.config.aws_settings import ArnLine, AwsIdentity
from l7gw.config.settings import KINDS, ClientCertificate, IdentityEntry, Kind, KindRule, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity import aws_callers, certificate, claims
from l7gw.identity.principal import Principal
from l7gw.policy.callers import Known
from l7gw.policy.patterns import Globs
from l7gw.policy.rules import Rule

PEOPLE = OidcIssuer("https://people", ("l7gw",), groups="groups", prefix="oidc:")
ALL = OidcIssuer("https://all", ("l7gw",), groups="groups")
ALONE = OidcIssuer("https://alone", ("l7gw",), prefix="alone:")
BOTS = ClientCertificate(Path("bots.crt"), KindRule("agent"), prefix="bot:")
BY_CLAIM = OidcIssuer("https://claim", ("l7gw",), kind=KindRule(None, "client_kind", {"workload": ("ci",)}), prefix="c:")
HUMANS_LISTED = OidcIssuer("https://humans", ("l7gw",), kind=KindRule(None, "t", {"human": ("user",)}), prefix="h:")
AWS = AwsIdentity(
    ("111122223333",),
    ("eu-west-1",),
    (ArnLine("arn:aws:iam::111122223333:role/ci", "ci", ("deployers",), "workload"),),
    prefix="aws:",
)


def doubted(*identity: IdentityEntry, granted: tuple[str, ...] = (), prefixes: tuple[str, ...] = ("l7gw:",), **keys: Any) -> str:
    """The doubts of a rule with these keys, in one text."""
    users, groups = (Globs(keys[key]) if key in keys else None for key in ("users", "groups"))
    kinds = frozenset(keys["kinds"]) if "kinds" in keys else None
    return "\n".join(Known(identity, granted, prefixes).doubts(users, groups, kinds))


@pytest.mark.parametrize(
    ("identity", "kinds", "words"),
    [
        ([BOTS], ["human"], "is about humans, and no entry of `identity` gives any; `kind: human` beside the entry"),
        ([PEOPLE], ["workload"], "is about workloads, and no entry of `identity` gives any"),
        ([PEOPLE], ["agent"], "is about agents, and `identity` makes nobody one but by a token's claim `act`; `kind: agent` beside"),
        ([ClientCertificate(Path("a.crt"))], ["agent", "workload"], "is about agents or workloads, and no entry"),
        ([PEOPLE, BOTS], ["agent"], ""),
        ([PEOPLE], ["agent", "human"], ""),
        ([BY_CLAIM], ["workload"], ""),
        ([BY_CLAIM], ["human"], ""),  # a value that stands in no list
        ([HUMANS_LISTED], ["agent"], ""),
        ([HUMANS_LISTED], ["workload"], "is about workloads"),
        ([AWS], ["workload"], ""),  # by its line
    ],
)  # fmt: skip
def test_kinds_that_no_entry_gives_are_doubted(identity: list[IdentityEntry], kinds: list[Kind], words: str) -> None:
    found = doubted(*identity, kinds=kinds)
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize(
    ("identity", "keys", "words"),
    [
        (
            [PEOPLE],
            {"users": ["ann", "oidc:bob"]},
            "names users whom no entry of `identity` gives: 'ann'; did you mean 'oidc:ann'?",
        ),
        ([PEOPLE], {"groups": ["sre"]}, "names groups whom no entry of `identity` gives: 'sre'; did you mean 'oidc:sre'?"),
        ([PEOPLE, BOTS], {"groups": ["sre"]}, "names begin with 'oidc:' or 'bot:' there"),
        ([PEOPLE], {"groups": ["oidc:sre", "o*", "*sre"]}, ""),
        ([PEOPLE, ALL], {"groups": ["sre"], "users": ["ann"]}, ""),  # an issuer without a prefix may give any
        (
            [ALONE],
            {"groups": ["*"]},
            "names groups, and `identity` gives none to the callers that it is about: '*'; `groups: CLAIM`",
        ),
        ([ALL, BOTS], {"groups": ["sre"], "kinds": ["agent"]}, ""),  # by a claim `act`
        ([BOTS, AWS], {"groups": ["bot:x"], "kinds": ["human"]}, "whom no entry of `identity` gives: 'bot:x'"),
        (
            [PEOPLE, BOTS],
            {"users": ["oidc:ann"], "groups": ["bot:x"]},
            "matches nobody: no entry of `identity` gives its users, groups",
        ),
        ([AWS], {"users": ["aws:arn:aws:iam::111122223333:role/*"], "kinds": ["agent"]}, ""),
        ([AWS], {"users": ["aws:ann"], "kinds": ["agent"]}, "names users whom no entry of `identity` gives: 'aws:ann'"),
        ([AWS], {"groups": ["aws:deployers"], "kinds": ["workload"]}, ""),
        ([AWS], {"groups": ["aws:sre"], "kinds": ["workload"]}, "names groups whom no entry of `identity` gives: 'aws:sre'"),
    ],
)
def test_users_and_groups_that_no_entry_gives_are_doubted(identity: list[IdentityEntry], keys: dict[str, Any], words: str) -> None:
    found = doubted(*identity, **keys)
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize(
    ("identity", "groups", "words"),
    [
        ([BOTS], ["bot:bot:x"], "has the prefix bot: twice in `groups`: 'bot:bot:x'; did you mean 'bot:x'?"),
        ([ALL], ["l7gw:engineers"], "rules see names without it: 'l7gw:engineers'; did you mean 'engineers'?"),
        ([BOTS], ["l7gw:bot:x"], "did you mean 'bot:x'?"),
        ([ALL], ["l7gwers"], ""),
        ([OidcIssuer("https://l", ("l7gw",), groups="g", prefix="l7gw:")], ["l7gw:engineers"], ""),
        ([OidcIssuer("https://a", ("l7gw",), groups="g", prefix="a")], ["aardvarks"], ""),  # such a prefix is not told from a name
    ],
)
def test_a_prefix_too_many_is_doubted(identity: list[IdentityEntry], groups: list[str], words: str) -> None:
    found = doubted(*identity, groups=groups)
    assert words in found and bool(found) == bool(words)


def test_a_group_that_a_grant_gives_comes_whatever_the_entries_give() -> None:
    assert "gives none" in doubted(ALONE, groups=["oncall"])
    assert doubted(ALONE, groups=["oncall", "on*"], granted=("oncall",)) == ""
    assert doubted(ALONE, BOTS, groups=["l7gw:oncall"], granted=("l7gw:oncall",)) == ""


# ---------------------------------------------------------------------- whoever may come

WORD = st.text("ab:*.@/ -", min_size=1, max_size=6)
PREFIX = st.sampled_from(("", "a", "b:", "b:b:", "a-"))
KIND = st.sampled_from(KINDS)


@st.composite
def entry_and_principal(draw: st.DrawFn) -> tuple[IdentityEntry, Principal | None]:
    """An entry, and somebody whom the code that proves principals makes of it; None where it refuses."""
    which, prefix = draw(st.sampled_from(("oidc", "certificate", "aws"))), draw(PREFIX)
    try:
        if which == "oidc":
            values: dict[Kind, tuple[str, ...]] = draw(st.dictionaries(KIND, st.just(("x",)) | st.just(("y",)), max_size=2))
            rule = KindRule(draw(KIND)) if draw(st.booleans()) else KindRule(None, "kind", values)
            entry = OidcIssuer("https://i", ("l7gw",), groups=draw(st.sampled_from(("", "g"))), kind=rule, prefix=prefix)
            token: dict[str, Any] = {"sub": draw(WORD), "g": draw(st.lists(WORD | st.none(), max_size=3))}
            token |= draw(st.sampled_from(({}, {"kind": "x"}, {"kind": ["x", "y"]}, {"kind": "z"}, {"act": {"sub": "a"}})))
            return entry, claims.prove(token, entry, 0.0)
        if which == "certificate":
            of_certificates = ClientCertificate(Path("ca.crt"), KindRule(draw(KIND)), prefix=prefix)
            names = {"2.5.4.3": [draw(WORD)], "2.5.4.10": draw(st.lists(WORD, max_size=3))}
            subject = SimpleNamespace(
                get_attributes_for_oid=lambda oid: [SimpleNamespace(value=one) for one in names[oid.dotted_string]]
            )
            return of_certificates, certificate.prove(SimpleNamespace(subject=subject), of_certificates, 0.0)  # type: ignore[arg-type]
        lines = draw(st.lists(st.builds(ArnLine, st.just("arn:aws:iam::111122223333:role/*"), st.just("") | WORD,
                                        st.lists(WORD, max_size=2).map(tuple), KIND | st.none()), max_size=1))  # fmt: skip
        of_aws = AwsIdentity(("111122223333",), ("eu-west-1",), tuple(lines), prefix=prefix)
        role = draw(st.sampled_from(("AWSReservedSSO_a_0123456789abcdef", "b")))
        who = arns.identity(f"arn:aws:sts::111122223333:assumed-role/{role}/{draw(st.sampled_from(('a', 'b@a')))}")
        return of_aws, aws_callers.prove(SimpleNamespace(who=who), of_aws, 0.0)  # type: ignore[arg-type]
    except Refusal:
        return entry if which == "oidc" else ALL, None


def starred(name: str, begin: int, end: int) -> str:
    """A glob that matches the name."""
    begin, end = sorted((begin % (len(name) + 1), end % (len(name) + 1)))
    return f"{name[:begin]}*{name[end:]}"


@settings(max_examples=250, deadline=None)
@given(
    entry_and_principal(),
    st.booleans(),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(("user", "groups", "both")),
    st.data(),
)
def test_a_rule_that_matches_somebody_whom_an_entry_gives_is_never_called_impossible(
    given_: tuple[IdentityEntry, Principal | None], allow: bool, begin: int, end: int, by: str, data: st.DataObject
) -> None:
    entry, principal = given_
    if principal is None:
        return
    seen = principal.groups if allow else principal.groups + principal.unfit
    users = Globs([starred(principal.user, begin, end)]) if by != "groups" else None
    groups = Globs([starred(data.draw(st.sampled_from(seen)), begin, end)]) if by != "user" and seen else None
    kinds = data.draw(st.none() | st.just(frozenset((principal.kind,))))
    rule = Rule("r", allow=allow, users=users, groups=groups, kinds=kinds)
    assert rule.stranger(principal, "prod") == ""
    found = [
        one
        for one in Known([entry], (), ("l7gw:",)).doubts(users, groups, kinds)
        if "twice" not in one and not (principal.actor and "`act`" in one)
    ]
    assert found == []
