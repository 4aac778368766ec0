"""AWS's refusals in words: the step, what was denied, and what to type. The denials are those that AWS itself writes."""

from __future__ import annotations

import traceback
from typing import Any

import botocore.exceptions as of
import pytest
from botocore.parsers import ResponseParserError

from l7gw.aws.failures import Asked, AwsFailure, Nonsense, in_words, scrubbed

ROLE = "arn:aws:iam::111122223333:role/l7gw-prod"
CALLER = "arn:aws:sts::444455556666:assumed-role/gateway/i-0abcdef1234567890"
ASSUME = Asked(step="AssumeRole", cluster="prod", role=ROLE, region="eu-west-1", eks="prod-eks")
DESCRIBE = Asked(step="DescribeCluster", cluster="prod", role=ROLE, region="eu-west-1", eks="prod-eks")
OWN = Asked(step="credentials", cluster="prod", region="eu-west-1", profile="ops")
CANARY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY0"  # 40 characters, as a secret key has
TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ" + CANARY


def _error(code: str, message: str, status: int = 403, operation: str = "AssumeRole") -> of.ClientError:
    return of.ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


def _denied(action: str, resource: str, more: str = "") -> of.ClientError:
    return _error("AccessDenied", f"User: {CALLER} is not authorized to perform: {action} on resource: {resource}{more}")


@pytest.mark.parametrize("action", ["sts:SetSourceIdentity", "sts:TagSession", "sts:AssumeRole"])
@pytest.mark.parametrize("more", ["", " because no identity-based policy allows the action"])
def test_a_trust_policy_that_lacks_an_action_is_told_with_the_statement_to_add(action: str, more: str) -> None:
    failure = in_words(_denied(action, ROLE, more), ASSUME)
    assert failure.kind == "refused" and failure.code == "AccessDenied"
    assert failure.message.startswith(
        f"cluster prod: AssumeRole of {ROLE}: {CALLER} may not do {action}; add to the role's trust policy: "
    )
    statement = '{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/gateway"},"Action":["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"]}'
    assert statement in failure.message and "the gateway's own policy" in failure.message
    assert ("external-id" in failure.message) == (action == "sts:AssumeRole")
    assert len(failure.message) < 880  # a refused upgrade has room for 900 bytes


def test_an_explicit_deny_is_told_as_what_it_is() -> None:
    said = in_words(_denied("sts:AssumeRole", ROLE, " with an explicit deny in a service control policy"), ASSUME).message
    assert "by an explicit deny in a service control policy" in said and "trust policy" not in said


def test_a_role_that_may_not_describe_its_cluster_is_told_its_statement() -> None:
    arn = "arn:aws:eks:eu-west-1:111122223333:cluster/prod-eks"
    said = in_words(
        _error("AccessDeniedException", f"User: {CALLER} is not authorized to perform: eks:DescribeCluster on resource: {arn}"),
        DESCRIBE,
    )
    assert f'add to its policy: {{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"{arn}"}}' in said.message
    assert said.message.startswith("cluster prod: DescribeCluster of prod-eks in eu-west-1: ")


def _retrieval(provider: str, said: str) -> of.CredentialRetrievalError:
    return of.CredentialRetrievalError(provider=provider, error_msg=said)


