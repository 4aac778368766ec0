"""Whom the policies of an account allow an action. What is not certain counts as allowed, and no uncertain denial counts."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.aws.policies import Account, Allowed

ACTION = "eks:AccessKubernetesApi"
PROD = "arn:aws:eks:eu-west-1:111122223333:cluster/prod"


def of(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def verdict(*documents: Any) -> str:
    account = Account()
    policies = [{"PolicyName": f"p{number}", "PolicyDocument": document} for number, document in enumerate(documents)]
    account.add({"RoleDetailList": [{"Arn": "arn:aws:iam::111122223333:role/r", "RolePolicyList": policies}]})
    found = list(account.who_may(ACTION, PROD))
    return found[0].verdict if found else "no"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (allow("*"), "yes"),
        (allow("eks:*"), "yes"),
        (allow("EKS:accesskubernetesapi"), "yes"),
        (allow(["s3:*", "eks:Access*"]), "yes"),
        (allow("eks:AccessKubernetesAp?"), "yes"),
        (allow("*:*"), "yes"),
        (allow("eks:Describe*"), "no"),
        (allow("eks:AccessKubernetesApiX"), "no"),
        (allow("eks:*", PROD), "yes"),
        (allow("eks:*", "arn:aws:eks:*:111122223333:cluster/*"), "yes"),
        (allow("eks:*", "arn:aws:eks:*"), "yes"),
        (allow("eks:*", PROD + "2"), "no"),
        (allow("eks:*", "arn:aws:eks:eu-west-1:111122223333:cluster/${aws:PrincipalTag/cluster}"), "yes"),
        (allow("eks:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), "perhaps"),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "yes"),
        ({"Effect": "Allow", "NotAction": ["iam:*", "eks:*"], "Resource": "*"}, "no"),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::x"}, "yes"),
        ({"Effect": "Allow", "Action": "*", "NotResource": [PROD]}, "no"),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:*"}, "yes"),  # its star may not reach over the parts
        ({"Effect": "Allow", "Action": 1, "Resource": None}, "no"),
    ],
)
def test_one_statement_allows_as_iam_reads_it(statement: dict[str, Any], expected: str) -> None:
    assert verdict(of(statement)) == expected
    assert verdict({"Statement": statement}) == expected  # a single statement needs no list


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (deny("eks:*"), "no"),
        (deny(ACTION, PROD), "no"),
        (deny("*", "arn:aws:eks:*:*:cluster/*"), "no"),
        (deny("eks:*", Condition={"StringEquals": {"aws:ResourceTag/x": "y"}}), "yes"),
        (deny("eks:*", "arn:aws:eks:eu-west-1:111122223333:cluster/${aws:username}"), "yes"),
        (deny("eks:*", "arn:aws:eks:*"), "yes"),
        (deny("eks:*", PROD + "2"), "yes"),
        ({"Effect": "Deny", "NotAction": "eks:Describe*", "Resource": "*"}, "no"),
        ({"Effect": "Deny", "Action": "*", "NotResource": PROD + "2"}, "no"),
        ({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:eks:*"}, "yes"),
    ],
)
def test_a_denial_counts_where_it_is_certain(statement: dict[str, Any], expected: str) -> None:
    assert verdict(of(allow("*")), of(statement)) == expected


def test_what_iam_does_not_show_may_allow() -> None:
    assert verdict(None) == verdict("text") == "perhaps"
    assert verdict({"Statement": "text"}) == "no"


def test_policies_count_that_are_attached_or_come_by_a_group_over_several_pages() -> None:
    account = Account()
    account.add({
        "RoleDetailList": [
            {"Arn": "role/admin", "AttachedManagedPolicies": [{"PolicyName": "Admin", "PolicyArn": "arn:1"}], "PermissionsBoundary": {"x": "y"}},
            {"Arn": "role/reader", "AttachedManagedPolicies": [{"PolicyName": "Reader", "PolicyArn": "arn:2"}]},
            {"Arn": "role/gone", "AttachedManagedPolicies": [{"PolicyName": "Gone", "PolicyArn": "arn:3"}]},
        ],
        "UserDetailList": [{"Arn": "user/ann", "GroupList": ["ops", "gone"]}, {"Arn": "user/bob", "GroupList": None}],
    })  # fmt: skip
    account.add({
        "GroupDetailList": [{"GroupName": "ops", "GroupPolicyList": [{"PolicyName": "p", "PolicyDocument": of(allow("eks:*"))}]}],
        "Policies": [
            {"Arn": "arn:1", "PolicyVersionList": [{"IsDefaultVersion": False, "Document": of()}, {"IsDefaultVersion": True, "Document": of(allow("*"))}]},
            {"Arn": "arn:2", "PolicyVersionList": [{"IsDefaultVersion": True, "Document": of(allow("eks:List*"))}]},
        ],
    })  # fmt: skip
    assert list(account.who_may(ACTION, PROD)) == [
        Allowed("role/admin", "yes", ("Admin",), bounded=True),
        Allowed("role/gone", "perhaps", ("Gone",), bounded=False),
        Allowed("user/ann", "yes", ("ops/p",), bounded=False),
    ]
