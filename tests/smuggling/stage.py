"""Proxies in front of upstreams that record. Each proxy has several lanes with an upstream each. Several vectors run at once, one
in each lane, so that the bytes at an upstream belong to one vector."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from l7gw.demo.pki import Authority
from tests.smuggling.judge import Message, read_message
from tests.support.scene import scene
from tests.support.scripted_upstream import OK, ScriptedUpstream, Visit

HERE = Path(__file__).parent
LANES = 6
NGINX = "/usr/sbin/nginx"


@dataclass
class Lane:
    """A way through a proxy to an upstream of its own. `host` is the TLS server name, and replaces `{host}`."""

    host: str
    port: int
    upstream: ScriptedUpstream
    context: ssl.SSLContext
    answer: str = "200"  # the upstream's answer, as a key of `answers`

    def __post_init__(self) -> None:
        self.upstream.script = self._script

    def connect(self, protocol: str) -> ssl.SSLSocket:
        """A fresh connection that offers `protocol` by ALPN."""
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.context.set_alpn_protocols([protocol])
        return self.context.wrap_socket(plain, server_hostname=self.host)

    def _script(self, visit: Visit) -> None:
        at = 0
        while (read := read_message(bytes(visit.received[at:]))) is not None or visit.more():
            if read is None:
                continue
            at = len(visit.received) - len(read[1])
            visit.send(answer(self.answer, read[0]))
            if re.search(rb"(?im)^upgrade:", read[0].head):
                break
        visit.drain()


def answer(kind: str, request: Message) -> bytes:
    """The upstream's answer: `200`, another status, or for an upgrade `101` and what is wrong with it (threats A11)."""
    if kind == "200":
        return OK.removesuffix(b"{}") if request.method == b"HEAD" else OK
    if not kind.startswith("101"):
        more = b"Location: https://evil.example.com/\r\n" if kind.startswith("3") else b""
        return b"HTTP/1.1 %s Said\r\n%sContent-Length: 2\r\nConnection: close\r\n\r\n{}" % (kind.encode(), more)
    said = {name.lower(): value for name, value in re.findall(rb"(?m)^([\w-]+): ?([^\r\n]*)", request.head)}
    token = b"h2c" if kind == "101-h2c" else said.get(b"upgrade", b"")
    lines = [b"HTTP/1.1 101 Switching Protocols"]
    if kind != "101-bare":
        lines += [b"Connection: Upgrade", b"Upgrade: " + token]
    key = said.get(b"sec-websocket-key")
    if key is not None:
        key = b"another" if kind == "101-wrong-accept" else key
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        offered = said.get(b"sec-websocket-protocol", b"").partition(b",")[0]
        chosen = b"base64.channel.k8s.io" if kind == "101-other-protocol" else offered
        lines += [b"Sec-WebSocket-Accept: " + base64.b64encode(digest), b"Sec-WebSocket-Protocol: " + chosen]
    elif b"x-stream-protocol-version" in said:
        lines.append(b"X-Stream-Protocol-Version: " + said[b"x-stream-protocol-version"])
    return b"\r\n".join(lines) + b"\r\n\r\n"


@dataclass
class Target:
    """A proxy and its lanes. `token` is a bearer token that the gateway accepts; a plain proxy passes it on like any header."""

    name: str
    version: str
    lanes: list[Lane]
    token: str
    log: list[str] = field(default_factory=list)


@contextlib.contextmanager
def _upstreams(folder: Path) -> Iterator[list[ScriptedUpstream]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ScriptedUpstream(folder / f"upstream{n}", lambda visit: None)) for n in range(LANES)]


def hosts() -> list[str]:
    return [f"lane{number}.test" for number in range(LANES)]


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[Target]:
    """`l7gw serve` with one cluster for each lane. The TLS server name chooses the cluster."""
    with _upstreams(folder) as upstreams:
        clusters = {
            f"c{number}": upstream.cluster(impersonate="groups", groups=["*"], hosts=[host])
            for number, (host, upstream) in enumerate(zip(hosts(), upstreams, strict=True))
        }
        with scene(folder / "scene", clusters=clusters) as it:
            context = ssl.create_default_context(cafile=str(it.gateway.authority.certificate))
            lanes = [Lane(host, it.gateway.port, up, context) for host, up in zip(hosts(), upstreams, strict=True)]
            yield Target("l7gw", version("l7gw"), lanes, it.token, it.gateway._log)


def go_binary() -> Path:
    """The Go proxy, built once into the cache. Raises FileNotFoundError where there is no Go."""
    source = b"".join(path.read_bytes() for path in sorted((HERE / "peers").iterdir()))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l7gw" / "smuggling"
    binary = cache / hashlib.sha256(source).hexdigest()[:16] / "smuggling"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "build", "-o", str(binary), "."], cwd=HERE / "peers", check=True)
    return binary


@contextlib.contextmanager
def go(folder: Path) -> Iterator[Target]:
    """Go's httputil.ReverseProxy."""
    authority = Authority(folder / "pki")
    pair = [str(path) for path in authority.server("server", *hosts())]
    with _upstreams(folder) as upstreams:
        addresses = [f"https://127.0.0.1:{upstream.port}" for upstream in upstreams]
        process = subprocess.Popen(
            [go_binary(), *pair, *addresses], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            ports = [int(process.stdout.readline()) for _ in upstreams]
            said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
            yield Target("go", said.removeprefix("go"), _lanes(authority, ports, upstreams), "x" * 300)
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Target]:
    """nginx with a plain proxy_pass, and the documented lines for WebSocket. Raises FileNotFoundError where there is none."""
    program = shutil.which("nginx") or NGINX
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    authority = Authority(folder / "pki")
    certificate, key = authority.server("server", *hosts())
    with _upstreams(folder) as upstreams, contextlib.ExitStack() as held:
        ports = []
        for _ in upstreams:  # nginx cannot choose a free port itself: these were free a moment ago
            probe = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            ports.append(probe.getsockname()[1])
        held.close()
        servers = "".join(
            f"server {{ listen 127.0.0.1:{port} ssl http2; location / {{ proxy_pass https://127.0.0.1:{upstream.port}; }} }}\n"
            for port, upstream in zip(ports, upstreams, strict=True)
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; client_body_buffer_size 1m; map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
            + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"ssl_certificate {certificate}; ssl_certificate_key {key}; proxy_http_version 1.1;\n"
            f"proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;\n{servers}}}\n"
        )
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await(ports[-1])
            yield Target("nginx", said.strip().rpartition("/")[2], _lanes(authority, ports, upstreams), "x" * 300)
        finally:
            process.terminate()
            process.wait(10)


def _await(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.1).close()
            return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")


def _lanes(authority: Authority, ports: list[int], upstreams: list[ScriptedUpstream]) -> list[Lane]:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    return [Lane(host, port, up, context) for host, port, up in zip(hosts(), ports, upstreams, strict=True)]
