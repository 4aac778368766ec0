"""The role of a cluster: what is read of `credential.aws`, and what AWS would not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from l7gw.config.aws_settings import AwsRole
from tests.support.written_configuration import Written

ROLE = "arn:aws:iam::111122223333:role/team/l7gw"


@pytest.fixture
def eks(written: Written) -> Written:
    """A configuration whose cluster is one of EKS."""
    written.top["clusters"]["prod"] = written.prod = {
        "eks": {"name": "prod", "region": "eu-west-1"},
        "credential": {"aws": {"role": ROLE}},
    }
    return written


def _role(written: Written) -> Any:
    return written.load().clusters["prod"].credential


def test_a_role_is_all_that_must_be_said(eks: Written) -> None:
    assert _role(eks) == AwsRole(role=ROLE, per="person", region="eu-west-1")


def test_everything_that_may_be_said_is_read(eks: Written) -> None:
    eks.prod["credential"]["aws"] |= {
        "per": "gateway",
        "external-id": "a/b:c",
        "session-tags": {"Department": "platform", "cost center": "12-3"},
        "profile": "ops",
        "endpoint-url": "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/",
        "certificate-authority": "ca.crt",
    }
    assert _role(eks) == AwsRole(
        role=ROLE,
        per="gateway",
        external_id="a/b:c",
        session_tags={"Department": "platform", "cost center": "12-3"},
        profile="ops",
        region="eu-west-1",
        endpoint_url="https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
        certificate_authority=Path(eks.folder / "ca.crt"),
    )


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("role", "l7gw", "is no ARN of a role"),
        ("role", "arn:aws:sts::111122223333:assumed-role/l7gw/ann", "is no ARN of a role"),
        ("role", "arn:aws:iam::111122223333:user/l7gw", "is no ARN of a role"),
        ("role", "arn:aws-cn:iam::111122223333:role/l7gw", "is of another partition than eu-west-1, which is in aws"),
        ("per", "session", "`per` must be person or gateway"),
        ("external-id", "x", "`external-id` must have 2 to 1224"),
        ("external-id", "a b", "`external-id` must have 2 to 1224"),
        ("external-id", "", "`external-id` must have 2 to 1224"),
        ("endpoint-url", "http://127.0.0.1", "`endpoint-url` must be https://HOST[:PORT]"),
        ("session-tags", {"l7gw-User": "x"}, "is the gateway's own tag, or stands twice"),
        ("session-tags", {"a": "1", "A": "2"}, "is the gateway's own tag, or stands twice"),
        ("session-tags", {"aws:team": "x"}, "is no key that AWS takes"),
        ("session-tags", {"a|b": "x"}, "is no key that AWS takes"),
        ("session-tags", {"team": "a|b"}, "'team' has a value that AWS does not take"),
        ("session-tags", {"team": "x" * 257}, "'team' has a value that AWS does not take"),
        ("session-tags", {"team": "AWS:platform"}, "'team' has a value that AWS does not take"),
        ("session-tags", {"team": 7}, "'team' has a value that AWS does not take"),
        ("session-tags", {f"tag-{number}": "x" for number in range(50)}, "AWS takes 50 with the gateway's own"),
        ("session-name", "ann", "unknown key `session-name`"),
    ],
)
def test_what_aws_would_not_take_is_a_mistake(eks: Written, key: str, value: Any, what: str) -> None:
    eks.prod["credential"]["aws"][key] = value
    (problem,) = eks.problems()
    assert what in problem


def test_as_many_tags_as_aws_takes_beside_the_gateways_own_are_taken(eks: Written) -> None:
    eks.prod["credential"]["aws"]["session-tags"] = {f"tag-{number}": "x" * 256 for number in range(49)}
    assert len(_role(eks).session_tags) == 49


def test_a_role_must_be_named(eks: Written) -> None:
    eks.prod["credential"]["aws"] = {}
    assert eks.problems() == ["`role` is missing in `aws`"]


@pytest.mark.parametrize("beside", ["token-file", "client-certificate"])
def test_a_role_and_another_credential_exclude_each_other(eks: Written, beside: str) -> None:
    eks.prod["credential"][beside] = "token"
    assert any("is one of a client certificate, a token and a role" in problem for problem in eks.problems())


def test_a_role_is_for_a_cluster_of_eks(written: Written) -> None:
    written.prod["credential"] = {"aws": {"role": ROLE}}
    assert written.problems() == ["`aws` of `credential` makes tokens of EKS, and cluster prod has no `eks`"]


def test_the_region_of_another_partition_has_roles_of_its_own(eks: Written) -> None:
    eks.prod["eks"]["region"] = "cn-north-1"
    assert "another partition than cn-north-1, which is in aws-cn" in eks.problems()[0]
    eks.prod["credential"]["aws"]["role"] = "arn:aws-cn:iam::111122223333:role/l7gw"
    assert _role(eks).region == "cn-north-1"
