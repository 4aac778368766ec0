"""What AWS refused or could not do, in words: the step that failed, what AWS said, and what to do.

The words are ours. Of AWS's own words only ARNs, actions and numbers are taken, and for codes that are not known here the sentence
without anything that could be a credential: a message of STS about a wrong signature has the session token in it, and an answer
that cannot be read is shown whole by botocore.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from l7gw.aws import arns
from l7gw.name_rules import visible

Kind = Literal[
    "refused",  # somebody must change a policy, a configuration or a credential
    "throttled",
    "unreachable",  # down, slow, or answering what cannot be read
]

LONGEST_SAID = 300  # characters of a sentence of AWS's; the longest denials have 250

THROTTLED = frozenset(
    (  # as botocore's standard mode of retries knows them
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled"),
        *("TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown"),
        *("PriorRequestNotComplete", "TransactionInProgressException", "EC2ThrottledException"),
    )
)
DENIED = frozenset(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"))
EXPIRED = frozenset(("ExpiredToken", "ExpiredTokenException", "RequestExpired"))
UNKNOWN_KEYS = frozenset(("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "InvalidToken"))
WRONG_SIGNATURE = frozenset(("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "AuthFailure"))
TO_ASSUME = ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")  # what the gateway does with a role

_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]{1,32}:[A-Za-z0-9]{1,64})(?: on resource: (arn:[^\s,]{1,2000}))?")
_CALLER = re.compile(r"User: (arn:[^\s,]{1,2000}) is not authorized")
_DENY = re.compile(r"explicit deny in an? ([a-z -]{1,40}(?:policy|boundary))")
_PACKED = re.compile(r"consumes ([0-9]{1,5})% of")
_CLOCK = re.compile(r"Signature (expired|not yet current)")
# Ids of keys, tokens of EKS and of STS, and long runs of base64 such as secret keys, whose length is 40
_CREDENTIAL = re.compile(r"\b(?:A[A-Z]{3}[A-Z0-9]{12,}|k8s-aws-v1\.[\w-]+|(?:IQoJ|FwoG|FQoG|AQoD)[\w+/=-]+|[A-Za-z0-9+/=]{40,})")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What AWS was asked for, as far as it is known. `step` is the operation (`AssumeRole`), or `credentials` for finding those of
    the gateway itself. `cluster` is its name in the configuration, `eks` the one at AWS. `host` is the host of an endpoint-url."""

    step: str
    region: str = ""
    cluster: str = ""
    role: str = ""
    profile: str = ""
    eks: str = ""
    host: str = ""


class AwsFailure(Exception):
    """A step with AWS that failed. `message` is for people. `code` is AWS's own word for it, "" where AWS said none."""

    def __init__(self, kind: Kind, message: str, code: str = "") -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.code = code


class Nonsense(Exception):
    """AWS answered, and the answer lacks what it must have. The text says what is missing, and has nothing of the answer."""


def in_words(error: BaseException, asked: Asked) -> AwsFailure:
    """What an exception means that boto3 raised. The AwsFailure has none of its text but what is said above, and is to be raised
    `from None`, so that no traceback has it either."""
    from botocore.exceptions import ClientError

    if isinstance(error, AwsFailure):
        return error
    if isinstance(error, ClientError):
        kind, what, code = _answered(error.response, asked)
    else:
        kind, what = _unanswered(error, asked)
        code = ""
    return AwsFailure(kind, f"{_step(asked)}: {what}", code)


