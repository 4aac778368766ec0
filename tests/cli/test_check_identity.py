"""`l7gw check` says who is let in by AWS. `test_check.py` has the other entries."""

from __future__ import annotations

from l7gw.cli import check_identity
from l7gw.config.aws_settings import ArnLine, AwsIdentity

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
