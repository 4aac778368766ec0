"""ARNs of identities have one reading and one canonical form, and a glob names exactly what it says.

The cases of authenticator's `pkg/arn/arn_test.go` are facts here; where it keeps a path, ours is left out, as its `StripPath` does.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.aws import arns

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    "arn, canonical",
    [
        ("arn:aws:iam::123456789012:user/Alice", "arn:aws:iam::123456789012:user/Alice"),
        ("arn:aws:iam::123456789012:role/Users", "arn:aws:iam::123456789012:role/Users"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/Session", "arn:aws:iam::123456789012:role/Admin"),
        ("arn:aws:sts::123456789012:federated-user/Bob", "arn:aws:sts::123456789012:federated-user/Bob"),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
        ("arn:aws:sts::123456789012:assumed-role/Org/Team/Admin/Session", "arn:aws:iam::123456789012:role/Admin"),
        ("arn:aws-iso:iam::123456789012:user/Chris", "arn:aws-iso:iam::123456789012:user/Chris"),
        ("arn:aws-iso-b:iam::123456789012:user/Chris", "arn:aws-iso-b:iam::123456789012:user/Chris"),
        ("arn:aws:iam::123456789012:role/Org/Team/Admin", "arn:aws:iam::123456789012:role/Admin"),
        ("arn:aws:iam::123456789012:user/division/Bob", "arn:aws:iam::123456789012:user/Bob"),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/A/s=x@y.z,+-_", "arn:aws-us-gov:iam::123456789012:role/A"),
    ],
)
def test_an_identity_has_one_canonical_arn_without_path_and_session(arn: str, canonical: str) -> None:
    assert arns.canonical(arn) == canonical
    assert arns.canonical(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("NOT AN ARN", "arn", "", "arn:aws:iam::123456789012", "arn:gcp:iam::123456789012:user/Alice"),
        *("arn:aws:s3:::bucket", "arn:aws:iam::12345678901:user/Alice", "arn:aws:iam::123456789012:group/Admins"),
        *("arn:aws:iam::123456789012:user/", "arn:aws:iam::123456789012:user", "arn:aws:iam::123456789012:rootx"),
        *("arn:aws:sts::123456789012:assumed-role/Admin", "arn:aws:sts::123456789012:role/Admin"),
        *("arn:aws:iam:eu-west-1:123456789012:role/Admin", "arn:aws:iam::aws:role/Admin", "arn:aws:iam:::root"),
        *(
            "arn:aws:iam::123456789012:role/Ad min",
            "arn:aws:iam::123456789012:role/Admin\n",
            "arn:aws:iam::123456789012:role/\u00e9",
        ),
        *("ARN:aws:iam::123456789012:role/A", "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/A", "arn:aws:iam::123456789012:role/" + "a" * 65),
        "arn:aws:iam::123456789012:role/" + "p/" * 1100 + "a",
    ],
)
def test_what_is_no_arn_of_an_identity_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        arns.identity(text)
    assert len(text) < 8 or text not in str(refused.value)


def test_a_session_is_read_with_its_role() -> None:
    who = arns.identity("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Team_Admin_0123456789abcdef/ann@example.com")
    assert (who.kind, who.session, who.permission_set) == ("assumed-role", "ann@example.com", "Team_Admin")


@pytest.mark.parametrize(
    "name",
    ["AWSReservedSSO_Admin_0123456789abcde", "AWSReservedSSO__0123456789abcdef", "xAWSReservedSSO_A_0123456789abcdef", "Admin"],
)
def test_a_role_of_another_form_is_of_no_permission_set(name: str) -> None:
    assert arns.identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ann").permission_set == ""


def test_a_user_named_as_a_permission_sets_role_is_of_none() -> None:
    assert arns.identity(f"arn:aws:iam::{ACCOUNT}:user/AWSReservedSSO_A_0123456789abcdef").permission_set == ""


def test_any_arn_is_read_in_its_parts() -> None:
    text = "arn:aws:eks:eu-west-1:123456789012:access-entry/prod/role/123456789012/gw/aa-bb"
    assert arns.parse(text) == ("aws", "eks", "eu-west-1", ACCOUNT, "access-entry/prod/role/123456789012/gw/aa-bb")
    assert str(arns.parse(text)) == text
    assert arns.parse("arn:aws:s3:::bucket/*").account == ""
    assert arns.parse("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").account == "aws"


@pytest.mark.parametrize(
    "text, is_role",
    [
        (f"arn:aws:iam::{ACCOUNT}:role/gateway", True),
        (f"arn:aws-cn:iam::{ACCOUNT}:role/a/b/gateway", True),
        (f"arn:aws:iam::{ACCOUNT}:user/gateway", False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/gateway/x", False),
        (f"arn:aws:iam::{ACCOUNT}:role/gate*", False),
        ("gateway", False),
    ],
)
def test_a_role_that_can_be_assumed_is_told_from_anything_else(text: str, is_role: bool) -> None:
    assert arns.is_role(text) is is_role


@pytest.mark.parametrize(
    "glob, is_glob",
    [
        (f"arn:aws:iam::{ACCOUNT}:role/Admin", True),
        (f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_*_*", True),
        (f"arn:aws:iam::{ACCOUNT}:user/*", True),
        (f"arn:aws:iam::{ACCOUNT}:root", True),
        (f"arn:aws:iam::{ACCOUNT}:*", False),
        ("arn:aws:iam::*:role/Admin", False),
        ("arn:*:iam::123456789012:role/Admin", False),
        (f"arn:aws:iam::{ACCOUNT}:role/path/Admin", False),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/*", False),
        (f"arn:aws:iam::{ACCOUNT}:role/" + "a*" * 9, False),
        ("*", False),
    ],
)
def test_a_star_may_stand_in_the_last_part_alone(glob: str, is_glob: bool) -> None:
    assert arns.is_glob(glob) is is_glob


@pytest.mark.parametrize(
    "glob, arn, fits",
    [
        ("role/Admin", "role/Admin", True),
        ("role/Admin", "role/admin", True),
        ("role/Admin", "role/Admin2", False),
        ("role/Ad*", "role/Admin", True),
        ("role/*", "user/Admin", False),
        ("role/*in", "role/Admin", True),
        ("role/A.min", "role/Admin", False),
        ("root", "root", True),
    ],
)
def test_a_glob_names_what_it_says_whatever_the_case_of_letters(glob: str, arn: str, fits: bool) -> None:
    account = f"arn:aws:iam::{ACCOUNT}:"
    assert arns.is_glob(account + glob)
    assert arns.matches(account + glob, account + arn) is fits
    assert not arns.matches(account + glob, "arn:aws:iam::999999999999:" + arn)


NAME = st.from_regex(r"[A-Za-z0-9_+=,.@-]{1,64}", fullmatch=True)


@given(path=st.lists(NAME, max_size=3), name=NAME, session=NAME)
def test_the_form_of_a_session_and_of_its_role_are_one(path: list[str], name: str, session: str) -> None:
    role = arns.identity(f"arn:aws:iam::{ACCOUNT}:role/" + "".join(f"{one}/" for one in path) + name)
    assumed = arns.identity(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}")
    assert role.canonical == assumed.canonical == f"arn:aws:iam::{ACCOUNT}:role/{name}"
    assert (role.permission_set, assumed.session) == (assumed.permission_set, session)
    assert arns.is_glob(role.canonical) and arns.matches(role.canonical, assumed.canonical)


def test_a_star_does_not_end_at_the_name_of_a_permission_set() -> None:
    glob = "arn:aws:iam::111122223333:role/AWSReservedSSO_admin_*"
    for name in ("admin", "admin_readonly"):  # the second is another set, which docs/eks.md says
        assert arns.matches(glob, f"arn:aws:iam::111122223333:role/AWSReservedSSO_{name}_0123456789abcdef")
