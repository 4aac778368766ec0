"""The steps at AWS by which the gateway comes to a cluster of EKS: its own credentials, the role, the description, the token.

They are the ones that the broker takes (`credentials/broker.py`), here one after the other and told each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from l7gw.aws.client import Keys, client
from l7gw.aws.client import session as boto_session
from l7gw.aws.cluster_tokens import LONGEST, cluster_token
from l7gw.aws.failures import Asked, AwsFailure, in_words
from l7gw.aws.roles import Aws, Found, RoleSession, place_of, role_of
from l7gw.cluster.trial import Failure, Trial, sure
from l7gw.cluster.trial import Found as Told
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import Cluster
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

NOTABLE = 5.0  # seconds of difference to the clock of STS; it refuses signatures that are 5 minutes off


@dataclass(frozen=True)
class AtAws:
    """What the gateway has at AWS: what EKS says of the cluster, and with which keys it asks (None: its own credentials)."""

    found: Found
    keys: Keys | None = field(repr=False)


def at_aws(trial: Trial, cluster: Cluster, eks: Eks, aws: Aws, timeouts: Timeouts = USUAL_TIMEOUTS) -> AtAws | None:
    """Come as far as AWS is asked. None where a step failed."""
    said, session = cluster.credential, None
    if isinstance(said, AwsRole):
        trial.step("AWS credentials", lambda: _own(said, timeouts))
        session = trial.step("AssumeRole", lambda: _assumed(said, aws))
    keys = session.keys if session is not None else None
    found = trial.step("DescribeCluster", lambda: _described(eks, keys, aws))
    return AtAws(found, keys) if found is not None else None


def token(trial: Trial, eks: Eks, at: AtAws | None) -> str | None:
    """The token by which EKS knows the role session."""
    return trial.step("token", lambda: _token(eks.region, sure(at)))


def failure_of(error: BaseException, asked: Asked, *, ends: bool = True) -> Failure:
    """What an exception of boto3's means, as the failure of a step: the words of `aws.failures`, what to do apart."""
    what, _, remedy = in_words(error, asked).message.partition("; ")
    return Failure(what, remedy, ends=ends)


def _own(said: AwsRole, timeouts: Timeouts) -> Told[str]:
    asked = Asked(step="credentials", region=said.region, profile=said.profile, host=_host(said.endpoint_url))
    try:
        at: Any = client(
            boto_session(said.profile),
            "sts",
            said.region,
            endpoint_url=said.endpoint_url,
            certificate_authority=said.certificate_authority,
            timeouts=timeouts,
        )
        arn = str(at.get_caller_identity().get("Arn", ""))
    except Exception as error:
        raise failure_of(error, asked) from None
    return Told(arn, f"the gateway itself is {arn}")


def _assumed(said: AwsRole, aws: Aws) -> Told[RoleSession]:
    role = role_of(said)
    try:
        session = aws.assume(role, "", "")
    except AwsFailure as error:
        raise failure_of(error, Asked(step="AssumeRole")) from None
    words = f"session l7gw of {said.role}"
    if session.ahead is not None and abs(session.ahead) > NOTABLE:
        way = "ahead of" if session.ahead > 0 else "behind"
        return Told(
            session, f"{words}; this machine's clock is {abs(session.ahead):.0f} s {way} that of STS", "timedatectl set-ntp true"
        )
    return Told(session, words)


def _described(eks: Eks, keys: Keys | None, aws: Aws) -> Told[Found]:
    try:
        found = aws.describe(place_of(eks), keys)
    except AwsFailure as error:
        raise failure_of(error, Asked(step="DescribeCluster")) from None
    return Told(found, f"{found.arn}, Kubernetes {found.version}, at {found.endpoint}")


def _token(region: str, at: AtAws) -> Told[str]:
    text = cluster_token(sure(at.keys), region, at.found.named)
    if len(text) > LONGEST:
        raise Failure(f"it has {len(text)} bytes, and EKS takes {LONGEST}", "shorten credential.aws.session-tags")
    return Told(text, f"{len(text)} bytes of {LONGEST}")


def _host(url: str) -> str:
    return urlsplit(url).netloc if url else ""
