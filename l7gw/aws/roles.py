"""Roles assumed for one person at a time, and clusters described: the calls to STS and EKS. They block, and are for threads."""

from __future__ import annotations

import base64
import binascii
import datetime
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from l7gw.aws import names
from l7gw.aws.client import Keys, client, session
from l7gw.aws.failures import Asked, AwsFailure, Nonsense, in_words
from l7gw.clock import Clock
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

HOUR = 3600  # seconds that a role session lives: the most that a role assumed by a role may
SHORTEST = 900  # seconds: what every role allows (STS API, AssumeRole)
FAILED_FOR = 2.0  # seconds for which a failure to find own credentials stands: instance metadata that is away takes as long to fail
LONGEST_LIFE = 12 * 3600.0  # seconds; what AWS claims beyond its own maximum is not believed
LARGEST_AUTHORITY = 64 * 1024  # bytes of a cluster's CA; EKS has one certificate of 1.5 KiB


@dataclass(frozen=True)
class Role:
    """A role, and how STS is asked for it. All that a credential depends on but the user is here (threats F9)."""

    arn: str
    region: str
    external_id: str = field(default="", repr=False)
    session_tags: tuple[tuple[str, str], ...] = ()
    profile: str = ""
    endpoint_url: str = ""
    certificate_authority: Path | None = None


@dataclass(frozen=True)
class EksPlace:
    """A cluster at EKS, and where EKS is asked for it."""

    name: str
    region: str
    endpoint_url: str = ""
    certificate_authority: Path | None = None


def role_of(said: AwsRole) -> Role:
    """The role of a configuration."""
    tags = tuple(sorted(said.session_tags.items()))
    return Role(said.role, said.region, said.external_id, tags, said.profile, said.endpoint_url, said.certificate_authority)


def place_of(said: Eks) -> EksPlace:
    """The cluster of a configuration."""
    return EksPlace(said.name, said.region, said.endpoint_url, said.certificate_authority)


@dataclass(frozen=True)
class RoleSession:
    """Keys of a role session. They end at `ends`, in monotonic seconds. `ahead` is by how many seconds this machine's clock is
    ahead of the one of STS, None where STS told no time."""

    keys: Keys
    ends: float
    ahead: float | None


@dataclass(frozen=True)
class Found:
    """What EKS says of a cluster. `certificate_authority` is a PEM. `named` is what tokens name the cluster by: its name, or the
    id of a local cluster of an Outpost."""

    endpoint: str
    certificate_authority: str
    version: str
    arn: str
    named: str


