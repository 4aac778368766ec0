"""Where a machine's AWS credentials come from, as stand-ins on loopback: the instance's metadata service (IMDSv2), EKS Pod Identity, and a
`credential_process` (which is how Roles Anywhere comes, too). Each gives the variables by which AWS's SDKs find it."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.support.aws.https_server import Answer, Asked, Server
from tests.support.aws.keys import Keys

ROLE_PATH = "/latest/meta-data/iam/security-credentials/"


class Imds:
    """The metadata service of an instance (`with`), version 2 alone: without a session token it answers 401. `keys` are those that it
    gives from then on; a test may change them. None: the instance has no role."""

    def __init__(self, keys: Keys | None, region: str = "eu-west-1") -> None:
        self.keys = keys
        self.asked: list[str] = []  # paths, in order
        self._session = secrets.token_urlsafe(20)
        self._region = region
        self._server = Server(self._answer, time.time)

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._server.url}

    def __enter__(self) -> Imds:
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.__exit__(kind, error, trace)

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked.path)
        if asked.method == "PUT" and asked.path == "/latest/api/token":
            return Answer(200, self._session.encode(), {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "21600"})
        if asked.header("x-aws-ec2-metadata-token") != self._session:
            return Answer(401)
        if asked.path == "/latest/meta-data/placement/region":
            return Answer(200, self._region.encode())
        if self.keys is None:
            return Answer(404)
        name = self.keys.role.rsplit("/", 1)[-1]
        if asked.path == ROLE_PATH:
            return Answer(200, name.encode())
        if asked.path != ROLE_PATH + name:
            return Answer(404)
        told = {"Code": "Success", "LastUpdated": _stamp(time.time()), "Type": "AWS-HMAC", **_temporary(self.keys)}
        return Answer(200, json.dumps(told).encode(), {"Content-Type": "text/plain"})


class PodIdentity:
    """The agent of EKS Pod Identity (`with`). It gives `keys` to who brings the service account's token."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.keys = keys
        self.asked: list[str] = []
        self._token = secrets.token_urlsafe(20)
        self._file = folder / "eks-pod-identity-token"
        self._file.write_text(self._token)
        self._server = Server(self._answer, time.time)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self._server.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self._file),
        }

    def __enter__(self) -> PodIdentity:
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.__exit__(kind, error, trace)

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked.path)
        if asked.header("authorization") != self._token:
            return Answer(400, b"invalid token")
        told = {**_temporary(self.keys), "AccountId": self.keys.account, "RoleArn": self.keys.role}
        return Answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})


def credential_process(folder: Path, keys: Keys, profile: str = "default") -> dict[str, str]:
    """Write an AWS configuration whose profile runs a program that prints `keys`. Gives the variables that name it."""
    document = folder / "process.json"
    document.touch(mode=0o600)
    document.write_text(json.dumps({"Version": 1, **_temporary(keys, token="SessionToken")}))
    code = f"print(open({str(document)!r}).read())"
    return profiles(folder, {profile: {"credential_process": f"{shlex.quote(sys.executable)} -I -c {shlex.quote(code)}"}})


def profiles(folder: Path, sections: dict[str, dict[str, str]]) -> dict[str, str]:
    """Write an AWS configuration of these profiles. Gives the variable that names it."""
    path = folder / "aws-config"
    path.touch(mode=0o600)
    lines = []
    for name, section in sections.items():
        lines.append("[default]" if name == "default" else f"[profile {name}]")
        lines += [f"{key} = {value}" for key, value in section.items()]
    path.write_text("\n".join([*lines, ""]))
    return {"AWS_CONFIG_FILE": str(path)}


def expired_login(folder: Path, token: str, **others: dict[str, str]) -> dict[str, str]:
    """The variables of a user whose login at IAM Identity Center is over: the profile `expired`, and the cached token, a day old.
    `others` are more profiles."""
    start = "https://people.awsapps.com/start"
    cache = folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    document = {"startUrl": start, "region": "eu-west-1", "accessToken": token, "expiresAt": _stamp(time.time() - 86400)}
    (cache / f"{hashlib.sha1(start.encode()).hexdigest()}.json").write_text(json.dumps(document))
    of = {"sso_start_url": start, "sso_region": "eu-west-1", "sso_account_id": "111122223333", "sso_role_name": "engineers"}
    return {**profiles(folder, {"expired": of, **others}), "HOME": str(folder), "AWS_ENDPOINT_URL_SSO": "https://127.0.0.1:1"}


def web_identity(folder: Path, token: str, role: str, session: str = "l7gw") -> dict[str, str]:
    """The variables of IRSA: a service account's token (`Aws.sts.web_identities` knows it) and the role's ARN."""
    path = folder / "web-identity-token"
    path.write_text(token)
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": session}


def _temporary(keys: Keys, token: str = "Token") -> dict[str, str]:
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret,
        token: keys.token,
        "Expiration": _stamp(keys.expires),
    }


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
