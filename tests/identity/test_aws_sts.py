"""STS is asked by one request, and its refusal, its absence and nonsense in its place are three things."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.aws.hosts import sts_hosts
from l7gw.config.aws_settings import AwsIdentity
from l7gw.identity import aws_sts
from l7gw.identity.aws_sts import HttpsSts, SignedBy, StsRefused, StsUnavailable
from l7gw.identity.aws_tokens import read
from tests.support.aws import bodies
from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.https_server import Answer
from tests.support.aws.keys import Keys
from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import token

HOSTS = sts_hosts("eu-west-1")


@pytest.fixture
def person(aws: Aws) -> Iterator[Keys]:
    yield aws.sts.session("arn:aws:iam::111122223333:role/Admin", "ann@example.com")


def entry(aws: Aws, **changed: Any) -> AwsIdentity:
    given = {"endpoint_url": aws.url, "certificate_authority": aws.certificate_authority, **changed}
    return AwsIdentity(accounts=("111122223333",), regions=("eu-west-1",), **given)


def ask(aws: Aws, text: str, cluster: str = "prod", within: float = 30.0, **changed: Any) -> SignedBy | str:
    """What STS says: who, or `refused CODE`, or `unavailable WHY`."""
    presigned = read(text, HOSTS, time.time())

    async def one() -> SignedBy:
        return await HttpsSts(entry(aws, **changed), within)(presigned, cluster)

    try:
        return asyncio.run(one())
    except StsRefused as error:
        return f"refused {error.code}"
    except StsUnavailable as error:
        assert not any(part in str(error) for part in (text, presigned.target, "X-Amz"))
        return f"unavailable {error}"


def test_the_signer_is_told_and_the_request_is_his_own(aws: Aws, person: Keys) -> None:
    found = ask(aws, token(person, "prod"))
    assert isinstance(found, SignedBy)
    assert found.who.canonical == "arn:aws:iam::111122223333:role/Admin" and found.who.session == "ann@example.com"
    assert found.unique == person.user_id.partition(":")[0]
    (visit,) = aws.actions("GetCallerIdentity")
    headers = {name.lower(): value for name, value in visit.asked.headers}
    assert (headers["host"], headers["x-k8s-aws-id"], headers["accept"]) == (
        "sts.eu-west-1.amazonaws.com",
        "prod",
        "application/json",
    )
    assert "authorization" not in headers and "cookie" not in headers


def test_a_user_is_told_by_his_own_id(aws: Aws) -> None:
    keys = aws.ring.user("team/ann")
    found = ask(aws, token(keys, "prod"))
    assert isinstance(found, SignedBy) and (found.who.canonical, found.unique) == (
        "arn:aws:iam::111122223333:user/ann",
        keys.user_id,
    )


def test_a_token_of_another_cluster_an_ended_login_and_an_unknown_key_are_refused_by_sts(aws: Aws, person: Keys) -> None:
    assert ask(aws, token(person, "dev")) == "refused SignatureDoesNotMatch"
    ended = aws.sts.session("arn:aws:iam::111122223333:role/Admin", "ann", lasting=-1)
    assert ask(aws, token(ended, "prod")) == "refused ExpiredToken"
    aws.ring.revoke(person)
    assert ask(aws, token(person, "prod")) == "refused InvalidClientTokenId"


def test_a_clock_that_is_wrong_is_told_from_a_signature_that_does_not_fit(aws: Aws, person: Keys) -> None:
    for shift in (1800.0, -1800.0):
        aws.shift = shift
        assert ask(aws, token(person, "prod")) == "refused RequestExpired"


FAULTS: dict[str, tuple[object, str]] = {
    "throttled": (bodies.THROTTLED, "unavailable it answered 400, Throttling"),
    "unavailable": (bodies.UNAVAILABLE, "unavailable it answered 503, ServiceUnavailable"),
    "broken": (bodies.BROKEN, "unavailable it answered 500, InternalFailure"),
    "region off": (bodies.REGION_DISABLED, "unavailable it answered 403, RegionDisabledException"),
    "garbage": (bodies.GARBAGE, "unavailable what it answered is no answer"),
    "captive portal": (bodies.CAPTIVE_PORTAL, "unavailable what it answered is no answer"),
    "a proxy's 403": (Answer(403, b"<html>denied by policy</html>", {"Content-Type": "text/html"}), "unavailable it answered 403"),
    "a proxy's 407": (Answer(407, b"", {}), "unavailable it answered 407"),
    "a redirect": (
        Answer(302, b"", {"Location": "https://127.0.0.1:1/"}),
        "unavailable it answered 302, a redirect, which is not followed",
    ),
    "a huge answer": (Answer(200, b" " * (aws_sts.LARGEST_ANSWER + 1), {}), "unavailable it answered more than 65536 bytes"),
    "a code with text": (Answer(403, json.dumps({"Error": {"Code": "no\nway"}}).encode(), {}), "unavailable it answered 403"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_answer_of_sts_is_never_a_refusal(aws: Aws, person: Keys, fault: str) -> None:
    instead, words = FAULTS[fault]
    with aws.failing(instead, "GetCallerIdentity"):  # type: ignore[arg-type]
        found = ask(aws, token(person, "prod"))
    assert isinstance(found, str) and found.startswith(words)


def said(**changed: object) -> bytes:
    result = {
        "Account": "111122223333",
        "Arn": "arn:aws:sts::111122223333:assumed-role/Admin/ann",
        "UserId": "AROAEXAMPLE:ann",
        **changed,
    }
    return json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}}).encode()


@pytest.mark.parametrize(
    "body",
    [
        said(Arn="arn"),
        said(Arn="arn:aws:iam::111122223333:group/x"),
        said(Account="999999999999"),
        said(UserId="AROAEXAMPLE:bob"),
        said(UserId="AROAEXAMPLE"),
        said(UserId=7),
        said(Account=111122223333),
        said()[:-1] + b',"GetCallerIdentityResponse":{}}',
        b"[]",
        b'{"GetCallerIdentityResponse":[]}',
        b"",
    ],
)
def test_an_answer_that_contradicts_itself_proves_nobody(aws: Aws, person: Keys, body: bytes) -> None:
    with aws.failing(Answer(200, body, {"Content-Type": "application/json"}), "GetCallerIdentity"):
        found = ask(aws, token(person, "prod"))
    assert isinstance(found, str) and found.startswith("unavailable what it answered")


def test_an_error_in_xml_is_read_too(aws: Aws, person: Keys) -> None:
    body = b'<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>ExpiredToken</Code></Error></ErrorResponse>'
    with aws.failing(Answer(403, body, {"Content-Type": "text/xml"}), "GetCallerIdentity"):
        assert ask(aws, token(person, "prod")) == "refused ExpiredToken"


def test_a_stranger_in_place_of_sts_is_not_believed(aws: Aws, person: Keys, tmp_path: Path) -> None:
    """Its certificate is of no authority that the entry trusts."""
    found = ask(aws, token(person, "prod"), certificate_authority=None)
    assert isinstance(found, str) and found.startswith("unavailable ") and "certificate" in found.lower()


def test_nobody_at_all_is_unavailable(aws: Aws, person: Keys) -> None:
    assert str(ask(aws, token(person, "prod"), endpoint_url="https://127.0.0.1:1")).startswith("unavailable ")


def test_sts_that_says_nothing_is_given_up(aws: Aws, person: Keys) -> None:
    with aws.slow("GetCallerIdentity"):
        assert ask(aws, token(person, "prod"), within=0.2) == "unavailable no answer within 0.2 s"


def test_without_an_endpoint_of_ones_own_the_tokens_host_is_dialled_by_the_environments_proxy(
    aws: Aws, person: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(aws.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = ask(aws, token(person, "prod"), endpoint_url="")
        assert isinstance(found, SignedBy) and found.who.session == "ann@example.com"
        assert proxy.asked == ["sts.eu-west-1.amazonaws.com:443"] and proxy.refused == [], "the proxy is told the host alone"
