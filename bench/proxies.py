"""The proxies of the bench, each a process before one upstream: l7gw in several settings, and those that only pass bytes on.

`unmasked` is l7gw without its masks, `unlogged` without its access log, `undurable` writes to the disk without waiting, `forgetful`
remembers nothing of what was said before, `eks` is before a cluster of EKS, with a token and a pool of connections for each person.
More are made by `bench/run.py --python NAME=PATH`: l7gw as usual, by another interpreter, as it is installed there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l7gw.demo.issuer import AUDIENCE
from l7gw.demo.pki import Authority
from l7gw.limits import USUAL_LIMITS
from l7gw.timeouts import USUAL_TIMEOUTS
from tests.support.aws.environment import NOBODY
from tests.support.aws.stand_in import Aws
from tests.support.demo_issuer import issuing
from tests.support.eks_scene import entry
from tests.support.gateway_with_limits import with_limits
from tests.support.go_programs import built_once

HERE = Path(__file__).parent
MOST_PEOPLE = 16
OURS = {  # keys of l7gw.yaml in which it differs from the usual one
    "l7gw": {},
    "unlogged": {"log": {"access": "off"}},
    "unmasked": {},
    "undurable": {"recording": {"durable": "none"}},
    "forgetful": {},
    "eks": {},
}
PEERS = ("go", "relay", "nginx")
NO_OTHERS: Mapping[str, str] = {}
PROXY_CORE, LOAD_CORE = 0, 1  # the upstream is on the load's core
USUAL = ("l7gw", *PEERS)  # measured in each cell


@dataclass
class Proxy:
    name: str
    pid: int
    url: str
    tokens: tuple[str, ...] = ()


def peers() -> Path:
    """The path of the bench's Go program, built once into the cache. Raises MissingGo, BuildFailed."""
    return built_once(HERE / "peers", "l7gw-bench-peers")


def end_with_sigterm() -> None:
    """Let SIGTERM end this program as Ctrl-C does, so that it ends its processes too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def is_there(name: str) -> bool:
    return name != "nginx" or shutil.which("nginx") is not None


@contextlib.contextmanager
def started(
    command: Sequence[str | Path], core: int | None, stderr: int = subprocess.DEVNULL, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process on one core (None: on any), and the first line that it prints. `stderr` is a descriptor for its log. Raises
    RuntimeError where it prints none."""
    process = subprocess.Popen(
        [*_pinned(core), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
        env={**os.environ, "GOMAXPROCS": "1", **environment},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"it said nothing: {' '.join(map(str, command))}")
        yield process, line
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # it waits for streams to end
            process.kill()
            process.wait()


def _pinned(core: int | None) -> list[str]:
    return [] if core is None else ["taskset", "-c", str(core)]


class Scene:
    """What all proxies of one upstream share: certificates, the upstream itself, an issuer, the keys of l7gw.yaml. `http2` says
    whether each leg is to speak HTTP/2, as far as its proxy can. `before` are the words of a command in front of l7gw's and the
    relay's, such as valgrind's, and `python` is what runs them. `pythons` has the names of more proxies: l7gw by what is there.
    `stderr` is a descriptor for l7gw's log, which is lost otherwise."""

    def __init__(
        self,
        folder: Path,
        stack: contextlib.ExitStack,
        http2: bool,
        before: Sequence[str] = (),
        python: str = sys.executable,
        pythons: Mapping[str, str] = NO_OTHERS,
        stderr: int = subprocess.DEVNULL,
    ) -> None:
        self._folder, self._stack, self._before, self._python, self._pythons = folder, stack, before, python, pythons
        self._http2, self._stderr = "1" if http2 else "", stderr
        self._authority = authority = Authority(folder / "pki")
        self._pair = authority.server("server", "127.0.0.1")
        client = authority.client("client", "gateway")
        self._binary = peers()
        _, port = stack.enter_context(
            started([self._binary, "upstream", *self._pair], None if before else LOAD_CORE, H2=self._http2)
        )
        self._upstream = f"https://127.0.0.1:{port}"
        issuer = stack.enter_context(issuing(authority))
        (folder / "policy.yaml").write_text("rules:\n  - {name: all, groups: [engineers], effects: ['*'], verdict: allow}\n")
        oidc = {"issuer": issuer.url, "audience": AUDIENCE, "username": "name", "groups": "groups"}
        cluster = {
            "server": self._upstream,
            "certificate-authority": str(authority.certificate),
            "credential": {"client-certificate": str(client[0]), "client-key": str(client[1])},
        }
        self._settings: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "tls": {"certificate": str(self._pair[0]), "key": str(self._pair[1])},
            "identity": [{"oidc": {**oidc, "certificate-authority": str(authority.certificate)}}],
            "clusters": {"bench": cluster},
            "policy": "policy.yaml",
        }
        self.tokens = tuple(issuer.token(f"person-{number}@example.com", ["engineers"]) for number in range(MOST_PEOPLE))
        self._aws: Aws | None = None

    def start(self, name: str) -> Proxy:
        """Start the proxy of this name; it ends with the scene."""
        if name in OURS or name in self._pythons:
            return self._gateway(name)
        if name == "go":
            command: list[str | Path] = [self._binary, "proxy", *self._pair, self._upstream]
            go, port = self._stack.enter_context(started(command, PROXY_CORE, H2=self._http2))
            return Proxy(name, go.pid, f"https://127.0.0.1:{port}")
        if name == "relay":
            host_port = self._upstream.removeprefix("https://")
            command = [*self._before, self._python, HERE / "relay.py", *self._pair, host_port]
            relay, port = self._stack.enter_context(started(command, None if self._before else PROXY_CORE, H2=self._http2))
            return Proxy(name, relay.pid, f"https://127.0.0.1:{port}")
        return self._stack.enter_context(_nginx(self._folder, self._pair, self._upstream))

    def _gateway(self, name: str) -> Proxy:
        more, environment = dict(OURS.get(name, {})), {}
        if name == "eks":
            aws = self._aws = self._aws or self._stack.enter_context(Aws(self._folder))
            aws.eks.cluster("prod", self._upstream, self._authority.certificate.read_text())
            more = {"clusters": {"bench": entry(aws, aws.sts.role("l7gw"))}}
            environment = NOBODY | aws.ring.user("gateway").environment
        config = self._folder / f"{name}.yaml"
        (self._folder / name).mkdir(mode=0o700)
        config.write_text(json.dumps({**self._settings, **more, "state": name}))
        # -P: what is installed there is run, and not what lies in the folder that the bench is run in.
        command: list[str | Path] = [self._pythons.get(name, self._python), "-P", "-m", "l7gw", "serve", "--config", config]
        if name == "unmasked":
            command[1:4] = [HERE / "unmasked.py"]
        if name == "forgetful":
            command = with_limits(config, USUAL_TIMEOUTS, dataclasses.replace(USUAL_LIMITS, remembered=0))
            command[0] = self._python
        gateway, line = self._stack.enter_context(
            started([*self._before, *command], None if self._before else PROXY_CORE, self._stderr, **environment)
        )
        return Proxy(name, gateway.pid, f"https://{line.rpartition(' ')[2]}", self.tokens)


@contextlib.contextmanager
def _nginx(folder: Path, pair: tuple[Path, Path], upstream: str) -> Iterator[Proxy]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream it {{ server {upstream.removeprefix("https://")}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} ssl http2; keepalive_requests 1000000; ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]};
    location / {{
      proxy_pass https://it; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
    )
    process = subprocess.Popen(["taskset", "-c", str(PROXY_CORE), "nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield Proxy("nginx", process.pid, f"https://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)
