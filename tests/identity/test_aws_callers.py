"""Who an AWS identity is: the first line of `map` that fits, else a person for sessions of IAM Identity Center alone."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.aws import arns
from l7gw.config.aws_settings import ArnLine, AwsIdentity
from l7gw.errors import Refusal
from l7gw.identity.aws_callers import prove
from l7gw.identity.aws_sts import SignedBy
from l7gw.identity.principal import Principal

ACCOUNT = "111122223333"
IAM = f"arn:aws:iam::{ACCOUNT}"
STS = f"arn:aws:sts::{ACCOUNT}"
SSO = f"{STS}:assumed-role/AWSReservedSSO_Engineers_0123456789abcdef"


def entry(*lines: ArnLine, **changed: Any) -> AwsIdentity:
    return AwsIdentity(**{"accounts": (ACCOUNT,), "regions": ("eu-west-1",), "map": lines, **changed})


def who(arn: str, *lines: ArnLine, **changed: Any) -> Principal:
    return prove(SignedBy(arns.identity(arn), "AROAEXAMPLE"), entry(*lines, **changed), 900.0)


@pytest.mark.parametrize(
    "arn, user, groups, kind",
    [
        (f"{SSO}/ann@example.com", "ann@example.com", ("Engineers",), "human"),
        (f"{STS}:assumed-role/Admin/ann@example.com", f"{IAM}:role/Admin", (), "agent"),
        (f"{STS}:assumed-role/Admin/i-0123456789abcdef0", f"{IAM}:role/Admin", (), "agent"),
        (f"{STS}:assumed-role/AWSReservedSSO_Engineers_0123/ann", f"{IAM}:role/AWSReservedSSO_Engineers_0123", (), "agent"),
        (f"{IAM}:user/team/Ann", f"{IAM}:user/Ann", (), "agent"),
        (f"{IAM}:root", f"{IAM}:root", (), "agent"),
        (f"{STS}:federated-user/Bob", f"{STS}:federated-user/Bob", (), "agent"),
    ],
)
def test_without_a_line_only_a_session_of_identity_center_is_a_person(
    arn: str, user: str, groups: tuple[str, ...], kind: str
) -> None:
    assert who(arn) == Principal(user, groups=groups, kind=kind, issuer="aws", expires=900.0)  # type: ignore[arg-type]


def test_the_first_line_that_fits_counts() -> None:
    lines = (ArnLine(f"{IAM}:role/Ad*", "ops", ("a",), "agent"), ArnLine(f"{IAM}:role/Admin", "ann", ("b",), "human"))
    assert who(f"{STS}:assumed-role/Admin/x", *lines).user == "ops"
    assert who(f"{STS}:assumed-role/Admin/x", *lines[::-1]).user == "ann"
    assert who(f"{STS}:assumed-role/Other/x", *lines).user == f"{IAM}:role/Other"


def test_a_line_names_the_user_by_its_canonical_arn_whatever_the_path() -> None:
    assert who(f"{IAM}:user/division/Ann", ArnLine(f"{IAM}:user/ann", "ann", (), "human")).user == "ann"


def test_a_line_without_a_user_keeps_the_name_and_the_kind() -> None:
    line = ArnLine(f"{IAM}:role/AWSReservedSSO_*", groups=("sre",))
    found = who(f"{SSO}/ann@example.com", line)
    assert (found.user, found.groups, found.kind) == ("ann@example.com", ("sre",), "human")
    found = who(f"{STS}:assumed-role/ci/run-1", ArnLine(f"{IAM}:role/ci", groups=("ci",), kind="workload"))
    assert (found.user, found.groups, found.kind) == (f"{IAM}:role/ci", ("ci",), "workload")


def test_the_prefix_stands_before_user_and_groups() -> None:
    found = who(f"{SSO}/ann", prefix="aws:")
    assert (found.user, found.groups) == ("aws:ann", ("aws:Engineers",))


def test_a_group_that_is_no_name_is_left_out_and_still_denies() -> None:
    found = who(f"{STS}:assumed-role/AWSReservedSSO_a,b_0123456789abcdef/ann")
    assert found.groups == ("a,b",)  # a comma is judged where groups go up (threats D16)


@pytest.mark.parametrize(
    "arn, word",
    [
        ("arn:aws:iam::999999999999:user/ann", "account 999999999999 is not listed"),
        (f"arn:aws-cn:iam::{ACCOUNT}:user/ann", "partition aws-cn"),
    ],
)
def test_who_is_of_no_listed_account_and_partition_is_refused(arn: str, word: str) -> None:
    with pytest.raises(Refusal, match=word) as refused:
        who(arn)
    assert refused.value.code == 401


def test_a_name_that_is_too_long_with_its_prefix_is_refused() -> None:
    with pytest.raises(Refusal, match="more than 256 bytes"):
        who(f"{IAM}:user/{'a' * 64}", prefix="p" * 200)