def unknown(error: BaseException, step: str) -> str:
    """Words for an exception of no known kind, which is a bug: its type and the line that raised it, and none of its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{step}: the gateway failed ({type(error).__name__}{where})"


def _step(asked: Asked) -> str:
    at = f"cluster {asked.cluster}: " if asked.cluster else ""
    if asked.step == "credentials":
        return f"{at}the gateway's own AWS credentials{_of_profile(asked)}"
    if asked.step == "AssumeRole":
        return f"{at}AssumeRole of {asked.role}"
    if asked.step == "DescribeCluster":
        return f"{at}DescribeCluster of {asked.eks} in {asked.region}"
    return f"{at}{asked.step}"


def _of_profile(asked: Asked) -> str:
    return f" (profile {asked.profile})" if asked.profile else ""


def _see(asked: Asked) -> str:
    profile = f" --profile {asked.profile}" if asked.profile else ""
    return f"see, as the gateway's user: aws sts get-caller-identity{profile}"


# ---------------------------------------------------------------------- AWS answered with an error


def _answered(response: dict[str, Any], asked: Asked) -> tuple[Kind, str, str]:
    error = response.get("Error") or {}
    code, said = str(error.get("Code", "")), str(error.get("Message", ""))
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode", 0)
    if code in THROTTLED or status == 429:
        return "throttled", f"AWS throttles us ({_word(code)}); it is tried again", code
    if status >= 500:
        return (
            "unreachable",
            f"{_where(asked)} fails at AWS ({_word(code)}); it is tried again, see https://health.aws.amazon.com",
            code,
        )
    return "refused", _refused(code, said, asked), code


def _refused(code: str, said: str, asked: Asked) -> str:
    if code in DENIED:
        return _denied(said, asked)
    if code in EXPIRED and not _CLOCK.search(said):
        return f"the credentials have expired; {_see(asked)}"
    if code in UNKNOWN_KEYS:
        return f"AWS does not know the access key (deleted, or of another partition); {_see(asked)}"
    if code in WRONG_SIGNATURE or code in EXPIRED:
        if _CLOCK.search(said):
            return "AWS refuses the time of the signature: this machine's clock is wrong; set it: timedatectl set-ntp true"
        return f"the signature is wrong: the secret key, or the region {asked.region}, is not the right one; {_see(asked)}"
    if code == "RegionDisabledException":
        return f"STS is not active in {asked.region}; activate it: IAM console, Account settings, Security Token Service"
    if code == "PackedPolicyTooLarge":
        found = _PACKED.search(said)
        share = f" ({found[1]} % of the space)" if found else ""
        hint = "EKS Pod Identity uses three quarters of it: aws eks update-pod-identity-association --disable-session-tags"
        return f"the session tags are too large{share}; shorten credential.aws.session-tags; {hint}"
    if code == "ResourceNotFoundException" and asked.step == "DescribeCluster":
        return f"there is no such cluster in {asked.region}; the names: aws eks list-clusters --region {asked.region}"
    if code == "InvalidIdentityToken":
        return "the web identity token is refused: the account has no IAM OIDC provider for its issuer, or another audience"
    return f"AWS refuses ({_word(code)}): {scrubbed(said)}"


def _denied(said: str, asked: Asked) -> str:
    """A denial, with the statement that is missing. The forms of AWS's sentences are those of its own answers."""
    action, caller, deny = _ACTION.search(said), _CALLER.search(said), _DENY.search(said)
    if action is None:
        return f"access denied: {scrubbed(said)}"
    whom = caller[1] if caller else "the gateway"
    denied = f"{whom} may not do {action[1]}"
    if deny is not None:
        return f"{denied}, by an explicit deny in a {deny[1]}; take that deny away, or except the gateway's role from it"
    if action[1] in TO_ASSUME and asked.step == "AssumeRole":
        statement = {"Effect": "Allow", "Principal": {"AWS": _principal(caller[1] if caller else "")}, "Action": list(TO_ASSUME)}
        hint = f"{denied}; add to the role's trust policy: {_json(statement)}"
        own = "and let the gateway's own policy allow the same actions on this role"
        exists = "; or the role does not exist, or wants another external-id" if action[1] == "sts:AssumeRole" else ""
        return f"{hint}, {own}{exists}"
    statement = {"Effect": "Allow", "Action": action[1], "Resource": action[2] or "*"}
    return f"{denied}; add to its policy: {_json(statement)}"


def _principal(caller: str) -> str:
    """The principal of a trust policy: of a session, its role."""
    try:
        return arns.canonical(caller)
    except ValueError:
        return "ARN of the gateway's own role"


def _json(statement: dict[str, Any]) -> str:
    return json.dumps(statement, separators=(",", ":"))


def _word(code: str) -> str:
    return code if re.fullmatch(r"[A-Za-z0-9._]{1,80}", code) else "an unknown code"


def scrubbed(said: str) -> str:
    """A sentence of AWS's in one line, cut, without anything that could be a credential."""
    line = visible(" ".join(said[: 4 * LONGEST_SAID].split()))
    line = _CREDENTIAL.sub("(left out)", line)
    return f"{line[:LONGEST_SAID]}…" if len(line) > LONGEST_SAID else line or "without a reason"


# ---------------------------------------------------------------------- no answer, or none that can be read


