"""What a demo runs on: cluster, issuer and gateway on loopback, and a kubeconfig. All files lie in one folder, which is removed at
the end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from l7gw.demo.cluster import DemoCluster
from l7gw.demo.issuer import AUDIENCE, DemoIssuer
from l7gw.demo.pki import Authority, server_context

GATEWAY_WITHIN = 15.0  # seconds until the gateway must be ready
GATEWAY_ENDS_WITHIN = 3.0  # seconds from SIGTERM to SIGKILL
CLUSTER = "demo"

POLICY = """\
# The demo's policy: what the tour shows. Unmatched is denied.
guardrails:
  - {name: prod is not deleted from, namespaces: [prod], effects: [delete], verdict: deny, reason: "ask whoever owns prod"}
rules:
  - {name: engineers look, groups: [engineers], effects: [read, secrets], verdict: allow}
  - name: sre looks at deletes
    groups: [engineers]
    effects: [delete]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: wait
    message: "somebody of sre will look"
  - {name: engineers change, groups: [engineers], effects: [write, workload, secrets], verdict: allow}
  - {name: engineers go inside, groups: [engineers], effects: [execute, tunnel], verdict: allow}
"""


LOG = "gateway.log"


@dataclass(frozen=True)
class Demo:
    """A running demo: what the tour and a user who stays need."""

    folder: Path
    config: Path
    kubeconfig: Path
    address: str
    reviewer: Path  # the token of Lea, who reviews

    @property
    def log(self) -> Path:
        """The gateway's log."""
        return self.folder / LOG


@contextlib.asynccontextmanager
async def running(console: Console, *, ends_within: float = GATEWAY_ENDS_WITHIN) -> AsyncIterator[Demo]:
    """Start everything. At the end, also after an exception, stop everything and remove the folder."""
    folder = Path(tempfile.mkdtemp(prefix="l7gw-demo-"))  # mkdtemp makes it 0700
    cluster, issuer = DemoCluster(folder / "pods"), DemoIssuer()
    gateway: asyncio.subprocess.Process | None = None
    try:
        with console.status("making keys for this run"):
            authority = Authority(folder / "pki")
            gateway_client = authority.client("gateway-client", "gateway")
        with console.status("starting the demo cluster and its identity provider"):
            await issuer.start(server_context(authority.server("issuer", "127.0.0.1")))
            await cluster.start(server_context(authority.server("cluster", "127.0.0.1"), clients=authority.certificate))
        with console.status("starting the gateway"):
            config = _configure(folder, authority, gateway_client, cluster.port, issuer.url)
            gateway = await _start_gateway(config, folder)
            address = await _address_of(gateway, folder)
        token = issuer.token("ann@example.com", ["engineers"])
        reviewer = folder / "lea.token"
        reviewer.touch(mode=0o600)
        reviewer.write_text(issuer.token("lea@example.com", ["sre"]))
        yield Demo(folder, config, _kubeconfig(folder, authority, address, token), address, reviewer)
    finally:
        if gateway is not None and gateway.returncode is None:
            gateway.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gateway.wait(), ends_within)
            if gateway.returncode is None:
                gateway.kill()
                await gateway.wait()
        cluster.stop()
        issuer.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, authority: Authority, client: tuple[Path, Path], port: int, issuer: str) -> Path:
    certificate, key = authority.server("server", "127.0.0.1", "localhost")
    (folder / "state").mkdir(mode=0o700)
    (folder / "policy.yaml").write_text(POLICY)
    config = folder / "l7gw.yaml"
    config.write_text(
        f"""\
listen: 127.0.0.1:0
tls: {{certificate: {certificate}, key: {key}}}
state: state
identity:
  - oidc:
      {{issuer: "{issuer}", audience: {AUDIENCE}, username: name, groups: groups,
      certificate-authority: {authority.certificate}}}
clusters:
  {CLUSTER}:
    server: https://127.0.0.1:{port}
    certificate-authority: {authority.certificate}
    credential: {{client-certificate: {client[0]}, client-key: {client[1]}}}
policy: policy.yaml
recording: {{reserve: 64MiB}}
"""
    )
    return config


async def _start_gateway(config: Path, folder: Path) -> asyncio.subprocess.Process:
    """Start the gateway's process. It is returned before it is ready, so that the caller can end it when stopped in between."""
    with (folder / LOG).open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "l7gw", "serve", "--config", str(config), stdout=asyncio.subprocess.PIPE, stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches the demo alone, which then stops the gateway
        )  # fmt: skip


async def _address_of(gateway: asyncio.subprocess.Process, folder: Path) -> str:
    """Wait until the gateway is ready. Returns the address that it listens on. Raises RuntimeError."""
    assert gateway.stdout is not None
    line = b""
    with contextlib.suppress(TimeoutError):
        line = await asyncio.wait_for(gateway.stdout.readline(), GATEWAY_WITHIN)
    if not line.startswith(b"l7gw: ready on "):
        raise RuntimeError("the gateway did not start:\n" + (folder / LOG).read_text())
    return line.decode().removeprefix("l7gw: ready on ").strip()


def _kubeconfig(folder: Path, authority: Authority, address: str, token: str) -> Path:
    """The path of a kubeconfig for the gateway. Only `server:` differs from that of any other cluster."""
    data = base64.b64encode(authority.certificate.read_bytes()).decode()
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {
                        "name": CLUSTER,
                        "cluster": {"server": f"https://{address}/{CLUSTER}", "certificate-authority-data": data},
                    }
                ],
                "users": [{"name": "ann", "user": {"token": token}}],
                "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": "ann"}}],
                "current-context": CLUSTER,
            },
            indent=2,
        )
    )
    return path
