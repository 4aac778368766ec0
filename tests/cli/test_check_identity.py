"""`l7gw check` says who is let in by AWS, and doubts what lets nobody in. `test_check.py` has the other entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cli import check_identity
from l7gw.config.aws_settings import ArnLine, AwsIdentity
from tests.support.written_configuration import Written

ENTRY = AwsIdentity(
    ("111122223333",),
    ("eu-west-1", "us-east-1"),
    (ArnLine("arn:aws:iam::111122223333:role/Ad*", "ann", ("sre",), "human"),),
    prefix="aws:",
)


def test_an_entry_of_aws_is_told_in_a_line() -> None:
    assert check_identity.lines(ENTRY) == [
        "tokens of EKS, verified by STS in eu-west-1, us-east-1, of the accounts 111122223333; 1 line of `map` says who some are; "
        "sessions of IAM Identity Center are people: user: session name, groups: permission set; "
        "others are agents: user: ARN of the role or user, no groups; 'aws:' before their names"
    ]


def test_an_entry_of_aws_is_told_as_json() -> None:
    assert check_identity.document(ENTRY) == {
        "type": "aws",
        "accounts": ["111122223333"],
        "regions": ["eu-west-1", "us-east-1"],
        "map": [{"arn": "arn:aws:iam::111122223333:role/Ad*", "user": "ann", "groups": ["sre"], "kind": "human"}],
        "endpoint-url": "",
        "prefix": "aws:",
    }


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.top["identity"] = [{"aws": {"accounts": ["111122223333"], "regions": ["eu-west-1"]}}]
    return it


def test_tokens_that_no_cluster_takes_are_doubted(written: Written) -> None:
    (doubt,) = check_identity.doubts(written.load())
    assert "no cluster does" in doubt
    written.prod["aws-cluster-id"] = "prod"
    assert list(check_identity.doubts(written.load())) == []


def test_a_line_that_makes_many_one_user_is_doubted(written: Written) -> None:
    written.prod["aws-cluster-id"] = "prod"
    written.top["identity"][0]["aws"]["map"] = [{"arn": "arn:aws:iam::111122223333:role/*", "user": "ann"}]
    (doubt,) = check_identity.doubts(written.load())
    assert "the one user ann" in doubt