@pytest.mark.parametrize(
    ("error", "asked", "kind", "words"),
    [
        (of.NoCredentialsError(), OWN, "refused", ["there are none", "aws sts get-caller-identity --profile ops"]),
        (of.ProfileNotFound(profile="ops"), OWN, "refused", ["profile ops", "aws configure list-profiles"]),
        (of.UnauthorizedSSOTokenError(), OWN, "refused", ["aws sso login --profile ops"]),
        (of.SSOTokenLoadError(error_msg="x"), OWN, "refused", ["aws sso login --profile ops"]),
        (
            of.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
            OWN,
            "refused",
            ["aws sso login --profile ops"],
        ),
        (of.LoginRefreshRequired(), OWN, "refused", ["aws login --profile ops"]),
        (_retrieval("custom-process", f"leaked {CANARY}"), OWN, "refused", ["custom-process gives none", "get-caller-identity"]),
        (of.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), OWN, "refused", ["get-caller-identity"]),
        (of.MetadataRetrievalError(error_msg="x"), OWN, "refused", ["cannot be read"]),
        (of.ConfigParseError(path="/root/.aws/config"), OWN, "refused", ["configuration cannot be used"]),
        (
            RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
            OWN,
            "refused",
            ["have expired", "clock"],
        ),
        (of.NoRegionError(), OWN, "refused", ["AWS_DEFAULT_REGION"]),
        (FileNotFoundError(2, "No such file or directory"), OWN, "refused", ["No such file"]),
        (_error("InvalidIdentityToken", "No OpenIDConnect provider found in your account", 400), OWN, "refused", ["OIDC provider"]),
        (_error("ExpiredToken", "The security token included in the request is expired"), ASSUME, "refused", ["have expired"]),
        (
            _error("InvalidClientTokenId", "The security token included in the request is invalid."),
            ASSUME,
            "refused",
            ["partition"],
        ),
        (
            _error("UnrecognizedClientException", "The security token included in the request is invalid."),
            DESCRIBE,
            "refused",
            ["partition"],
        ),
        (
            _error(
                "SignatureDoesNotMatch",
                "Signature expired: 20261128T040000Z is now earlier than 20261128T041500Z (20261128T043000Z - 15 min.)",
            ),
            ASSUME,
            "refused",
            ["clock", "timedatectl set-ntp true"],
        ),
        (
            _error("InvalidSignatureException", "Signature not yet current: 20261128T050000Z is still later than 20261128T043500Z"),
            DESCRIBE,
            "refused",
            ["clock"],
        ),
        (
            _error("SignatureDoesNotMatch", "Credential should be scoped to a valid region."),
            ASSUME,
            "refused",
            ["region eu-west-1"],
        ),
        (
            _error("RegionDisabledException", "STS is not activated in this region for account:111122223333."),
            ASSUME,
            "refused",
            ["activate it"],
        ),
        (
            _error("PackedPolicyTooLarge", "Packed size of session tags consumes 112% of allotted space.", 400),
            ASSUME,
            "refused",
            ["112 %", "--disable-session-tags"],
        ),
        (
            _error("ResourceNotFoundException", "No cluster found for name: prod-eks.", 404),
            DESCRIBE,
            "refused",
            ["aws eks list-clusters --region eu-west-1"],
        ),
        (_error("Throttling", "Rate exceeded", 400), ASSUME, "throttled", ["Throttling"]),
        (_error("ThrottlingException", "Rate exceeded", 400), DESCRIBE, "throttled", ["ThrottlingException"]),
        (_error("TooManyRequestsException", "x", 429), DESCRIBE, "throttled", ["throttles"]),
        (_error("ServiceUnavailable", "x", 503), ASSUME, "unreachable", ["STS in eu-west-1", "https://health.aws.amazon.com"]),
        (_error("502", "Bad Gateway", 502), DESCRIBE, "unreachable", ["EKS in eu-west-1"]),
        (_error("MalformedPolicyDocument", "something new", 400), ASSUME, "refused", ["MalformedPolicyDocument", "something new"]),
        (_error("AccessDenied", "Access denied", 403), ASSUME, "refused", ["access denied: Access denied"]),
        (
            of.EndpointConnectionError(endpoint_url="https://sts.eu-west-9.amazonaws.com/"),
            ASSUME,
            "unreachable",
            ["STS in eu-west-1 cannot be reached", "right region"],
        ),
        (of.ReadTimeoutError(endpoint_url="https://u:p@x/"), ASSUME, "unreachable", ["in time"]),
        (of.ConnectTimeoutError(endpoint_url="https://x/"), DESCRIBE, "unreachable", ["EKS in eu-west-1", "in time"]),
        (of.ConnectionClosedError(endpoint_url="https://x/"), ASSUME, "unreachable", ["broke"]),
        (of.ProxyConnectionError(proxy_url="http://user:hunter2@proxy"), ASSUME, "unreachable", ["HTTPS_PROXY"]),
        (of.SSLError(endpoint_url="https://x/", error="self-signed"), ASSUME, "unreachable", ["not trusted", "AWS_CA_BUNDLE"]),
        (of.InvalidRegionError(region_name="x y"), ASSUME, "refused", ["no such region"]),
        (
            of.ParamValidationError(report=f"Invalid length for parameter ExternalId, value: {CANARY}"),
            ASSUME,
            "refused",
            ["external-id"],
        ),
        (of.EndpointProviderError(msg="Invalid Configuration: Missing Region"), ASSUME, "refused", ["no such region"]),
        (
            ResponseParserError(f"Unable to parse response, invalid XML received:\n<SecretAccessKey>{CANARY}"),
            ASSUME,
            "unreachable",
            ["cannot be read"],
        ),
        (Nonsense("without credentials"), ASSUME, "unreachable", ["answers, but without credentials"]),
        (ValueError(CANARY), ASSUME, "unreachable", ["ValueError"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_failure_names_its_step_and_the_remedy_and_has_no_byte_of_a_credential(
    error: Exception, asked: Asked, kind: str, words: list[str]
) -> None:
    failure = in_words(error, asked)
    assert failure.kind == kind
    assert failure.message.startswith("cluster prod: ") and "\n" not in failure.message and len(failure.message) < 880
    for word in words:
        assert word in failure.message
    for secret in (CANARY, CANARY[:20], "hunter2", "u:p@"):
        assert secret not in failure.message


def test_a_private_endpoint_is_named_by_its_host() -> None:
    asked = Asked(step="AssumeRole", role=ROLE, region="eu-west-1", host="vpce-1.sts.eu-west-1.vpce.amazonaws.com")
    said = in_words(of.EndpointConnectionError(endpoint_url="https://x"), asked).message
    assert (
        said.startswith(f"AssumeRole of {ROLE}: STS at vpce-1.sts.eu-west-1.vpce.amazonaws.com cannot be reached")
        and "endpoint-url" in said
    )


SAID: list[tuple[str, Any]] = [
    (f"The Canonical String should have been 'POST\n/\n\nx-amz-security-token:{TOKEN}\n\n'", TOKEN),
    (f"key {CANARY} is wrong", CANARY),
    ("key AKIAIOSFODNN7EXAMPLE is wrong", "AKIAIOSFODNN7EXAMPLE"),
    ("token k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8 is wrong", "aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8"),
]


@pytest.mark.parametrize(("said", "secret"), SAID)
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "AccessDenied", "SomethingNew", CANARY])
def test_what_aws_says_is_told_without_what_could_be_a_credential(code: str, said: str, secret: str) -> None:
    assert secret not in in_words(_error(code, said), ASSUME).message
    assert CANARY not in in_words(_error(code, said), ASSUME).message


def test_a_sentence_of_aws_is_one_line_and_cut() -> None:
    assert scrubbed("a\nb\x1b[31m") == "a b\\x1b[31m"
    assert len(scrubbed("ab " * 10_000)) == 301
    assert scrubbed("") == "without a reason"


def test_a_traceback_of_a_failure_raised_from_none_has_nothing_of_the_answer() -> None:
    try:
        try:
            raise ResponseParserError(f"invalid XML received:\n{CANARY}")
        except ResponseParserError as error:
            raise in_words(error, ASSUME) from None
    except AwsFailure as failure:
        assert CANARY not in "".join(traceback.format_exception(failure)) + repr(failure)
        assert in_words(failure, DESCRIBE) is failure
