"""What an administrator is told to set up at AWS is taken by AWS's own tools, and allows what the gateway does and no more."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import yaml
from botocore.session import Session

from l7gw.aws import access
from l7gw.aws.access import Access
from tests.support.aws.aws_cli import AWS
from tests.support.aws.environment import hermetic

PROD = Access("prod", "eu-west-1", "arn:aws:iam::111122223333:role/gateways/l7gw-prod", "l7gw-gateways")
GATEWAY = "arn:aws:iam::111122223333:role/bastion"


def test_the_command_is_one_that_the_aws_cli_takes(tmp_path: Path) -> None:
    """With `--generate-cli-skeleton output` it checks every argument by EKS's own model, and calls nobody."""
    words = shlex.split(access.entry_command(PROD).replace("\\\n", " "))
    command = [AWS, *words[1:], "--generate-cli-skeleton", "output"]
    environment = hermetic(tmp_path, {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"})
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0 and "accessEntry" in json.loads(done.stdout), done.stderr
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given == {
        "--region": "eu-west-1",
        "--cluster-name": "prod",
        "--principal-arn": PROD.role,
        "--kubernetes-groups": "l7gw-gateways",
        "--type": "STANDARD",
    }


def test_the_template_and_the_resource_say_the_same() -> None:
    (resource,) = yaml.safe_load(access.entry_cloudformation(PROD))["Resources"].values()
    assert resource == {
        "Type": "AWS::EKS::AccessEntry",
        "Properties": {
            "ClusterName": "prod",
            "PrincipalArn": PROD.role,
            "KubernetesGroups": ["l7gw-gateways"],
            "Type": "STANDARD",
        },
    }
    text = access.entry_terraform(replace(PROD, group='a"${b}%{c}'))
    assert f'principal_arn     = "{PROD.role}"' in text
    assert 'kubernetes_groups = ["a\\"$${b}%%{c}"]' in text, "no template begins in a name"


def test_no_access_policy_stands_anywhere() -> None:
    for text in (access.entry_command(PROD), access.entry_cloudformation(PROD), access.entry_terraform(PROD)):
        assert "olicy" not in text and "olicies" not in text


def test_the_trust_policy_lets_the_gateway_assume_the_role_and_say_for_whom() -> None:
    (whole,) = json.loads(access.trust_policy(replace(PROD, own=GATEWAY)))["Statement"]
    assert whole["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert whole["Principal"] == {"AWS": GATEWAY} and "Condition" not in whole
    assume, naming = json.loads(access.trust_policy(replace(PROD, own=GATEWAY, external_id="tenant-7")))["Statement"]
    assert assume["Condition"] == {"StringEquals": {"sts:ExternalId": "tenant-7"}} and assume["Action"] == ["sts:AssumeRole"]
    assert "Condition" not in naming, "IAM has no external id in the context of the other two"
    assert assume["Principal"] == naming["Principal"] and [*assume["Action"], *naming["Action"]] == whole["Action"]


def test_who_the_gateway_is_at_aws_is_left_to_be_filled_in_where_nobody_said_it() -> None:
    (principal,) = {one["Principal"]["AWS"] for one in json.loads(access.trust_policy(PROD))["Statement"]}
    assert principal == "arn:aws:iam::111122223333:role/THE-GATEWAYS-OWN-ROLE"


def test_the_role_may_describe_the_cluster_and_the_gateway_may_assume_the_role() -> None:
    (role,) = json.loads(access.role_policy(PROD))["Statement"]
    assert (role["Action"], role["Resource"]) == (["eks:DescribeCluster"], "arn:aws:eks:eu-west-1:111122223333:cluster/prod")
    china = replace(PROD, region="cn-north-1", role="arn:aws-cn:iam::111122223333:role/l7gw")
    assert json.loads(access.role_policy(china))["Statement"][0]["Resource"].startswith("arn:aws-cn:eks:cn-north-1:")
    (own,) = json.loads(access.gateway_policy(PROD))["Statement"]
    assert (own["Action"], own["Resource"]) == (["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"], PROD.role)


def test_the_role_may_ask_who_else_comes_where_that_is_wanted() -> None:
    describe, cluster, account = json.loads(access.role_policy(replace(PROD, ways_round=True)))["Statement"]
    assert describe["Action"] == ["eks:DescribeCluster"] and account["Action"] == ["iam:GetAccountAuthorizationDetails"]
    for action in cluster["Action"]:
        service, _, name = action.partition(":")
        assert name in Session().get_service_model(service).operation_names
        assert name.startswith(("List", "Describe"))
    assert "arn:aws:eks:eu-west-1:111122223333:access-entry/prod/*" in cluster["Resource"]


def test_policies_are_in_the_form_that_iam_takes() -> None:
    from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator

    IAMTrustPolicyDocumentValidator(access.trust_policy(replace(PROD, own=GATEWAY, external_id="x"))).validate()
    for text in (access.role_policy(replace(PROD, ways_round=True)), access.gateway_policy(PROD)):
        IAMPolicyDocumentValidator(text).validate()
