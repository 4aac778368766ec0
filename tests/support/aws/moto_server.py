"""moto as a process: an AWS that somebody else wrote, for what it knows (roles and policies of IAM, DescribeCluster, CloudWatch Logs). It
looks at no signature, knows no access entries, and keeps neither source identity nor tags: `stand_in.py` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

from l7gw.demo.pki import Authority

READY_WITHIN = 60.0  # seconds; an idle machine needs two
ROOT = Path(__file__).parent.parent.parent.parent


class Moto:
    """A running moto (`with`). `url` is where it listens, `certificate_authority` the file of its authority."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder / "authority", "moto CA")
        self.certificate_authority = authority.certificate
        self._clusters = folder / "clusters.json"
        self._clusters.write_text("{}")
        self._ready = folder / "port"
        self._log = folder / "moto.log"
        self._arguments = [self._clusters, *authority.server("moto", "localhost", "127.0.0.1"), self._ready]
        self.url = ""

    def __enter__(self) -> Moto:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.aws.moto_program", *self._arguments],
                cwd=ROOT,
                env={**kept, "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + READY_WITHIN
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise AssertionError(f"moto did not start:\n{self._log.read_text()}")
            threading.Event().wait(0.02)
        self.url = f"https://127.0.0.1:{self._ready.read_text()}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()  # it keeps nothing
        self._process.wait(10)

    def client(self, service: str, region: str = "eu-west-1") -> Any:
        """A client of boto3 that asks it."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            verify=str(self.certificate_authority),
            aws_access_key_id="AKIAMOTO",
            aws_secret_access_key="moto",
            config=Config(retries={"max_attempts": 0}),
        )

    def cluster(self, name: str, endpoint: str, certificate_authority: str, region: str = "eu-west-1") -> None:
        """Make a cluster, or move it. `certificate_authority` is PEM."""
        clusters = json.loads(self._clusters.read_text())
        if name not in clusters:
            vpc = {"subnetIds": ["subnet-1", "subnet-2"]}
            self.client("eks", region).create_cluster(
                name=name, roleArn="arn:aws:iam::123456789012:role/control-plane", resourcesVpcConfig=vpc
            )
        clusters[name] = {"endpoint": endpoint, "certificate_authority": certificate_authority}
        new = self._clusters.with_suffix(".new")
        new.write_text(json.dumps(clusters))
        new.rename(self._clusters)
