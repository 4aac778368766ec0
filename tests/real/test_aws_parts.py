"""The real parts around the stand-in for AWS: botocore's chain of credentials, moto, the `aws` command, aws-iam-authenticator."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from tests.support.aws.authenticator import Authenticator, Verdict, canonical, verdicts
from tests.support.aws.aws_cli import AwsCli
from tests.support.aws.bodies import THROTTLED
from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.environment import inherit
from tests.support.aws.metadata import Imds, PodIdentity, credential_process, web_identity
from tests.support.aws.moto_server import Moto
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import token

CLUSTER = "prod"


def proven(aws: Aws) -> str:
    """The ARN that the credentials of this process's environment prove."""
    session = boto3.Session()
    found = session.client("sts", region_name="eu-west-1", endpoint_url=aws.url, verify=str(aws.certificate_authority))
    return str(found.get_caller_identity()["Arn"])


def test_botocores_chain_finds_an_instance_role_pod_identity_and_a_credential_process(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = aws.sts.session(aws.sts.role("node"), "i-0123456789abcdef0")
    with Imds(keys) as imds, PodIdentity(tmp_path, keys) as pod:
        for found in (imds.environment, pod.environment, credential_process(tmp_path, keys)):
            inherit(monkeypatch, found)
            assert proven(aws) == "arn:aws:sts::111122223333:assumed-role/node/i-0123456789abcdef0"
        assert "/latest/api/token" in imds.asked
        assert pod.asked == ["/v1/credentials"]


def test_botocores_chain_finds_a_web_identity(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role = aws.sts.role("irsa")
    aws.sts.web_identities["a.jwt"] = role.arn
    asked = {"AWS_ENDPOINT_URL_STS": aws.url, "AWS_CA_BUNDLE": str(aws.certificate_authority), "AWS_REGION": "eu-west-1"}
    inherit(monkeypatch, web_identity(tmp_path, "a.jwt", role.arn), asked)
    assert proven(aws) == "arn:aws:sts::111122223333:assumed-role/irsa/l7gw"
    inherit(monkeypatch, web_identity(tmp_path, "forged", role.arn), asked)
    with pytest.raises(ClientError, match="AccessDenied"):
        proven(aws)


@pytest.mark.long
def test_moto_describes_a_cluster_with_the_endpoint_and_ca_of_a_test(aws: Aws, tmp_path: Path) -> None:
    with Moto(tmp_path / "moto") as moto:
        for endpoint in ("https://127.0.0.1:1", "https://127.0.0.1:2"):
            moto.cluster(CLUSTER, endpoint, "PEM")
            found = moto.client("eks").describe_cluster(name=CLUSTER)["cluster"]
            assert (found["endpoint"], found["certificateAuthority"]["data"]) == (endpoint, "UEVN")


@pytest.mark.long
def test_the_aws_command_writes_a_kubeconfig_and_makes_a_token(aws: Aws, tmp_path: Path) -> None:
    aws.eks.cluster(CLUSTER, "https://127.0.0.1:1", "PEM")
    keys = aws.sts.session(aws.sts.role("dev"), "ann")
    cli = AwsCli(tmp_path / "ann", keys.environment, aws.url, aws.certificate_authority)
    written = yaml.safe_load(cli.update_kubeconfig(CLUSTER).read_text())
    assert written["clusters"][0]["cluster"] == {"certificate-authority-data": "UEVN", "server": "https://127.0.0.1:1"}
    assert written["users"][0]["user"]["exec"]["command"] == "aws"
    assert cli.token(CLUSTER)["status"]["token"].startswith("k8s-aws-v1.")
    assert [visit.action for visit in aws.visits] == ["DescribeCluster"]


def test_aws_iam_authenticator_verifies_tokens_by_the_stand_in_and_asks_nobody_else(
    aws: Aws, authenticator_program: Path, tmp_path: Path
) -> None:
    keys = aws.sts.session(aws.sts.role("team/dev"), "ann@example.com")
    user = aws.ring.user()
    cli = AwsCli(tmp_path / "ann", keys.environment, aws.url, aws.certificate_authority)
    tokens = [
        cli.token(CLUSTER)["status"]["token"],
        token(user, CLUSTER, "us-east-1", host="sts.amazonaws.com"),
        token(keys, "other"),
        token(keys, CLUSTER, at=time.time() - 3600),
        token(keys, CLUSTER, host="sts.eu-west-1.amazonaws.com.evil.example"),
        token(keys, CLUSTER, headers={}),
    ]
    with ConnectProxy(aws.port) as proxy:
        person, lasting, other, old, host, unsigned = verdicts(tmp_path, aws, proxy, tokens, CLUSTER)
        with aws.failing(THROTTLED):
            [throttled] = verdicts(tmp_path, aws, proxy, tokens[:1], CLUSTER)
        assert set(proxy.asked) == {"sts.eu-west-1.amazonaws.com:443", "sts.amazonaws.com:443"}
    session = keys.user_id.split(":")[0]
    assert person == Verdict(
        "arn:aws:sts::111122223333:assumed-role/dev/ann@example.com",
        "arn:aws:iam::111122223333:role/dev",
        "111122223333",
        session,
        "ann@example.com",
        keys.access_key,
    )
    assert (lasting.arn, lasting.session_name) == (user.arn, "")
    assert other.at_sts and "SignatureDoesNotMatch" in other.error
    assert throttled.at_sts and "Rate exceeded" in throttled.error
    assert "expired" in old.error and "unexpected hostname" in host.error and "did not sign" in unsigned.error


def test_aws_iam_authenticator_gives_the_canonical_form_of_an_arn(authenticator_program: Path) -> None:
    role, wrong = canonical(["arn:aws:sts::111122223333:assumed-role/dev/ann", "arn:aws:s3:::bucket"])
    assert role["arn"] == "arn:aws:iam::111122223333:role/dev"
    assert "error" in wrong


def test_the_webhook_server_of_aws_iam_authenticator_listens_on_loopback_and_ends_with_its_test(
    aws: Aws, authenticator_program: Path, tmp_path: Path
) -> None:
    with ConnectProxy(aws.port) as proxy, Authenticator(tmp_path / "authenticator", aws, proxy, CLUSTER, []) as running:
        server = yaml.safe_load(running.webhook.read_text())["clusters"][0]["cluster"]["server"]
        port = int(server.removeprefix("https://127.0.0.1:").removesuffix("/authenticate"))
        socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
    assert proxy.asked == []
