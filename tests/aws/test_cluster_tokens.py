"""Tokens of EKS: byte for byte those of `aws eks get-token`, for the public host of STS whatever the environment says."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest

from l7gw.aws.client import Keys
from l7gw.aws.cluster_tokens import EXPIRES, PREFIX, cluster_token
from l7gw.aws.hosts import partitions
from tests.support.aws.environment import hermetic
from tests.support.aws.keys import KeyRing
from tests.support.aws.stand_in import Aws
from tests.support.aws.sts_hosts import sts_host
from tests.support.aws.tokens import token, url_of

THEIRS = KeyRing().session("arn:aws:iam::111122223333:role/l7gw", "ann@example.com", 2e9)
KEYS = Keys(THEIRS.access_key, THEIRS.secret, THEIRS.token)
BESIDE = {
    "AWS_ENDPOINT_URL": "https://127.0.0.1:1",
    "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
}


def test_a_token_is_byte_for_byte_the_one_of_the_aws_command(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("aws")), "--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod"]
    done = subprocess.run(command, env=hermetic(tmp_path, THEIRS.environment), capture_output=True, timeout=120, check=True)
    made = json.loads(done.stdout)["status"]["token"]
    date = dict(parse_qsl(urlsplit(url_of(made)).query))["X-Amz-Date"]
    moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    with mock.patch("botocore.auth.get_current_datetime", lambda: moment):
        assert cluster_token(KEYS, "eu-west-1", "prod") == made


def test_the_host_is_the_public_one_of_each_region_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in BESIDE.items():
        monkeypatch.setenv(name, value)
    for partition in partitions():
        for region in partition.regions:
            url = urlsplit(url_of(cluster_token(KEYS, region, "prod")))
            query = dict(parse_qsl(url.query))
            assert (url.scheme, url.netloc, url.path) == ("https", sts_host(region), "/")
            assert f"/{region}/sts/aws4_request" in query["X-Amz-Credential"]
            assert (query["X-Amz-SignedHeaders"], query["X-Amz-Expires"]) == ("host;x-k8s-aws-id", str(EXPIRES))


def test_another_implementation_makes_the_same_token_and_another_cluster_another_signature() -> None:
    moment = 1_800_000_000.0
    with mock.patch("botocore.auth.get_current_datetime", lambda: datetime.datetime.fromtimestamp(moment, datetime.UTC)):
        ours = cluster_token(KEYS, "cn-north-1", "prod")
        other = cluster_token(KEYS, "cn-north-1", "test")
    assert sorted(url_of(ours).split("&")) == sorted(url_of(token(THEIRS, "prod", "cn-north-1", at=moment)).split("&"))
    assert url_of(ours).rpartition("=")[2] != url_of(other).rpartition("=")[2]


def test_a_lasting_key_has_no_session_token_in_its_url() -> None:
    assert "Security-Token" not in url_of(cluster_token(Keys("AKIDEXAMPLE", "x" * 40, ""), "eu-west-1", "prod"))


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no region"):
        cluster_token(KEYS, "nowhere", "prod")


def test_sts_knows_the_token_as_the_role_session(aws: Aws) -> None:
    keys = aws.sts.session(aws.sts.role("l7gw").arn, "ann@example.com")
    made = cluster_token(Keys(keys.access_key, keys.secret, keys.token), "eu-west-1", "prod")
    assert made.startswith(PREFIX)
    asked = subprocess.run(
        [sys.executable, "-c", ASK, str(aws.port), str(aws.certificate_authority), url_of(made)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert keys.arn in asked.stdout.decode()


ASK = """
import http.client, ssl, sys, socket
from urllib.parse import urlsplit
port, authority, url = sys.argv[1:]
parts = urlsplit(url)
context = ssl.create_default_context(cafile=authority)
raw = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname=parts.hostname)
connection = http.client.HTTPSConnection(parts.hostname)
connection.sock = raw
connection.request("GET", "/?" + parts.query, headers={"x-k8s-aws-id": "prod"})
print(connection.getresponse().read().decode())
"""
