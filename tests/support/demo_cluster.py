"""A demo cluster, or a server for one handler, in the test's own event loop, and commands that run beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from l7gw.demo.calls import Handler
from l7gw.demo.cluster import DemoCluster
from l7gw.demo.pki import Authority, server_context
from l7gw.demo.server import Server
from tests.support.h2_client import H2Client, connected

WITHIN = 60.0  # seconds for the whole of a test


@dataclass
class Site:
    """A running demo cluster or server, and the client certificate that it accepts."""

    served: DemoCluster | Server
    authority: Authority
    client: tuple[Path, Path]
    folder: Path

    @property
    def cluster(self) -> DemoCluster:
        assert isinstance(self.served, DemoCluster)
        return self.served

    def connect(self, window: int | None = None) -> contextlib.AbstractAsyncContextManager[H2Client]:
        return connected(self.served.port, self.authority, self.client, window=window)

    async def connect_http1(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection without ALPN, as clients open it for an upgrade."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(*self.client)
        return await asyncio.open_connection("127.0.0.1", self.served.port, ssl=context)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a kubectl that talks to the cluster directly."""
        paths = dict(zip(("client-certificate", "client-key"), map(str, self.client)))
        server = {"server": f"https://127.0.0.1:{self.served.port}", "certificate-authority": str(self.authority.certificate)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [{"name": "it", "cluster": server}],
            "users": [{"name": "it", "user": paths}],
        }
        path = self.folder / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(document))
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(path), **more}


Body = Callable[[Site], Awaitable[None]]


def with_demo(folder: Path, body: Body) -> None:
    """Run `body` beside a demo cluster."""
    asyncio.run(_run(folder, DemoCluster(folder / "pods"), body))


def with_server(folder: Path, handler: Handler, body: Body) -> None:
    """Run `body` beside a server of this handler."""
    asyncio.run(_run(folder, Server(handler), body))


async def _run(folder: Path, served: DemoCluster | Server, body: Body) -> None:
    authority = Authority(folder / "pki")
    context = server_context(authority.server("server", "127.0.0.1"), clients=authority.certificate)
    await served.start(context)
    try:
        async with asyncio.timeout(WITHIN):
            await body(Site(served, authority, authority.client("client", "gateway"), folder))
    finally:
        served.stop()


async def output(environment: dict[str, str] | None, *command: str | Path) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command that ends by itself."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
