"""The real `aws` command, with nothing of this machine's user in its environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.aws.environment import hermetic

AWS = Path(sys.executable).parent / "aws"
WITHIN = 60.0  # seconds that a command may take; an idle machine needs one


class AwsCli:
    """The command of one user with a home of his own. `environment` are his keys and what else he set; `endpoint` and `authority`
    say where AWS is (EKS for update-kubeconfig; a token is presigned without asking anybody)."""

    def __init__(
        self, home: Path, environment: Mapping[str, str], endpoint: str, authority: Path, region: str = "eu-west-1"
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        where = {
            "AWS_ENDPOINT_URL_EKS": endpoint,
            "AWS_CA_BUNDLE": str(authority),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        # kubectl finds `aws` on the PATH, as at a user's
        self.environment = hermetic(home, where, environment)
        self.environment["PATH"] = f"{AWS.parent}:{self.environment.get('PATH', '')}"

    def run(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [AWS, *arguments], env=self.environment, capture_output=True, text=True, timeout=WITHIN, stdin=subprocess.DEVNULL
        )
        assert not check or done.returncode == 0, f"aws {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def update_kubeconfig(self, cluster: str, *more: str) -> Path:
        """The file that `aws eks update-kubeconfig --name CLUSTER` writes."""
        path = self._home / f"{cluster}.kubeconfig"
        self.run("eks", "update-kubeconfig", "--name", cluster, "--kubeconfig", path, *more)
        path.chmod(0o600)
        return path

    def token(self, cluster: str, *more: str) -> dict[str, Any]:
        """The ExecCredential of `aws eks get-token`."""
        found: dict[str, Any] = yaml.safe_load(
            self.run("eks", "get-token", "--cluster-name", cluster, "--output", "json", *more).stdout
        )
        return found
