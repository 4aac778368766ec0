"""A gateway with calls that wait for a human, and what reviewers ask of its API: over the socket, over https and by the command."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from l7gw.cli.main import cli
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import ALWAYS_OK, Script

POLICY = """
rules:
  - name: reads of those who come back
    users: [back*]
    effects: [read]
    verdict: hold
    reviewers: {groups: [sre]}
    wait: come-back
  - name: two for those who wait
    users: [wait*]
    effects: [read]
    verdict: hold
    reviewers: {groups: [sre], minimum: 2, emergency: {groups: [night]}}
    wait: wait
  - {name: all, effects: ["*"], verdict: allow}
"""


class Done(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


class Held:
    """A running gateway, and tokens of people who ask and people who review."""

    def __init__(self, running: Scene) -> None:
        self.scene = running
        self.gateway = running.gateway
        self.lea = running.issuer.token("lea", ["sre"])
        self.rob = running.issuer.token("rob", ["sre"])

    @property
    def socket(self) -> Path:
        return self.gateway.state / "l7gw.sock"

    def token(self, user: str, *groups: str, **claims: object) -> str:
        return self.scene.issuer.token(user, list(groups), **claims)

    def ask(self, user: str, name: str = "web-0") -> str:
        """Make a call that is held and comes back; gives the id of its hold."""
        with RawClient(self.gateway) as client:
            client.send(self.scene.request(f"GET /api/v1/namespaces/dev/pods/{name}", token=self.token(user)))
            status, _, body = client.answer()
        assert status == 403, body
        causes = json.loads(body)["details"]["causes"]
        return str(next(cause["message"] for cause in causes if cause["reason"] == "L7GWHold"))

    def api(self, line: str, token: str | None = None, said: object = None, *headers: str) -> tuple[int, Any]:
        """One call of the API at the listener: status, and the JSON of the answer."""
        head, body = _request(line, token, said, headers)
        with RawClient(self.gateway) as client:
            client.send(head + body)
            status, _, answered = client.answer(line.partition(" ")[0])
        return status, json.loads(answered)

    def at_socket(self, line: str, token: str | None = None, said: object = None, *headers: str) -> tuple[int, Any]:
        """The same at the socket."""
        head, body = _request(line, token, said, ("Connection: close", *headers))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.socket))
            client.sendall(head + body)
            answered = b""
            while data := client.recv(65536):
                answered += data
        return int(answered[9:12]), json.loads(answered.partition(b"\r\n\r\n")[2])

    def l7gw(self, *arguments: str | Path, token: str | None = None, server: bool = False, of: str = "holds") -> Done:
        """`l7gw holds ...` (`of`) in this process, which saves the start of another; at the socket, or with --server."""
        how: tuple[str | Path, ...] = ("--config", self.gateway.config)
        if server:
            how = ("--server", f"https://{self.gateway.address}", "--certificate-authority", self.gateway.authority.certificate)
        words = [str(word) for word in (of, arguments[0], *how, *arguments[1:])]
        done = CliRunner().invoke(cli, words, env={"L7GW_TOKEN": token, "NO_COLOR": "1"})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout, done.stderr)


def _request(line: str, token: str | None, said: object, headers: tuple[str, ...]) -> tuple[bytes, bytes]:
    body = b"" if said is None else said if isinstance(said, bytes) else json.dumps(said).encode()
    lines = [f"{line} HTTP/1.1", "Host: localhost", *headers]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if said is not None:
        lines.append(f"Content-Length: {len(body)}")
        if not any(header.lower().startswith("content-type") for header in headers):
            lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body


@contextmanager
def held(folder: Path, policy: str = POLICY, *, script: Script = ALWAYS_OK, **config: Any) -> Iterator[Held]:
    with scene(folder, script, policy=policy, **config) as running:
        yield Held(running)
