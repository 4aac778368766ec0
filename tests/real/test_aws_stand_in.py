"""The stand-in for AWS, asked by AWS's own SDK: it takes what STS takes, and refuses in AWS's words."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.aws.bodies import GARBAGE, THROTTLED
from tests.support.aws.keys import Keys
from tests.support.aws.stand_in import Aws
from tests.support.aws.sts_hosts import sts_host
from tests.support.aws.tokens import presigned

CLUSTER = "prod"


def client(aws: Aws, service: str, keys: Keys, region: str = "eu-west-1") -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=aws.url,
        verify=str(aws.certificate_authority),
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        aws_session_token=keys.token or None,
        config=Config(retries={"max_attempts": 0}),
    )


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of what AWS refuses."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def get(aws: Aws, url: str, cluster: str = CLUSTER, **headers: str) -> tuple[int, dict[str, Any]]:
    """Ask with a presigned URL as aws-iam-authenticator does. Gives the status and the JSON."""
    host, _, target = url.removeprefix("https://").partition("/")
    connection = http.client.HTTPSConnection(
        "127.0.0.1", aws.port, context=ssl.create_default_context(cafile=str(aws.certificate_authority))
    )
    try:
        connection.request(
            "GET", "/" + target, headers={"Host": host, "x-k8s-aws-id": cluster, "Accept": "application/json", **headers}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_assume_role_records_what_was_asked_and_gives_credentials_of_that_session(aws: Aws) -> None:
    role = aws.sts.role("team/l7gw", external_id="shared")
    user = aws.ring.user()
    given = client(aws, "sts", user).assume_role(
        RoleArn=role.arn,
        RoleSessionName="ann@example.com",
        SourceIdentity="ann@example.com",
        Tags=[{"Key": "user", "Value": "Ann Ö"}, {"Key": "issuer", "Value": "https://idp.example.com"}],
        TransitiveTagKeys=["user"],
        ExternalId="shared",
        DurationSeconds=900,
    )
    [assumed] = aws.sts.assumed
    assert (assumed.role, assumed.session_name, assumed.source_identity) == (role.arn, "ann@example.com", "ann@example.com")
    assert assumed.tags == {"user": "Ann Ö", "issuer": "https://idp.example.com"}
    assert (assumed.transitive_tags, assumed.external_id, assumed.duration) == (("user",), "shared", 900)
    assert assumed.caller == user.arn
    assert given["Credentials"]["AccessKeyId"] == assumed.keys.access_key
    assert (
        client(aws, "sts", assumed.keys).get_caller_identity()["Arn"]
        == "arn:aws:sts::111122223333:assumed-role/l7gw/ann@example.com"
    )
    assert refusal(client(aws, "sts", user).assume_role, RoleArn=role.arn, RoleSessionName="ann")[0] == "AccessDenied"


@pytest.mark.parametrize("lacks", ["sts:SetSourceIdentity", "sts:TagSession"])
def test_a_trust_policy_that_lacks_an_action_is_told_in_awss_words(aws: Aws, lacks: str) -> None:
    role = aws.sts.role("l7gw")
    role.allows -= {lacks}
    call = client(aws, "sts", aws.ring.user()).assume_role
    code, message = refusal(
        call, RoleArn=role.arn, RoleSessionName="ann", SourceIdentity="ann", Tags=[{"Key": "user", "Value": "ann"}]
    )
    assert (code, message) == (
        "AccessDenied",
        f"User: arn:aws:iam::111122223333:user/gateway is not authorized to perform: {lacks} on resource: {role.arn}",
    )


def test_what_sts_does_not_take_is_a_validation_error(aws: Aws) -> None:
    role = aws.sts.role("l7gw")
    call = client(aws, "sts", aws.ring.user()).assume_role
    assert refusal(call, RoleArn=role.arn, RoleSessionName="ann b")[0] == "ValidationError"
    assert refusal(call, RoleArn=role.arn, RoleSessionName="ann", SourceIdentity="aws:ann")[0] == "ValidationError"
    assert refusal(call, RoleArn=role.arn, RoleSessionName="ann", Tags=[{"Key": "user", "Value": "a|b"}])[0] == "ValidationError"


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_a_presigned_request_proves_its_session_to_the_cluster_that_it_names_alone(aws: Aws, region: str) -> None:
    partition = {"u": "aws-us-gov", "c": "aws-cn", "e": "aws"}[region[0]]
    keys = aws.sts.session(aws.sts.role("l7gw", partition=partition), "ann")
    url = presigned(keys, CLUSTER, region)
    status, answer = get(aws, url)
    assert status == 200
    assert answer["GetCallerIdentityResponse"]["GetCallerIdentityResult"] == {
        "Arn": keys.arn,
        "UserId": keys.user_id,
        "Account": keys.account,
    }
    assert get(aws, url, cluster="other")[1]["Error"]["Code"] == "SignatureDoesNotMatch"
    assert get(aws, url, Host=f"other.{sts_host(region)}")[1]["Error"]["Code"] == "SignatureDoesNotMatch"
    assert get(aws, url.replace("Version=2011-06-15", "Version=2011-06-16"))[1]["Error"]["Code"] == "SignatureDoesNotMatch"


def test_old_tokens_and_ended_or_unknown_keys_are_refused_as_sts_does(aws: Aws) -> None:
    role, user = aws.sts.role("l7gw"), aws.ring.user()

    def says(url: str) -> tuple[str, str]:
        status, answer = get(aws, url)
        assert status == 403
        return answer["Error"]["Code"], answer["Error"]["Message"][:17]

    assert says(presigned(user, CLUSTER, at=time.time() - 16 * 60)) == ("SignatureDoesNotMatch", "Signature expired")
    assert says(presigned(user, CLUSTER, at=time.time() + 6 * 60)) == ("SignatureDoesNotMatch", "Signature not yet")
    assert says(presigned(aws.sts.session(role, "ann", lasting=-1), CLUSTER))[0] == "ExpiredToken"
    assert says(presigned(user, CLUSTER, "eu-west-2", host=sts_host("eu-west-1")))[0] == "SignatureDoesNotMatch"
    assert says(presigned(user, CLUSTER, "cn-north-1"))[0] == "InvalidClientTokenId"
    aws.ring.revoke(user)
    assert says(presigned(user, CLUSTER))[0] == "InvalidClientTokenId"
    assert get(aws, "https://sts.amazonaws.com/?Action=GetCallerIdentity")[1]["Error"]["Code"] == "MissingAuthenticationToken"


def test_the_stand_in_throttles_answers_garbage_waits_and_shifts_its_clock_when_told_to(aws: Aws) -> None:
    sts = client(aws, "sts", aws.ring.user())
    with aws.failing(THROTTLED, "GetCallerIdentity", times=1):
        assert refusal(sts.get_caller_identity)[0] == "Throttling"
        sts.get_caller_identity()
    with aws.failing(GARBAGE), pytest.raises(Exception, match="invalid XML"):
        sts.get_caller_identity()
    with aws.slow() as fault:
        waits = threading.Thread(target=sts.get_caller_identity)
        waits.start()
        assert fault.came.wait(10) and waits.is_alive()
    waits.join()
    aws.shift = 3600.0
    assert refusal(sts.get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert [visit.status for visit in aws.actions("GetCallerIdentity")] == [400, 200, 200, 200, 403]


def test_eks_describes_clusters_and_their_access_entries(aws: Aws) -> None:
    keys = aws.sts.session(aws.sts.role("l7gw"), "ann")
    cluster = aws.eks.cluster(CLUSTER, "https://127.0.0.1:1", "PEM", public=False)
    admin = "arn:aws:iam::111122223333:role/team/admin"
    cluster.entry(admin, ["ops"])
    cluster.associate(admin, "AmazonEKSViewPolicy", "shop")
    eks = client(aws, "eks", keys)
    described = eks.describe_cluster(name=CLUSTER)["cluster"]
    assert (described["endpoint"], described["certificateAuthority"]["data"]) == ("https://127.0.0.1:1", "UEVN")
    assert eks.list_access_entries(clusterName=CLUSTER)["accessEntries"] == [admin]
    assert eks.describe_access_entry(clusterName=CLUSTER, principalArn=admin)["accessEntry"]["kubernetesGroups"] == ["ops"]
    [policy] = eks.list_associated_access_policies(clusterName=CLUSTER, principalArn=admin)["associatedAccessPolicies"]
    assert policy["accessScope"] == {"type": "namespace", "namespaces": ["shop"]}
    assert refusal(client(aws, "eks", keys, "eu-west-2").describe_cluster, name=CLUSTER)[0] == "ResourceNotFoundException"
    aws.denied["eks:DescribeCluster"] = "no identity-based policy allows the eks:DescribeCluster action"
    code, message = refusal(eks.describe_cluster, name=CLUSTER)
    assert code == "AccessDeniedException"
    assert (
        message
        == f"User: {keys.arn} is not authorized to perform: eks:DescribeCluster on resource: {cluster.arn} because {aws.denied['eks:DescribeCluster']}"
    )
