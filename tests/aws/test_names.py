"""Names at AWS: no two users are alike, what AWS takes is kept as it is, and everything is within AWS's own patterns."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l7gw.aws.names import LONGEST_NAME, LONGEST_TAG_VALUE, session_name, tag_takes, user_tag

ALLOWED = re.compile(r"[a-zA-Z0-9_+=,.@-]{2,64}")
ISSUERS = st.sampled_from(("https://idp.example.com", "https://other.example.com", ""))
# Users that are alike where a rule cuts or drops: long ones with one beginning, ones that differ in what AWS does not take
NEAR = st.builds(
    lambda head, stem, tail: head + stem + tail,
    st.sampled_from(("", "ann", "aws:", "aws_", "l7gw", "oidc|", "x" * 53, "x" * 64, "\U00020bb7" * 130)),
    st.sampled_from(("", "é", "ü", ":", "/", " ", "|", "-", "\U0001f980")),
    st.one_of(st.sampled_from(("", "@example.com", "-0123456789", "-0123456789a", "y" * 200)), st.text(max_size=3)),
)
USERS = st.one_of(NEAR, st.text(min_size=1, max_size=30)).filter(bool)


def _hash(issuer: str, user: str) -> str:
    return hashlib.sha256(issuer.encode() + b"\0" + user.encode("utf-8", "surrogatepass")).hexdigest()[:10]


@settings(max_examples=60)
@given(ISSUERS, USERS, USERS)
def test_no_two_users_are_alike_at_aws_and_none_is_the_gateway_itself(issuer: str, one: str, other: str) -> None:
    names = {session_name(issuer, one), session_name(issuer, other), session_name("", "")}
    assert len(names) == len({one, other}) + 1
    assert all(ALLOWED.fullmatch(name) and not name.startswith("aws:") for name in names)


@settings(max_examples=60)
@given(ISSUERS, ISSUERS, USERS)
def test_a_user_whom_aws_does_not_take_is_another_one_at_another_issuer(one: str, other: str, user: str) -> None:
    if not ALLOWED.fullmatch(user):
        assert (session_name(one, user) == session_name(other, user)) == (one == other)


@settings(max_examples=60)
@given(ISSUERS, USERS)
def test_the_name_that_one_user_is_given_is_never_the_own_name_of_another(issuer: str, user: str) -> None:
    for name in (session_name, user_tag):
        made = name(issuer, user)
        if made != user:
            assert name(issuer, made) != made


@pytest.mark.parametrize(
    "user", ["ann@example.com", "ab", "x" * LONGEST_NAME, "a_b+c=d,e.f@g-h", "ann-0123456789a", "ann-012345678"]
)
def test_a_user_whom_aws_takes_is_named_as_he_is(user: str) -> None:
    assert session_name("https://idp.example.com", user) == user


@pytest.mark.parametrize(
    ("user", "stem"),
    [
        ("a", "a"),
        ("auth0|5f7c", "auth05f7c"),
        ("aws:ann", "awsann"),
        ("arn:aws:iam::111122223333:role/ci", "arnawsiam111122223333roleci"),
        ("x" * 65, "x" * 53),
        ("é", ""),
        ("١٢٣", ""),  # digits and letters of Unicode that \w takes, and AWS does not
        ("l7gw", "l7gw"),
        ("ann-0123456789", "ann-0123456789"),
    ],
)
def test_any_other_user_is_his_allowed_characters_and_a_hash(user: str, stem: str) -> None:
    issuer = "https://idp.example.com"
    assert session_name(issuer, user) == f"{stem}-{_hash(issuer, user)}"


@settings(max_examples=60)
@given(ISSUERS, USERS, USERS)
def test_the_tag_tells_users_apart_and_is_within_what_aws_takes(issuer: str, one: str, other: str) -> None:
    tag = user_tag(issuer, one)
    assert tag_takes(tag, LONGEST_TAG_VALUE)
    assert (tag == user_tag(issuer, other)) == (one == other)


@pytest.mark.parametrize(
    ("user", "tag"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ännchen 1+2=3", "Ännchen 1+2=3"),
        ("arn:aws:iam::111122223333:role/ci", "arn:aws:iam::111122223333:role/ci"),
        ("auth0|5f7c", f"auth0_5f7c-{_hash('i', 'auth0|5f7c')}"),
        ("x" * 257, f"{'x' * 245}-{_hash('i', 'x' * 257)}"),
        # The prefix of an identity entry may well be `aws:`, which neither a key nor a value of a tag may begin with
        ("aws:ann@example.com", f"aws_ann@example.com-{_hash('i', 'aws:ann@example.com')}"),
        ("AWS:ann", f"AWS_ann-{_hash('i', 'AWS:ann')}"),
        ("aws", "aws"),
        ("l7gw", f"l7gw-{_hash('i', 'l7gw')}"),  # whose own session has the tag `l7gw`
        # 256 characters for Python, 512 for whoever counts as UTF-16 does
        ("\U00020bb7" * 128, "\U00020bb7" * 128),
        ("\U00020bb7" * 129, f"{chr(0x20BB7) * 122}-{_hash('i', chr(0x20BB7) * 129)}"),
        ("\U0001f980", f"_-{_hash('i', chr(0x1F980))}"),
    ],
)
def test_the_tag_is_the_whole_user_where_aws_takes_him(user: str, tag: str) -> None:
    assert user_tag("i", user) == tag