class Aws:
    """AWS, as the threads that ask it share it. Every method blocks, and raises AwsFailure `from None`."""

    def __init__(self, clock: Clock, timeouts: Timeouts = USUAL_TIMEOUTS) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._lock = threading.Lock()
        # By profile: held while credentials are found, which may take long, and while clients are made, which is for one thread
        self._making: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._own: dict[str, Any] = {}  # boto3 sessions by profile
        self._clients: dict[tuple[object, ...], Any] = {}
        # By profile: why own credentials are missing, and until when that stands, in monotonic seconds
        self._failed: dict[str, tuple[float, AwsFailure]] = {}
        self._short: set[str] = set()  # ARNs of roles that an hour is too long for

    def assume(self, role: Role, issuer: str, user: str, cluster: str = "") -> RoleSession:
        """Assume a role for a user; for "" the gateway itself. `cluster` is for messages."""
        asked = Asked(
            step="AssumeRole",
            region=role.region,
            cluster=cluster,
            role=role.arn,
            profile=role.profile,
            host=_host(role.endpoint_url),
        )
        self._own_credentials(asked)
        try:
            return self._assumed(role, issuer, user)
        except Exception as error:
            raise in_words(error, asked) from None

    def describe(self, eks: EksPlace, keys: Keys | None, *, cluster: str = "", role: str = "", profile: str = "") -> Found:
        """Ask EKS for a cluster, with the keys of a role session, or with the gateway's own credentials."""
        asked = Asked(
            step="DescribeCluster",
            region=eks.region,
            cluster=cluster,
            role=role,
            profile=profile,
            eks=eks.name,
            host=_host(eks.endpoint_url),
        )
        if keys is None:
            self._own_credentials(asked)
        try:
            at = self._client("eks", eks.region, eks.endpoint_url, eks.certificate_authority, profile=profile, keys=keys, role=role)
            return _found(at.describe_cluster(name=eks.name), eks.name)
        except Exception as error:
            raise in_words(error, asked) from None

    def forget(self) -> None:
        """Read AWS's files anew, and make all clients anew."""
        with self._lock:
            self._own.clear()
            self._clients.clear()
            self._failed.clear()

    # ------------------------------------------------------------------ own credentials

    def _own_credentials(self, asked: Asked) -> None:
        """Find the gateway's own credentials, so that a failure to is told as such. A failure stands for FAILED_FOR seconds."""
        profile = asked.profile
        with self._lock:
            until, failure = self._failed.get(profile, (0.0, None))
        if failure is not None and self._clock.monotonic() < until:
            raise AwsFailure(failure.kind, failure.message, failure.code)
        try:
            self._find(profile, asked.region)
        except Exception as error:
            told = in_words(error, Asked(step="credentials", region=asked.region, cluster=asked.cluster, profile=profile))
            with self._lock:
                self._failed[profile] = (self._clock.monotonic() + FAILED_FOR, told)
                self._own.pop(profile, None)
                for key in list(self._clients):
                    if key[0] == profile:
                        self._clients.pop(key, None)
            raise told from None

    def _find(self, profile: str, region: str) -> None:
        from botocore.exceptions import NoCredentialsError

        with self._of(profile):
            found = self._session(profile, region).get_credentials()
        if found is None:
            raise NoCredentialsError()
        found.get_frozen_credentials()  # which renews them where it is time

    def _of(self, profile: str) -> threading.RLock:
        with self._lock:
            return self._making[profile]

    def _session(self, profile: str, region: str) -> Any:
        """The session of a profile, whose lock is held. `region` counts for the first that asks."""
        made = self._own.get(profile)
        if made is None:
            made = self._own[profile] = session(profile, region)
        return made

    def _client(
        self,
        service: str,
        region: str,
        endpoint_url: str,
        authority: Path | None,
        *,
        profile: str,
        keys: Keys | None = None,
        role: str = "",
    ) -> Any:
        """A client that is kept. One with keys of a session of `role` is replaced when the keys are others."""
        key = (profile, service, region, endpoint_url, authority, role if keys is not None else None)
        with self._of(profile):
            had = self._clients.get(key)
            if had is None or had[0] != keys:
                made = client(
                    self._session(profile, region),
                    service,
                    region,
                    keys=keys,
                    endpoint_url=endpoint_url,
                    certificate_authority=authority,
                    timeouts=self._timeouts,
                )
                had = self._clients[key] = (keys, made)
            return had[1]

    # ------------------------------------------------------------------ STS

    def _assumed(self, role: Role, issuer: str, user: str) -> RoleSession:
        sts = self._client("sts", role.region, role.endpoint_url, role.certificate_authority, profile=role.profile)
        life = SHORTEST if role.arn in self._short else HOUR
        try:
            return self._read(sts.assume_role(**_parameters(role, issuer, user, life)), life)
        except Exception as error:
            if life == SHORTEST or not _is_too_long(error):
                raise
        self._short.add(role.arn)
        return self._read(sts.assume_role(**_parameters(role, issuer, user, SHORTEST)), SHORTEST)

    def _read(self, answer: dict[str, Any], life: float) -> RoleSession:
        given = answer.get("Credentials")
        wanted = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        if not isinstance(given, dict) or not all(isinstance(given.get(name), str) and given[name] for name in wanted):
            raise Nonsense("without credentials")
        told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        now = _moment(told)
        ends = given.get("Expiration")
        if now is not None and isinstance(ends, datetime.datetime):
            life = min((ends - now).total_seconds(), LONGEST_LIFE)  # both by the clock of STS
        ahead = self._clock.wall() - now.timestamp() if now is not None else None
        return RoleSession(Keys(*(given[name] for name in wanted)), self._clock.monotonic() + life, ahead)


def _parameters(role: Role, issuer: str, user: str, life: float) -> dict[str, Any]:
    name = names.session_name(issuer, user)
    tags = {names.USER_TAG: names.user_tag(issuer, user) if user else names.GATEWAY, **dict(role.session_tags)}
    parameters: dict[str, Any] = {
        "RoleArn": role.arn,
        "RoleSessionName": name,
        "SourceIdentity": name,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "TransitiveTagKeys": list(tags),
        "DurationSeconds": int(life),
    }
    return {**parameters, "ExternalId": role.external_id} if role.external_id else parameters


def _is_too_long(error: Exception) -> bool:
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return False
    told = error.response.get("Error", {})
    return told.get("Code") == "ValidationError" and "DurationSeconds" in str(told.get("Message", ""))


def _moment(text: str) -> datetime.datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


def _found(answer: dict[str, Any], name: str) -> Found:
    told = answer.get("cluster")
    if not isinstance(told, dict):
        raise Nonsense("without a cluster")
    data = told.get("certificateAuthority")
    encoded = data.get("data") if isinstance(data, dict) else None
    texts = [told.get(name) for name in ("endpoint", "version", "arn")]
    if not texts[0] or not isinstance(encoded, str) or not encoded:
        raise Nonsense(f"the cluster has no endpoint or no CA yet: its status is {_status(told)}")
    if not all(isinstance(text, str) for text in texts) or len(encoded) > LARGEST_AUTHORITY:
        raise Nonsense("with something else than a cluster")
    try:
        authority = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise Nonsense("with a CA that is no base64 of a PEM") from None
    own_id = told.get("id") if told.get("outpostConfig") else None
    named = own_id if isinstance(own_id, str) and own_id else name
    return Found(str(texts[0]), authority, str(texts[1]), str(texts[2]), named)


def _status(told: dict[str, Any]) -> str:
    status = told.get("status")
    return status if isinstance(status, str) and status.isascii() and status.isalpha() and len(status) < 40 else "unknown"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] if url else ""
