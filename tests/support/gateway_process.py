"""`l7gw serve` as a process of its own, in front of the cluster that a test names."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from l7gw.demo.pki import Authority
from l7gw.limits import USUAL_LIMITS, Limits
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts
from tests.support.gateway_with_limits import with_limits
from tests.support.schema_fit import assert_fits

L7GW = Path(sys.executable).parent / "l7gw"
READY_WITHIN = 60.0  # seconds until the gateway must say that it is ready; an idle machine needs one

EVERYTHING = """
rules:
  - {name: all, effects: ["*"], verdict: allow}
"""


class Gateway:
    """A gateway's process, which `with` starts. `config` holds the keys of l7gw.yaml beside listen, tls, state and policy. The
    process is `l7gw serve` itself, unless it is given other times or limits than the product's."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        policy: str,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.authority = Authority(folder / "pki", "gateway CA")
        certificate, key = self.authority.server("server", "localhost", "127.0.0.1", *_hosts(config))
        self.policy = folder / "policy.yaml"
        self.policy.write_text(policy)
        self.config = folder / "l7gw.yaml"
        self._settings = {
            "listen": "127.0.0.1:0",
            "tls": {"certificate": str(certificate), "key": str(key)},
            "state": str(self.state),
            "policy": str(self.policy),
            **config,
        }
        self.config.write_text(yaml.safe_dump(self._settings))
        self._timeouts = timeouts
        self._limits = limits
        self.address = ""
        self._log: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        command: list[str | Path] = [L7GW, "serve", "--config", self.config]
        if (self._timeouts, self._limits) != (USUAL_TIMEOUTS, USUAL_LIMITS):
            command = with_limits(self.config, self._timeouts, self._limits)
        self.process = process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        threading.Thread(target=self._read_log, args=(process,), daemon=True).start()
        timer = threading.Timer(READY_WITHIN, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        match = re.fullmatch(r"l7gw: ready on (\S+)\n", line)
        if match is None:
            process.wait()
            raise AssertionError(f"the gateway did not start: {line!r}\n{self.log}")
        self.address = match[1]
        assert_fits(self.config)
        assert_fits(self.policy, policy=True)

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)

    @property
    def log(self) -> str:
        return "".join(self._log)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)  # a second one ends at once
                self.process.wait(10)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def kubeconfig(self, cluster: str, token: str | None = None, *, name: str = "kubeconfig", **user: Any) -> Path:
        """Write a kubeconfig for this gateway. It differs from that of the cluster only in `server:` and the CA."""
        authority = base64.b64encode(self.authority.certificate.read_bytes()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [
                {
                    "name": "it",
                    "cluster": {"server": f"https://{self.address}/{cluster}", "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "it", "user": {"token": token, **user} if token else dict(user)}],
        }
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(json.dumps(document))
        return path

    def l7gw(self, *arguments: str | Path, check: bool = True, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run another command of l7gw on this gateway's configuration. It may take `within` seconds."""
        command = [L7GW, arguments[0], "--config", self.config, *arguments[1:]]
        if arguments[0] in ("sessions", "policy", "grants", "rbac"):
            command = [L7GW, arguments[0], arguments[1], "--config", self.config, *arguments[2:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, env={**os.environ, "NO_COLOR": "1"})
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sessions(self, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.l7gw("sessions", "list", "-o", "json", *options).stdout)
        return found

    def events(self, session: str) -> list[dict[str, Any]]:
        lines = self.l7gw("export", session, "--format", "jsonl").stdout.splitlines()
        return [json.loads(line) for line in lines]


def _hosts(config: dict[str, Any]) -> list[str]:
    return [host for cluster in config.get("clusters", {}).values() for host in cluster.get("hosts", [])]