def _unanswered(error: BaseException, asked: Asked) -> tuple[Kind, str]:
    refused = _unusable(error, asked)
    if refused is not None:
        return "refused", refused
    where = _where(asked)
    unreachable = _unreachable(error, where, asked)
    if unreachable is None:
        unreachable = f"{where} answers what cannot be read ({type(error).__name__}); is something else at its address?"
    return "unreachable", unreachable


def _unusable(error: BaseException, asked: Asked) -> str | None:
    """Words for credentials, files and settings of this machine that cannot be used."""
    from botocore import exceptions as of

    if isinstance(error, of.NoCredentialsError):
        hint = "give its instance or pod a role, or name a profile (credential.aws.profile)"
        return f"there are none; {hint}; {_see(asked)}"
    if isinstance(error, of.ProfileNotFound):
        return "there is no such profile; those that there are: aws configure list-profiles"
    if isinstance(error, of.SSOError | of.TokenRetrievalError | of.NoAuthTokenError | of.UnknownTokenProviderError):
        hint = f"renew it, as the gateway's user: {_login(asked, 'sso login')}"
        return f"the login at IAM Identity Center has expired; {hint}"
    if isinstance(error, of.LoginError):
        return f"the login has expired; renew it, as the gateway's user: {_login(asked, 'login')}"
    if isinstance(error, of.CredentialRetrievalError):
        hint = "it failed, or printed no credentials; its own words are left out, as they may hold some"
        return f"{scrubbed(str(error.kwargs.get('provider', 'a provider')))} gives none: {hint}; {_see(asked)}"
    if isinstance(error, of.MetadataRetrievalError | of.RefreshWithMFAUnsupportedError | of.PartialCredentialsError):
        return f"they cannot be read ({type(error).__name__}); {_see(asked)}"
    if isinstance(error, RuntimeError) and asked.step == "credentials":  # as botocore says that renewed ones have expired
        return f"they have expired, and what gives them gives no others; is this machine's clock right? {_see(asked)}"
    if isinstance(error, of.NoRegionError):
        return "they need a region: set AWS_DEFAULT_REGION, or `region` in the profile"
    if isinstance(error, of.ConfigParseError | of.ConfigNotFound | of.InvalidConfigError):
        return f"the AWS configuration cannot be used ({type(error).__name__}); {_see(asked)}"
    if isinstance(error, of.BaseEndpointResolverError | of.EndpointProviderError | of.InvalidRegionError):
        return f"AWS has no such region as {asked.region}; see: aws ec2 describe-regions --all-regions"
    if isinstance(error, of.ParamValidationError):
        return "a value of the configuration is none that AWS takes: the role, the external-id or a session tag"
    if isinstance(error, OSError) and not isinstance(error, of.BotoCoreError):
        why = error.strerror or type(error).__name__
        return f"a file or a program that they need cannot be used: {why}; {_see(asked)}"
    return None


def _unreachable(error: BaseException, where: str, asked: Asked) -> str | None:
    """Words for a service that cannot be reached, or breaks off."""
    from botocore import exceptions as of

    if isinstance(error, of.ProxyConnectionError):
        return "the proxy (HTTPS_PROXY) cannot be reached"
    if isinstance(error, of.SSLError):
        hint = "where it is a private endpoint, name its authority (certificate-authority beside endpoint-url, or AWS_CA_BUNDLE)"
        return f"the certificate of {where} is not trusted; {hint}"
    if isinstance(error, of.ReadTimeoutError | of.ConnectTimeoutError):
        return f"{where} does not answer in time; {_way(asked)}"
    if isinstance(error, of.EndpointConnectionError):
        return f"{where} cannot be reached; {_way(asked)}"
    if isinstance(error, of.HTTPClientError):
        return f"the connection to {where} broke"
    if isinstance(error, Nonsense):
        return f"{where} answers, but {error}"
    return None


def _login(asked: Asked, command: str) -> str:
    return f"aws {command}" + (f" --profile {asked.profile}" if asked.profile else "")


def _where(asked: Asked) -> str:
    if asked.step == "credentials":
        return asked.host or "what gives them"
    service = "EKS" if asked.step == "DescribeCluster" else "STS" if asked.step == "AssumeRole" else "AWS"
    return f"{service} at {asked.host}" if asked.host else f"{service} in {asked.region}"


def _way(asked: Asked) -> str:
    if asked.host:
        return f"is there a way to {asked.host}, and is endpoint-url right?"
    return f"is {asked.region} the right region, and is there a way out: a proxy (HTTPS_PROXY), or a VPC endpoint?"
