"""Tokens of EKS as a client makes them: presigned by boto3, without a line of the code under test."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from unittest import mock

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.aws.keys import Keys
from tests.support.aws.sts_hosts import sts_host

PREFIX = "k8s-aws-v1."


def token(
    keys: Keys,
    cluster: str,
    region: str = "eu-west-1",
    *,
    host: str = "",
    at: float | None = None,
    expires: int = 60,
    headers: Mapping[str, str] | None = None,
    action: str = "GetCallerIdentity",
) -> str:
    """A token for `cluster` (the id that x-k8s-aws-id says). `host` is "" for STS of the region. `at` is when it is signed, in wall
    seconds; None is now. `headers` are signed instead of x-k8s-aws-id."""
    return spelled(presigned(keys, cluster, region, host=host, at=at, expires=expires, headers=headers, action=action))


def presigned(
    keys: Keys,
    cluster: str,
    region: str = "eu-west-1",
    *,
    host: str = "",
    at: float | None = None,
    expires: int = 60,
    headers: Mapping[str, str] | None = None,
    action: str = "GetCallerIdentity",
) -> str:
    """The URL of such a token."""
    request = AWSRequest("GET", f"https://{host or sts_host(region)}/", params={"Action": action, "Version": "2011-06-15"})
    for name, value in ({"x-k8s-aws-id": cluster} if headers is None else headers).items():
        request.headers[name] = value
    signer = SigV4QueryAuth(Credentials(keys.access_key, keys.secret, keys.token or None), "sts", region, expires)
    moment = datetime.datetime.now(datetime.UTC) if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC)
    with mock.patch("botocore.auth.get_current_datetime", lambda: moment):
        signer.add_auth(request)
    return str(request.prepare().url)


def spelled(url: str) -> str:
    """The token of a URL."""
    return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def url_of(token: str) -> str:
    """The URL in a token."""
    part = token.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
