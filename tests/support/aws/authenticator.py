"""The real aws-iam-authenticator: as the webhook of a cluster, and as the reference for what a token proves."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.aws.connect_proxy import ConnectProxy
from tests.support.aws.environment import hermetic
from tests.support.aws.stand_in import Aws
from tests.support.go_programs import built_once

READY_WITHIN = 30.0  # seconds; an idle machine needs a tenth of one
PATH = Path(__file__).parent / "authenticator"


def program() -> Path:
    """The path of the program. It is built, in 1 to 3 minutes, where the cache has none for its sources. Raises MissingGo,
    BuildFailed."""
    return built_once(PATH, "authenticator", "1 to 3 minutes")


def _environment(folder: Path, aws: Aws, proxy: ConnectProxy) -> dict[str, str]:
    return hermetic(folder, {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(aws.certificate_authority), "AWS_REGION": "eu-west-1"})


@dataclass(frozen=True)
class Verdict:
    """What aws-iam-authenticator says of a token: who it is, or an error, which STS gave or the token's form."""

    arn: str = ""
    canonical_arn: str = ""
    account: str = ""
    user_id: str = ""
    session_name: str = ""
    access_key: str = ""
    error: str = ""
    at_sts: bool = False


def verdicts(
    folder: Path,
    aws: Aws,
    proxy: ConnectProxy,
    tokens: Sequence[str],
    cluster: str,
    *,
    partition: str = "aws",
    region: str = "eu-west-1",
) -> list[Verdict]:
    """What it says of each token for the cluster with the id `cluster`. It asks STS through the proxy. `folder` is its home."""
    asked = "".join(
        json.dumps({"token": token, "cluster": cluster, "partition": partition, "region": region}) + "\n" for token in tokens
    )
    done = subprocess.run(
        [program(), "verify"], input=asked, env=_environment(folder, aws, proxy), capture_output=True, text=True, check=True
    )
    found = [_verdict(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(found) == len(tokens), done.stderr
    return found


def canonical(arns: Sequence[str]) -> list[dict[str, str]]:
    """Its canonical form of each ARN: {"kind", "arn"} or {"error"}."""
    done = subprocess.run(
        [program(), "canonical"], input="".join(f"{arn}\n" for arn in arns), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _verdict(said: Mapping[str, Any]) -> Verdict:
    who = said["identity"]
    if who is None:
        return Verdict(error=said["error"], at_sts=said["at_sts"])
    return Verdict(who["ARN"], who["CanonicalARN"], who["AccountID"], who["UserID"], who["SessionName"], who["AccessKeyID"])


class Authenticator:
    """Its server, which `with` starts. `webhook` is the kubeconfig that a kube-apiserver needs to ask it. `roles` are its mapRoles:
    {"rolearn", "username", "groups"}, where the username may have {{SessionNameRaw}} and {{AccountID}}."""

    def __init__(
        self, folder: Path, aws: Aws, proxy: ConnectProxy, cluster: str, roles: Sequence[Mapping[str, Any]], partition: str = "aws"
    ) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.webhook = folder / "webhook.kubeconfig"
        self._state = folder / "state"
        self._state.mkdir(mode=0o700)
        config = folder / "config.json"
        config.write_text(json.dumps({"cluster": cluster, "partition": partition, "state": str(self._state), "roles": list(roles)}))
        self._command = [program(), "serve", config]
        self._environment = _environment(folder, aws, proxy)
        self._log: list[str] = []
        self._ready = threading.Event()

    @property
    def log(self) -> str:
        return "".join(self._log)

    def __enter__(self) -> Authenticator:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        assert self._ready.wait(READY_WITHIN), f"aws-iam-authenticator did not start:\n{self.log}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # it ends with its input
        self._process.wait(10)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", line)
            if found:
                self._write_webhook(f"https://{found[1]}/authenticate")
                self._ready.set()

    def _write_webhook(self, url: str) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "webhook",
            "clusters": [
                {"name": "authenticator", "cluster": {"certificate-authority": str(self._state / "cert.pem"), "server": url}}
            ],
            "users": [{"name": "apiserver"}],
            "contexts": [{"name": "webhook", "context": {"cluster": "authenticator", "user": "apiserver"}}],
        }
        self.webhook.write_text(json.dumps(document))
